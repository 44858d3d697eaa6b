"""Watershed from distance transforms: the splitter for objects that touch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import Field

from napari_nucleate.core.instances.base import SplitterBase
from napari_nucleate.core.instances.clean import fill_own, holes, remove_small, round_ones
from napari_nucleate.core.instances.found import Instances, measured

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
        from skimage.segmentation import watershed

        mask = maps.foreground > self.threshold
        inside = holes(mask, self.fill_holes)
        solid = mask | round_ones(inside)[inside]  # a gap between objects, filled, looks like one
        if not solid.any():
            return measured(np.zeros(mask.shape, np.int32), maps)
        core = self._core(maps, solid)
        depth = self._distance(core)
        separation = self.separation if maps.border is None else self.border_separation
        seeds = _seeds(core, depth, separation)
        # Off the cores the flood rises with the distance from them, so that fronts meet halfway.
        whole = np.array_equal(core, solid)
        height = -depth if whole else np.where(core, -depth, self._distance(~core))
        labels = watershed(height, seeds, mask=solid)
        found = remove_small(fill_own(labels.astype(np.int32), inside), self.min_size)
        return measured(found, maps)

    def _core(self, maps: Maps, solid: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Keep the foreground that can hold seeds.

        Specks are dropped; a piece of the foreground that has nothing else is all core.
        """
        from scipy import ndimage as ndi

        if maps.border is None:
            return solid
        core: NDArray[np.bool_] = solid & (maps.foreground - maps.border > self.seed_threshold)
        parts, _ = ndi.label(core)
        core &= np.bincount(parts.reshape(-1))[parts] >= self.seed_size
        pieces, n = ndi.label(solid)
        seeded = np.zeros(n + 1, bool)
        seeded[pieces[core]] = True
        core |= solid & ~seeded[pieces]
        return core

    def _distance(self, mask: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Smoothed distance to the boundary of the mask in pixels of Y and X, 0 outside."""
        from scipy import ndimage as ndi

        step = np.ones(mask.ndim)
        step[:-2] = self.anisotropy
        distance = ndi.distance_transform_edt(mask, sampling=step).astype(np.float32)
        smooth = ndi.gaussian_filter(distance, self.sigma / step) if self.sigma else distance
        return np.where(mask, smooth, 0)


def _seeds(
    core: NDArray[np.bool_], depth: NDArray[np.float32], separation: float
) -> NDArray[np.int32]:
    """Label one seed on either side of every deep neck; every piece of the core has one."""
    from scipy import ndimage as ndi

    from napari_nucleate.core.instances import _kernels

    pieces: NDArray[np.int32]
    pieces, _ = ndi.label(core)
    if separation == 1:
        return pieces
    # On a logarithm a drop is a ratio, so that the same neck counts alike at any size.
    height = np.pad(np.log1p(depth), 1)
    around = np.indices((3,) * core.ndim).reshape(core.ndim, -1) - 1
    strides = np.array(height.strides) // height.itemsize
    order = np.flatnonzero(np.pad(core, 1))
    order = order[np.argsort(-height.reshape(-1)[order], kind="stable")]
    flat, inside = height.reshape(-1), np.pad(pieces, 1).reshape(-1)
    drop = -np.log1p(-separation)
    marked = _kernels.summits(flat, inside, order, strides @ around, drop)
    seeds = marked.reshape(height.shape)[(slice(1, -1),) * core.ndim]
    return (np.cumsum(seeds).reshape(seeds.shape) * seeds).astype(np.int32)
