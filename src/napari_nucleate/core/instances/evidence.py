"""What other tools draw as evidence for objects: lines between them, distances, seeds."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.instances.clean import from_mask_like
from napari_nucleate.core.instances.maps import Maps

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_nucleate.core.instances.base import SplitterBase

Kind = Literal["mask", "borders", "distances"]
"""What the pixels of an image stand for."""

TYPICAL = 10.0
"""Radius in pixels that distances of a unit of their own, none above 1, are stretched to."""


def evidence_from(array: NDArray[Any], kind: Kind = "mask") -> Maps:
    """Take an image as evidence for objects. Pure.

    Parameters
    ----------
    array : ndarray, shape (Y, X) or (Z, Y, X)
    kind : {"mask", "borders", "distances"}
        See `from_mask_like`, `from_borders` and `from_distances`.

    Returns
    -------
    Maps

    Raises
    ------
    NucleateError
        If the pixels can't be of that kind.
    """
    readers = {"mask": from_mask_like, "borders": from_borders, "distances": from_distances}
    return readers[kind](array)


def guess(array: NDArray[Any]) -> Kind:
    """What an image most likely holds: distances go beyond 1 and are exactly 0 in the background.

    Examples
    --------
    >>> guess(np.array([0.0, 2.5])), guess(np.array([0.0, 1.0])), guess(np.array([0, 7]))
    ('distances', 'mask', 'mask')
    """
    if array.dtype.kind != "f" or not array.size:
        return "mask"
    return "distances" if array.min() == 0 and 1 < array.max() < np.inf else "mask"


def from_borders(array: NDArray[Any]) -> Maps:
    """Take bright lines between objects, such as stained membranes. Pure.

    Parameters
    ----------
    array : ndarray, shape (Y, X) or (Z, Y, X)
        How probable a line is at each pixel: bool; 0 and 1; floats in [0, 1]; or 8 or 16 bits,
        where the largest number of the type is certain.

    Returns
    -------
    Maps
        What is no line is foreground, background beside the objects too.

    Raises
    ------
    NucleateError
        If values are none of these, or not numbers.

    Examples
    --------
    >>> from_borders(np.array([[0, 255, 51]], np.uint8)).foreground
    array([[1. , 0. , 0.8]], dtype=float32)
    """
    low, high = _range(array, "A map of borders")
    border = array.astype(np.float32, order="C")
    if array.dtype in (np.uint8, np.uint16) and high > 1:
        border /= np.float32(np.iinfo(array.dtype).max)
    elif not 0 <= low <= high <= 1:
        raise NucleateError(
            f"A map of borders of type {array.dtype} runs from {low:g} to {high:g}; give "
            "probabilities from 0 to 1, or whole numbers of 8 or 16 bits."
        )
    return Maps(1 - border, border=border)


def from_distances(array: NDArray[Any]) -> Maps:
    """Take the distance to the boundary of each pixel's object, from any tool. Pure.

    Parameters
    ----------
    array : ndarray of int or float, shape (Y, X) or (Z, Y, X)
        Distances ≥ 0 in pixels, 0 outside of objects. Where none is above 1 they are taken to be
        of a unit of their own, 1 in the middle of objects.

    Returns
    -------
    Maps
        The foreground is the distance up to 1: a threshold tells at which distance objects end.

    Raises
    ------
    NucleateError
        If distances are negative, not finite, or no numbers.

    Examples
    --------
    >>> from_distances(np.array([[0, 0.5, 3]])).foreground
    array([[0. , 0.5, 1. ]], dtype=float32)
    """
    low, high = _range(array, "A map of distances")
    if low < 0:
        raise NucleateError(
            f"Distances go down to {low:g}; set those outside of objects to 0, without a sign."
        )
    depth = array.astype(np.float32, order="C")
    return Maps(depth.clip(0, 1), depth=depth if high > 1 else depth * np.float32(TYPICAL))


def seeds_at(
    points: NDArray[np.floating[Any]], shape: tuple[int, ...], offset: tuple[int, ...] = ()
) -> NDArray[np.int32]:
    """Draw points as seeds, each a disc (or ball) one pixel around it. Pure.

    Parameters
    ----------
    points : ndarray of float, shape (n, 2) or (n, 3)
        Y and X, or Z, Y and X, in pixels. Those outside, or in the pixel of a later one, are left
        out.
    shape : tuple of int
        Of the result.
    offset : tuple of int, optional
        Where the result begins, in pixels.

    Returns
    -------
    ndarray of int32
        Point i as i + 1, 0 elsewhere.

    Raises
    ------
    NucleateError
        If the points have other dimensions than the image.

    Examples
    --------
    >>> seeds_at(np.array([[0, 0.8], [1, 3]]), (2, 4))
    array([[1, 1, 1, 2],
           [0, 1, 2, 2]], dtype=int32)
    """
    if points.ndim != 2 or points.shape[1] != len(shape):
        dims = points.shape[1] if points.ndim == 2 else 0
        raise NucleateError(f"Seeds have {dims} coordinates each, the image is {len(shape)}D.")
    seeds = np.zeros(shape, np.int32)
    places = points - np.array(offset or (0,) * len(shape))
    known, pixels = _pixels(places, shape)
    steps = sorted(product((-1, 0, 1), repeat=len(shape)), key=lambda s: -np.abs(s).sum())
    # The middles come last: where points are neighbours, each keeps at least its own pixel.
    for step in steps:
        if np.abs(step).sum() <= 1:
            at = pixels + step
            inside = known & (at >= 0).all(1) & (at < shape).all(1)
            seeds[tuple(at[inside].T)] = np.flatnonzero(inside) + 1
    return seeds


def outside(points: NDArray[np.floating[Any]], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Which points lie outside an image: `seeds_at` draws nothing of them. Pure.

    Examples
    --------
    >>> outside(np.array([[0, 0.8], [-5, 3], [1, 4]]), (2, 4))
    array([False,  True,  True])
    """
    known, pixels = _pixels(points, shape)
    beyond = np.abs(pixels - pixels.clip(0, np.array(shape) - 1)).sum(1)
    return np.asarray(~known | (beyond > 1))


def with_seeds(maps: Maps, seeds: NDArray[np.integer[Any]] | None) -> Maps:
    """The same evidence with seeds of the image's shape.

    Raises
    ------
    NucleateError
        If their shape is another one, or they are no labels.
    """
    if seeds is None:
        return maps
    if seeds.shape != maps.foreground.shape:
        raise NucleateError(
            f"The seeds have shape {seeds.shape}, the image {maps.foreground.shape}; give seeds "
            "of the same image."
        )
    if seeds.dtype.kind not in "iub":
        raise NucleateError(f"Seeds of type {seeds.dtype} are no labels; give whole numbers.")
    return replace(maps, seeds=seeds.astype(np.uint8) if seeds.dtype.kind == "b" else seeds)


def astray(maps: Maps, splitter: SplitterBase) -> int:
    """How many seeds lie outside the mask, where they are no help.

    Examples
    --------
    >>> from napari_nucleate.core.instances.watershed import Watershed
    >>> maps = from_mask_like(np.array([[1, 1, 0, 0]]))
    >>> astray(with_seeds(maps, np.array([[0, 5, 5, 8]])), Watershed())
    1
    """
    if maps.seeds is None:
        return 0
    mask = maps.foreground > getattr(splitter, "threshold", 0.5)
    there = maps.seeds != 0
    return int(np.unique(maps.seeds[there]).size - np.unique(maps.seeds[there & mask]).size)


def _pixels(
    places: NDArray[np.floating[Any]], shape: tuple[int, ...]
) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Which points are in an image or at its edge, and their pixels; 0 for others."""
    known = np.asarray(((places > -1) & (places < shape)).all(1))
    return known, np.round(np.where(known[:, np.newaxis], places, 0)).astype(np.int64)


def _range(array: NDArray[Any], what: str) -> tuple[float, float]:
    """Lowest and highest value, where all are finite numbers."""
    if array.dtype.kind not in "buif":
        raise NucleateError(f"{what} can't be of type {array.dtype}; give numbers.")
    if array.dtype.kind == "f":
        wrong = array.size - int(np.count_nonzero(np.isfinite(array)))
        if wrong:
            raise NucleateError(
                f"{what} has {wrong} pixel(s) that are not finite numbers; set them to 0."
            )
    return (float(array.min()), float(array.max())) if array.size else (0.0, 0.0)
