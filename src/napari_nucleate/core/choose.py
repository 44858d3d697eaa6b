"""Which images to label: a few that stand for all, and those that the network is worst at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from napari_nucleate.core.normalise import Normalisation

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, MutableMapping, Sequence

    from numpy.typing import NDArray

    from napari_nucleate.core.predict import Source

One = TypeVar("One")

MOST = 3000
"""Of more images than this, evenly spaced ones are compared, and proposed."""

LONELY = 4.0
"""So many times as far from the image most like it as images usually are: unlike all others."""

SEEN = 1024
"""Side of what is looked at of an image, in pixels: of a larger one, the middle."""

FEWEST = 8
"""Pixels along a side that an image keeps when it is made smaller."""


def describe(image: NDArray[np.generic]) -> NDArray[np.float64]:
    """Describe an image by its grey levels and by the sizes of its structures. Pure.

    Parameters
    ----------
    image : ndarray, shape (C, Y, X) or (C, Z, Y, X)

    Returns
    -------
    ndarray of float64, shape (15,)
        Deciles of the normalised grey levels, and the share of variation that each of six
        doublings of blur takes away. Volumes are described by their brightest projection, what is
        larger than `SEEN` by its middle.
    """
    middle = [slice(max(n - SEEN, 0) // 2, max(n - SEEN, 0) // 2 + SEEN) for n in image.shape[-2:]]
    plane = Normalisation().apply(image[..., middle[0], middle[1]]).mean(0)
    while plane.ndim > 2:
        plane = plane.max(0)
    deciles = np.percentile(plane, range(10, 100, 10))
    lost = np.array(list(_lost(plane)))
    return np.concatenate([deciles, lost / max(lost.sum(), 1e-6)])


def _lost(plane: NDArray[np.float32]) -> Iterator[float]:
    """The standard deviation that a blur of 1 pixel takes away, then of 2, and so on to 32.

    What is blurred needs fewer pixels: they are halved as the blur grows (Burt and Adelson 1983),
    which takes a twentieth of the time.
    """
    from scipy.ndimage import gaussian_filter

    pixel, done = 1, 0.0
    for level in range(6):
        blur = 2.0**level
        if blur > 2 and min(plane.shape) >= 2 * FEWEST:
            high, wide = (side // 2 for side in plane.shape)
            plane = plane[: 2 * high, : 2 * wide].reshape(high, 2, wide, 2).mean((1, 3))
            pixel *= 2
        # Blurs add up by their squares.
        blurred = gaussian_filter(plane, np.sqrt(blur**2 - done**2) / pixel)
        yield float(np.std(plane - blurred))
        plane, done = blurred, blur


class Watched:
    """A source that notes what its image looks like, whenever it is read.

    Parameters
    ----------
    source : Source
    seen : mutable mapping of str to ndarray
        Descriptions by name; its own is added.
    """

    def __init__(self, source: Source, seen: MutableMapping[str, NDArray[np.float64]]) -> None:
        self._source, self._seen = source, seen

    @property
    def key(self) -> str:
        """The image's name."""
        return self._source.key

    def read(self) -> NDArray[Any]:
        """Pixels of shape (C, Y, X) or (C, Z, Y, X)."""
        pixels = self._source.read()
        # What isn't an image, its reader refuses in words.
        if pixels.size and pixels.ndim in (3, 4):
            self._seen[self.key] = describe(pixels)
        return pixels


def covering(
    descriptions: NDArray[np.float64],
    count: int,
    labelled: Collection[int] = (),
    weights: NDArray[np.float64] | None = None,
    among: Collection[int] | None = None,
) -> list[int]:
    """Choose images so that every image is like one that is labelled or chosen. Pure.

    One after the other: that which brings the others nearest, counted by their weights. So the
    first are typical, none is like those before (the greedy k-median; for its bound see
    Cornuejols, Fisher and Nemhauser 1977). What is unlike all others, see `LONELY`, needs a label
    no more than is usual, however bad its prediction: an image of noise teaches nothing of others.

    Parameters
    ----------
    descriptions : ndarray of float64, shape (n, k)
        Of all images, see `describe`.
    count : int
        How many to choose; all that may be where there are fewer.
    labelled : collection of int
        Images that need no label any more; never chosen.
    weights : ndarray of float64, shape (n,), optional
        How much a label is needed for images like each one: 0 where the network is right already.
    among : collection of int, optional
        Images that may be chosen; all that aren't labelled by default.

    Returns
    -------
    list of int
        Their positions, in the order in which they help most.

    Examples
    --------
    >>> descriptions = np.array([[0.0], [0.1], [0.2], [9.0], [9.2]])
    >>> covering(descriptions, 2)
    [2, 3]
    >>> covering(descriptions, 1, labelled=[1])
    [3]
    >>> covering(descriptions, 2, among=[0, 1, 4])
    [1, 4]
    """
    if not len(descriptions):
        return []
    table = _standardised(descriptions)
    known = set(labelled)
    others = spread(range(len(table)), MOST)
    every = range(len(table)) if among is None else sorted(among)
    free = spread([i for i in every if i not in known], MOST)
    distance = _distances(table[others], table[free])
    nearest = _nearest(table, others, sorted(known), distance.max(initial=0) + 1)
    needed = np.ones(len(others), np.float32)
    if weights is not None and free:
        needed = weights[others].astype(np.float32)
        itself = np.asarray(others)[:, np.newaxis] == np.asarray(free)
        alone = np.minimum(nearest, np.where(itself, np.inf, distance).min(1))
        lonely = alone > LONELY * np.median(alone[alone > 0]) if alone.any() else alone > 0
        needed[lonely] = np.minimum(needed[lonely], np.median(weights[free]))
    chosen: list[int] = []
    while len(chosen) < min(count, len(free)):
        gain = needed @ np.maximum(nearest[:, np.newaxis] - distance, 0)
        gain[chosen] = -1
        best = int(np.argmax(gain))
        chosen.append(best)
        nearest = np.minimum(nearest, distance[:, best])
    return [free[at] for at in chosen]


def stands_for(descriptions: NDArray[np.float64], labelled: Collection[int], one: int) -> int:
    """How many images are more like one image than like any labelled one. Pure.

    Examples
    --------
    >>> descriptions = np.array([[0.0], [0.1], [0.2], [9.0], [9.2]])
    >>> stands_for(descriptions, [1], 3)
    1
    """
    table = _standardised(descriptions)
    everyone = list(range(len(table)))
    to_one = _distances(table, table[[one]])[:, 0]
    nearer = to_one < _nearest(table, everyone, sorted(labelled), np.inf)
    return int(np.count_nonzero(nearer)) - int(nearer[one])


def _standardised(descriptions: NDArray[np.float64]) -> NDArray[np.float32]:
    table = (descriptions - descriptions.mean(0)) / (descriptions.std(0) + 1e-6)
    return np.asarray(table, np.float32)


def spread(every: Sequence[One], most: int) -> list[One]:
    """At most so many of them, evenly spaced. Pure.

    Examples
    --------
    >>> spread("abcdefg", 3)
    ['a', 'd', 'g']
    """
    return list(every[:: max(1, -(-len(every) // most))])


def _distances(ones: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.float32]:
    from scipy.spatial.distance import cdist

    return np.asarray(cdist(ones, others), np.float32)


def _nearest(
    table: NDArray[np.float32], ones: Sequence[int], labelled: Sequence[int], without: float
) -> NDArray[np.float32]:
    """How far each image is from the labelled one most like it; `without` any, all are as far."""
    nearest = np.full(len(ones), without, np.float32)
    for start in range(0, len(labelled), MOST):
        some = table[labelled[start : start + MOST]]
        nearest = np.minimum(nearest, _distances(table[list(ones)], some).min(1))
    return nearest


def representative(sources: Sequence[Source], count: int) -> list[int]:
    """Choose images that differ from each other and are each like many of the rest.

    Parameters
    ----------
    sources : sequence of Source
        Each is read once.
    count : int
        How many to choose; all where there are fewer.

    Returns
    -------
    list of int
        Positions in `sources`, in their order.
    """
    if count >= len(sources):
        return list(range(len(sources)))
    return sorted(covering(np.stack([describe(s.read()) for s in sources]), count))


def least_sure(foreground: NDArray[np.floating], side: int) -> tuple[slice, ...]:
    """Find the part of an image where the network is least sure. Pure.

    Parameters
    ----------
    foreground : ndarray of float, shape (*spatial)
        Probability of foreground.
    side : int
        Longest side of the part in pixels, along Y and X; of a volume, it is in one plane.

    Returns
    -------
    tuple of slice
        One an axis.

    Examples
    --------
    >>> foreground = np.zeros((6, 8))
    >>> foreground[4:, 6:] = 0.5
    >>> least_sure(foreground, 4)
    (slice(2, 6, None), slice(4, 8, None))
    """
    doubt = 1 - np.abs(2 * np.nan_to_num(foreground.astype(np.float64)) - 1)
    planes = doubt.reshape(-1, *doubt.shape[-2:])
    high, wide = (min(side, n) for n in planes.shape[1:])
    # Sums over all windows, from running sums along both axes.
    sums = np.pad(planes.sum(0), ((1, 0), (1, 0))).cumsum(0).cumsum(1)
    windows = sums[high:, wide:] - sums[:-high, wide:] - sums[high:, :-wide] + sums[:-high, :-wide]
    y, x = np.unravel_index(int(np.argmax(windows)), windows.shape)
    part = slice(int(y), int(y) + high), slice(int(x), int(x) + wide)
    if doubt.ndim == 2:
        return part
    z = int(np.argmax(planes[:, part[0], part[1]].sum((1, 2))))
    return (slice(z, z + 1), *part)
