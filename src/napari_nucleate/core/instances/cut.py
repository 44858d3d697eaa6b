"""Correcting which pixels belong together: split an object, or merge several. 2D and 3D alike."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.instances.edit import (
    Edit,
    box_of,
    check_labels,
    edit_of,
    is_one_of,
    label_at,
    new_labels,
    sampling_of,
)
from napari_nucleate.core.instances.reshape import components

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from napari_nucleate.core.instances.edit import Integers

    Mask = NDArray[np.bool_]
    Points = NDArray[np.int64]

NECK = 0.1
"""How much narrower than its surroundings a neck must be for a cut to fall there."""
CRUMB = 0.01
"""A part of an object smaller than this share of it was not meant to be cut off."""


def split(
    image: Integers,
    points: ArrayLike,
    spacing: ArrayLike | None = None,
    largest: int | None = None,
) -> Edit:
    """Split an object into as many as there are points. Pure.

    Each point climbs to where its part of the object is widest, and the cut falls on the neck
    between these places. Points without a neck between them are told apart by nearness.

    Parameters
    ----------
    image : ndarray of int, shape (Y, X) or (Z, Y, X)
        Labels ≥ 0 of one image.
    points : array-like of int, shape (K, ndim)
        Two or more pixels of one object. The part with the first keeps its label.
    spacing : array-like of float, optional
        Pixel size along each axis.
    largest : int, optional
        The largest label in use, where other images share the numbers.

    Returns
    -------
    Edit

    Raises
    ------
    NucleateError
        If the array holds no labels; points are fewer than two, equal, on the background, or in
        different objects; or the dtype has no number left.

    Examples
    --------
    >>> image = np.array([[5, 5, 5, 5, 5, 5]])
    >>> split(image, [(0, 0), (0, 5)]).applied(image)
    array([[5, 5, 5, 6, 6, 6]])
    """
    check_labels(image)
    at = _checked(image, np.asarray(points))
    label = int(image[tuple(at[0])])
    names = [label, *new_labels(image, len(at) - 1, largest)]
    box = box_of(image, [label])
    old = image[box]
    mask = old == label
    inside = at - [part.start for part in box]
    pieces = _by_points(mask, inside, sampling_of(image.ndim, spacing))
    return edit_of(box, old, np.where(mask, np.array([0, *names], old.dtype)[pieces], old))


def cut(image: Integers, line: ArrayLike, along: int = 0, largest: int | None = None) -> Edit:
    """Cut objects along a drawn line; in 3D the knife goes through all their planes. Pure.

    Parameters
    ----------
    image : ndarray of int, shape (Y, X) or (Z, Y, X)
        Labels ≥ 0 of one image.
    line : array-like of float, shape (K, ndim)
        Corners of the line in pixels. Every object is cut that it crosses from side to side.
    along : int
        In 3D the axis along which the knife goes through, the one that is not shown; the line
        lies in one plane of it, and only objects seen in that plane are cut.
    largest : int, optional
        The largest label in use, where other images share the numbers.

    Returns
    -------
    Edit
        The largest piece keeps the label. No gap is left: pixels under the line go to the nearer
        piece.

    Raises
    ------
    NucleateError
        If the array holds no labels, the line crosses no object, or crosses none from side to
        side, or the dtype has no number left.

    Examples
    --------
    >>> image = np.array([[5, 5, 5, 5]])
    >>> cut(image, [(-1, 1), (1, 1)]).applied(image)
    array([[6, 6, 5, 5]])
    """
    check_labels(image)
    pixels = _inside(image, _drawn(image, line, along))
    touched = _labels_under(image, pixels)
    if not touched:
        raise NucleateError("The line crosses no object; draw it across the one to split.")
    box = box_of(image, touched)
    old, knife = image[box], _knife(image.shape, pixels, along)[box]
    pieces = {label: _along(old == label, knife) for label in touched}
    apart = {label: found for label, found in pieces.items() if found.max() > 1}
    if not apart:
        which = f"object {touched[0]}" if len(touched) == 1 else f"any of objects {_list(touched)}"
        raise NucleateError(
            f"The line doesn't cut {which} in two; draw it from one side across to the other."
        )
    names = iter(new_labels(image, sum(int(p.max()) - 1 for p in apart.values()), largest))
    new = old.copy()
    for found in apart.values():
        for number in range(2, int(found.max()) + 1):
            new[found == number] = next(names)
    return edit_of(box, old, new)


def merge(image: Integers, stroke: ArrayLike, along: int = 0, gap: int = 0) -> Edit:
    """Merge all objects under a stroke into the one it began with. Pure.

    Parameters
    ----------
    image : ndarray of int, shape (Y, X) or (Z, Y, X)
        Labels ≥ 0 of one image.
    stroke : array-like of float, shape (K, ndim)
        Corners of the stroke in pixels.
    along : int
        In 3D the axis that is not shown; the stroke lies in one plane of it.
    gap : int
        Background between the objects up to this many pixels wide is closed.

    Returns
    -------
    Edit

    Raises
    ------
    NucleateError
        If the array holds no labels, or the stroke touches fewer than two objects.

    Examples
    --------
    >>> image = np.array([[5, 5, 0, 3, 3]])
    >>> merge(image, [(0, 0), (0, 4)], gap=1).applied(image)
    array([[5, 5, 5, 5, 5]])
    """
    check_labels(image)
    touched = _labels_under(image, _inside(image, _drawn(image, stroke, along)))
    if len(touched) < 2:
        only = f"only object {touched[0]}" if touched else "no object"
        raise NucleateError(f"The stroke touches {only}; draw it over all objects to merge.")
    box = box_of(image, touched)
    old = image[box]
    joined = is_one_of(old, touched)
    if gap > 0:
        joined |= _between(old, touched, gap) & (old == 0)
    return edit_of(box, old, np.where(joined, touched[0], old))


# -- inside -----------------------------------------------------------------------------------


def _checked(image: Integers, points: NDArray[np.generic]) -> Points:
    """Points as whole pixels of one object."""
    if points.ndim != 2 or len(points) < 2:
        raise NucleateError(
            f"A split needs two or more points, not {len(points)}; click on each part."
        )
    labels = [label_at(image, point) for point in points.tolist()]
    if len(set(labels)) > 1:
        raise NucleateError(
            f"The points lie in objects {_list(list(dict.fromkeys(labels)))}; click within one."
        )
    whole = points.astype(np.int64)
    if len(np.unique(whole, axis=0)) < len(whole):
        raise NucleateError("Two points lie on the same pixel; click on different parts.")
    return whole


def _by_points(mask: Mask, points: Points, sampling: NDArray[np.float64]) -> NDArray[np.int32]:
    """Pieces 1..K of a mask, one a point."""
    from scipy import ndimage as ndi
    from skimage.segmentation import watershed

    inner = (slice(1, -1),) * mask.ndim
    width = ndi.distance_transform_edt(np.pad(mask, 1), sampling)[inner]
    # Pixels make ripples on a ridge, and a point would stay on the first one.
    smoothed = ndi.gaussian_filter(width, 1 / sampling)
    width = np.where(mask, np.round(smoothed, 3), 0)
    paths = [_climb(width, mask, tuple(point)) for point in points.tolist()]
    groups = _by_necks(width, [path[-1] for path in paths])
    markers = np.zeros(mask.shape, np.int32)
    for path, group in zip(paths, groups, strict=True):
        markers[tuple(np.transpose(path))] = group + 1
    basins = watershed(-width, markers, connectivity=np.ones((3,) * mask.ndim), mask=mask)
    pieces = np.zeros(mask.shape, np.int32)
    for group in set(groups):
        basin = basins == group + 1
        of = [k for k, other in enumerate(groups) if other == group]
        pieces[basin] = _by_nearness(basin, points, of, sampling)[basin]
    return _spread(pieces, mask)


def _by_necks(width: NDArray[np.float64], tops: list[tuple[int, ...]]) -> list[int]:
    """Number places alike that no neck lies between; a neck is narrower than both by `NECK`."""
    groups = list(range(len(tops)))
    for k, top in enumerate(tops):
        for other in range(k):
            wide, _ = components(width >= (1 - NECK) * min(width[top], width[tops[other]]))
            if wide[top] == wide[tops[other]]:
                groups = [groups[other] if g == groups[k] else g for g in groups]
    return groups


def _climb(width: NDArray[np.float64], mask: Mask, start: tuple[int, ...]) -> list[tuple[int, ...]]:
    """The steepest way from a pixel of a mask up to a local maximum of its width."""
    path = [start]
    while True:
        at = path[-1]
        around = tuple(slice(max(p - 1, 0), p + 2) for p in at)
        near = np.where(mask[around], width[around], -1)
        best = np.unravel_index(int(np.argmax(near)), near.shape)
        step = tuple(int(b) + part.start for b, part in zip(best, around, strict=True))
        if width[step] <= width[at]:
            return path
        path.append(step)


def _by_nearness(
    mask: Mask, points: Points, of: list[int], sampling: NDArray[np.float64]
) -> NDArray[np.int32]:
    """Give each pixel of a mask to the nearest of some points, within the mask."""
    from scipy import ndimage as ndi
    from skimage.segmentation import watershed

    markers = np.zeros(mask.shape, np.int32)
    for k in of:
        markers[tuple(points[k])] = k + 1
    if len(of) == 1:
        return np.where(mask, np.int32(of[0] + 1), np.int32(0))
    away = ndi.distance_transform_edt(markers == 0, sampling)
    full = np.ones((3,) * mask.ndim, bool)
    pieces: NDArray[np.int32] = watershed(away, markers, connectivity=full, mask=mask)
    return pieces


def _spread(pieces: NDArray[np.int32], mask: Mask) -> NDArray[np.int32]:
    """Give the pixels of a mask that are in no piece to the nearest one, connected if it can be."""
    from scipy import ndimage as ndi
    from skimage.segmentation import watershed

    away, nearest = ndi.distance_transform_edt(pieces == 0, return_indices=True)
    full = np.ones((3,) * mask.ndim, bool)
    grown = watershed(away, pieces, connectivity=full, mask=mask)
    spread: NDArray[np.int32] = np.where(mask & (grown == 0), pieces[tuple(nearest)], grown)
    return spread


def _along(mask: Mask, knife: Mask) -> NDArray[np.int32]:
    """Pieces of an object on the sides of a knife, 1 the largest; one piece if it isn't cut."""
    parts, count = components(mask)
    pieces = np.zeros(mask.shape, np.int32)
    whole = mask.copy()
    n = 1
    for number in range(1, count + 1):
        part = parts == number
        sides, _ = components(part & ~knife)
        sizes = np.bincount(sides.reshape(-1))
        sizes[0] = 0
        large = np.flatnonzero(sizes >= max(1, CRUMB * part.sum()))
        if len(large) < 2:
            continue
        table = np.zeros(len(sizes), np.int32)
        order = large[np.argsort(-sizes[large], kind="stable")]
        table[order] = [1, *range(n + 1, n + len(order))]
        n += len(order) - 1
        pieces[part] = _spread(table[sides], part)[part]
        whole &= ~part
    pieces[whole] = 1  # parts that the knife leaves whole keep the label
    return pieces


def _drawn(image: Integers, line: ArrayLike, along: int) -> Points:
    """Pixels of a line without gaps that a diagonal step could slip through, from its start on."""
    corners = np.array(line, float)
    if corners.ndim != 2 or corners.shape[1] != image.ndim or not np.isfinite(corners).all():
        raise NucleateError(f"A line needs points of {image.ndim} numbers, not {corners.shape}.")
    if image.ndim == 3:
        corners[:, along] = np.round(corners[0, along])
    pixels = [corners[:1]]
    for start, stop in pairwise(corners):
        count = int(np.ceil(4 * np.abs(stop - start).max())) + 1
        pixels.append(np.linspace(start, stop, count)[1:])
    rough = np.round(np.concatenate(pixels)).astype(np.int64)
    rough = rough[np.r_[True, (np.diff(rough, axis=0) != 0).any(axis=1)]]
    diagonal = np.flatnonzero((np.diff(rough, axis=0) != 0).sum(axis=1) > 1)
    corner = rough[diagonal].copy()
    # On a diagonal step one of the two axes goes first.
    axis = image.ndim - 1 if along != image.ndim - 1 or image.ndim == 2 else image.ndim - 2
    corner[:, axis] = rough[diagonal + 1, axis]
    return np.insert(rough, diagonal + 1, corner, axis=0)


def _inside(image: Integers, pixels: Points) -> Points:
    return pixels[((pixels >= 0) & (pixels < image.shape)).all(axis=1)]


def _knife(shape: tuple[int, ...], pixels: Points, along: int) -> Mask:
    """The pixels of a line, in 3D those of all planes along an axis; to be read in part."""
    if len(shape) == 2:
        knife = np.zeros(shape, bool)
        knife[tuple(pixels.T)] = True
        return knife
    flat = [axis for axis in range(3) if axis != along]
    plane = np.zeros([shape[axis] for axis in flat], bool)
    plane[tuple(pixels[:, flat].T)] = True
    return np.broadcast_to(np.expand_dims(plane, along), shape)


def _labels_under(image: Integers, pixels: Points) -> list[int]:
    """Objects at some pixels, in the order of the pixels."""
    found = image[tuple(pixels.T)].tolist()
    return [label for label in dict.fromkeys(found) if label]


def _between(image: Integers, labels: Sequence[int], gap: int) -> Mask:
    """Pixels in a gap of at most `gap` pixels between two of some objects."""
    from scipy import ndimage as ndi

    nearest, second = (np.full(image.shape, np.inf, np.float32) for _ in range(2))
    for label in labels:
        box = box_of(image, [label], gap + 1)  # what lies farther away is in no such gap
        away = ndi.distance_transform_edt(image[box] != label).astype(np.float32)
        second[box] = np.minimum(second[box], np.maximum(nearest[box], away))
        nearest[box] = np.minimum(nearest[box], away)
    between: Mask = nearest + second <= gap + 1
    return between


def _list(labels: Sequence[int]) -> str:
    return ", ".join(map(str, labels[:-1])) + f" and {labels[-1]}"
