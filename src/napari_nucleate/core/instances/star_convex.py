"""Star-convex objects: the splitter for roundish ones, from a network or from any mask."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import Field

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.instances.base import SplitterBase
from napari_nucleate.core.instances.clean import holes, keep_only, remove_small, round_ones
from napari_nucleate.core.instances.distance import distance_to_boundary
from napari_nucleate.core.instances.found import Instances, measured
from napari_nucleate.core.instances.landscape import cut, smooth
from napari_nucleate.core.instances.stars import Stars, on_hills, stars_of, suppress

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_nucleate.core.instances.maps import Maps

FAINT = 0.05
"""Separation of the hills on which stars are looked at: too many of them rather than too few."""

SMOOTHING = 1.0
"""Width in pixels of the smoothing of a mask's depth, against centres at rough edges."""


@dataclass(frozen=True)
class Land:
    """The foreground as hills.

    Parameters
    ----------
    mask : ndarray of bool, shape (Y, X) or (Z, Y, X)
    height : ndarray of float32, same shape
        0 outside of the mask.
    hills : ndarray of int32, same shape
        Labels 1..n, one a hill, even a faint one.
    """

    mask: NDArray[np.bool_]
    height: NDArray[np.float32]
    hills: NDArray[np.int32]


class StarConvex(SplitterBase):
    """Finds round, separate objects even where they touch, in 2D and 3D.

    Each object is a star: a centre and the lengths of rays to its outline. The likeliest is taken
    first, and any later one that overlaps it too much is left out (Schmidt et al., Cell detection
    with star-convex polygons, MICCAI 2018; Weigert et al., WACV 2020). The stars say which objects
    there are; outlines come from the pixels of the foreground. Without a network that
    predicts rays, stars are measured in the mask, cut at its necks.
    """

    kind: Literal["star-convex"] = "star-convex"
    probability: float = Field(
        0.4,
        ge=0,
        le=1,
        description="Objects less probable than this are dropped. Used only where the network "
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
        description="Where outlines come from: the pixels of the foreground; or the stars alone, "
        "smooth and, after a short training, coarse. Used only where the network predicts rays.",
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
        "0.15 is about a seventh. Used only where the network predicts no rays.",
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
        if maps.distances is None:
            return self._described(*self._of_mask(maps), maps)
        if self.outline == "pixels":
            labels, stars = self.on_land(maps, self.land(maps))
            kept = stars.probability > self.probability
            return self._described(keep_only(labels, kept), stars[np.flatnonzero(kept)], maps)
        stars, labels = suppress(
            _centre(maps),
            maps.distances,
            threshold=self.probability,
            overlap=self.overlap,
            anisotropy=self.anisotropy,
        )
        return self._described(labels, stars, maps)

    def land(self, maps: Maps) -> Land:
        """Raise hills where the foreground is deep and a centre likely, at once. Pure.

        Neither `probability` nor `overlap` acts on it.
        """
        mask, depth = self._depth(maps)
        height = depth * smooth(_centre(maps), self._smoothing(mask.ndim))
        hills, _, _ = cut(height, mask, maps.foreground, separation=FAINT)
        return Land(mask, height, hills)

    def on_land(self, maps: Maps, land: Land) -> tuple[NDArray[np.int32], Stars]:
        """Let stars and pixels agree on the objects. Pure.

        The star on a hill's summit says whether the hill is an object, or part of one that is
        likelier; pixels follow the slopes of the hills that stay. Both have a say in how probable
        an object is: the geometric mean of its centre's and its foreground's probability.
        `probability` doesn't act here.

        Parameters
        ----------
        maps : Maps
            With distances.
        land : Land
            As `land` gives it.

        Returns
        -------
        labels : ndarray of int32
            1..n, small ones too.
        stars : Stars
            Star i is that of label i + 1.
        """
        if maps.distances is None:
            raise NucleateError("The maps have no distances along rays; choose the watershed.")
        stars, own = on_hills(
            land.hills, land.height, _centre(maps), maps.distances, self.overlap, self.anisotropy
        )
        number = np.zeros(int(land.hills.max(initial=0)) + 1, np.int32)
        number[own] = np.arange(1, len(own) + 1)
        labels, sure, origins = cut(
            land.height,
            land.mask,
            maps.foreground,
            separation=1.0,
            seeds=number[land.hills],
        )
        # What has no star is a hill apart from all others that a likelier one's star reaches.
        seen = origins > 0
        stars = stars[origins[seen] - 1]
        probability = np.sqrt(stars.probability * sure[seen].clip(0, 1))
        return keep_only(labels, seen), replace(stars, probability=probability)

    def _of_mask(self, maps: Maps) -> tuple[NDArray[np.int32], Stars]:
        """Cut the mask at its necks, and draw the star in each part."""
        mask, depth = self._depth(maps)
        parts, _, _ = cut(depth, mask, maps.foreground, separation=self.separation)
        stars = stars_of(parts, self.n_rays, self.anisotropy)
        return stars.draw(mask.shape) * mask, stars

    def _described(self, labels: NDArray[np.int32], stars: Stars, maps: Maps) -> Instances:
        """Drop small objects, and tell of the others what their stars know."""
        sizes = np.bincount(labels.reshape(-1), minlength=len(stars) + 1)[1:]
        kept = stars[np.flatnonzero(sizes >= self.min_size)]
        found = measured(remove_small(labels, self.min_size), maps)
        return replace(
            found,
            probability=found.probability if maps.distances is None else kept.probability,
            points=kept.points.astype(np.float32),
            rays=kept.rays,
        )

    def _depth(self, maps: Maps) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
        """The foreground without its round holes, and the smoothed distance to its edge."""
        mask: NDArray[np.bool_] = maps.foreground > self.threshold
        inside = holes(mask, self.fill_holes)
        if inside:
            mask = inside.filled(mask, round_ones(inside))
        depth = smooth(distance_to_boundary(mask, self.anisotropy), self._smoothing(mask.ndim))
        return mask, np.where(mask, depth, 0)

    def _smoothing(self, ndim: int) -> tuple[float, ...]:
        return (SMOOTHING / self.anisotropy, SMOOTHING, SMOOTHING)[-ndim:]


def _centre(maps: Maps) -> NDArray[np.float32]:
    """How likely each pixel is the middle of an object; 0 where that isn't a number."""
    given = maps.foreground if maps.centre is None else maps.centre
    return np.nan_to_num(np.ascontiguousarray(given, np.float32), nan=0.0)
