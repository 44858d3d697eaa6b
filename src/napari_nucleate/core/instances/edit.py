"""Correcting labels by hand: what an edit is, and the edits that take objects away.

Every edit is a pure function of one image's labels, 2D or 3D. It gives the change, not a new image:
it costs as much as the objects concerned, not as the layer, and it can be undone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_nucleate.core.errors import NucleateError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    Integers = NDArray[np.integer[Any]]
    Box = tuple[slice, ...]
    Parents = Mapping[int, Mapping[int, int]]


@dataclass(frozen=True)
class Edit:
    """A change of the labels of one image.

    Parameters
    ----------
    region : tuple of slice
        The part of the image that is concerned.
    labels : ndarray of int
        The region's new labels, in the dtype of the image.
    parents : mapping of int to mapping of int to int
        For each object that holds pixels of another object, how many it holds of which one: a
        split of 3 gives ``{3: {3: 40}, 9: {3: 38}}``, a merge ``{3: {3: 40, 5: 20}}``. Scores
        follow along it.
    reshaped : tuple of int
        Objects that only won pixels from the background, or lost some to it.
    gone : tuple of int
        Objects that this image has no longer.
    """

    region: Box
    labels: Integers = field(repr=False)
    parents: Parents
    reshaped: tuple[int, ...] = ()
    gone: tuple[int, ...] = ()

    def changes(self, image: Integers) -> tuple[tuple[NDArray[np.int64], ...], Integers]:
        """List the pixels that differ from the image: their indices in it, and the new labels.

        Examples
        --------
        >>> image = np.array([[0, 7, 0, 3]])
        >>> delete(image, [3]).changes(image)
        ((array([0]), array([3])), array([0]))
        """
        inside = np.nonzero(image[self.region] != self.labels)
        starts = (part.start for part in self.region)
        where = tuple(i + start for i, start in zip(inside, starts, strict=True))
        return where, self.labels[inside]

    def applied(self, image: Integers) -> Integers:
        """Make a copy of the image with the change in it."""
        changed = image.copy()
        changed[self.region] = self.labels
        return changed


def delete(image: Integers, ids: Iterable[int]) -> Edit:
    """Delete objects. Pure.

    Parameters
    ----------
    image : ndarray of int, shape (Y, X) or (Z, Y, X)
        Labels ≥ 0 of one image, 0 is background.
    ids : iterable of int
        Labels of the objects.

    Returns
    -------
    Edit

    Raises
    ------
    NucleateError
        If the array holds no labels, or an object is not there.

    Examples
    --------
    >>> delete(np.array([[1, 1, 0, 2]]), [2]).applied(np.array([[1, 1, 0, 2]]))
    array([[1, 1, 0, 0]])
    """
    check_labels(image)
    chosen = tuple(ids)
    box = box_of(image, chosen)
    old = image[box]
    return edit_of(box, old, np.where(is_one_of(old, chosen), 0, old))


def remove_touching(image: Integers, ends: bool = True) -> Edit:
    """Delete the objects that the border of the image may have cut. Pure.

    Parameters
    ----------
    image : ndarray of int, shape (Y, X) or (Z, Y, X)
        Labels ≥ 0 of one image.
    ends : bool
        Whether the first and the last plane of a volume count as border, too.

    Returns
    -------
    Edit

    Raises
    ------
    NucleateError
        If the array holds no labels, or none of them touches the border.

    Examples
    --------
    >>> image = np.array([[0, 0, 0, 0], [0, 5, 0, 6], [0, 0, 0, 0]])
    >>> remove_touching(image).gone
    (6,)
    """
    check_labels(image)
    axes = range(1 if image.ndim == 3 and not ends else 0, image.ndim)
    faces = [np.unique(image.take([0, -1], axis)) for axis in axes]
    found = np.unique(np.concatenate(faces))
    touching = found[found > 0].tolist()
    if not touching:
        raise NucleateError("No object touches the border of the image; there is none to remove.")
    return delete(image, touching)


def remove_smaller(image: Integers, size: int) -> Edit:
    """Delete the objects of fewer than `size` pixels. Pure.

    Parameters
    ----------
    image : ndarray of int, shape (Y, X) or (Z, Y, X)
        Labels ≥ 0 of one image.
    size : int
        Pixels, or voxels, of the smallest object that stays.

    Returns
    -------
    Edit

    Raises
    ------
    NucleateError
        If the array holds no labels, or all objects are large enough.

    Examples
    --------
    >>> remove_smaller(np.array([[1, 1, 0, 2]]), 2).gone
    (2,)
    """
    check_labels(image)
    ids, counts = np.unique(image, return_counts=True)
    small = ids[(ids > 0) & (counts < size)].tolist()
    if not small:
        raise NucleateError(f"No object has fewer than {size} pixels; there is none to remove.")
    return delete(image, small)


# -- what the edits share ---------------------------------------------------------------------


def check_labels(image: NDArray[Any]) -> None:
    """Make sure that an array holds labels of one image.

    Raises
    ------
    NucleateError
        If it is neither 2D nor 3D, is empty, isn't of integers, or has labels below 0.
    """
    if image.dtype.kind not in "iu":
        raise NucleateError(
            f"Only whole numbers are labels, these are {image.dtype}; convert the layer to int32."
        )
    if image.ndim not in (2, 3) or not image.size:
        raise NucleateError(f"Labels of one image are 2D or 3D; these have shape {image.shape}.")
    if image.dtype.kind == "i" and image.min() < 0:
        raise NucleateError(f"Labels go down to {image.min()}; 0 is background, objects are above.")


def label_at(image: Integers, point: Sequence[int]) -> int:
    """The object at a pixel.

    Raises
    ------
    NucleateError
        If the pixel lies outside the image or on the background.
    """
    at = tuple(int(p) for p in point)
    if len(at) != image.ndim or not all(0 <= p < n for p, n in zip(at, image.shape, strict=True)):
        raise NucleateError(f"Pixel {at} lies outside the image {image.shape}; click inside.")
    if not image[at]:
        raise NucleateError(f"There is no object at pixel {at}; click on one.")
    return int(image[at])


def is_one_of(image: Integers, ids: Sequence[int]) -> NDArray[np.bool_]:
    """Tell which pixels belong to some objects; exact for large labels of any dtype, too."""
    if len(ids) == 1:
        return np.asarray(image == ids[0])
    return np.isin(image, np.array(ids, image.dtype))


def box_of(image: Integers, ids: Sequence[int], margin: int = 0) -> Box:
    """The smallest box with all pixels of some objects, and a margin where the image has one.

    Raises
    ------
    NucleateError
        If there are no ids, or an object is not there.
    """
    if not ids or min(ids) <= 0:
        raise NucleateError("No object is chosen; click on one.")
    mask = is_one_of(image, ids)
    box = []
    for axis in range(image.ndim):
        others = tuple(a for a in range(image.ndim) if a != axis)
        found = np.flatnonzero(mask.any(axis=others))
        if not found.size:
            raise NucleateError(f"There is no object {ids[0]} in this image; click on one.")
        start, stop = int(found[0]) - margin, int(found[-1]) + 1 + margin
        box.append(slice(max(start, 0), min(stop, image.shape[axis])))
    return tuple(box)


def edit_of(box: Box, old: Integers, new: Integers) -> Edit:
    """Say what became of the objects of a region, all of which must lie in it wholly."""
    changed = old != new
    touched = np.union1d(old[changed], new[changed])
    left = np.unique(new)
    moved = changed & (old > 0) & (new > 0)
    kin = np.unique(np.concatenate((old[moved], new[moved]))) if moved.any() else old[:0].ravel()
    parents: dict[int, dict[int, int]] = {}
    if kin.size:
        of = np.isin(new, kin) & (old > 0)
        pairs, counts = np.unique(np.stack((new[of], old[of])), axis=1, return_counts=True)
        for child, parent, count in zip(*pairs.tolist(), counts.tolist(), strict=True):
            parents.setdefault(child, {})[parent] = count
    gone = np.setdiff1d(touched, left)
    alone = [label for label in np.setdiff1d(touched, gone).tolist() if label]
    reshaped = tuple(label for label in alone if label not in parents)
    return Edit(box, new, parents, reshaped, tuple(gone[gone > 0].tolist()))


def new_labels(image: Integers, count: int, largest: int | None = None) -> list[int]:
    """Numbers for new objects, above all that there are.

    Parameters
    ----------
    image : ndarray of int
        Labels.
    count : int
        How many are needed.
    largest : int, optional
        The largest label in use, where other images share the numbers; by default the image's.

    Raises
    ------
    NucleateError
        If the dtype can't hold them.
    """
    first = max(int(image.max()), largest or 0) + 1
    if first + count - 1 > np.iinfo(image.dtype).max:
        raise NucleateError(
            f"Labels of type {image.dtype} end at {np.iinfo(image.dtype).max}, and no number is "
            "left for a new object; convert the layer to uint32 (right-click it in the layer list)."
        )
    return list(range(first, first + count))


def sampling_of(ndim: int, spacing: ArrayLike | None) -> NDArray[np.float64]:
    """How far apart pixels lie along each axis, in pixels of the finest axis.

    Raises
    ------
    NucleateError
        If there isn't one spacing > 0 an axis.
    """
    if spacing is None:
        return np.ones(ndim)
    steps = np.asarray(spacing, float)
    if steps.shape != (ndim,) or not (np.isfinite(steps).all() and (steps > 0).all()):
        raise NucleateError(f"Pixel sizes must be {ndim} numbers above 0, not {spacing}.")
    sampling: NDArray[np.float64] = steps / steps.min()
    return sampling
