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

    def limits(self, image: NDArray[Any]) -> NDArray[np.float64]:
        """The values of each channel that become 0 and 1, (C, 2); equal in a constant one. Pure.

        Parameters
        ----------
        image : ndarray, shape (C, Y, X) or (C, Z, Y, X)

        Examples
        --------
        >>> Normalisation(low=0, high=100).limits(np.array([[[2, 4, np.nan, 6]]]))
        array([[2., 6.]])
        """
        return np.array([self._limits(_finite(channel)[1]) for channel in image]).reshape(-1, 2)

    def apply(
        self, image: NDArray[Any], limits: NDArray[np.float64] | None = None
    ) -> NDArray[np.float32]:
        """Scale each channel so that its percentiles become 0 and 1. Pure.

        Parameters
        ----------
        image : ndarray, shape (C, Y, X) or (C, Z, Y, X)
            Any real dtype. NaN and infinite pixels don't count in the percentiles.
        limits : ndarray of float, shape (C, 2), optional
            What becomes 0 and 1, where this is a part of an image: those of the whole.

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
        for i, (channel, out) in enumerate(zip(image, result, strict=True)):
            finite, values = _finite(channel)
            low, high = self._limits(values) if limits is None else limits[i]
            if high > low:
                values -= low
                values /= high - low
                out[finite] = np.clip(values, -FARTHEST, FARTHEST, out=values)
        return result

    def _limits(self, values: NDArray[np.float64]) -> tuple[float, float]:
        if not values.size:
            return 0.0, 0.0
        # Percentiles of a million pixels are those of all of them, at a hundredth of the time.
        sample = values[:: max(1, values.size // 1_000_000)]
        low, high = np.percentile(sample, [self.low, self.high])
        if high <= low:
            # A few bright pixels on a constant ground: the percentiles coincide.
            low, high = values.min(), values.max()
        return float(low), float(high)


def _finite(channel: NDArray[Any]) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Where it is finite, and the values there; a copy."""
    finite = np.isfinite(channel)
    values = channel[finite].astype(np.float64)
    np.clip(values, -1e300, 1e300, out=values)  # differences must not overflow
    return finite, values
