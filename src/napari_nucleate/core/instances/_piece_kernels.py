"""Connected pieces of a mask as runs of pixels along X: the loops, for 2D (one plane) and 3D.

A mask has far fewer runs than pixels; what is connected is found among these.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_nucleate.core.instances._compile import compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray


@compiled
def runs(
    mask: NDArray[np.bool_], of: bool
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int32]]:
    """List the runs of pixels that are `of`, row by row.

    Parameters
    ----------
    mask : ndarray of bool, shape (rows, X)
    of : bool

    Returns
    -------
    first : ndarray of int64, shape (rows + 1,)
        Where the runs of each row begin in the lists, and the last ones end.
    begin, end : ndarray of int32
        The first X of each run, and the one after its last.
    """
    rows, cols = mask.shape
    first, n = np.zeros(rows + 1, np.int64), 0
    for row in range(rows):
        before = not of
        for x in range(cols):
            n += mask[row, x] == of and before != of
            before = mask[row, x]
        first[row + 1] = n
    begin, end, n = np.empty(n, np.int32), np.empty(n, np.int32), 0
    for row in range(rows):
        before = not of
        for x in range(cols):
            here = mask[row, x]
            if here != before:
                if here == of:
                    begin[n] = x
                else:
                    end[n] = x
                    n += 1
                before = here
        if before == of and cols:
            end[n] = cols
            n += 1
    return first, begin, end


@compiled
def root(parent: NDArray[np.int32], at: int) -> int:
    """Find where a chain of parents ends, and shorten it."""
    while parent[at] != at:
        parent[at] = parent[parent[at]]
        at = parent[at]
    return at


@compiled
def _join(
    first: NDArray[np.int64],
    begin: NDArray[np.int32],
    end: NDArray[np.int32],
    parent: NDArray[np.int32],
    one: int,
    other: int,
    corners: int,
) -> None:
    """Join the runs of two rows that touch; the earlier run becomes the parent."""
    i, j = first[one], first[other]
    while i < first[one + 1] and j < first[other + 1]:
        if begin[i] < end[j] + corners and begin[j] < end[i] + corners:
            a, b = root(parent, i), root(parent, j)
            parent[max(a, b)] = min(a, b)
        if end[i] < end[j]:
            i += 1
        else:
            j += 1


@compiled
def pieces(
    first: NDArray[np.int64],
    begin: NDArray[np.int32],
    end: NDArray[np.int32],
    rows: int,
    corners: bool,
) -> tuple[NDArray[np.int32], int]:
    """Number the connected pieces 0..n-1 in the order of the image.

    Parameters
    ----------
    first, begin, end : ndarray
        From `runs`.
    rows : int
        In each plane.
    corners : bool
        Whether pixels that meet only at a corner or an edge are connected.

    Returns
    -------
    piece : ndarray of int32
        The piece of each run.
    n : int
    """
    parent, reach = np.arange(begin.size).astype(np.int32), 1 if corners else 0
    for row in range(first.size - 1):
        y = row % rows
        if y > 0:
            _join(first, begin, end, parent, row - 1, row, reach)
        if row >= rows:
            _join(first, begin, end, parent, row - rows, row, reach)
            if corners and y > 0:
                _join(first, begin, end, parent, row - rows - 1, row, reach)
            if corners and y < rows - 1:
                _join(first, begin, end, parent, row - rows + 1, row, reach)
    n = 0
    for run in range(begin.size):
        if parent[run] == run:
            parent[run] = n
            n += 1
        else:  # a parent comes before, and is numbered already
            parent[run] = parent[parent[run]]
    return parent, n


@compiled
def chosen(
    first: NDArray[np.int64],
    begin: NDArray[np.int32],
    end: NDArray[np.int32],
    piece: NDArray[np.int32],
    number: NDArray[np.int32],
    cols: int,
) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """List the pixels of pieces whose number is above 0, and that number, in the image's order."""
    total = 0
    for run in range(begin.size):
        if number[piece[run]] > 0:
            total += end[run] - begin[run]
    pixels, numbers, n = np.empty(total, np.int64), np.empty(total, np.int32), 0
    for row in range(first.size - 1):
        for run in range(first[row], first[row + 1]):
            if number[piece[run]] > 0:
                for x in range(begin[run], end[run]):
                    pixels[n] = row * cols + x
                    numbers[n] = number[piece[run]]
                    n += 1
    return pixels, numbers


@compiled
def by_piece(
    first: NDArray[np.int64],
    begin: NDArray[np.int32],
    end: NDArray[np.int32],
    piece: NDArray[np.int32],
    n: int,
    rows: int,
    cols: int,
    basins: NDArray[np.int32],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """List the pixels of each piece that no seed has, one piece after the other.

    Parameters
    ----------
    first, begin, end, piece : ndarray
        From `runs` and `pieces`.
    n, rows, cols : int
        Pieces; rows in a plane; pixels in a row.
    basins : ndarray of int32, shape (Z + 2, Y + 2, X + 2)
        Seeds, 0 elsewhere.

    Returns
    -------
    pixels : ndarray of int64
        Flat indices of `basins`, in the order of the image within a piece.
    starts : ndarray of int64, shape (n + 1,)
        Where each piece begins in that list, and the last one ends.
    """
    flat = basins.reshape(-1)
    starts = np.zeros(n + 1, np.int64)
    for row in range(first.size - 1):
        at = ((row // rows + 1) * (rows + 2) + row % rows + 1) * (cols + 2) + 1
        for run in range(first[row], first[row + 1]):
            for x in range(begin[run], end[run]):
                starts[piece[run] + 1] += flat[at + x] == 0
    for i in range(n):
        starts[i + 1] += starts[i]
    pixels, filled = np.empty(starts[n], np.int64), starts.copy()
    for row in range(first.size - 1):
        at = ((row // rows + 1) * (rows + 2) + row % rows + 1) * (cols + 2) + 1
        for run in range(first[row], first[row + 1]):
            for x in range(begin[run], end[run]):
                if flat[at + x] == 0:
                    pixels[filled[piece[run]]] = at + x
                    filled[piece[run]] += 1
    return pixels, starts
