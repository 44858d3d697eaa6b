"""Small repairs of masks and labels that every splitter shares; 2D and 3D alike."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.instances.connected import connected, numbered
from napari_nucleate.core.instances.maps import Maps

if TYPE_CHECKING:
    from numpy.typing import NDArray


def from_mask_like(array: NDArray[Any]) -> Maps:
    """Take any mask, label image or probability map as evidence for objects.

    Parameters
    ----------
    array : ndarray, shape (Y, X) or (Z, Y, X)
        Bool; integers, where every label above 0 is foreground; or floats in [0, 1], where NaN
        counts as 0.

    Returns
    -------
    Maps
        The foreground, without border or rays.

    Raises
    ------
    NucleateError
        If floats leave [0, 1], labels are negative, or the dtype or shape is none of these.

    Examples
    --------
    >>> from_mask_like(np.array([[0, 7, 3]])).foreground
    array([[0., 1., 1.]], dtype=float32)
    """
    kind = array.dtype.kind
    if kind not in "buif":
        raise NucleateError(
            f"A mask of dtype {array.dtype} can't be split; use bool, int or float."
        )
    values = np.nan_to_num(array, nan=0.0, posinf=np.inf, neginf=-np.inf) if kind == "f" else array
    low, high = (values.min(), values.max()) if values.size else (0, 0)
    if kind == "f" and not 0 <= low <= high <= 1:
        raise NucleateError(
            f"A map of probabilities runs from {low:g} to {high:g}; it must lie in [0, 1]."
        )
    if low < 0:
        raise NucleateError(f"Labels go down to {low}; 0 is background, objects are above.")
    return Maps((values if kind == "f" else values > 0).astype(np.float32, order="C"))


def relabel(labels: NDArray[np.integer[Any]]) -> NDArray[np.int32]:
    """Renumber the labels that occur to 1..n, in their order; 0 stays 0.

    Parameters
    ----------
    labels : ndarray of int or bool
        Labels ≥ 0.

    Returns
    -------
    ndarray of int32, same shape
        Contiguous labels.

    Raises
    ------
    NucleateError
        If labels are negative.

    Examples
    --------
    >>> relabel(np.array([0, 9, 4, 9]))
    array([0, 2, 1, 2], dtype=int32)
    """
    return remove_small(labels, 1)


def remove_small(labels: NDArray[np.integer[Any]], min_size: int) -> NDArray[np.int32]:
    """Drop the objects of fewer than `min_size` pixels, and number the others 1..n.

    Parameters
    ----------
    labels : ndarray of int or bool
        Labels ≥ 0.
    min_size : int
        Smallest object that stays, in pixels or voxels.

    Returns
    -------
    ndarray of int32, same shape
        Contiguous labels.

    Raises
    ------
    NucleateError
        If labels are negative.
    """
    from napari_nucleate.core.instances import _label_kernels

    if not labels.size:
        return labels.astype(np.int32)
    if labels.min() < 0:
        raise NucleateError(
            f"Labels go down to {labels.min()}; 0 is background, objects are above."
        )
    if labels.dtype.kind == "b":
        labels = labels.astype(np.uint8)
    highest = int(labels.max())
    if highest > min(4 * labels.size, np.iinfo(np.int32).max):
        # Huge numbers: sort them, rather than count up to them.
        found, index = np.unique(labels, return_inverse=True)
        labels, highest = index.reshape(labels.shape) + (found[0] != 0), len(found)
    numbers = np.ascontiguousarray(labels, np.int32)
    out: NDArray[np.int32] = _label_kernels.renumber(
        numbers.reshape(-1), highest, max(min_size, 1)
    ).reshape(labels.shape)
    return out


def keep_only(labels: NDArray[np.int32], kept: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Keep some objects of labels 1..n, and number these 1..m in their order. Pure.

    Examples
    --------
    >>> keep_only(np.array([[1, 2, 0, 3]], np.int32), np.array([True, False, True]))
    array([[1, 0, 0, 2]], dtype=int32)
    """
    if kept.all():
        return labels
    result: NDArray[np.int32] = np.concatenate(([0], numbered(kept))).astype(np.int32)[labels]
    return result


@dataclass(frozen=True)
class Holes:
    """The holes 1..n of a mask.

    Parameters
    ----------
    shape : tuple of int
        Of the mask.
    n : int
    pixels : ndarray of int64
        Flat indices of the mask that lie in a hole, rising.
    which : ndarray of int32
        The hole of each.
    """

    shape: tuple[int, ...]
    n: int
    pixels: NDArray[np.int64] = field(repr=False)
    which: NDArray[np.int32] = field(repr=False)

    def __len__(self) -> int:
        return self.n

    def filled(
        self, mask: NDArray[np.bool_], kept: NDArray[np.bool_] | None = None
    ) -> NDArray[np.bool_]:
        """A copy of the mask with the holes filled; with those only that `kept` (n + 1,) names."""
        out = mask.copy()
        out.reshape(-1)[self.pixels if kept is None else self.pixels[kept[self.which]]] = True
        return out


def holes(mask: NDArray[np.bool_], max_size: int) -> Holes:
    """Find the holes of a mask of at most `max_size` pixels; a hole does not reach the edge. Pure.

    Parameters
    ----------
    mask : ndarray of bool, shape (Y, X) or (Z, Y, X)
    max_size : int
        Largest hole, in pixels or voxels; 0 finds none.

    Returns
    -------
    Holes
    """
    if not max_size:
        return Holes(mask.shape, 0, np.zeros(0, np.int64), np.zeros(0, np.int32))
    gaps = connected(mask, of=False, corners=True)
    small = (gaps.sizes() <= max_size) & ~gaps.at_edge()
    return Holes(mask.shape, int(small.sum()), *gaps.pixels(numbered(small)))


def round_ones(inside: Holes) -> NDArray[np.bool_]:
    """Tell which holes are as compact as those within an object; gaps between objects are not.

    A gap between round objects has hollow sides, so that its pixels lie farther from their mean
    than those of an ellipse with as many. Holes of up to eight pixels always count as round.

    Parameters
    ----------
    inside : Holes

    Returns
    -------
    ndarray of bool, shape (n + 1,)
        For each hole; False for 0, the background.
    """
    n, ndim, which = len(inside), len(inside.shape), inside.which
    where = np.unravel_index(inside.pixels, inside.shape)
    size = np.bincount(which, minlength=n + 1).clip(1)
    away = [x - (np.bincount(which, x, n + 1) / size)[which] for x in where]
    spread = np.zeros((n + 1, ndim, ndim))
    for i in range(ndim):
        for j in range(ndim):
            spread[:, i, j] = np.bincount(which, away[i] * away[j], n + 1) / size
    spread += np.eye(ndim) / 12  # a pixel is a square, not a point
    ball = np.pi if ndim == 2 else np.pi * 4 / 3
    ellipse = ball * (ndim + 2) ** (ndim / 2) * np.sqrt(np.linalg.det(spread))
    compact: NDArray[np.bool_] = (size >= 0.88 * ellipse) | (size <= 8)
    compact[0] = False
    return compact


def fill_own(labels: NDArray[np.int32], inside: Holes) -> NDArray[np.int32]:
    """Fill each hole that one object encloses, and empty the holes that several share. Pure.

    Parameters
    ----------
    labels : ndarray of int32
        Objects.
    inside : Holes
        Of a mask of the same shape.

    Returns
    -------
    ndarray of int32, same shape
        Labels with the holes filled or emptied.
    """
    from napari_nucleate.core.instances import _label_kernels

    if not len(inside):
        return labels
    filled = np.array(labels, order="C")
    flat = filled.reshape(-1)
    flat[inside.pixels] = 0
    volume = labels.shape if labels.ndim == 3 else (1, *labels.shape)
    owners = _label_kernels.only_neighbour(
        filled.reshape(volume), inside.pixels, inside.which, len(inside)
    )
    flat[inside.pixels] = owners[inside.which]
    return filled
