"""How objects are drawn over the image they were found in."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def outlines(labels: NDArray[np.int32]) -> NDArray[np.int32]:
    """Keep of each object the rim, two pixels wide. Pure.

    Parameters
    ----------
    labels : ndarray of int32, shape (Y, X)

    Returns
    -------
    ndarray of int32, shape (Y, X)
        0 in the background and in the middle of objects; the edge of the image is no rim.

    Examples
    --------
    >>> outlines(np.array([[0, 1, 1, 1, 1, 1, 2]], np.int32))
    array([[0, 1, 1, 0, 1, 1, 2]], dtype=int32)
    """
    from napari_nucleate.core.instances import _label_kernels
    from napari_nucleate.core.instances._compile import in_bands

    out = np.zeros_like(labels)
    in_bands(partial(_label_kernels.outlines, labels, out), len(labels), 64)
    return out


def rims(labels: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Where objects have a direct neighbour with another label, one pixel wide. Pure.

    Parameters
    ----------
    labels : ndarray of int32, shape (*spatial)

    Returns
    -------
    ndarray of bool, shape (*spatial)
        False in the background; the edge of the image is no rim.

    Examples
    --------
    >>> rims(np.array([[0, 1, 1, 1, 1, 1, 2]], np.int32)).astype(int)
    array([[0, 1, 0, 0, 0, 1, 1]])
    """
    rim = np.zeros(labels.shape, np.bool_)
    for axis in range(labels.ndim):
        along, marked = np.moveaxis(labels, axis, 0), np.moveaxis(rim, axis, 0)
        differ = along[1:] != along[:-1]
        marked[1:] |= differ
        marked[:-1] |= differ
    return rim & (labels > 0)
