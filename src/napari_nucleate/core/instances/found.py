"""What a splitter finds: the objects, and what is known of each."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_nucleate.core.instances.maps import Maps


@dataclass(frozen=True)
class Instances:
    """Objects 1..n and what is known of each; row i of every table is object i + 1.

    Parameters
    ----------
    labels : ndarray of int32, shape (Y, X) or (Z, Y, X)
        Labels 1..n, 0 is background.
    probability : ndarray of float32, shape (n,)
        How sure the maps are of the object, in [0, 1].
    points : ndarray of float32, shape (n, 2) or (n, 3), optional
        Centres of the star-convex objects in pixels, Y and X or Z, Y and X.
    rays : ndarray of float32, shape (n, R), optional
        Distances in pixels from these centres to the outline, along R rays.
    classes : ndarray of int32, shape (n,), optional
        The class of each object, where the model has classes.
    """

    labels: NDArray[np.int32]
    probability: NDArray[np.float32]
    points: NDArray[np.float32] | None = field(default=None, repr=False)
    rays: NDArray[np.float32] | None = field(default=None, repr=False)
    classes: NDArray[np.int32] | None = None

    def __len__(self) -> int:
        return len(self.probability)


def measured(labels: NDArray[np.int32], maps: Maps) -> Instances:
    """Score objects by what the maps say inside them. Pure.

    Parameters
    ----------
    labels : ndarray of int32
        Labels 1..n of the maps' shape.
    maps : Maps
        Their mean foreground becomes an object's probability, the likeliest class its class.

    Returns
    -------
    Instances

    Examples
    --------
    >>> from napari_nucleate.core.instances.maps import Maps
    >>> maps = Maps(np.array([[0.5, 1.0, 0.0, 0.75]], np.float32))
    >>> measured(np.array([[1, 1, 0, 2]], np.int32), maps).probability
    array([0.75, 0.75], dtype=float32)
    """
    from napari_nucleate.core.instances import _label_kernels

    foreground = np.ascontiguousarray(maps.foreground, np.float32)
    probability = _label_kernels.means(
        labels.reshape(-1), foreground.reshape(-1), int(labels.max(initial=0))
    )
    return Instances(labels, probability.clip(0, 1), classes=likeliest(labels, maps))


def likeliest(labels: NDArray[np.int32], maps: Maps) -> NDArray[np.int32] | None:
    """The class of each object 1..n with the highest summed probability, None without classes."""
    if maps.classes is None:
        return None
    n, flat = int(labels.max(initial=0)), labels.reshape(-1)
    votes = [np.bincount(flat, np.nan_to_num(c).reshape(-1), n + 1)[1:] for c in maps.classes]
    winners: NDArray[np.int32] = np.argmax(votes, axis=0).astype(np.int32) + 1
    return winners
