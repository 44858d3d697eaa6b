"""What a splitter finds: the objects, and what is known of each."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from napari_nucleate.core.instances.maps import Maps

DIGITS = 4
"""Decimals of scores in tables."""


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

    def table(self, confidence: Mapping[int, float] | None = None) -> dict[str, NDArray[Any]]:
        """What is known of each object, a column each; what isn't known of any has none.

        Parameters
        ----------
        confidence : mapping of int to float, optional
            By label.

        Returns
        -------
        dict of str to ndarray
            "probability", "confidence" and "class", of length n. Centres and rays are in no
            table: they are the objects' shape, not a measure of them.

        Examples
        --------
        >>> found = Instances(np.array([[1, 2]], np.int32), np.array([0.5, 1], np.float32))
        >>> {name: column.tolist() for name, column in found.table({1: 0.25}).items()}
        {'probability': [0.5, 1.0], 'confidence': [0.25, nan]}
        """
        # Rounded as they are shown; single precision would print 0.9 as 0.8999999761581421.
        table: dict[str, NDArray[Any]] = {
            "probability": self.probability.astype(np.float64).round(DIGITS)
        }
        if confidence is not None:
            values = [confidence.get(i, np.nan) for i in range(1, len(self) + 1)]
            table["confidence"] = np.array(values, np.float64).round(DIGITS)
        if self.classes is not None:
            table["class"] = self.classes
        return table


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
