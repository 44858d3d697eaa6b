"""Boxes of pixels: cutting an image into blocks, and growing, joining and comparing boxes."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

Region = tuple[slice, ...]


@dataclass(frozen=True)
class Grid:
    """An image cut into blocks that don't overlap; the last ones along an axis may be smaller.

    Examples
    --------
    >>> Grid((3, 2), (2, 2)).tiles()
    [(slice(0, 2, None), slice(0, 2, None)), (slice(2, 3, None), slice(0, 2, None))]
    """

    shape: tuple[int, ...]
    sides: tuple[int, ...]

    def tiles(self) -> list[Region]:
        """All blocks, in raster order."""
        return self.inside(tuple(slice(0, n) for n in self.shape))

    def inside(self, region: Region) -> list[Region]:
        """The blocks that lie in a region as a whole."""
        axes = []
        for part, n, side in zip(region, self.shape, self.sides, strict=True):
            starts = range(-(-part.start // side) * side, part.stop, side)
            ends = [(at, min(at + side, n)) for at in starts]
            axes.append([slice(low, high) for low, high in ends if high <= part.stop])
        return list(itertools.product(*axes))


def grown(region: Region, by: Sequence[int], shape: Sequence[int]) -> Region:
    """The region with `by` pixels more on either side along each axis, within the image."""
    return tuple(
        slice(max(part.start - more, 0), min(part.stop + more, n))
        for part, more, n in zip(region, by, shape, strict=True)
    )


def within(inner: Region, outer: Region) -> Region:
    """The inner region in pixels of the outer one."""
    return tuple(
        slice(a.start - b.start, a.stop - b.start) for a, b in zip(inner, outer, strict=True)
    )


def common(a: Region, b: Region) -> Region:
    """What two regions share."""
    return tuple(
        slice(max(i.start, j.start), min(i.stop, j.stop)) for i, j in zip(a, b, strict=True)
    )


def sizes(region: Region) -> tuple[int, ...]:
    """The region's shape."""
    return tuple(part.stop - part.start for part in region)


def volume(region: Region) -> int:
    """How many pixels a region has."""
    return math.prod(sizes(region))


def boxes_of(labels: NDArray[np.int32]) -> NDArray[np.int64]:
    """Bounding boxes of objects 1..n.

    Parameters
    ----------
    labels : ndarray of int32
        All of 1..n occur.

    Returns
    -------
    ndarray of int64, shape (n, 2, ndim)
        First pixel, and the one after the last.

    Examples
    --------
    >>> boxes_of(np.array([[0, 1, 1]], np.int32)).tolist()
    [[[0, 1], [1, 3]]]
    """
    from scipy import ndimage as ndi

    found: list[Any] = ndi.find_objects(labels) if labels.size else []
    flat = [[part.start for part in box] + [part.stop for part in box] for box in found]
    return np.array(flat, np.int64).reshape(len(flat), 2, labels.ndim)


def around(boxes: NDArray[np.int64]) -> Region:
    """The smallest region that holds all boxes (n, 2, ndim); n ≥ 1."""
    low, high = boxes[:, 0].min(0), boxes[:, 1].max(0)
    return tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))


def meet(boxes: NDArray[np.int64], region: Region) -> NDArray[np.bool_]:
    """Tell which boxes (n, 2, ndim) share a pixel with a region."""
    low = np.array([part.start for part in region])
    high = np.array([part.stop for part in region])
    shared: NDArray[np.bool_] = np.all((boxes[:, 0] < high) & (boxes[:, 1] > low), axis=1)
    return shared


def meet_any(
    boxes: NDArray[np.int64], others: NDArray[np.int64], cell: Sequence[int]
) -> NDArray[np.bool_]:
    """Tell which boxes share a pixel with any of the others; to the cell, and never too few.

    Parameters
    ----------
    boxes, others : ndarray of int64, shape (n, 2, ndim) and (m, 2, ndim)
        Boxes ≥ 0.
    cell : sequence of int
        Boxes are rounded outwards to a grid of such cells: costs n + m + the grid, not n × m.

    Returns
    -------
    ndarray of bool, shape (n,)
    """
    ndim = boxes.shape[2]
    if not len(boxes) or not len(others):
        return np.zeros(len(boxes), bool)
    ours, theirs = _cells(boxes, cell), _cells(others, cell)
    shape = np.maximum(ours[:, 1].max(0), theirs[:, 1].max(0)) + 1
    marks = np.zeros(shape, np.int64)
    corners = list(itertools.product((0, 1), repeat=ndim))
    # A box is the sum of steps at its corners, up at even ones and down at odd ones.
    for corner in corners:
        at = tuple(theirs[:, side, axis] for axis, side in enumerate(corner))
        np.add.at(marks, at, (-1) ** sum(corner))
    for axis in range(ndim):
        np.cumsum(marks, axis, out=marks)
    total = np.pad((marks > 0).astype(np.int64), [(1, 0)] * ndim)
    for axis in range(ndim):
        np.cumsum(total, axis, out=total)
    inside = np.zeros(len(boxes), np.int64)
    for corner in corners:
        at = tuple(ours[:, side, axis] for axis, side in enumerate(corner))
        inside += (-1) ** (ndim - sum(corner)) * total[at]
    found: NDArray[np.bool_] = inside > 0
    return found


def clusters(boxes: NDArray[np.int64], reach: int) -> list[Region]:
    """Join boxes that lie within about `reach` of each other; the region around each such group.

    Parameters
    ----------
    boxes : ndarray of int64, shape (n, 2, ndim)
        Boxes ≥ 0.
    reach : int
        In pixels, ≥ 1.

    Returns
    -------
    list of Region
        They may overlap.
    """
    from scipy import ndimage as ndi

    if not len(boxes):
        return []
    origin = boxes[:, 0].min(0)
    cells = _cells(boxes - origin, (reach,) * boxes.shape[2])
    grid = np.zeros(cells[:, 1].max(0), bool)
    for low, high in cells:
        grid[tuple(slice(a, b) for a, b in zip(low, high, strict=True))] = True
    groups, n = ndi.label(grid, np.ones((3,) * grid.ndim))
    group = groups[tuple(cells[:, 0].T)]
    return [around(boxes[group == g]) for g in range(1, n + 1)]


def _cells(boxes: NDArray[np.int64], cell: Sequence[int]) -> NDArray[np.int64]:
    """Boxes in cells, rounded outwards."""
    step = np.asarray(cell)
    return np.stack((boxes[:, 0] // step, -(-boxes[:, 1] // step)), axis=1)
