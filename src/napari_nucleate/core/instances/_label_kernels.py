"""Looking at all pixels of label images once: the loops, for 2D (one plane) and 3D alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_nucleate.core.instances._compile import compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray


@compiled
def means(labels: NDArray[np.int32], values: NDArray[np.float32], n: int) -> NDArray[np.float32]:
    """Mean value in each object 1..n, flat arrays; what isn't a number counts as 0."""
    sums, sizes = np.zeros(n + 1), np.zeros(n + 1, np.int64)
    for i in range(labels.size):
        label = labels[i]
        if label > 0:
            sizes[label] += 1
            if values[i] == values[i]:
                sums[label] += values[i]
    out = np.empty(n, np.float32)
    for label in range(1, n + 1):
        out[label - 1] = sums[label] / max(sizes[label], 1)
    return out


@compiled
def only_neighbour(
    labels: NDArray[np.int32], pixels: NDArray[np.int64], which: NDArray[np.int32], n: int
) -> NDArray[np.int32]:
    """For each hole 1..n the object around it, 0 where there are several.

    Parameters
    ----------
    labels : ndarray of int32, shape (Z, Y, X)
        0 in the holes.
    pixels, which : ndarray
        Flat indices of the holes' pixels, and the hole of each.

    Returns
    -------
    ndarray of int32, shape (n + 1,)
    """
    owner = np.full(n + 1, -1, np.int32)
    depth, rows, cols = labels.shape
    for i in range(pixels.size):
        hole, at = which[i], pixels[i]
        z, y, x = at // (rows * cols), at // cols % rows, at % cols
        for a in range(max(z - 1, 0), min(z + 2, depth)):
            for b in range(max(y - 1, 0), min(y + 2, rows)):
                for c in range(max(x - 1, 0), min(x + 2, cols)):
                    label = labels[a, b, c]
                    if label == 0:
                        continue
                    if owner[hole] == -1:
                        owner[hole] = label
                    elif owner[hole] != label:
                        owner[hole] = 0
    for hole in range(n + 1):
        owner[hole] = max(owner[hole], 0)
    return owner


@compiled
def highest(labels: NDArray[np.int32], values: NDArray[np.float32], n: int) -> NDArray[np.float32]:
    """Highest value in each object 1..n, at least 0; flat arrays."""
    out = np.zeros(n + 1, np.float32)
    for i in range(labels.size):
        if values[i] > out[labels[i]]:
            out[labels[i]] = values[i]
    return out[1:]


@compiled
def deepest(labels: NDArray[np.int32], depth: NDArray[np.float32], n: int) -> NDArray[np.int64]:
    """Where each object 1..n has its largest depth, the first of equal ones; flat arrays."""
    place, most = np.zeros(n + 1, np.int64), np.full(n + 1, -1.0, np.float32)
    for i in range(labels.size):
        if depth[i] > most[labels[i]]:
            place[labels[i]], most[labels[i]] = i, depth[i]
    return place[1:]


@compiled
def renumber(labels: NDArray[np.int32], highest: int, least: int) -> NDArray[np.int32]:
    """Number the labels of at least `least` pixels 1..n in their order; flat arrays."""
    sizes = np.zeros(highest + 1, np.int64)
    for i in range(labels.size):
        if labels[i] > 0:
            sizes[labels[i]] += 1
    number, n = np.zeros(highest + 1, np.int32), 0
    for label in range(1, highest + 1):
        if sizes[label] >= least:
            n += 1
            number[label] = n
    if n == highest:
        return labels.copy()
    out = np.zeros(labels.size, np.int32)
    for i in range(labels.size):
        if labels[i] > 0:
            out[i] = number[labels[i]]
    return out


@compiled
def _rim(labels: NDArray[np.int32], y: int, rim: NDArray[np.bool_]) -> None:
    """Which pixels of row y have a neighbour with another label."""
    rows, cols = labels.shape
    up, down = max(y - 1, 0), min(y + 1, rows - 1)
    for x in range(cols):
        label = labels[y, x]
        rim[x] = (
            labels[up, x] != label
            or labels[down, x] != label
            or labels[y, max(x - 1, 0)] != label
            or labels[y, min(x + 1, cols - 1)] != label
        )


@compiled
def outlines(labels: NDArray[np.int32], out: NDArray[np.int32], start: int, stop: int) -> None:
    """Copy the pixels, of rows start..stop, within two steps of another label; shape (Y, X)."""
    rows, cols = labels.shape
    above, here, below = np.zeros((3, cols), np.bool_)
    if start > 0:
        _rim(labels, start - 1, above)
    if start < stop:
        _rim(labels, start, here)
    for y in range(start, stop):
        up, down = max(y - 1, 0), min(y + 1, rows - 1)
        _rim(labels, down, below)
        for x in range(cols):
            label = labels[y, x]
            if label == 0:
                continue
            left, right = max(x - 1, 0), min(x + 1, cols - 1)
            # A neighbour is a step away: if it has the same label and lies at the rim, two.
            if (
                here[x]
                or here[left]
                or here[right]
                or (above[x] and labels[up, x] == label)
                or (below[x] and labels[down, x] == label)
            ):
                out[y, x] = label
        above, here, below = here, below, above
