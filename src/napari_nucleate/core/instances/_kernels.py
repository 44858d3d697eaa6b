"""The loops of the splitters, compiled by numba on first use and cached."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numba
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

F = TypeVar("F", bound=Callable[..., Any])


def compiled(function: F) -> F:
    """Compile a function when first called; the machine code is kept on disk, the GIL let go."""
    return cast("F", numba.njit(cache=True, nogil=True)(function))


@compiled
def _march(
    region: NDArray[np.int32],
    height: NDArray[np.float32],
    y: int,
    x: int,
    dy: float,
    dx: float,
    rise: float,
) -> float:
    """Length of one ray within its region, exact along the edges of the pixels it crosses.

    From pixel to pixel as Amanatides & Woo (Eurographics 1987). The ray also ends where `height`
    (0 × 0 for none) was lowest, once it has risen from there by more than the ratio `rise`.
    """
    rows, cols = region.shape
    label = region[y, x]
    step_y, step_x = (1 if dy > 0 else -1), (1 if dx > 0 else -1)
    each_y = 1 / abs(dy) if abs(dy) > 1e-9 else math.inf
    each_x = 1 / abs(dx) if abs(dx) > 1e-9 else math.inf
    next_y, next_x = each_y / 2, each_x / 2
    low, low_at = math.inf, 0.0
    while True:
        at = min(next_y, next_x)
        if height.size:
            here = height[y, x]
            if here <= low:
                low, low_at = here, at
            elif here + 1 > rise * (low + 1):
                return low_at
        go_y, go_x = next_y <= at + 1e-9, next_x <= at + 1e-9  # both: through a corner
        if go_y:
            y, next_y = y + step_y, next_y + each_y
        if go_x:
            x, next_x = x + step_x, next_x + each_x
        if y < 0 or x < 0 or y >= rows or x >= cols or region[y, x] != label:
            return at


@compiled
def rays_everywhere(region: NDArray[np.int32], n_rays: int) -> NDArray[np.float32]:
    """Ray lengths (R, Y, X) at every pixel of a region > 0; 0 elsewhere."""
    out = np.zeros((n_rays, *region.shape), np.float32)
    none = np.zeros((0, 0), np.float32)
    for k in range(n_rays):
        dy, dx = math.sin(2 * math.pi * k / n_rays), math.cos(2 * math.pi * k / n_rays)
        for y in range(region.shape[0]):
            for x in range(region.shape[1]):
                if region[y, x] > 0:
                    out[k, y, x] = _march(region, none, y, x, dy, dx, 0.0)
    return out


@compiled
def rays_at(
    region: NDArray[np.int32],
    height: NDArray[np.float32],
    points: NDArray[np.int64],
    n_rays: int,
    rise: float,
) -> NDArray[np.float32]:
    """Ray lengths (N, R) at some pixels (N, 2), that end at necks of `height` too."""
    out = np.zeros((len(points), n_rays), np.float32)
    for k in range(n_rays):
        dy, dx = math.sin(2 * math.pi * k / n_rays), math.cos(2 * math.pi * k / n_rays)
        for i in range(len(points)):
            out[i, k] = _march(region, height, points[i, 0], points[i, 1], dy, dx, rise)
    return out


@compiled
def peaks(score: NDArray[np.float32], threshold: float) -> NDArray[np.int64]:
    """Pixels (N, 2) above a threshold that are highest among their eight neighbours.

    Of equal neighbours the first counts as the higher one.
    """
    rows, cols = score.shape
    found = []
    for y in range(rows):
        for x in range(cols):
            here = score[y, x]
            highest = here > threshold
            for ny in range(max(y - 1, 0), min(y + 2, rows)):
                for nx in range(max(x - 1, 0), min(x + 2, cols)):
                    before = ny < y or (ny == y and nx < x)
                    if score[ny, nx] > here or (before and score[ny, nx] == here):
                        highest = False
            if highest:
                found.append((y, x))
    out = np.empty((len(found), 2), np.int64)
    for i in range(len(found)):
        out[i, 0], out[i, 1] = found[i]
    return out


@compiled
def _fill(
    y: int, x: int, corners: NDArray[np.float32], top: int, left: int, depth: NDArray[np.float32]
) -> int:
    """Write how deep each pixel of a box lies in a star polygon, and count those inside.

    Depth is 0 at the centre, 1 on the outline, and 2 for all that is outside.
    """
    n = len(corners)
    area = 0
    for i in range(depth.shape[0]):
        for j in range(depth.shape[1]):
            py, px = float(top + i - y), float(left + j - x)
            k = math.floor(math.atan2(py, px) / (2 * math.pi) * n) % n
            ay, ax = corners[k]
            by, bx = corners[(k + 1) % n]
            # (py, px) as a sum of the two corners around it: the weights add up to the depth.
            value = ((py * bx - px * by) + (ay * px - ax * py)) / (ay * bx - ax * by)
            inside = value <= 1.0001
            depth[i, j] = value if inside else 2.0
            area += inside
    return area


@compiled
def _too_much(
    depth: NDArray[np.float32],
    below: NDArray[np.int32],
    areas: NDArray[np.int64],
    shared: NDArray[np.int64],
    overlap: float,
) -> bool:
    """Tell whether a polygon shares too much with a drawn one, or with all of them together."""
    shared[:] = 0
    for i in range(depth.shape[0]):
        for j in range(depth.shape[1]):
            if depth[i, j] < 2:
                shared[below[i, j]] += 1
    area = shared.sum()
    too_much = area - shared[0] > overlap * area
    for other in range(1, len(shared)):
        too_much = too_much or shared[other] > overlap * min(area, areas[other])
    return bool(too_much)


@compiled
def select(
    points: NDArray[np.int64],
    corners: NDArray[np.float32],
    boxes: NDArray[np.int64],
    shape: tuple[int, int],
    overlap: float,
) -> NDArray[np.int32]:
    """Draw star polygons in the order given, but for those that overlap drawn ones too much.

    A polygon is left out if it shares more than `overlap` of the smaller area with one that is
    drawn, or of its own with all of them. A contested pixel goes to the polygon it lies deeper in.
    Centres (N, 2), corners as seen from them (N, R, 2), boxes (N, 4): top, left, bottom, right.
    """
    labels, deepest = np.zeros(shape, np.int32), np.full(shape, 2.0, np.float32)
    areas, shared = np.zeros(len(points) + 1, np.int64), np.zeros(len(points) + 1, np.int64)
    drawn = 0
    for c in range(len(points)):
        y, x = points[c]
        # Discs of one size, one centre this deep in the other, share more than `overlap`: most
        # candidates end here, undrawn.
        if deepest[y, x] < 1 - overlap:
            continue
        top, left, bottom, right = boxes[c]
        depth = np.empty((bottom - top, right - left), np.float32)
        area = _fill(y, x, corners[c], top, left, depth)
        below, above = labels[top:bottom, left:right], deepest[top:bottom, left:right]
        if _too_much(depth, below, areas, shared[: drawn + 1], overlap):
            continue
        drawn += 1
        areas[drawn] = area
        for i in range(depth.shape[0]):
            for j in range(depth.shape[1]):
                if depth[i, j] < above[i, j]:
                    above[i, j] = depth[i, j]
                    below[i, j] = drawn
    return labels


@compiled
def _root(parent: NDArray[np.int64], pixel: int) -> int:
    """Find the summit of the hill that a pixel was joined to, and shorten the way there."""
    while parent[pixel] != pixel:
        parent[pixel] = parent[parent[pixel]]
        pixel = parent[pixel]
    return pixel


@compiled
def summits(
    height: NDArray[np.float32],
    pieces: NDArray[np.int32],
    order: NDArray[np.int64],
    offsets: NDArray[np.int64],
    drop: float,
) -> NDArray[np.bool_]:
    """Mark the summits one has to descend from by at least `drop` before going up higher.

    All arrays are flat, with a margin of pieces = 0 around the image: `order` lists the pixels of
    the pieces from the highest down, `offsets` lead to the neighbours. As a falling sea lays the
    pixels bare, hills rise and join, the lower to the higher; these are the h-maxima, in any
    number of dimensions. Every piece has at least one.
    """
    parent = np.full(height.size, -1, np.int64)
    rank = np.zeros(height.size, np.int64)
    marked = np.zeros(height.size, np.bool_)
    for place in range(len(order)):
        pixel = order[place]
        parent[pixel], rank[pixel], marked[pixel] = pixel, place, True
        for offset in offsets:
            beside = pixel + offset
            if pieces[beside] != pieces[pixel] or parent[beside] < 0:
                continue
            high, low = _root(parent, pixel), _root(parent, beside)
            if rank[low] < rank[high]:
                high, low = low, high
            if high != low:
                parent[low] = high
                marked[low] = height[low] - height[pixel] >= drop and low != pixel
    return marked
