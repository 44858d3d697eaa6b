"""From light to pixels: haze, illumination, point spread, debris, photons, read noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Light = NDArray[np.float32]

_OFFSET = 100.0
_READ_NOISE = 3.0


@dataclass(frozen=True)
class Camera:
    """A microscope with a camera; every call of `expose` draws what varies between images.

    Parameters
    ----------
    step : ndarray of float64, shape (ndim,)
        Distance between pixels along each axis, in pixels along X.
    radius : float
        Median radius of the nuclei, in pixels along X: sets the reach of the glow.
    glow : float
        How much light comes from out of focus; 0 is none.
    photons : float
        Photons a pixel of a nucleus of brightness 1 yields, in the median.
    """

    step: NDArray[np.float64]
    radius: float
    glow: float
    photons: float

    def expose(
        self, rng: np.random.Generator, shot: np.random.Generator, signal: Light, beyond: Light
    ) -> NDArray[np.uint16]:
        """Take an image.

        Parameters
        ----------
        rng : numpy.random.Generator
            The source of what belongs to the field: lamp, focus, dirt.
        shot : numpy.random.Generator
            The source of the noise, which no two images share.
        signal : ndarray of float32, shape (Y, X) or (Z, Y, X)
            Light of the nuclei in focus.
        beyond : ndarray of float32, same shape
            Light of nuclei out of focus, still sharp.

        Returns
        -------
        ndarray of uint16, same shape
            Counts of the camera: Poisson and read noise on an offset of 100.
        """
        glow = self.glow * float(rng.uniform(0.6, 1.4))
        light = signal + glow * self._haze(rng, signal, beyond) + self._debris(rng, signal.shape)
        light = self._blur(light, float(rng.uniform(0.9, 1.5))) + float(rng.uniform(0.02, 0.08))
        photons = self.photons * float(np.exp(rng.normal(0, 0.35)))
        counts = shot.poisson(photons * light * _illumination(rng, signal.shape))
        gain = float(rng.uniform(1.5, 4.0))
        grey = _OFFSET + gain * counts + shot.normal(0, _READ_NOISE, signal.shape)
        return np.clip(np.rint(grey), 0, 65535).astype(np.uint16)

    def _blur(self, light: NDArray[Any], sigma: float) -> Light:
        """Blur by `sigma` pixels along X; along Z the point spread is twice as long."""
        sigmas = sigma / self.step
        if len(sigmas) == 3:
            sigmas = sigmas * np.array([2.0, 1.0, 1.0])
        # Two and a half sigmas are enough for what nobody measures, and twice as fast.
        return np.asarray(
            ndimage.gaussian_filter(light, sigmas, truncate=2.5, mode="nearest"), np.float32
        )

    def _haze(self, rng: np.random.Generator, signal: Light, beyond: Light) -> Light:
        """Nuclei above and below the focus, and the light that all of them scatter."""
        blurred = self._blur(beyond, float(rng.uniform(0.3, 0.6)) * self.radius)
        scattered = self._blur(signal + beyond, 1.6 * self.radius)
        return np.asarray(blurred + 0.7 * scattered, np.float32)

    def _debris(self, rng: np.random.Generator, shape: tuple[int, ...]) -> Light:
        """Scatter a few bright specks, as dirt and dead cells leave them."""
        light = np.zeros(shape, np.float32)
        count = int(rng.poisson(np.prod(shape) / 16000))
        where = tuple(rng.integers(0, n, count) for n in shape)
        light[where] = rng.uniform(4, 20, count)
        return self._blur(light, 0.8)


def _illumination(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Shine a lamp off the axis: 1 at its brightest point, about a half in the far corner."""
    y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape[-2:]), indexing="ij")
    centre = rng.uniform(-0.5, 0.5, 2)
    strength = float(rng.uniform(0.1, 0.35))
    return np.asarray(1 / (1 + strength * ((y - centre[0]) ** 2 + (x - centre[1]) ** 2)))
