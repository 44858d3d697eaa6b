"""Where nuclei lie: touching clusters, and how they move and divide."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from napari_nucleate.core.samples.nucleus import Nucleus, random_nucleus

if TYPE_CHECKING:
    from napari_nucleate.core.samples.nucleus import Floats

_SIZE_SPREAD = 0.22
# Centres closer than this share of the two radii would hide one nucleus behind the other.
_CLOSEST = 0.82


def scatter(
    rng: np.random.Generator,
    extent: Floats,
    radius: float,
    density: float,
    touching: float,
    spread: float,
) -> list[Nucleus]:
    """Place nuclei until they cover the wanted share of the scene.

    Parameters
    ----------
    rng : numpy.random.Generator
        The source of randomness.
    extent : ndarray of float64, shape (ndim,)
        Size of the scene, in pixels along X.
    radius : float
        Median radius, in pixels along X.
    density : float
        Share of the area or volume to cover, 0 to 1.
    touching : float
        Probability that the next nucleus is put against one that is there already.
    spread : float
        Standard deviation of the logarithm of the brightness.

    Returns
    -------
    list of Nucleus
        Labelled 1, 2, 3 ...; at least one.
    """
    ndim = len(extent)
    ball = math.pi if ndim == 2 else 4 / 3 * math.pi
    wanted = density * float(np.prod(extent))
    nuclei: list[Nucleus] = []
    covered = 0.0
    failures = 0
    while not nuclei or (covered < wanted and failures < 200):
        size = radius * float(np.exp(rng.normal(0, _SIZE_SPREAD)))
        centre = _candidate(rng, nuclei, extent, size, touching)
        if not _free(centre, size, nuclei):
            failures += 1
            continue
        nuclei.append(random_nucleus(rng, len(nuclei) + 1, centre, size, spread))
        covered += ball * size**ndim
    return nuclei


def _candidate(
    rng: np.random.Generator, nuclei: list[Nucleus], extent: Floats, size: float, touching: float
) -> Floats:
    if nuclei and rng.random() < touching:
        other = nuclei[int(rng.integers(len(nuclei)))]
        direction = rng.normal(size=len(extent))
        gap = rng.uniform(_CLOSEST, 0.98) * (size + other.radius)
        centre = other.centre + direction / np.linalg.norm(direction) * gap
        # A cluster that leaves the field would cover nothing and never end.
        if np.all((centre > 0) & (centre < extent)):
            return np.asarray(centre)
    return np.asarray(rng.uniform(0, extent))


def _free(centre: Floats, size: float, nuclei: list[Nucleus]) -> bool:
    return all(math.dist(centre, n.centre) >= _CLOSEST * (size + n.radius) for n in nuclei)


def step(
    rng: np.random.Generator, nuclei: list[Nucleus], extent: Floats, first_label: int
) -> list[Nucleus]:
    """One frame later: nuclei drift, turn, grow back to size, and now and then divide.

    Parameters
    ----------
    rng : numpy.random.Generator
        The source of randomness of this frame.
    nuclei : list of Nucleus
        The frame before; not changed.
    extent : ndarray of float64, shape (ndim,)
        Size of the scene, in pixels along X.
    first_label : int
        The first label that no nucleus has had so far.

    Returns
    -------
    list of Nucleus
        The same nuclei under the same labels; two daughters under new labels for each mother.
    """
    moved: list[Nucleus] = []
    for nucleus in nuclei:
        # One large nucleus in thirty divides in a frame; daughters have to grow first.
        if rng.random() < 1 / 30 and nucleus.radius > 0.8 * _median_radius(nuclei):
            moved += _divide(rng, nucleus, first_label)
            first_label += 2
        else:
            moved.append(_drift(rng, nucleus, nuclei))
    return _apart(moved, extent)


def _median_radius(nuclei: list[Nucleus]) -> float:
    return float(np.median([n.radius for n in nuclei]))


def _drift(rng: np.random.Generator, nucleus: Nucleus, nuclei: list[Nucleus]) -> Nucleus:
    ndim = len(nucleus.centre)
    shift = rng.normal(0, 0.12 * nucleus.radius, ndim)
    turn = np.linalg.qr(np.eye(ndim) + rng.normal(0, 0.05, (ndim, ndim)))[0]
    # QR may mirror an axis; the turn has to be a small one.
    turn = turn * np.sign(np.diag(turn))
    growth = 1.06 if nucleus.radius < 0.8 * _median_radius(nuclei) else 1.0
    return replace(
        nucleus,
        centre=nucleus.centre + shift,
        axes=turn @ nucleus.axes,
        radii=nucleus.radii * growth,
        brightness=nucleus.brightness / growth,
    )


def _divide(rng: np.random.Generator, mother: Nucleus, label: int) -> list[Nucleus]:
    """Two smaller, brighter, flatter daughters on both sides of the mother's long axis."""
    long = mother.axes[:, int(mother.radii.argmax())]
    radius = mother.radius * 0.68
    daughters = []
    for i, side in enumerate((-1, 1)):
        fresh = random_nucleus(rng, label + i, mother.centre + side * radius * long, radius, 0)
        bright = mother.brightness * float(rng.uniform(1.3, 1.6))
        daughters.append(replace(fresh, brightness=bright))
    return daughters


def _apart(nuclei: list[Nucleus], extent: Floats) -> list[Nucleus]:
    """Push apart what came too close, and hold all in the field."""
    centres = np.array([n.centre for n in nuclei])
    radii = np.array([n.radius for n in nuclei])
    least = 0.85 * (radii[:, None] + radii[None, :])
    for _ in range(3):
        offset = centres[:, None] - centres[None, :]
        distance = np.linalg.norm(offset, axis=-1)
        np.fill_diagonal(distance, np.inf)
        push = np.maximum(least - distance, 0) / np.maximum(distance, 1e-6)
        centres = centres + 0.25 * np.sum(push[..., None] * offset, axis=1)
    centres = np.clip(centres, 0, extent)
    return [replace(n, centre=c) for n, c in zip(nuclei, centres, strict=True)]
