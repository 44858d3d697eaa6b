"""One synthetic nucleus: a smoothly deformed ellipse or ellipsoid with a texture of its own."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_LOBES = 3
_GRAINS = 10
# Less than this many pixels is what an annotator would not have drawn.
_SMALLEST = 12


@dataclass(frozen=True, eq=False)
class Nucleus:
    """A nucleus in a space of `ndim` dimensions, measured in pixels along X.

    Parameters
    ----------
    label : int
        Its number in the truth.
    centre, radii : ndarray of float64, shape (ndim,)
        Where it is, and its half axes.
    axes : ndarray of float64, shape (ndim, ndim)
        Orthonormal directions of the half axes, as columns.
    lobes : ndarray of float64, shape (_LOBES, ndim + 1)
        Waves over the directions that deform the outline; the last column is the phase.
    grains : ndarray of float64, shape (_GRAINS, ndim + 1)
        Plane waves through the inside: the chromatin. They move with the nucleus.
    brightness : float
        Mean intensity; 1 is the median of a scene.
    """

    label: int
    centre: Floats
    radii: Floats
    axes: Floats
    lobes: Floats
    grains: Floats
    brightness: float

    @cached_property
    def radius(self) -> float:
        """The radius of the ball of the same volume."""
        return float(math.prod(self.radii.tolist()) ** (1 / len(self.radii)))

    def local(self, points: Floats) -> Floats:
        """Coordinates in which the undeformed nucleus is the unit ball.

        Parameters
        ----------
        points : ndarray, shape (ndim, ...)
            Positions in the scene.

        Returns
        -------
        ndarray of float64, shape (ndim, ...)
        """
        offset = points - self.centre.reshape(-1, *[1] * (points.ndim - 1))
        turned = np.tensordot(self.axes.T, offset, axes=1)
        return np.asarray(turned / self.radii.reshape(-1, *[1] * (points.ndim - 1)))

    def depth(self, local: Floats) -> Floats:
        """0 at the centre, 1 on the deformed outline, more outside; shape (...)."""
        distance = np.sqrt(np.sum(local**2, axis=0))
        direction = local / np.maximum(distance, 1e-9)
        bulge = 0.07 * np.sum(_waves(self.lobes, direction), axis=0)
        return np.asarray(distance / (1 + bulge))

    def texture(self, local: Floats) -> Floats:
        """Relative intensity of the chromatin, about 1 in the mean; shape (...)."""
        field = np.sum(_waves(self.grains, local), axis=0) / np.sqrt(_GRAINS / 2)
        return np.asarray(np.clip(1 + 0.22 * field + 0.1 * np.maximum(field - 1, 0) ** 2, 0.3, 3.0))


def _waves(waves: Floats, points: Floats) -> Floats:
    phase = waves[:, -1].reshape(-1, *[1] * (points.ndim - 1))
    return np.asarray(np.cos(np.tensordot(waves[:, :-1], points, axes=1) + phase))


def random_nucleus(
    rng: np.random.Generator, label: int, centre: Floats, radius: float, spread: float
) -> Nucleus:
    """Draw shape, texture and brightness of a nucleus of mean `radius` around `centre`.

    Parameters
    ----------
    rng : numpy.random.Generator
        The source of randomness; the number of values drawn doesn't depend on them.
    label : int
        Its number in the truth.
    centre : ndarray of float64, shape (ndim,)
        In pixels along X.
    radius : float
        In pixels along X.
    spread : float
        Standard deviation of the logarithm of the brightness.
    """
    ndim = len(centre)
    stretch = rng.normal(0, 0.18, ndim)
    directions = np.linalg.qr(rng.normal(size=(ndim, ndim)))[0]
    lobes = np.column_stack([rng.normal(0, 2.0, (_LOBES, ndim)), rng.uniform(0, 6.3, _LOBES)])
    grains = np.column_stack([rng.normal(0, 6.0, (_GRAINS, ndim)), rng.uniform(0, 6.3, _GRAINS)])
    return Nucleus(
        label=label,
        centre=centre,
        radii=radius * np.exp(stretch - stretch.mean()),
        axes=directions,
        lobes=lobes,
        grains=grains,
        brightness=float(np.exp(rng.normal(0, spread))),
    )


def draw(
    nuclei: Iterable[Nucleus], shape: tuple[int, ...], step: Floats
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Draw nuclei so that they touch but never overlap.

    Where two would overlap, each pixel goes to the one it lies deeper in, as in a power diagram.

    Parameters
    ----------
    nuclei : iterable of Nucleus
        In any order.
    shape : tuple of int
        The image, (Y, X) or (Z, Y, X).
    step : ndarray of float64, shape (ndim,)
        Distance between pixels along each axis, in pixels along X.

    Returns
    -------
    labels : ndarray of int32, shape `shape`
        The truth: connected objects, no speck.
    signal : ndarray of float32, shape `shape`
        Light of the nuclei, before any optics; 0 outside.
    """
    labels = np.zeros(shape, np.int32)
    signal = np.zeros(shape, np.float32)
    depths = np.full(shape, np.inf)
    drawn: list[tuple[int, tuple[slice, ...]]] = []
    for nucleus in nuclei:
        box = _box(nucleus, shape, step)
        if any(s.start >= s.stop for s in box):
            continue
        grid = np.stack(np.meshgrid(*(np.arange(s.start, s.stop) for s in box), indexing="ij"))
        local = nucleus.local(grid * step.reshape(-1, *[1] * len(shape)))
        depth = nucleus.depth(local)
        inside = depth < np.minimum(depths[box], 1)
        depths[box][inside] = depth[inside]
        labels[box][inside] = nucleus.label
        dome = 1 - 0.45 * depth[inside] ** 3
        signal[box][inside] = nucleus.brightness * dome * nucleus.texture(local[:, inside])
        drawn.append((nucleus.label, box))
    for label, box in drawn:
        _keep_largest(labels[box], signal[box], label)
    return labels, signal


def _box(nucleus: Nucleus, shape: tuple[int, ...], step: Floats) -> tuple[slice, ...]:
    reach = 1.25 * float(nucleus.radii.max())
    low = np.maximum(np.floor((nucleus.centre - reach) / step), 0).astype(int)
    high = np.minimum(np.ceil((nucleus.centre + reach) / step) + 1, shape).astype(int)
    return tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))


def _keep_largest(labels: NDArray[np.int32], signal: NDArray[np.float32], label: int) -> None:
    """Erase, in place, what a neighbour has cut off, and objects too small to annotate."""
    pieces, count = ndimage.label(labels == label)
    if count == 0:
        return
    sizes = np.bincount(pieces.ravel())[1:]
    keep = int(sizes.argmax()) + 1 if sizes.max() >= _SMALLEST else -1
    lost = (pieces > 0) & (pieces != keep)
    labels[lost] = 0
    signal[lost] = 0
