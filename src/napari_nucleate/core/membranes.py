"""How well cells between membranes agree with the truth: errors that count merges and splits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_nucleate.core.errors import NucleateError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray


def rand_error(truth: NDArray[Any], pred: NDArray[Any]) -> float:
    """One minus the Rand F-score: do pairs of pixels lie together in both? Pure.

    Parameters
    ----------
    truth, pred : ndarray of int, same shape
        Labels. Where the truth is 0 (membrane) nothing is compared; predicted 0 there is a piece
        of its own for each pixel.

    Returns
    -------
    float
        In [0, 1], 0 for the same partition; 0 where the truth is all membrane.

    Raises
    ------
    NucleateError
        If the shapes differ.

    References
    ----------
    Arganda-Carreras et al., Crowdsourcing the creation of image segmentation algorithms for
    connectomics, Frontiers in Neuroanatomy, 2015: V_Rand with equal weights of merges and splits.

    Examples
    --------
    >>> truth = np.array([[1, 1, 0, 2, 2]])
    >>> rand_error(truth, truth * 7)
    0.0
    >>> round(rand_error(truth, np.array([[1, 1, 1, 1, 1]])), 3)  # merged
    0.333
    """
    _check(truth, pred)
    inside = truth != 0
    true, found = truth[inside], pred[inside]
    if not true.size:
        return 0.0
    _, t = np.unique(true, return_inverse=True)
    names, p = np.unique(found, return_inverse=True)
    n_pieces = len(names)
    pairs, counts = np.unique(t.astype(np.int64) * n_pieces + p, return_counts=True)
    alone = names[pairs % n_pieces] == 0
    # Pixels that nothing was predicted for make no pairs but with themselves.
    together = float((counts[~alone].astype(np.float64) ** 2).sum() + counts[alone].sum())
    in_truth = float((np.bincount(t).astype(np.float64) ** 2).sum())
    sizes = np.bincount(p, minlength=n_pieces).astype(np.float64)
    in_pred = float((sizes[names != 0] ** 2).sum() + sizes[names == 0].sum())
    return 1.0 - 2.0 * together / (in_truth + in_pred)


def warping_error(truth: NDArray[Any], pred: NDArray[Any]) -> float:
    """The part of the pixels at which the topology is wrong: merged, split, lost or invented. Pure.

    The true cells are bent towards the predicted ones as far as no cell is cut, joined, lost or
    pierced; what differs then is wrong wherever the outline is drawn.

    Parameters
    ----------
    truth, pred : ndarray of int, shape (Y, X)
        Labels; cells that touch are held apart by a line of one pixel.

    Returns
    -------
    float
        Pixels that still differ, by all pixels.

    Raises
    ------
    NucleateError
        If the shapes differ, or the labels aren't 2D.

    References
    ----------
    Jain et al., Boundary learning by optimization with topological constraints, CVPR 2010.

    Examples
    --------
    >>> truth = np.ones((5, 7), int)
    >>> shifted = np.pad(np.ones((5, 6), int), ((0, 0), (1, 0)))
    >>> warping_error(truth, shifted)  # another outline, the same cell
    0.0
    """
    from napari_nucleate.core import _membrane_kernels

    _check(truth, pred)
    if truth.ndim != 2:
        raise NucleateError(f"The warping error needs 2D labels; these have {truth.ndim} axes.")
    mask, towards = (np.pad(_cells(labels), 1) for labels in (truth, pred))
    left = _membrane_kernels.warp(mask, towards)
    return float(left / max(truth.size, 1))


def mean_errors(pairs: Iterable[tuple[NDArray[Any], NDArray[Any]]]) -> dict[str, float]:
    """Both errors, the mean over (truth, prediction) pairs; that of warping in 2D only. Pure.

    Examples
    --------
    >>> mean_errors([(np.array([[1, 0, 2]]), np.array([[4, 0, 9]]))])
    {'rand_error': 0.0, 'warping_error': 0.0}
    """
    rand, warping = [], []
    for truth, pred in pairs:
        rand.append(rand_error(truth, pred))
        if truth.ndim == 2:
            warping.append(warping_error(truth, pred))
    found = {"rand_error": rand, "warping_error": warping}
    return {name: float(np.mean(errors)) for name, errors in found.items() if errors}


def _cells(labels: NDArray[Any]) -> NDArray[np.bool_]:
    """Where cells are, without the pixels that touch a cell before them."""
    apart: NDArray[np.bool_] = labels != 0
    for axis in (0, 1):
        here, before = np.moveaxis(labels, axis, 0)[1:], np.moveaxis(labels, axis, 0)[:-1]
        np.moveaxis(apart, axis, 0)[1:] &= ~((before != 0) & (here != before))
    return apart


def _check(truth: NDArray[Any], pred: NDArray[Any]) -> None:
    if truth.shape != pred.shape:
        raise NucleateError(f"Shapes differ: the truth is {truth.shape}, predicted {pred.shape}.")
