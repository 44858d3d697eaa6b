"""Synthetic fluorescence nuclei with exact truth: 2D images, 3D stacks, a time-lapse."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import Field

from napari_nucleate.core.images import Stack
from napari_nucleate.core.params import Params
from napari_nucleate.core.samples.camera import Camera
from napari_nucleate.core.samples.nucleus import Nucleus, draw
from napari_nucleate.core.samples.scene import scatter, step

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

__all__ = ["NucleiSample", "Sample"]

# Micrometres between pixels, (Z,) Y, X, and seconds between frames.
_SPACING = {2: (0.5, 0.5), 3: (1.0, 0.25, 0.25)}
_INTERVAL = 600.0


@dataclass(frozen=True)
class Sample:
    """Images and the truth about them, with the same axes, scale and units.

    Parameters
    ----------
    images : Stack
        uint16 counts of a camera; axes NYX, NZYX or TYX.
    labels : Stack
        int32 instances; 0 is background. In a time-lapse the same label is the same nucleus.
    """

    images: Stack
    labels: Stack


class NucleiSample(Params):
    """Synthetic fluorescence nuclei to try things on, and to test against.

    Deformed ellipsoids in touching clusters, with a spread of sizes and brightness, chromatin
    texture, out-of-focus light, point-spread blur, photon and read noise, uneven illumination
    and debris. Image i depends on the seed and on i, not on how many there are.

    Examples
    --------
    >>> sample = NucleiSample(count=2, size=64).make()
    >>> sample.images.axes, sample.images.data.shape, sample.labels.data.dtype
    ('NYX', (2, 64, 64), dtype('int32'))
    """

    kind: Literal["2d", "3d", "time-lapse"] = Field(
        "2d", description="Single images, stacks with depth, or one field over time."
    )
    count: int = Field(24, ge=1, le=2000, description="Images, stacks or frames.")
    size: int = Field(256, ge=32, le=4096, description="Height and width in pixels.")
    depth: int = Field(32, ge=4, le=512, description="Planes of a stack; only for 3d.")
    radius: float = Field(10.0, ge=4, le=100, description="Median radius of a nucleus in pixels.")
    density: float = Field(0.2, ge=0.01, le=0.6, description="Share of the field to cover.")
    touching: float = Field(
        0.55, ge=0, le=1, description="How likely a nucleus lies against another one."
    )
    spread: float = Field(
        0.3, ge=0, le=1, description="Spread of brightness: standard deviation of its logarithm."
    )
    glow: float = Field(0.3, ge=0, le=2, description="Out-of-focus light; 0 is none.")
    photons: float = Field(
        60.0, ge=2, le=10000, description="Photons a pixel of a nucleus yields; fewer, more noise."
    )
    seed: int = Field(0, ge=0, le=2**32 - 1, description="The same seed gives the same images.")

    def make(self) -> Sample:
        """Draw all images and their truth.

        Returns
        -------
        Sample
            Stacks of `count` images: (N, Y, X), (N, Z, Y, X) or (T, Y, X); spacing in
            micrometres, frames 600 seconds apart.
        """
        shape = (self.depth, self.size, self.size)[-self._ndim :]
        images = np.empty((self.count, *shape), np.uint16)
        labels = np.empty((self.count, *shape), np.int32)
        for i, nuclei in enumerate(self._scenes()):
            # All frames of a time-lapse are of one field, under one lamp.
            field = 0 if self.kind == "time-lapse" else i
            rng = np.random.default_rng([self.seed, field, 1])
            shot = np.random.default_rng([self.seed, i, 2])
            labels[i], signal = draw(nuclei, shape, self._step)
            beyond = draw(self._scatter(rng, self.density / 3), shape, self._step)[1]
            images[i] = self._camera.expose(rng, shot, signal, beyond)
        return Sample(self._stack(images, "images"), self._stack(labels, "labels"))

    @property
    def _ndim(self) -> Literal[2, 3]:
        return 3 if self.kind == "3d" else 2

    @property
    def _step(self) -> NDArray[np.float64]:
        spacing = np.array(_SPACING[self._ndim])
        return np.asarray(spacing / spacing[-1])

    @property
    def _extent(self) -> NDArray[np.float64]:
        return np.asarray((self.depth, self.size, self.size)[-self._ndim :] * self._step)

    @property
    def _camera(self) -> Camera:
        return Camera(self._step, self.radius, self.glow, self.photons)

    def _scatter(self, rng: np.random.Generator, density: float) -> list[Nucleus]:
        return scatter(rng, self._extent, self.radius, density, self.touching, self.spread)

    def _scenes(self) -> Iterator[list[Nucleus]]:
        """Yield the nuclei of each image; in a time-lapse each frame follows from the last."""
        if self.kind != "time-lapse":
            for i in range(self.count):
                rng = np.random.default_rng([self.seed, i])
                # No two fields are equally crowded.
                yield self._scatter(rng, min(0.6, self.density * float(rng.uniform(0.4, 1.6))))
            return
        nuclei = self._scatter(np.random.default_rng([self.seed, 0]), self.density)
        next_label = len(nuclei) + 1
        yield nuclei
        for t in range(1, self.count):
            nuclei = step(np.random.default_rng([self.seed, t]), nuclei, self._extent, next_label)
            next_label = max(next_label, *(n.label + 1 for n in nuclei))
            yield nuclei

    def _stack(self, data: NDArray[np.generic], what: str) -> Stack:
        timed = self.kind == "time-lapse"
        spacing = _SPACING[self._ndim]
        return Stack(
            data=data,
            axes=("T" if timed else "N") + "ZYX"[-self._ndim :],
            scale=(_INTERVAL if timed else 1.0, *spacing),
            units=("second" if timed else "pixel", *["micrometer"] * self._ndim),
            name=f"nuclei {self.kind} {what}",
        )
