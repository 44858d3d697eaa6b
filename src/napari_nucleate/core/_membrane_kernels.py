"""Warping a mask without changing how its pieces hang together: the loops."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_nucleate.core.instances._compile import compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray


@compiled
def _simple(mask: NDArray[np.bool_], y: int, x: int) -> bool:
    """Whether turning a pixel over leaves all pieces and holes as they are.

    The number of Yokoi et al. (1975) for pieces joined by edges: it is 1 at simple points. `mask`
    has a margin, so that every neighbour is there.
    """
    around = np.empty(9, np.int64)
    around[0], around[1] = mask[y, x + 1], mask[y - 1, x + 1]
    around[2], around[3] = mask[y - 1, x], mask[y - 1, x - 1]
    around[4], around[5] = mask[y, x - 1], mask[y + 1, x - 1]
    around[6], around[7] = mask[y + 1, x], mask[y + 1, x + 1]
    around[8] = around[0]
    number = 0
    for k in range(0, 8, 2):
        number += around[k] - around[k] * around[k + 1] * around[k + 2]
    return number == 1


@compiled
def warp(mask: NDArray[np.bool_], towards: NDArray[np.bool_]) -> int:
    """Turn simple points of a mask over until it is as like another as that allows.

    Parameters
    ----------
    mask, towards : ndarray of bool, shape (Y + 2, X + 2)
        With a margin that is False. `mask` is changed.

    Returns
    -------
    int
        How many pixels still differ.
    """
    rows, cols = mask.shape
    moved = True
    while moved:
        moved = False
        for y in range(1, rows - 1):
            for x in range(1, cols - 1):
                if mask[y, x] != towards[y, x] and _simple(mask, y, x):
                    mask[y, x] = towards[y, x]
                    moved = True
    left = 0
    for y in range(1, rows - 1):
        for x in range(1, cols - 1):
            left += mask[y, x] != towards[y, x]
    return left
