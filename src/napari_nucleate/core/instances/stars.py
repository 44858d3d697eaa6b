"""Star-convex objects from candidates: which stay, and what they cover."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_nucleate.core.instances.rays import directions, facets

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Stars:
    """Star-convex objects, the best first.

    Parameters
    ----------
    points : ndarray of int64, shape (N, 2) or (N, 3)
        Centres in pixels.
    rays : ndarray of float32, shape (N, R)
        Lengths along `directions`, in pixels of X.
    probability : ndarray of float32, shape (N,)
    anisotropy : float
        Distance between planes divided by the pixel size within them.
    """

    points: NDArray[np.int64]
    rays: NDArray[np.float32]
    probability: NDArray[np.float32]
    anisotropy: float = 1.0

    def __len__(self) -> int:
        return len(self.points)

    def __getitem__(self, which: NDArray[np.integer[Any]]) -> Stars:
        """Those of some indices, in their order."""
        return Stars(self.points[which], self.rays[which], self.probability[which], self.anisotropy)

    @property
    def ndim(self) -> int:
        """2 or 3."""
        return int(self.points.shape[1])

    def draw(self, shape: tuple[int, ...]) -> NDArray[np.int32]:
        """Draw all of them; pixels within several belong to the first.

        Parameters
        ----------
        shape : tuple of int
            Of the image.

        Returns
        -------
        ndarray of int32
            Star i has label i + 1.
        """
        from napari_nucleate.core.instances import _star_kernels as kernels

        labels = np.zeros(_volume(shape), np.int32)
        steps = directions(self.rays.shape[1], self.ndim, self.anisotropy)
        spans = facets(self.rays.shape[1], self.ndim)
        kernels.draw(_in_volume(self.points), self.rays, steps, spans, labels)
        return labels.reshape(shape)


def suppress(
    probability: NDArray[np.float32],
    distances: NDArray[np.float32],
    *,
    threshold: float = 0.5,
    overlap: float = 0.4,
    grid: int = 1,
    shape: tuple[int, ...] | None = None,
    anisotropy: float = 1.0,
) -> tuple[Stars, NDArray[np.int32]]:
    """Keep the likeliest stars and drop those that overlap them too much, greedily. Pure.

    Each candidate is compared with what is drawn already, instead of with every other one: a few
    pixels on its rays tell whom it overlaps, and only where they leave a doubt are all of its
    pixels counted. The time grows with the number of candidates.

    Parameters
    ----------
    probability : ndarray of float32, shape (Y, X) or (Z, Y, X)
        How likely each pixel is the middle of an object. NaN is never.
    distances : ndarray of float32, shape (R, Y, X) or (R, Z, Y, X)
        To the outline along `directions`, in pixels of X; what is below 0.5 or NaN counts as 0.5.
    threshold : float
        Only what is above is a candidate.
    overlap : float
        Of two that share more than this part of the smaller one, the less probable is dropped.
    grid : int
        Pixels of the image a pixel of these maps.
    shape : tuple of int, optional
        Of the image; by default of the maps times `grid`.
    anisotropy : float
        Distance between planes divided by the pixel size within them.

    Returns
    -------
    stars : Stars
        Those that stay.
    labels : ndarray of int32, of the image's shape
        The same drawn, star i as i + 1; pixels within several belong to the first.

    References
    ----------
    Schmidt et al. 2018 and Weigert et al. 2020, with a suppression of our own.
    """
    from napari_nucleate.core.instances import _star_kernels as kernels

    maps = probability.shape
    shape = shape or tuple(side * grid for side in maps)
    if not probability.size:
        nothing = np.zeros((0, len(maps)), np.int64)
        rays = np.zeros((0, len(distances)), np.float32)
        return Stars(nothing, rays, np.zeros(0, np.float32), anisotropy), np.zeros(shape, np.int32)
    flat = np.ascontiguousarray(distances, np.float32).reshape(len(distances), -1)
    sure = np.ascontiguousarray(probability, np.float32).reshape(-1)
    places, scores = kernels.candidates(sure, flat, threshold)
    # Positive floats are ordered as their bits; of equal ones the first in the image wins.
    key = (scores.view(np.int32).astype(np.int64) << 32) - np.arange(len(scores))
    order = np.argsort(-key)
    stars, labels, _ = _greedy(places, order, maps, grid, shape, sure, flat, overlap, anisotropy)
    return stars, labels


def on_hills(
    hills: NDArray[np.int32],
    height: NDArray[np.float32],
    centre: NDArray[np.float32],
    distances: NDArray[np.float32],
    overlap: float,
    anisotropy: float = 1.0,
) -> tuple[Stars, NDArray[np.int64]]:
    """Keep the hills whose stars don't overlap a likelier one too much. Pure.

    Parameters
    ----------
    hills : ndarray of int32, shape (Y, X) or (Z, Y, X)
        Labels 1..n.
    height, centre : ndarray of float32, same shape
        The star is on the highest pixel of a hill; how likely it is.
    distances : ndarray of float32, shape (R, Y, X) or (R, Z, Y, X)
    overlap, anisotropy : float
        As for `suppress`.

    Returns
    -------
    stars : Stars
        Those that stay, the best first.
    labels : ndarray of int64
        The label of each one's hill.
    """
    from napari_nucleate.core.instances import _label_kernels

    flat = np.ascontiguousarray(distances, np.float32).reshape(len(distances), -1)
    land = np.ascontiguousarray(height, np.float32).reshape(-1)
    summits = _label_kernels.deepest(hills.reshape(-1), land, int(hills.max(initial=0)))
    order = np.argsort(-centre.reshape(-1)[summits], kind="stable")
    sure, shape = centre.reshape(-1), hills.shape
    stars, _, drawn = _greedy(summits, order, shape, 1, shape, sure, flat, overlap, anisotropy)
    return stars, drawn + 1


def _greedy(
    places: NDArray[np.int64],
    order: NDArray[np.int64],
    maps: tuple[int, ...],
    grid: int,
    shape: tuple[int, ...],
    probability: NDArray[np.float32],
    distances: NDArray[np.float32],
    overlap: float,
    anisotropy: float,
) -> tuple[Stars, NDArray[np.int32], NDArray[np.int64]]:
    """Draw the stars on some places of flat maps in an order; the third tells which of them.

    Rays are made lengths even where the network drew nonsense.
    """
    from napari_nucleate.core.instances import _star_kernels as kernels
    from napari_nucleate.core.instances._compile import in_bands

    points = np.stack(np.unravel_index(places, maps), axis=1).astype(np.int64) * grid
    steps = directions(len(distances), len(maps), anisotropy)
    spans = facets(len(distances), len(maps))
    labels = np.zeros(_volume(shape), np.int32)
    lengths = np.empty((len(places), len(distances)), np.float32)
    in_bands(partial(kernels.rows_at, distances, places, lengths), len(places), 1024)
    drawn = kernels.select(_in_volume(points), lengths, order, steps, spans, overlap, labels)
    longest = float(np.linalg.norm(shape))
    rays = np.nan_to_num(lengths[drawn], nan=0.5, posinf=longest).clip(0.5, longest)
    stars = Stars(points[drawn], rays, probability[places[drawn]].clip(0, 1), anisotropy)
    return stars, labels.reshape(shape), drawn


def stars_of(labels: NDArray[np.int32], n_rays: int, anisotropy: float = 1.0) -> Stars:
    """Describe each object by its deepest point and the rays from there. Pure.

    Parameters
    ----------
    labels : ndarray of int32, shape (Y, X) or (Z, Y, X)
        Labels 1..n without gaps.
    n_rays : int
    anisotropy : float

    Returns
    -------
    Stars
        In the order of the labels, with probability 1.
    """
    from napari_nucleate.core.instances import _label_kernels, _ray_kernels
    from napari_nucleate.core.instances.distance import distance_to_boundary

    n = int(labels.max(initial=0))
    depth = distance_to_boundary(labels, anisotropy)
    deepest = _label_kernels.deepest(labels.reshape(-1), depth.reshape(-1), n)
    points = np.stack(np.unravel_index(deepest, labels.shape), axis=1).astype(np.int64)
    steps = directions(n_rays, labels.ndim, anisotropy)
    rays = _ray_kernels.rays_at(labels.reshape(_volume(labels.shape)), _in_volume(points), steps)
    return Stars(points, rays, np.ones(n, np.float32), anisotropy)


def _volume(shape: tuple[int, ...]) -> tuple[int, ...]:
    return shape if len(shape) == 3 else (1, *shape)


def _in_volume(points: NDArray[np.int64]) -> NDArray[np.int64]:
    """Give points in a plane a Z of 0."""
    return np.ascontiguousarray(np.pad(points, ((0, 0), (3 - points.shape[1], 0))))
