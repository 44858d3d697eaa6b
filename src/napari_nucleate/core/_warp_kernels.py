"""Looking images up at any coordinates: the loops, for 2D (one plane) and 3D alike.

Beyond its edge an image is mirrored at the middle of its outermost pixels.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from napari_nucleate.core.instances._compile import compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray


@compiled
def _within(at: int, n: int) -> int:
    """The pixel that an index stands for."""
    if 0 <= at < n:
        return at
    if n == 1:
        return 0
    folded = abs(at) % (2 * (n - 1))
    return min(folded, 2 * (n - 1) - folded)


@compiled
def nearest(
    values: NDArray[np.int32],
    where: NDArray[np.float32],
    out: NDArray[np.int32],
    start: int,
    stop: int,
) -> None:
    """Write the value at the nearest pixel.

    Parameters
    ----------
    values : ndarray of int32, shape (Z, Y, X)
    where : ndarray of float32, shape (3, N)
        Coordinates; (2, N) in a single plane.
    out : ndarray of int32, shape (N,)
    start, stop : int
    """
    depth, rows, cols = values.shape
    flat = len(where) == 2
    for i in range(start, stop):
        z = 0 if flat else _within(math.floor(where[0, i] + 0.5), depth)
        y = _within(math.floor(where[-2, i] + 0.5), rows)
        x = _within(math.floor(where[-1, i] + 0.5), cols)
        out[i] = values[z, y, x]


@compiled
def linear(
    values: NDArray[np.float32],
    where: NDArray[np.float32],
    out: NDArray[np.float32],
    start: int,
    stop: int,
) -> None:
    """Write linearly interpolated values.

    Parameters
    ----------
    values : ndarray of float32, shape (C, Z, Y, X)
    where : ndarray of float32, shape (3, N)
        Coordinates; (2, N) in a single plane.
    out : ndarray of float32, shape (C, N)
    start, stop : int
    """
    channels, depth, rows, cols = values.shape
    flat = len(where) == 2
    for i in range(start, stop):
        y, x = where[-2, i], where[-1, i]
        low_y, low_x = math.floor(y), math.floor(x)
        b, c = y - low_y, x - low_x
        y0, y1 = _within(low_y, rows), _within(low_y + 1, rows)
        x0, x1 = _within(low_x, cols), _within(low_x + 1, cols)
        a, z0, z1 = np.float32(0), 0, 0
        if not flat:
            low_z = math.floor(where[0, i])
            a = where[0, i] - low_z
            z0, z1 = _within(low_z, depth), _within(low_z + 1, depth)
        for channel in range(channels):
            plane = values[channel, z0]
            value = (1 - b) * ((1 - c) * plane[y0, x0] + c * plane[y0, x1]) + b * (
                (1 - c) * plane[y1, x0] + c * plane[y1, x1]
            )
            if a > 0:
                plane = values[channel, z1]
                value = (1 - a) * value + a * (
                    (1 - b) * ((1 - c) * plane[y0, x0] + c * plane[y0, x1])
                    + b * ((1 - c) * plane[y1, x0] + c * plane[y1, x1])
                )
            out[channel, i] = value


@compiled
def near_another(
    labels: NDArray[np.int32], deep: int, wide: int, out: NDArray[np.bool_], start: int, stop: int
) -> None:
    """Tell which pixels of objects, in rows start to stop, have another object near.

    Parameters
    ----------
    labels : ndarray of int32, shape (Z, Y, X)
        0 is background.
    deep, wide : int
        How near: in planes, and in pixels along Y and X.
    out : ndarray of bool, shape (Z, Y, X)
        False at first.
    start, stop : int
        Rows, counted through all planes.
    """
    depth, rows, cols = labels.shape
    for row in range(start, stop):
        z, y = row // rows, row % rows
        for x in range(cols):
            label = labels[z, y, x]
            if label == 0:
                continue
            for a in range(max(z - deep, 0), min(z + deep + 1, depth)):
                for b in range(max(y - wide, 0), min(y + wide + 1, rows)):
                    for c in range(max(x - wide, 0), min(x + wide + 1, cols)):
                        other = labels[a, b, c]
                        if other > 0 and other != label:
                            out[z, y, x] = True
