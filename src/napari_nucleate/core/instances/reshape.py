"""Correcting the shape of single objects: fill, smooth, grow, shrink, keep a part, re-draw.

An object takes pixels from the background only: never from its neighbours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.instances.clean import relabel
from napari_nucleate.core.instances.edit import (
    Edit,
    box_of,
    check_labels,
    edit_of,
    label_at,
    sampling_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import ArrayLike, NDArray

    from napari_nucleate.core.instances.edit import Box, Integers

    Mask = NDArray[np.bool_]
    Reshape = Callable[[Mask, Mask], Mask]
    """From an object and the background around it to the object as it is to be."""


def fill(image: Integers, ids: Sequence[int] | None = None) -> Edit:
    """Fill the holes that objects enclose wholly. Pure.

    Parameters
    ----------
    image : ndarray of int, shape (Y, X) or (Z, Y, X)
        Labels ≥ 0 of one image.
    ids : sequence of int, optional
        The objects; all by default.

    Returns
    -------
    Edit
        Other objects that lie in a hole stay.

    Raises
    ------
    NucleateError
        If the array holds no labels, an object is not there, or there is no hole.

    Examples
    --------
    >>> ring = np.array([[4, 4, 4], [4, 0, 4], [4, 4, 4]])
    >>> fill(ring, [4]).applied(ring)[1]
    array([4, 4, 4])
    """
    return _each(image, ids, lambda mask, _: _filled(mask), 0, "There is no hole to fill in")


def smooth(
    image: Integers,
    ids: Sequence[int] | None = None,
    radius: int = 1,
    spacing: ArrayLike | None = None,
) -> Edit:
    """Smooth the outlines of objects where they border on the background. Pure.

    A pixel belongs to the object if most of its surroundings do; surroundings that belong to
    neighbours have no vote, so that no gap opens between objects that touch.

    Parameters
    ----------
    image : ndarray of int, shape (Y, X) or (Z, Y, X)
        Labels ≥ 0 of one image.
    ids : sequence of int, optional
        The objects; all by default.
    radius : int
        Bumps and dents up to about this many pixels go.
    spacing : array-like of float, optional
        Pixel size along each axis; the radius counts pixels of the finest one.

    Returns
    -------
    Edit
        Of all objects, those that would vanish stay as they are.

    Raises
    ------
    NucleateError
        If the array holds no labels, an object is not there, the radius is below 1, nothing
        changes, or a single object would vanish.
    """
    from scipy import ndimage as ndi

    steps = _steps(radius, "Smooth")
    sigma = steps / sampling_of(image.ndim, spacing)

    def vote(mask: Mask, free: Mask) -> Mask:
        votes = ndi.gaussian_filter(mask.astype(np.float32), sigma, truncate=2)
        if (mask | free).all():
            return _as_many_parts(votes > 0.5, mask)
        voters = ndi.gaussian_filter((mask | free).astype(np.float32), sigma, truncate=2)
        return _as_many_parts(votes > 0.5 * voters, mask)

    return _each(image, ids, vote, 2 * steps, f"Smoothing by {steps} pixels changes nothing in")


def grow(
    image: Integers, ids: Sequence[int], pixels: int = 1, spacing: ArrayLike | None = None
) -> Edit:
    """Grow objects into the background. Pure.

    Parameters
    ----------
    image : ndarray of int, shape (Y, X) or (Z, Y, X)
        Labels ≥ 0 of one image.
    ids : sequence of int
        The objects; where two meet, the first one has the pixels.
    pixels : int
        How far, in pixels of the finest axis.
    spacing : array-like of float, optional
        Pixel size along each axis.

    Returns
    -------
    Edit

    Raises
    ------
    NucleateError
        If the array holds no labels, an object is not there, `pixels` is below 1, or there is no
        background left around.

    Examples
    --------
    >>> image = np.array([[1, 0, 0, 2]])
    >>> grow(image, [1], 5).applied(image)
    array([[1, 1, 1, 2]])
    """
    from scipy import ndimage as ndi

    steps = _steps(pixels, "Grow")
    sampling = sampling_of(image.ndim, spacing)

    def wider(mask: Mask, free: Mask) -> Mask:
        near = free & (ndi.distance_transform_edt(~mask, sampling) <= steps)
        # Background behind a thin neighbour is near, but can't be reached.
        reached: Mask = ndi.binary_propagation(mask, mask=mask | near)
        return reached

    return _each(image, ids, wider, steps, "There is no background to grow into around")


def shrink(
    image: Integers, ids: Sequence[int], pixels: int = 1, spacing: ArrayLike | None = None
) -> Edit:
    """Shrink objects, but not away from the edge of the image, which may have cut them. Pure.

    Parameters
    ----------
    image : ndarray of int, shape (Y, X) or (Z, Y, X)
        Labels ≥ 0 of one image.
    ids : sequence of int
        The objects.
    pixels : int
        How far, in pixels of the finest axis.
    spacing : array-like of float, optional
        Pixel size along each axis.

    Returns
    -------
    Edit

    Raises
    ------
    NucleateError
        If the array holds no labels, an object is not there, `pixels` is below 1, or a single
        object would vanish.

    Examples
    --------
    >>> image = np.array([[0, 6, 6, 6, 0]])
    >>> shrink(image, [6]).applied(image)
    array([[0, 0, 6, 0, 0]])
    """
    from scipy import ndimage as ndi

    steps = _steps(pixels, "Shrink")
    sampling = sampling_of(image.ndim, spacing)

    def narrower(mask: Mask, free: Mask) -> Mask:
        del free
        if mask.all():
            return mask
        inner: Mask = ndi.distance_transform_edt(mask, sampling) > steps
        return inner

    return _each(image, ids, narrower, 1, "There is no outline to shrink in")


def keep_part(image: Integers, point: Sequence[int]) -> Edit:
    """Keep the part of an object that a pixel lies in, and delete its other parts. Pure.

    Parameters
    ----------
    image : ndarray of int, shape (Y, X) or (Z, Y, X)
        Labels ≥ 0 of one image.
    point : sequence of int
        A pixel of the part; parts that touch at a corner are one.

    Returns
    -------
    Edit

    Raises
    ------
    NucleateError
        If the array holds no labels, there is no object at the pixel, or it is in one part.

    Examples
    --------
    >>> image = np.array([[3, 3, 0, 3]])
    >>> keep_part(image, (0, 0)).applied(image)
    array([[3, 3, 0, 0]])
    """
    check_labels(image)
    label = label_at(image, point)
    box = box_of(image, [label])
    at = tuple(p - part.start for p, part in zip(point, box, strict=True))

    def clicked(mask: Mask, free: Mask) -> Mask:
        del free
        parts, _ = components(mask)
        kept: Mask = parts == parts[at]
        return kept

    return _each(image, [label], clicked, 0, "There is only one part in")


def redraw(
    image: Integers, ids: Sequence[int], n_rays: int | None = None, spacing: ArrayLike | None = None
) -> Edit:
    """Re-draw objects as star-convex polygons, in 3D polyhedra, around their deepest pixel. Pure.

    Parameters
    ----------
    image : ndarray of int, shape (Y, X) or (Z, Y, X)
        Labels ≥ 0 of one image.
    ids : sequence of int
        The objects.
    n_rays : int, optional
        Corners; 32 in 2D and 96 in 3D by default. Fewer give a simpler outline.
    spacing : array-like of float, optional
        Pixel size along each axis.

    Returns
    -------
    Edit
        Dents, holes and parts that the rays don't see from the middle are gone or filled.

    Raises
    ------
    NucleateError
        If the array holds no labels, an object is not there, there are too few rays, or the
        objects are star-convex already.

    References
    ----------
    Schmidt et al., Cell detection with star-convex polygons, MICCAI 2018; Weigert et al.,
    Star-convex polyhedra for 3D object detection and segmentation in microscopy, WACV 2020.
    """
    from napari_nucleate.core.instances.stars import stars_of

    sampling = sampling_of(image.ndim, spacing)
    rays = n_rays or (32 if image.ndim == 2 else 96)

    def star(mask: Mask, free: Mask) -> Mask:
        del free
        whole = _filled(mask).astype(np.int32)  # a hole would throw a shadow
        stars = stars_of(whole, rays, float(sampling[0] / sampling[-1]))
        return stars.draw(mask.shape) > 0

    return _each(image, ids, star, 1, "A star shape changes nothing in")


def components(mask: Mask) -> tuple[NDArray[np.int32], int]:
    """Label the parts of a mask; pixels that touch at a corner belong together."""
    from scipy import ndimage as ndi

    parts, count = ndi.label(mask, ndi.generate_binary_structure(mask.ndim, mask.ndim))
    return parts, int(count)


# -- inside -----------------------------------------------------------------------------------


def _each(
    image: Integers, ids: Sequence[int] | None, reshape: Reshape, margin: int, unchanged: str
) -> Edit:
    """Reshape objects one after the other, each in its box.

    A single object that would vanish is an error; among several it is left as it is.
    """
    check_labels(image)
    whole = _whole(image) if ids is None else box_of(image, ids, margin)
    new = image[whole].copy()
    for label, box in _boxes(image[whole], ids, margin):
        crop = new[box]
        mask, free = crop == label, crop == 0
        wanted = reshape(mask, free) & (mask | free)
        if wanted.any():
            crop[mask & ~wanted] = 0
            crop[wanted] = label
        elif ids is not None and len(ids) == 1:
            raise NucleateError(
                f"Nothing would be left of object {label}; use fewer pixels, or delete it."
            )
    if np.array_equal(new, image[whole]):
        raise NucleateError(f"{unchanged} {_which(ids)}.")
    return edit_of(whole, image[whole], new)


def _which(ids: Sequence[int] | None) -> str:
    if ids is None:
        return "any object"
    return f"object {ids[0]}" if len(ids) == 1 else "these objects"


def _whole(image: Integers) -> Box:
    return tuple(slice(0, n) for n in image.shape)


def _boxes(image: Integers, ids: Sequence[int] | None, margin: int) -> Iterator[tuple[int, Box]]:
    """Each object with its box and a margin; all objects in one pass where there are no ids."""
    if ids is not None:
        for label in ids:
            yield label, box_of(image, [label], margin)
        return
    from scipy import ndimage as ndi

    compact = relabel(image)
    for number, box in enumerate(ndi.find_objects(compact), start=1):
        label = int(image[box][compact[box] == number][0])
        sides = zip(box, image.shape, strict=True)
        yield (
            label,
            tuple(slice(max(s.start - margin, 0), min(s.stop + margin, n)) for s, n in sides),
        )


def _filled(mask: Mask) -> Mask:
    """A mask without the holes it encloses."""
    from scipy import ndimage as ndi

    # Several times faster than ndi.binary_fill_holes; the first piece begins in the corner.
    pieces, _ = ndi.label(np.pad(~mask, 1, constant_values=True))
    filled: Mask = pieces[(slice(1, -1),) * mask.ndim] != 1
    return filled


def _as_many_parts(new: Mask, old: Mask) -> Mask:
    """Keep of a mask no more parts than it had before, the largest ones."""
    parts, count = components(new)
    allowed = components(old)[1] if count > 1 else 1
    if count <= allowed:
        return new
    sizes = np.bincount(parts.reshape(-1))
    sizes[0] = 0
    kept: Mask = np.isin(parts, np.argsort(-sizes, kind="stable")[:allowed])
    return kept


def _steps(pixels: float, what: str) -> int:
    if int(pixels) != pixels or pixels < 1:
        raise NucleateError(f"{what} by a whole number of pixels from 1 up, not by {pixels}.")
    return int(pixels)
