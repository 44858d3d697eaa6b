"""Watersheds of heights with a margin, for every splitter that cuts along valleys."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from napari_nucleate.core.instances.connected import connected
from napari_nucleate.core.instances.seeded import shared_out

if TYPE_CHECKING:
    from numpy.typing import NDArray


def cut(
    height: NDArray[np.float32],
    within: NDArray[np.bool_],
    evidence: NDArray[np.float32],
    *,
    separation: float,
    min_size: int = 1,
    seeds: NDArray[np.int32] | None = None,
    seeds_only: bool = False,
) -> tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.int32]]:
    """Cut a landscape into its hills. Pure.

    Parameters
    ----------
    height : ndarray of float32, shape (Y, X) or (Z, Y, X)
        Rises towards the middle of objects; below 0 only for pixels that no hill may begin at.
    within : ndarray of bool, same shape
        What is cut; the rest is background.
    evidence : ndarray of float32, same shape
        Averaged in each object.
    separation : float
        How much narrower a pass must be than the lower hill's summit for both to stay, in [0, 1].
    min_size : int
        Smaller objects are dropped.
    seeds : ndarray of int32, same shape, optional
        Labels 1..n within; different ones are never joined.
    seeds_only : bool
        Whether only what has a seed is an object.

    Returns
    -------
    labels : ndarray of int32, same shape
        1..n, in the order of their first pixels.
    means : ndarray of float32, shape (n,)
        Mean evidence in each object.
    origins : ndarray of int32, shape (n,)
        The seed of each object, 0 for none.
    """
    if seeds is not None and seeds_only:
        return _from_seeds(height, within, evidence, seeds, separation, min_size)
    from napari_nucleate.core.instances import _flood_kernels as kernels
    from napari_nucleate.core.instances._compile import in_bands
    from napari_nucleate.core.instances._piece_kernels import by_piece

    ndim = height.ndim
    volume = height.shape if ndim == 3 else (1, *height.shape)
    padded = tuple(side + 2 for side in volume)
    inner = (slice(1, -1),) * 3
    land, basins = np.zeros(padded, np.float32), np.zeros(padded, np.int32)
    land[inner] = height
    n_seeds = 0
    if seeds is not None:
        basins[inner] = np.where(within, seeds, 0)
        n_seeds = int(seeds.max(initial=0))
    # Neighbours share an edge, or a face: the diagonal ones find no better hills.
    found = connected(within)
    runs = found.first, found.begin, found.end, found.piece, len(found)
    pixels, starts = by_piece(*runs, volume[1], volume[2], basins)
    ratio = np.inf if separation == 1 else 1 / (1 - separation)
    strides = np.array(land.strides)[3 - ndim :] // land.itemsize
    became = np.arange(n_seeds + len(pixels) + 1, dtype=np.int32)
    top = np.full(len(became), np.inf, np.float32)
    flooded = (land.reshape(-1), pixels, starts, np.concatenate((-strides, strides)), ratio)
    hills = (n_seeds, basins.reshape(-1), became, became.copy(), top)
    in_bands(partial(kernels.flood, *flooded, *hills), len(found))
    kernels.became(became)
    return _settled(basins, became, n_seeds, evidence, min_size)


def _from_seeds(
    height: NDArray[np.float32],
    within: NDArray[np.bool_],
    evidence: NDArray[np.float32],
    seeds: NDArray[np.int32],
    separation: float,
    min_size: int,
) -> tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.int32]]:
    """Give all hills to seeds, which a person may have put beside a summit, or two on one hill."""
    volume = height.shape if height.ndim == 3 else (1, *height.shape)
    hills, _, _ = cut(height, within, evidence, separation=separation)
    basins = shared_out(hills, height, seeds, within).reshape(volume)
    n_seeds = int(seeds.max(initial=0))
    own = np.arange(n_seeds + 1, dtype=np.int32)
    return _settled(np.pad(basins, 1), own, n_seeds, evidence, min_size)


def _settled(
    basins: NDArray[np.int32],
    became: NDArray[np.int32],
    n_seeds: int,
    evidence: NDArray[np.float32],
    min_size: int,
) -> tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.int32]]:
    """Number what the hills (Z + 2, Y + 2, X + 2) became, as `cut` returns it."""
    from napari_nucleate.core.instances import _flood_kernels as kernels

    labels = np.zeros([side - 2 for side in basins.shape], np.int32)
    sure = np.ascontiguousarray(evidence, np.float32).reshape(labels.shape)
    means = kernels.settle(basins, became, sure, min_size, labels)
    # Seeds are never joined to each other: each is the origin of its own object.
    origins = np.zeros(len(means) + 1, np.int32)
    origins[became[: n_seeds + 1]] = np.arange(n_seeds + 1)
    return labels.reshape(evidence.shape), means, origins[1:]


def smooth(values: NDArray[np.float32], sigma: tuple[float, ...]) -> NDArray[np.float32]:
    """Gaussian means, two sigma wide on either side; beyond the edge, values go on. Pure.

    Parameters
    ----------
    values : ndarray of float32, any number of dimensions
    sigma : tuple of float
        One an axis, in pixels; 0 leaves the axis alone.

    Returns
    -------
    ndarray of float32, same shape
    """
    from napari_nucleate.core.instances import _flood_kernels as kernels
    from napari_nucleate.core.instances._compile import in_bands

    out = np.ascontiguousarray(values, np.float32)
    for axis, width in enumerate(sigma):
        reach = int(2 * width + 0.5)
        if not reach or not values.size:
            continue
        weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / width) ** 2)
        weights = (weights / weights.sum()).astype(np.float32)
        source, out = out, np.empty_like(out)
        if axis == values.ndim - 1:
            rows, target = source.reshape(-1, source.shape[-1]), out.reshape(-1, source.shape[-1])
            kernel, n = kernels.blur_last, len(rows)
        else:
            shape = (int(np.prod(source.shape[:axis])), source.shape[axis], -1)
            rows, target = source.reshape(shape), out.reshape(shape)
            kernel, n = kernels.blur, rows.shape[0] * rows.shape[1]

        in_bands(partial(kernel, rows, weights, target), n, 16)
    return out
