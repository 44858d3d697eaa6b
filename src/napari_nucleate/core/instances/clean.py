"""Small repairs of masks and labels that every splitter shares; 2D and 3D alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_nucleate.core.errors import NucleateError
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
    return _renumber(labels, highest, 1, max(min_size, 1), labels.size)


def keep_only(labels: NDArray[np.int32], kept: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Keep some objects of labels 1..n, and number these 1..m in their order. Pure.

    Examples
    --------
    >>> keep_only(np.array([[1, 2, 0, 3]], np.int32), np.array([True, False, True]))
    array([[1, 0, 0, 2]], dtype=int32)
    """
    if kept.all():
        return labels
    number = np.concatenate(([0], np.where(kept, np.cumsum(kept), 0))).astype(np.int32)
    numbered: NDArray[np.int32] = number[labels]
    return numbered


def holes(mask: NDArray[np.bool_], max_size: int) -> NDArray[np.int32]:
    """Label the holes of a mask of at most `max_size` pixels; a hole does not reach the edge.

    Parameters
    ----------
    mask : ndarray of bool
        The mask.
    max_size : int
        Largest hole, in pixels or voxels; 0 finds none.

    Returns
    -------
    ndarray of int32, same shape
        The holes, 1..n.
    """
    import cc3d

    if not max_size or mask.all():
        return np.zeros(mask.shape, np.int32)
    # Padded, so that all that reaches the edge is one piece, the first: never a hole.
    pieces = cc3d.connected_components(
        np.pad(~mask, 1, constant_values=True), connectivity=8 if mask.ndim == 2 else 26
    )
    inner = pieces[(slice(1, -1),) * mask.ndim]
    return _renumber(inner, int(pieces.max()), 2, 1, max_size)


def round_ones(inside: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Tell which holes are as compact as those within an object; gaps between objects are not.

    A gap between round objects has hollow sides, so that its pixels lie farther from their mean
    than those of an ellipse with as many. Holes of up to eight pixels always count as round.

    Parameters
    ----------
    inside : ndarray of int32, 2D or 3D
        The holes, as `holes` gives them.

    Returns
    -------
    ndarray of bool, shape (n + 1,)
        For each label of a hole; False for the background.
    """
    n, ndim = int(inside.max(initial=0)), inside.ndim
    flat = np.flatnonzero(inside)  # far quicker than nonzero
    where, which = np.unravel_index(flat, inside.shape), inside.reshape(-1)[flat]
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


def fill_own(labels: NDArray[np.int32], inside: NDArray[np.int32]) -> NDArray[np.int32]:
    """Fill each hole that one object encloses, and empty the holes that several share.

    Parameters
    ----------
    labels : ndarray of int32
        Objects.
    inside : ndarray of int32, same shape
        The holes, as `holes` gives them.

    Returns
    -------
    ndarray of int32, same shape
        Labels with the holes filled or emptied.
    """
    from napari_nucleate.core.instances import _label_kernels

    n = int(inside.max(initial=0))
    if not n:
        return labels
    volume = labels.shape if labels.ndim == 3 else (1, *labels.shape)
    # Another layout of memory would make another loop to compile.
    solid, gaps = np.ascontiguousarray(labels), np.ascontiguousarray(inside)
    owners = _label_kernels.only_neighbour(solid.reshape(volume), gaps.reshape(volume), n)
    filled, within = labels.copy(), np.flatnonzero(inside)
    filled.reshape(-1)[within] = owners[inside.reshape(-1)[within]]
    return filled


def _renumber(
    labels: NDArray[Any], highest: int, first: int, least: int, most: int
) -> NDArray[np.int32]:
    """Number the labels from `first` on of `least` to `most` pixels 1..n; the others become 0."""
    from napari_nucleate.core.instances import _label_kernels

    numbers = np.ascontiguousarray(labels, np.int32)
    out: NDArray[np.int32] = _label_kernels.renumber(
        numbers.reshape(-1), highest, first, least, most
    ).reshape(labels.shape)
    return out
