"""What is known of each predicted object without the truth."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from math import pi
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_nucleate.core.instances.drawn import rims
from napari_nucleate.core.metrics import mutual_agreement

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_nucleate.core.instances.maps import Maps

NAMES = ("certainty", "agreement", "smaller", "larger", "jagged", "uneven")
"""The columns of `Traits.table`."""

ALMOST = 0.01
"""Shares nearer to 0 or 1 than this count as this near: the log-odds of certainty are endless."""


AROUND = 3
"""An object's surroundings are the background so many pixels around its rim."""

USUAL = 0.26
"""How uneven half of the nuclei of dsb2018_fluo are; cells in phase contrast are twice as much."""


@dataclass(frozen=True)
class Traits:
    """Measures of the objects of one prediction; arrays of one number an object, (n,).

    Parameters
    ----------
    ids : ndarray of int
        Their labels, ascending.
    sizes : ndarray of int
        Pixels or voxels.
    certainty : ndarray of float
        Mean over the object's pixels: 0 for a foreground probability of one half, 1 for one.
    agreement : ndarray of float
        Product of the IoU with its counterpart in each prediction compared; 1 without any.
    jagged : ndarray of float
        Logarithm of how many times as large as a disc's or a ball's its surface is.
    uneven : ndarray of float
        How much brightness varies in it, as a share of that and of how much it differs from its
        surroundings: 0 to 1, in the channel where it is least. What lies in two objects, or half in
        the background, is uneven. `USUAL` where nothing is known of that.
    compared : bool
        Whether there were predictions to compare with.
    lost : int
        How many of their objects became none of these.
    """

    ids: NDArray[np.int64]
    sizes: NDArray[np.int64]
    certainty: NDArray[np.float64]
    agreement: NDArray[np.float64]
    jagged: NDArray[np.float64]
    uneven: NDArray[np.float64]
    compared: bool
    lost: int

    @classmethod
    def of(
        cls,
        maps: Maps,
        labels: NDArray[np.int32],
        alone: Sequence[NDArray[np.int32]] = (),
        pixels: NDArray[np.float32] | None = None,
    ) -> Traits:
        """Measure objects. Pure.

        Parameters
        ----------
        maps : Maps
            The network's evidence.
        labels : ndarray of int32, shape (*spatial)
            Decoded from it.
        alone : sequence of ndarray of int32, each of shape (*spatial)
            Other predictions of the same image, to compare with.
        pixels : ndarray of float, shape (C, *spatial), optional
            The image.
        """
        ids, sizes = np.unique(labels[labels > 0], return_counts=True)
        # What isn't a number is no evidence.
        margin = np.clip(2 * np.nan_to_num(maps.foreground.astype(np.float64)) - 1, 0, 1)
        rim = rims(labels)
        long = _sums(labels, rim, ids)
        agreed, lost = np.ones(len(ids)), 0
        for other in alone:
            iou, of_other = mutual_agreement(labels, other)
            agreed *= [iou.get(int(i), 0.0) for i in ids]
            lost += sum(found < 0.5 for found in of_other.values())
        return cls(
            ids=ids.astype(np.int64),
            sizes=sizes,
            certainty=_sums(labels, margin, ids) / sizes,
            agreement=agreed,
            jagged=_jagged(long, sizes, labels.ndim),
            uneven=np.full(len(ids), USUAL)
            if pixels is None
            else unevenness(pixels, labels, ids, rim),
            compared=bool(len(alone)),
            lost=lost,
        )

    @property
    def table(self) -> NDArray[np.float64]:
        """One row an object, one column each of `NAMES`, on scales that a sum makes sense of."""
        size = np.log(self.sizes / np.median(self.sizes)) if len(self.sizes) else self.certainty
        columns = (
            log_odds(self.certainty),
            log_odds(self.agreement) if self.compared else np.zeros(len(self.ids)),
            np.minimum(size, 0),
            np.maximum(size, 0),
            self.jagged,
            np.log(np.maximum(self.uneven, ALMOST)),
        )
        return np.stack(columns, 1)


def log_odds(share: NDArray[np.float64]) -> NDArray[np.float64]:
    """Logarithm of p / (1 - p), of shares that are neither 0 nor 1. Pure.

    Examples
    --------
    >>> log_odds(np.array([0.5, 0.9, 1.0])).round(2)
    array([0. , 2.2, 4.6])
    """
    near = np.clip(share, ALMOST, 1 - ALMOST)
    return np.asarray(np.log(near / (1 - near)))


def _sums(
    labels: NDArray[np.int32], values: NDArray[Any], ids: NDArray[Any]
) -> NDArray[np.float64]:
    """Of each object, over its pixels."""
    sums = np.bincount(labels.ravel(), values.ravel(), int(ids.max(initial=0)) + 1)
    return np.asarray(sums[ids], np.float64)


def _jagged(long: NDArray[np.float64], sizes: NDArray[np.int64], ndim: int) -> NDArray[np.float64]:
    """Compare counts of pixels at the rim with those of round objects of the same size."""
    round_one = 2 * np.sqrt(pi * sizes) if ndim == 2 else pi ** (1 / 3) * (6 * sizes) ** (2 / 3)
    return np.asarray(np.log(np.maximum(long, 1) / round_one))


def unevenness(
    pixels: NDArray[np.float32],
    labels: NDArray[np.int32],
    ids: NDArray[Any],
    rim: NDArray[np.bool_] | None = None,
) -> NDArray[np.float64]:
    """Compare how brightness varies in objects with how they differ from their surroundings. Pure.

    Parameters
    ----------
    pixels : ndarray of float, shape (C, *spatial)
        The image.
    labels : ndarray of int32, shape (*spatial)
        0 is the background, none else.
    ids : ndarray of int, shape (n,)
        Which objects.
    rim : ndarray of bool, shape (*spatial), optional
        `rims` of the labels, where they are known already.

    Returns
    -------
    ndarray of float, shape (n,)
        See `Traits`.
    """
    from scipy.ndimage import uniform_filter

    rim = rims(labels) if rim is None else rim
    background = labels == 0
    if not background.any() or not len(ids):
        return np.full(len(ids), USUAL)
    sizes = _sums(labels, ~background, ids)
    # Beyond the image nothing is known, in other objects nothing is the surroundings of this one.
    near = partial(uniform_filter, size=2 * AROUND + 1, mode="constant", output=np.float32)
    seen = _sums(labels, near(background.astype(np.float32)) * rim, ids)
    least = np.ones(len(ids))
    for channel in pixels:
        # Around a mean of 0 little is lost where variances are differences.
        values = channel - channel.mean(dtype=np.float64)
        mean = _sums(labels, values, ids) / sizes
        spread = np.sqrt(np.maximum(_sums(labels, values**2, ids) / sizes - mean**2, 0))
        around = _sums(labels, near((values * background).astype(np.float32)) * rim, ids)
        # What has no background beside it differs from that of all of the image.
        around = np.where(seen > 0, around / np.maximum(seen, ALMOST), values[background].mean())
        whole = spread + np.abs(mean - around)
        least = np.minimum(least, np.divide(spread, whole, out=np.ones(len(ids)), where=whole > 0))
    return least
