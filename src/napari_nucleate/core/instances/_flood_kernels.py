"""Cutting a landscape into hills: the loops, in any number of dimensions.

All arrays are flat, with a margin around the image that belongs to nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_nucleate.core.instances._compile import compiled
from napari_nucleate.core.instances._piece_kernels import root

if TYPE_CHECKING:
    from numpy.typing import NDArray

FINE = 12
"""Bits of a float32 that don't matter for the order: heights within 0.05 % count as alike."""

LOWEST = (127 - 6) << (23 - FINE)
LEVELS = 22 << (23 - FINE)
"""Heights from 2⁻⁶ to 2¹⁶ are told apart, in so many levels; on either side of 0."""


@compiled
def _level(bits: int) -> int:
    """Where a height stands, given the bits of its float32; fixed, not from what else there is."""
    size = ((bits & 0x7FFFFFFF) >> FINE) - LOWEST
    size = min(max(size, 0), LEVELS)
    return LEVELS - size if bits < 0 else LEVELS + size


@compiled
def _downhill(pixels: NDArray[np.int64], bits: NDArray[np.int32]) -> None:
    """Sort pixels, the highest first; those of one level stay in the order of the image."""
    keys = np.empty(pixels.size, np.int64)
    for i in range(pixels.size):
        keys[i] = ((2 * LEVELS - _level(bits[pixels[i]])) << 40) | i
    keys.sort()
    before = pixels.copy()
    for i in range(pixels.size):
        pixels[i] = before[keys[i] & ((1 << 40) - 1)]


@compiled
def flood(
    height: NDArray[np.float32],
    pixels: NDArray[np.int64],
    starts: NDArray[np.int64],
    offsets: NDArray[np.int64],
    ratio: float,
    n_seeds: int,
    basins: NDArray[np.int32],
    parent: NDArray[np.int32],
    chain: NDArray[np.int32],
    top: NDArray[np.float32],
    first: int,
    last: int,
) -> None:
    """Join every pixel to a hill, as a falling sea lays them bare; one pass finds and cuts hills.

    A pixel with no neighbour above the sea begins a hill; others join the highest neighbour's.
    Where two hills meet, the lower one becomes part of the other unless its summit stands out: one
    more than its height is at least `ratio` times one more than the pass's. Nothing is joined at
    passes below 0, but what lies below 0 as a whole. These are the h-maxima and the watershed of
    them at once (Soille, Morphological Image Analysis, 2003; Edelsbrunner et al. 2002 call the
    rule persistence).

    Parameters
    ----------
    height : ndarray of float32
    pixels, starts : ndarray of int64
        From `_piece_kernels.by_piece`; sorted here.
    offsets : ndarray of int64
        Ways to the neighbours.
    ratio : float
        ≥ 1; infinite joins all hills that touch.
    n_seeds : int
        Hills 1..n_seeds are there already, and are never joined to each other.
    basins : ndarray of int32
        Written: the hill of each pixel; holds the seeds, 0 elsewhere.
    parent, chain : ndarray of int32, shape (n_seeds + number of pixels + 1,)
        What each hill became part of, and the chain of hills it touches; each its own at first.
    top : ndarray of float32, same shape
        Height of each summit; infinite for seeds.
    first, last : int
        Pieces to flood; others touch none of them.
    """
    bits = height.view(np.int32)
    for piece in range(first, last):
        own = pixels[starts[piece] : starts[piece + 1]]
        _downhill(own, bits)
        n = n_seeds + starts[piece]  # no piece has more hills than pixels
        for pixel in own:
            best, best_height, here = 0, np.float32(-np.inf), height[pixel]
            for offset in offsets:
                beside = int(basins[pixel + offset])
                if beside == 0:
                    continue
                hill = root(parent, beside)
                above = height[pixel + offset]
                if best == 0:
                    best, best_height = hill, above
                    continue
                if hill == best:
                    best_height = max(best_height, above)
                    continue
                a, b = root(chain, best), root(chain, hill)
                if a != b and (a > n_seeds or b > n_seeds):
                    # The lower one of two chains; in a tie the later, as its number tells.
                    low, high = (a, b) if (top[a], -a) < (top[b], -b) else (b, a)
                    chain[low] = high
                    alone = top[low] < 0 or (here >= 0 and 1 + top[low] < ratio * (1 + here))
                    if alone:
                        joins, to = (best, hill) if low == a else (hill, best)
                        parent[joins] = to
                        best, best_height = to, max(best_height, above)
                        continue
                if above > best_height:
                    best, best_height = hill, above
            if best == 0:
                n += 1
                best, top[n] = n, here
            basins[pixel] = best


@compiled
def became(parent: NDArray[np.int32]) -> None:
    """Write for each hill the one that it became part of at last."""
    for hill in range(parent.size):
        parent[hill] = root(parent, hill)


@compiled
def settle(
    basins: NDArray[np.int32],
    became: NDArray[np.int32],
    evidence: NDArray[np.float32],
    min_size: int,
    labels: NDArray[np.int32],
) -> NDArray[np.float32]:
    """Number the hills that are large enough 1..n in the image's order, and average in them.

    Parameters
    ----------
    basins : ndarray of int32, shape (Z + 2, Y + 2, X + 2)
    became : ndarray of int32
        What each hill became part of, 0 for none; then its label.
    evidence : ndarray of float32, shape (Z, Y, X)
    min_size : int
    labels : ndarray of int32, shape (Z, Y, X)
        Written; all 0 at first.

    Returns
    -------
    ndarray of float32, shape (n,)
    """
    sizes, sums = np.zeros(became.size, np.int64), np.zeros(became.size)
    met, n = np.empty(became.size, np.int32), 0
    depth, rows, cols = labels.shape
    for z in range(depth):
        for y in range(rows):
            for x in range(cols):
                basin = basins[z + 1, y + 1, x + 1]
                hill = became[basin] if basin > 0 else 0  # most pixels have none
                if hill > 0:
                    if sizes[hill] == 0:
                        met[n] = hill
                        n += 1
                    sizes[hill] += 1
                    sums[hill] += evidence[z, y, x]
    number = np.zeros(became.size, np.int32)
    means = np.empty(n, np.float32)
    kept = 0
    for hill in met[:n]:
        if sizes[hill] >= min_size:
            means[kept] = sums[hill] / sizes[hill]
            kept += 1
            number[hill] = kept
    for basin in range(became.size):
        became[basin] = number[became[basin]]
    for z in range(depth):
        for y in range(rows):
            for x in range(cols):
                basin = basins[z + 1, y + 1, x + 1]
                if basin > 0:
                    labels[z, y, x] = became[basin]
    return means[:kept]


@compiled
def blur(
    source: NDArray[np.float32],
    weights: NDArray[np.float32],
    out: NDArray[np.float32],
    start: int,
    stop: int,
) -> None:
    """Weighted means along the middle axis, for the rows `start` to `stop` of the first two.

    Parameters
    ----------
    source, out : ndarray of float32, shape (A, N, B)
        Beyond its ends the source goes on as its last values.
    weights : ndarray of float32, shape (2 r + 1,)
    """
    n, width = source.shape[1], source.shape[2]
    reach = weights.size // 2
    for row in range(start, stop):
        a, i = row // n, row % n
        line = out[a, i]
        line[:] = 0
        for j in range(-reach, reach + 1):
            weight = weights[j + reach]
            other = source[a, min(max(i + j, 0), n - 1)]
            for b in range(width):
                line[b] += weight * other[b]


@compiled
def blur_last(
    source: NDArray[np.float32],
    weights: NDArray[np.float32],
    out: NDArray[np.float32],
    start: int,
    stop: int,
) -> None:
    """The same along the last axis, shapes (A, N)."""
    n = source.shape[1]
    reach = weights.size // 2
    padded = np.empty(n + 2 * reach, np.float32)
    for a in range(start, stop):
        padded[:reach] = source[a, 0]
        padded[reach : reach + n] = source[a]
        padded[reach + n :] = source[a, n - 1]
        line = out[a]
        line[:] = 0
        for j in range(2 * reach + 1):
            weight, other = weights[j], padded[j : j + n]
            for b in range(n):
                line[b] += weight * other[b]
