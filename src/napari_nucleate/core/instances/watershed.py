"""Watershed from distance transforms: the splitter for objects that touch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import Field

from napari_nucleate.core.instances.base import SplitterBase
from napari_nucleate.core.instances.clean import (
    fill_own,
    holes,
    relabel,
    remove_small,
    round_ones,
)
from napari_nucleate.core.instances.connected import connected
from napari_nucleate.core.instances.distance import distance_to_boundary
from napari_nucleate.core.instances.found import Instances, likeliest, measured
from napari_nucleate.core.instances.landscape import cut, smooth

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_nucleate.core.instances.maps import Maps


class Watershed(SplitterBase):
    """Cuts touching objects where the border is drawn and where the outline has a neck.

    Seeds are the cores of objects: the foreground without the border where the network drew one,
    the whole foreground otherwise. A core whose outline has a deep neck gets a seed on either
    side, found as maxima of the distance to its boundary. The seeds then flood the foreground
    (Beucher & Meyer, 1993; h-maxima: Soille, Morphological Image Analysis, 2003).
    """

    kind: Literal["watershed"] = "watershed"
    threshold: float = Field(
        0.5, ge=0, le=1, description="Pixels more probable than this belong to objects."
    )
    seed_threshold: float = Field(
        0.5,
        ge=0,
        le=1,
        description="Pixels whose foreground minus border is above this can be seeds; higher cuts "
        "more. Used only where the network draws borders.",
    )
    separation: float = Field(
        0.1,
        ge=0,
        le=1,
        description="How much narrower than the objects a neck must be to be cut there: 0.1 is "
        "a tenth. Lower cuts more, 1 never. Used where the network draws no borders.",
    )
    border_separation: float = Field(
        0.5,
        ge=0,
        le=1,
        description="The same where the network draws borders: only deep necks, which the border "
        "missed, are cut.",
    )
    sigma: float = Field(
        1.0,
        ge=0,
        le=20,
        description="Smoothing of the outline's distances in pixels, against cuts at rough edges.",
    )
    seed_size: int = Field(
        5,
        ge=1,
        le=1_000_000,
        description="Cores of fewer pixels are dropped; foreground left with none counts as one "
        "core. Used only where the network draws borders.",
    )
    min_size: int = Field(
        10, ge=1, le=10_000_000, description="Objects of fewer pixels than this are dropped."
    )
    fill_holes: int = Field(
        100,
        ge=0,
        le=10_000_000,
        description="Holes of up to this many pixels inside an object are filled; gaps between "
        "objects stay open. 0 leaves all holes open.",
    )
    anisotropy: float = Field(
        1.0,
        ge=0.01,
        le=100,
        description="Distance between slices divided by the pixel size within them (3D only).",
    )

    def find(self, maps: Maps) -> Instances:
        """Cut the foreground into objects.

        Parameters
        ----------
        maps : Maps
            Foreground, 2D or 3D, and a border where there is one.

        Returns
        -------
        Instances
        """
        mask = maps.foreground > self.threshold
        inside = holes(mask, self.fill_holes)
        # A gap between objects, filled, looks like one.
        solid = inside.filled(mask, round_ones(inside)) if inside else mask
        if not solid.any():
            return measured(np.zeros(solid.shape, np.int32), maps)
        core = self._core(maps, solid)
        height = self._height(core, maps)
        separation = self.separation if core is solid else self.border_separation
        if core is not solid:
            # Off the cores the land falls with the distance from them: fronts meet halfway.
            height = np.where(core, height, -distance_to_boundary(~core, self.anisotropy))
        labels, means, _ = cut(
            height,
            solid,
            maps.foreground,
            separation=separation,
            min_size=1 if inside else self.min_size,
            seeds=None if maps.seeds is None else relabel(maps.seeds),
            seeds_only=maps.seeds is not None,
        )
        if inside:
            return measured(remove_small(fill_own(labels, inside), self.min_size), maps)
        return Instances(labels, means.clip(0, 1), classes=likeliest(labels, maps))

    def _core(self, maps: Maps, solid: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Keep the foreground that can hold seeds.

        Specks are dropped; a piece of the foreground that has nothing else is all core.
        """
        if maps.border is None:
            return solid
        core: NDArray[np.bool_] = solid & (maps.foreground - maps.border > self.seed_threshold)
        parts = connected(core)
        core = parts.labels((parts.sizes() >= self.seed_size).astype(np.int32)) > 0
        pieces = connected(solid)
        seeded = np.zeros(len(pieces) + 1, bool)
        seeded[pieces.labels()[core]] = True
        return core | (pieces.labels((~seeded[1:]).astype(np.int32)) > 0)

    def _height(self, core: NDArray[np.bool_], maps: Maps) -> NDArray[np.float32]:
        """Smoothed distance to the boundary of the core in pixels of X, 0 outside of it."""
        if maps.depth is None:
            depth = distance_to_boundary(core, self.anisotropy)
        else:
            depth = np.nan_to_num(maps.depth)
        sigma = (self.sigma / self.anisotropy, self.sigma, self.sigma)[-core.ndim :]
        return np.where(core, smooth(depth, sigma), 0)
