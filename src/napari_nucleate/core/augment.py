"""Change training images as the microscope might have."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from napari_nucleate.core.params import Params

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Augmentation(Params):
    """How strongly training images are varied. All draws come from the generator given."""

    flip: bool = Field(True, description="Mirror along every axis, half of the time.")
    turn: bool = Field(True, description="Turn in the plane by any angle.")
    scale: float = Field(
        0.25, ge=0, le=0.75, description="Enlarge or shrink by up to this fraction."
    )
    elastic: float = Field(
        2.0, ge=0, le=20, description="Largest elastic displacement in pixels (U-Net 2015)."
    )
    brightness: float = Field(0.1, ge=0, le=1, description="Shift of the grey level, up to.")
    contrast: float = Field(0.3, ge=0, le=0.9, description="Change of contrast, up to.")
    gamma: float = Field(0.3, ge=0, le=0.9, description="Change of gamma, up to.")
    blur: float = Field(1.0, ge=0, le=5, description="Gaussian blur in pixels, up to.")
    noise: float = Field(0.05, ge=0, le=0.5, description="Gaussian noise of this width, up to.")

    def coordinates(
        self, centre: NDArray[np.float64], size: tuple[int, ...], rng: np.random.Generator
    ) -> NDArray[np.float32]:
        """Where to look in the image for each pixel of a patch: affine and elastic at once.

        Parameters
        ----------
        centre : ndarray of float, shape (ndim,)
            The middle of the patch, in image pixels.
        size : tuple of int
            Shape of the patch.
        rng : numpy.random.Generator
            Source of all draws.

        Returns
        -------
        ndarray of float32, shape (ndim, *size)
            Image coordinates. Turns are in the plane of the last two axes only, because Z is
            sampled and blurred otherwise.
        """
        ndim = len(size)
        grid = np.indices(size, np.float32)
        middle = (np.asarray(size) - 1) / 2
        grid -= middle.reshape(-1, *[1] * ndim).astype(np.float32)
        matrix = self._matrix(ndim, rng)
        where = np.tensordot(matrix, grid, 1)
        if self.elastic:
            where += self._displacement(size, rng)
        return where + np.asarray(centre, np.float32).reshape(-1, *[1] * ndim)

    def _matrix(self, ndim: int, rng: np.random.Generator) -> NDArray[np.float32]:
        matrix = np.eye(ndim)
        if self.turn:
            angle = rng.uniform(0, 2 * np.pi)
            c, s = np.cos(angle), np.sin(angle)
            matrix[-2:, -2:] = [[c, -s], [s, c]]
        if self.flip:
            matrix = matrix * rng.choice([-1.0, 1.0], ndim)
        if self.scale:
            # Log-uniform: shrinking to 4/5 is as likely as enlarging to 5/4.
            matrix = matrix * np.exp(rng.uniform(-1, 1) * np.log1p(self.scale))
        return matrix.astype(np.float32)

    def _displacement(self, size: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float32]:
        """A smooth random field: a coarse grid of vectors, interpolated (U-Net 2015)."""
        coarse = tuple(max(2, round(n / 24) + 1) for n in size)
        field = rng.uniform(-self.elastic, self.elastic, (len(size), *coarse)).astype(np.float32)
        if len(size) == 3:
            field[0] *= 0.25  # planes lie further apart than pixels
        for n, knots in zip(size, coarse, strict=True):
            # Linear interpolation along an axis is a product with a matrix; axes take turns.
            field = np.tensordot(field, _interpolation(knots, n), (1, 0))
        return field

    def recolour(self, image: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
        """Vary grey levels, sharpness and noise of a normalised patch. Pure.

        Parameters
        ----------
        image : ndarray of float32, shape (C, *spatial)
        rng : numpy.random.Generator

        Returns
        -------
        ndarray of float32, same shape
        """
        from scipy.ndimage import gaussian_filter

        result = image
        if self.gamma:
            gamma = np.exp(rng.uniform(-1, 1) * np.log1p(self.gamma))
            # Outside 0…1 a power has no meaning: there the line goes on.
            result = np.where((result > 0) & (result < 1), np.abs(result) ** gamma, result)
        gain = 1 + rng.uniform(-self.contrast, self.contrast)
        shift = rng.uniform(-self.brightness, self.brightness)
        result = result * np.float32(gain) + np.float32(shift)
        if self.blur and rng.random() < 0.25:
            sigma = rng.uniform(0, self.blur)
            result = gaussian_filter(result, (0,) * (image.ndim - 2) + (sigma, sigma))
        if self.noise and rng.random() < 0.5:
            width = np.float32(rng.uniform(0, self.noise))
            result = result + width * rng.standard_normal(image.shape, np.float32)
        return result.astype(np.float32)


def _interpolation(knots: int, n: int) -> NDArray[np.float32]:
    """Weights (knots, n) of linear interpolation from evenly spaced knots to n points."""
    at = np.linspace(0, knots - 1, n)
    weights = np.maximum(0, 1 - np.abs(at - np.arange(knots)[:, np.newaxis]))
    return np.asarray(weights, np.float32)
