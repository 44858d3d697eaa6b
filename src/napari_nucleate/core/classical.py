"""Segmentation without labels or training: the baseline every network has to beat."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.instances import Watershed, from_mask_like
from napari_nucleate.core.params import Params

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Otsu(Params):
    """One threshold for the whole image, where its histogram falls apart best.

    N. Otsu, A threshold selection method from gray-level histograms, IEEE Transactions on
    Systems, Man, and Cybernetics 9 (1979).
    """

    kind: Literal["otsu"] = "otsu"
    sigma: float = Field(1.0, ge=0, le=50, description="Smoothing before the threshold, in pixels.")
    channel: int | None = Field(
        None, ge=0, le=1000, description="Channel to use, from 0; none uses the mean of all."
    )
    bright: bool = Field(
        True, description="Objects are brighter than the background; off where they are darker."
    )

    def mask(self, image: NDArray[Any]) -> NDArray[np.bool_]:
        """Threshold an image.

        Parameters
        ----------
        image : ndarray, shape (C, Y, X) or (C, Z, Y, X)
            Any numeric dtype. NaN and infinite values are background.

        Returns
        -------
        ndarray of bool, shape (Y, X) or (Z, Y, X)
            The foreground; empty where the image is constant.

        Raises
        ------
        NucleateError
            If the image has neither shape, or lacks the channel.
        """
        from scipy import ndimage as ndi
        from skimage.filters import threshold_otsu

        values = self._gray(image)
        valid = np.isfinite(values)
        if not valid.any():
            return np.zeros(values.shape, bool)
        values = np.where(valid, values, np.median(values[valid]))
        smooth = ndi.gaussian_filter(values, self.sigma) if self.sigma else values
        low, high = smooth[valid].min(), smooth[valid].max()
        if high - low <= 1e-6 * max(abs(low), abs(high)):  # constant, but for rounding
            return np.zeros(values.shape, bool)
        smooth = (smooth - low) / (high - low)
        cut = threshold_otsu(smooth[valid], nbins=1024)
        mask: NDArray[np.bool_] = (smooth > cut) & valid
        return mask

    def _gray(self, image: NDArray[Any]) -> NDArray[np.float64]:
        """Reduce the channels to one in which objects are bright; infinite values become NaN."""
        if image.ndim not in (3, 4) or not image.size:
            raise NucleateError(
                f"The image has shape {image.shape}; (C, Y, X) or (C, Z, Y, X) is needed."
            )
        if self.channel is not None and self.channel >= len(image):
            raise NucleateError(
                f"Channel {self.channel} does not exist; the image has {len(image)}, from 0."
            )
        chosen = image if self.channel is None else image[self.channel : self.channel + 1]
        values = chosen.astype(np.float64)
        values[~np.isfinite(values)] = np.nan
        gray: NDArray[np.float64] = values.mean(axis=0) * (1 if self.bright else -1)
        return gray


def otsu_watershed(
    image: NDArray[Any], otsu: Otsu | None = None, splitter: Watershed | None = None
) -> NDArray[np.int32]:
    """Segment by Otsu's threshold and a watershed of the distance transform.

    Parameters
    ----------
    image : ndarray, shape (C, Y, X) or (C, Z, Y, X)
        Any numeric dtype.
    otsu : Otsu, optional
        The threshold; the defaults where None.
    splitter : Watershed, optional
        How touching objects are cut; the defaults where None.

    Returns
    -------
    ndarray of int32, shape (Y, X) or (Z, Y, X)
        Labels 1..n, 0 is background.

    Raises
    ------
    NucleateError
        As `Otsu.mask`.
    """
    mask = (otsu or Otsu()).mask(image)
    return (splitter or Watershed()).split(from_mask_like(mask))
