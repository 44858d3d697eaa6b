"""How far it is to an object's edge along rays: the loops, for 2D (one plane) and 3D alike.

From the middle of a pixel, a ray of one direction crosses the same pixels everywhere, but for a
shift. Its path is therefore a list of offsets, and all pixels of an object walk it in step, many at
once in the processor's vector units.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_nucleate.core.instances._compile import compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray


@compiled
def paths(
    steps: NDArray[np.float64], n: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """Where rays from the middle of a pixel are after 0, 1, … n units of length.

    Parameters
    ----------
    steps : ndarray of float64, shape (R, 3)
        Pixels along Z, Y and X in one unit of length.
    n : int

    Returns
    -------
    reached : ndarray of int64, shape (R, n + 1, 3)
        Offset of the pixel reached.
    between : ndarray of int64, shape (R, n + 1, 3, 3)
        Offsets of the pixels entered, in order, on the last unit of the way; the last repeats.
    lengths : ndarray of float32, shape (R, n + 1, 3)
        The length at which each of them is entered.
    """
    rays = len(steps)
    reached = np.zeros((rays, n + 1, 3), np.int64)
    between = np.zeros((rays, n + 1, 3, 3), np.int64)
    lengths = np.zeros((rays, n + 1, 3), np.float32)
    for k in range(rays):
        for i in range(1, n + 1):
            cross = np.full(3, math.inf)
            for axis in range(3):
                old = reached[k, i - 1, axis]
                new = math.floor(i * steps[k, axis] + 0.5)
                reached[k, i, axis] = new
                if new != old:
                    cross[axis] = (max(new, old) - 0.5) / steps[k, axis]
            here = reached[k, i - 1].copy()
            length = float(i)
            for j in range(3):
                first = cross.min()
                if first < math.inf:
                    length = first
                for axis in range(3):
                    if cross[axis] == first and first < math.inf:
                        here[axis] = reached[k, i, axis]
                        cross[axis] = math.inf
                between[k, i, j] = here
                lengths[k, i, j] = length
    return reached, between, lengths


@compiled
def rays_of_objects(
    labels: NDArray[np.int32],
    boxes: NDArray[np.int64],
    reached: NDArray[np.int64],
    between: NDArray[np.int64],
    lengths: NDArray[np.float32],
    counter: NDArray[Any],
    out: NDArray[np.float32],
    start: int,
    stop: int,
) -> None:
    """Write the ray lengths of the objects `start` + 1 to `stop`.

    Looked at after every unit of length, so that a corner cut by less doesn't end a ray; where it
    ends is exact.

    Parameters
    ----------
    labels : ndarray of int32, shape (Z, Y, X)
    boxes : ndarray of int64, shape (n, 6)
        Of object i + 1: first Z, Y and X, then those after the last.
    reached, between, lengths : ndarray
        From `paths`, at least as long as the longest ray.
    counter : ndarray of uint8 or uint16
        Empty, of a type that can count the longest ray; the smaller, the more at once.
    out : ndarray of float32, shape (R, Z, Y, X)
    start, stop : int
    """
    for index in range(start, stop):
        z0, y0, x0, z1, y1, x1 = boxes[index]
        depth, height, width = z1 - z0, y1 - y0, x1 - x0
        if depth <= 0:
            continue
        across, down = width + 2, (width + 2) * (height + 2)
        size = -(-down * (depth + 2) // 8) * 8  # whole words
        # Before and behind, so much nothing that no pixel of the box can leave memory.
        inside = np.zeros(3 * size, counter.dtype)
        for z in range(depth):
            for y in range(height):
                at = size + (z + 1) * down + (y + 1) * across + 1
                for x in range(width):
                    inside[at + x] = labels[z0 + z, y0 + y, x0 + x] == index + 1
        here = inside[size : 2 * size]
        walking, walked = np.empty_like(here), np.empty_like(here)
        first, second = np.empty(reached.shape[1], np.int64), np.empty(reached.shape[1], np.int64)
        for k in range(len(reached)):
            walking[:] = here
            walked[:] = 1
            for n in range(1, len(reached[k])):
                a, b, c = reached[k, n]
                if abs(a) > depth or abs(b) > height or abs(c) > width:
                    break
                shift = size + a * down + b * across + c
                _walk(walking, walked, inside[shift : shift + size])
                if n % 4 == 0 and not _any(walking.view(np.uint64)):
                    break
            for n in range(len(first)):
                a, b, c = between[k, n, 0]
                first[n] = a * down + b * across + c
                a, b, c = between[k, n, 1]
                second[n] = a * down + b * across + c
            table = lengths[k].ravel()
            for z in range(depth):
                for y in range(height):
                    row = (z + 1) * down + (y + 1) * across + 1
                    line = out[k, z0 + z, y0 + y, x0:x1]
                    for x in range(width):
                        if here[row + x]:
                            n = walked[row + x]
                            # No branches: which edge ends a ray can't be foretold.
                            past = here[row + x + first[n]]
                            line[x] = table[3 * n + past + (past & here[row + x + second[n]])]


@compiled
def forget(
    labels: NDArray[np.int32],
    known: NDArray[np.bool_],
    steps: NDArray[np.float64],
    distances: NDArray[np.float32],
    start: int,
    stop: int,
) -> None:
    """Write NaN for rays that end at a pixel of which nothing is known, in rows start to stop.

    Parameters
    ----------
    labels : ndarray of int32, shape (Z, Y, X)
    known : ndarray of bool, same shape
    steps : ndarray of float64, shape (R, 3)
        Pixels along Z, Y and X in one unit of length.
    distances : ndarray of float32, shape (R, Z, Y, X)
    start, stop : int
        Rows, counted through all planes.
    """
    depth, rows, cols = labels.shape
    for row in range(start, stop):
        z, y = row // rows, row % rows
        for x in range(cols):
            if labels[z, y, x] == 0:
                continue
            for k in range(len(steps)):
                # Just past the end; and a little further, for an edge that was cut at a corner.
                for beyond in (0.25, 0.75):
                    length = distances[k, z, y, x] + beyond
                    a = math.floor(z + length * steps[k, 0] + 0.5)
                    b = math.floor(y + length * steps[k, 1] + 0.5)
                    c = math.floor(x + length * steps[k, 2] + 0.5)
                    inside = 0 <= a < depth and 0 <= b < rows and 0 <= c < cols
                    if inside and not known[a, b, c]:
                        distances[k, z, y, x] = np.nan
                        break


@compiled
def _walk(walking: NDArray[Any], walked: NDArray[Any], ahead: NDArray[Any]) -> None:
    """Take one step: pixels whose next one is inside go on and count it."""
    for i in range(walking.size):
        walking[i] &= ahead[i]
        walked[i] += walking[i]


@compiled
def _any(words: NDArray[np.uint64]) -> bool:
    """Tell whether any bit is set."""
    found = np.uint64(0)
    for i in range(words.size):
        found |= words[i]
    return bool(found != 0)


@compiled
def rays_at(
    labels: NDArray[np.int32], points: NDArray[np.int64], steps: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Ray lengths at some pixels, as `rays_of_objects` measures them at all.

    Parameters
    ----------
    labels : ndarray of int32, shape (Z, Y, X)
    points : ndarray of int64, shape (N, 3)
    steps : ndarray of float64, shape (R, 3)

    Returns
    -------
    ndarray of float32, shape (N, R)
    """
    longest = math.sqrt(labels.shape[0] ** 2 + labels.shape[1] ** 2 + labels.shape[2] ** 2)
    furthest = int(longest / max(np.abs(steps).max(), 1e-3)) + 2
    reached, between, lengths = paths(steps, furthest)
    out = np.zeros((len(points), len(steps)), np.float32)
    for i in range(len(points)):
        z, y, x = points[i]
        label = labels[z, y, x]
        for k in range(len(steps)):
            for n in range(1, furthest + 1):
                a, b, c = reached[k, n]
                if not _is(labels, z + a, y + b, x + c, label):
                    break
            j = 0
            while j < 2:
                a, b, c = between[k, n, j]
                if not _is(labels, z + a, y + b, x + c, label):
                    break
                j += 1
            out[i, k] = lengths[k, n, j]
    return out


@compiled
def _is(labels: NDArray[np.int32], z: int, y: int, x: int, label: int) -> bool:
    """Whether a pixel is in the image and has this label."""
    inside = 0 <= z < labels.shape[0] and 0 <= y < labels.shape[1] and 0 <= x < labels.shape[2]
    return bool(inside and labels[z, y, x] == label)
