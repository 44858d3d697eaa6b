"""What a person painted: labels, and which pixels are known."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_nucleate.core.errors import NucleateError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

Known = Literal["dense", "boxes", "sparse"]
KNOWN_HELP: dict[Known, str] = {
    "dense": "Every pixel counts: what is not painted is background.",
    "boxes": "Only what lies inside the drawn rectangles counts, and painted objects that reach "
    "into one; unpainted pixels there are background.",
    "sparse": "Only painted pixels count: label 1 is background, 2 and above are objects.",
}


@dataclass(frozen=True)
class Annotation:
    """Labels of an image and the pixels that count in the loss.

    Parameters
    ----------
    labels : ndarray of int32, shape (Y, X) or (Z, Y, X)
        0 is background, every other value an object (or a class, for a semantic target).
    known : ndarray of bool, same shape
        Where the labels are to be believed. Elsewhere they are ignored.
    """

    labels: NDArray[np.int32]
    known: NDArray[np.bool_]

    def __post_init__(self) -> None:
        if self.labels.shape != self.known.shape:
            raise NucleateError(
                f"Labels have shape {self.labels.shape} but known pixels {self.known.shape}."
            )

    @cached_property
    def n_objects(self) -> int:
        """How many objects have at least one known pixel."""
        return int(np.count_nonzero(np.unique(self.labels[self.known])))


def annotate(
    painted: NDArray[Any], rule: Known = "dense", boxes: Sequence[Sequence[Sequence[float]]] = ()
) -> Annotation:
    """Read a painted label layer by one of the three rules. Pure: the layer is not changed.

    Parameters
    ----------
    painted : ndarray of integers, shape (Y, X) or (Z, Y, X)
        The layer as painted.
    rule : {"dense", "boxes", "sparse"}
        How unpainted pixels count, see `KNOWN_HELP`.
    boxes : sequence of ((start, ...), (stop, ...))
        For "boxes": corners in pixels, one pair a rectangle or cuboid, cut at the image's edge.

    Returns
    -------
    Annotation

    Raises
    ------
    NucleateError
        If the labels aren't integers, are negative, too large for int32, or boxes are missing or
        of other dimensions.

    Examples
    --------
    >>> annotate(np.array([[0, 1, 2, 2]]), "sparse").labels
    array([[0, 0, 1, 1]], dtype=int32)
    >>> annotate(np.array([[0, 1, 2, 2]]), "sparse").known
    array([[False,  True,  True,  True]])
    """
    labels = as_labels(painted)
    if rule == "dense":
        return Annotation(labels, np.ones(labels.shape, bool))
    if rule == "sparse":
        return Annotation(np.maximum(labels - 1, 0).astype(np.int32), labels > 0)
    if not boxes:
        raise NucleateError(
            "Boxes are chosen but none is drawn; draw a rectangle around what you painted fully."
        )
    known = np.zeros(labels.shape, bool)
    for start, stop in boxes:
        if not len(start) == len(stop) == labels.ndim:
            raise NucleateError(
                f"A box from {tuple(start)} to {tuple(stop)} doesn't fit labels of shape "
                f"{labels.shape}; draw it again on this image."
            )
        known[tuple(_span(a, b) for a, b in zip(start, stop, strict=True))] = True
    return Annotation(labels, known | _reaching(labels, known))


def _reaching(labels: NDArray[np.int32], known: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Painted pieces that reach into what is known: who paints an object paints all of it.

    Pieces, for one label may be a class, or many objects of somebody who doesn't tell them apart.
    """
    from skimage.measure import label

    if not (labels[~known] > 0).any():
        return known
    pieces = label(labels, background=0, connectivity=1)
    there = np.zeros(int(pieces.max(initial=0)) + 1, bool)
    there[pieces[known]] = True
    there[0] = False
    reaching: NDArray[np.bool_] = there[pieces]
    return reaching


def as_labels(painted: NDArray[Any]) -> NDArray[np.int32]:
    """Check that an array holds labels and return it as int32.

    Raises
    ------
    NucleateError
        If it has values that aren't whole, or outside 0…2³¹-1.
    """
    # Fiji saves labels as 32-bit floats: whole numbers are labels whatever their type.
    whole = painted.dtype.kind == "f" and bool(
        (np.isfinite(painted) & (painted == np.floor(painted))).all()
    )
    if painted.dtype.kind not in "iub" and not whole:
        raise NucleateError(
            f"Labels must be whole numbers, but the array is {painted.dtype}; "
            "convert it to labels first."
        )
    if painted.size:
        low, high = int(painted.min()), int(painted.max())
        if low < 0 or high > np.iinfo(np.int32).max:
            raise NucleateError(
                f"Labels run from {low} to {high}; they must lie between 0 and {2**31 - 1}."
            )
    return painted.astype(np.int32)


def _span(a: float, b: float) -> slice:
    low, high = sorted((round(a), round(b)))
    return slice(max(low, 0), max(high, 0))
