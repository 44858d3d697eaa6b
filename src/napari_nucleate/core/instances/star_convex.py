"""Star-convex objects: the splitter for roundish ones, from a network or from any mask."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import Field

from napari_nucleate.core.instances.base import SplitterBase
from napari_nucleate.core.instances.clean import holes, remove_small, round_ones
from napari_nucleate.core.instances.distance import distance_to_boundary
from napari_nucleate.core.instances.found import Instances, likeliest, measured
from napari_nucleate.core.instances.landscape import cut, smooth
from napari_nucleate.core.instances.stars import Stars, stars_of, suppress

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_nucleate.core.instances.maps import Maps

MISSED = 0.5
"""Part of `probability` that a centre must have where only the mask shows an object."""

SMOOTHING = 1.0
"""Width in pixels of the smoothing of a mask's depth, against centres at rough edges."""


class StarConvex(SplitterBase):
    """Finds round, separate objects even where they touch, in 2D and 3D.

    Each object is a star: a centre and the lengths of rays to its outline. The likeliest is taken
    first, and any later one that overlaps it too much is left out (Schmidt et al., Cell detection
    with star-convex polygons, MICCAI 2018; Weigert et al., WACV 2020). The stars say which objects
    there are; their outlines come from the pixels of the foreground. Without a network that
    predicts rays, stars are measured in the mask, cut at its necks.
    """

    kind: Literal["star-convex"] = "star-convex"
    probability: float = Field(
        0.5,
        ge=0,
        le=1,
        description="Centres less probable than this are not objects. Used only where the network "
        "predicts rays.",
    )
    overlap: float = Field(
        0.4,
        ge=0,
        le=1,
        description="Of two objects that share more than this part of the smaller one, the less "
        "probable is dropped.",
    )
    outline: Literal["pixels", "stars"] = Field(
        "pixels",
        description="Where outlines come from: the foreground's pixels, each given to a star; or "
        "the stars alone, smooth and coarse. Used only where the network predicts rays.",
    )
    threshold: float = Field(
        0.5,
        ge=0,
        le=1,
        description="Pixels more probable than this belong to the foreground.",
    )
    separation: float = Field(
        0.15,
        ge=0,
        le=1,
        description="How much narrower than the objects a neck must be to end an object there: "
        "0.15 is about a seventh. With rays it tells which parts of the foreground the stars "
        "missed.",
    )
    n_rays: int = Field(
        32,
        ge=8,
        le=256,
        description="Rays of each star; more follow the outline closer. Used only where the "
        "network predicts no rays.",
    )
    min_size: int = Field(
        10, ge=1, le=10_000_000, description="Objects of fewer pixels than this are dropped."
    )
    fill_holes: int = Field(
        100,
        ge=0,
        le=10_000_000,
        description="Round holes of up to this many pixels are filled; 0 leaves all holes open.",
    )
    anisotropy: float = Field(
        1.0,
        ge=0.01,
        le=100,
        description="Distance between slices divided by the pixel size within them (3D only).",
    )

    def find(self, maps: Maps) -> Instances:
        """Find the objects.

        Parameters
        ----------
        maps : Maps
            With distances, those and `centre` (the foreground if it is None) are used; without
            them the foreground only.

        Returns
        -------
        Instances
            With centres and rays.
        """
        return self._described(*self._parted(maps), maps)

    def split(self, maps: Maps) -> NDArray[np.int32]:
        """The labels of `find` alone; the stars of objects aren't measured."""
        return remove_small(self._parted(maps)[0], self.min_size)

    def land(self, maps: Maps) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
        """The foreground without its round holes, and the smoothed distance to its edge. Pure.

        Neither `probability` nor `overlap` acts on it.
        """
        mask: NDArray[np.bool_] = maps.foreground > self.threshold
        inside = holes(mask, self.fill_holes)
        if inside.any():
            mask = mask | round_ones(inside)[inside]
        sigma = (SMOOTHING / self.anisotropy, SMOOTHING, SMOOTHING)[-mask.ndim :]
        return mask, np.where(mask, smooth(distance_to_boundary(mask, self.anisotropy), sigma), 0)

    def outlines(
        self,
        drawn: NDArray[np.int32],
        maps: Maps,
        land: tuple[NDArray[np.bool_], NDArray[np.float32]],
    ) -> tuple[NDArray[np.int32], NDArray[np.integer]]:
        """Give each pixel of the foreground to a star, or to a hill that all stars missed. Pure.

        A hill counts where a centre is half as probable as it need be for a star.

        Parameters
        ----------
        drawn : ndarray of int32
            The stars, as `suppress` draws them.
        maps : Maps
        land : tuple of ndarray
            As `land` gives it.

        Returns
        -------
        labels : ndarray of int32
            1..n, small ones too.
        origins : ndarray of int, shape (n,)
            The star of each object, 0 for none.
        """
        from napari_nucleate.core.instances import _label_kernels

        mask, depth = land
        labels, _, origins = cut(
            depth, mask, maps.foreground, separation=self.separation, seeds=drawn
        )
        given = maps.foreground if maps.centre is None else maps.centre
        centre = np.ascontiguousarray(given, np.float32).reshape(-1)
        likely = _label_kernels.highest(labels.reshape(-1), centre, len(origins))
        kept = (origins > 0) | (likely > MISSED * self.probability)
        number = np.concatenate(([0], np.where(kept, np.cumsum(kept), 0))).astype(np.int32)
        return number[labels], origins[kept]

    def _parted(self, maps: Maps) -> tuple[NDArray[np.int32], NDArray[np.integer], Stars]:
        """Objects with the small ones, the star of each (0 for none), and the stars."""
        if maps.distances is None:
            return self._of_mask(maps)
        stars, labels = suppress(
            maps.foreground if maps.centre is None else maps.centre,
            maps.distances,
            threshold=self.probability,
            overlap=self.overlap,
            anisotropy=self.anisotropy,
        )
        if self.outline == "stars":
            return labels, np.arange(1, len(stars) + 1), stars
        return *self.outlines(labels, maps, self.land(maps)), stars

    def _of_mask(self, maps: Maps) -> tuple[NDArray[np.int32], NDArray[np.integer], Stars]:
        """Cut the mask at its necks, and draw the star in each part."""
        mask, depth = self.land(maps)
        parts, _, _ = cut(depth, mask, maps.foreground, separation=self.separation)
        stars = stars_of(parts, self.n_rays, self.anisotropy)
        return stars.draw(mask.shape) * mask, np.arange(1, len(stars) + 1), stars

    def _described(
        self, labels: NDArray[np.int32], origins: NDArray[np.integer], stars: Stars, maps: Maps
    ) -> Instances:
        """Drop small objects, and tell of each what its star knows; `origins` says which it is."""
        sizes = np.bincount(labels.reshape(-1), minlength=len(origins) + 1)[1:]
        kept = np.flatnonzero(sizes >= self.min_size)
        labels = remove_small(labels, self.min_size)
        own = np.asarray(origins)[kept]
        found = measured(labels, maps)
        shape = stars_of(labels, stars.rays.shape[1], self.anisotropy)
        has = own > 0
        points, rays = shape.points.astype(np.float32), shape.rays.copy()
        probability = found.probability.copy()
        points[has], rays[has] = stars.points[own[has] - 1], stars.rays[own[has] - 1]
        if maps.distances is not None:
            probability[has] = stars.probability[own[has] - 1]
        return Instances(labels, probability, points, rays, likeliest(labels, maps))
