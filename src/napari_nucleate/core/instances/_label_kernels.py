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
    labels: NDArray[np.int32], holes: NDArray[np.int32], n: int
) -> NDArray[np.int32]:
    """For each hole 1..n the object around it, 0 where there are several; arrays (Z, Y, X)."""
    owner = np.full(n + 1, -1, np.int32)
    depth, rows, cols = labels.shape
    for z in range(depth):
        for y in range(rows):
            for x in range(cols):
                hole = holes[z, y, x]
                if hole == 0:
                    continue
                for a in range(max(z - 1, 0), min(z + 2, depth)):
                    for b in range(max(y - 1, 0), min(y + 2, rows)):
                        for c in range(max(x - 1, 0), min(x + 2, cols)):
                            label = labels[a, b, c]
                            if holes[a, b, c] > 0 or label == 0:
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
def renumber(
    labels: NDArray[np.int32], highest: int, first: int, least: int, most: int
) -> NDArray[np.int32]:
    """Number the labels from `first` on of `least` to `most` pixels 1..n in their order; flat."""
    sizes = np.zeros(highest + 1, np.int64)
    for i in range(labels.size):
        sizes[labels[i]] += 1
    number, n = np.zeros(highest + 1, np.int32), 0
    for label in range(first, highest + 1):
        if sizes[label] > 0 and least <= sizes[label] <= most:
            n += 1
            number[label] = n
    out = np.empty(labels.size, np.int32)
    for i in range(labels.size):
        out[i] = number[labels[i]]
    return out
