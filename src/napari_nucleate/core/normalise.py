"""Bring every image to the same range, whatever the camera."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from napari_nucleate.core.params import Params

if TYPE_CHECKING:
    from numpy.typing import NDArray

FARTHEST = 10_000.0


class Normalisation(Params):
    """Percentiles of each channel that become 0 and 1."""

    low: float = Field(1.0, ge=0, lt=50, description="Percentile that becomes 0.")
    high: float = Field(99.8, gt=50, le=100, description="Percentile that becomes 1.")

    def apply(self, image: NDArray[Any]) -> NDArray[np.float32]:
        """Scale each channel so that its percentiles become 0 and 1. Pure.

        Parameters
        ----------
        image : ndarray, shape (C, Y, X) or (C, Z, Y, X)
            Any real dtype. NaN and infinite pixels don't count in the percentiles.

        Returns
        -------
        ndarray of float32, same shape
            Clipped only far beyond any signal, at ±10 000: the fill values of some files would
            overflow. Pixels that aren't finite, and constant channels, become 0.

        Examples
        --------
        >>> Normalisation(low=0, high=100).apply(np.array([[[2, 4, np.nan, 6]]]))
        array([[[0. , 0.5, 0. , 1. ]]], dtype=float32)
        """
        result = np.zeros(image.shape, np.float32)
        for channel, out in zip(image, result, strict=True):
            finite = np.isfinite(channel)
            values = channel[finite].astype(np.float64)
            if not values.size:
                continue
            np.clip(values, -1e300, 1e300, out=values)  # differences must not overflow
            # Percentiles of a million pixels are those of all of them, at a hundredth of the time.
            sample = values[:: max(1, values.size // 1_000_000)]
            low, high = np.percentile(sample, [self.low, self.high])
            if high <= low:
                # A few bright pixels on a constant ground: the percentiles coincide.
                low, high = float(values.min()), float(values.max())
            if high > low:
                values -= low
                values /= high - low
                out[finite] = np.clip(values, -FARTHEST, FARTHEST, out=values)
        return result
