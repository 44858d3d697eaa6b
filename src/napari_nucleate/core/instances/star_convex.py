"""Star-convex polygons: the splitter for roundish objects, from a network or from any mask."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import Field

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.instances.base import SplitterBase
from napari_nucleate.core.instances.clean import holes, remove_small, round_ones
from napari_nucleate.core.instances.found import Instances, measured

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_nucleate.core.instances.maps import Maps

    Candidates = tuple[NDArray[np.int64], NDArray[np.float32]]


class StarConvex(SplitterBase):
    """Finds round, separate objects even where they touch: each is a polygon around its centre.

    The likeliest centre is drawn first, and any later polygon that overlaps it too much is left
    out (Schmidt et al., Cell detection with star-convex polygons, MICCAI 2018). Without a network
    that predicts rays, centres are where the mask is widest, and rays run to its outline or to
    the neck before the next object.
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
    threshold: float = Field(
        0.5,
        ge=0,
        le=1,
        description="Pixels more probable than this belong to the mask. Used only where the "
        "network predicts no rays.",
    )
    separation: float = Field(
        0.15,
        ge=0,
        lt=1,
        description="How much narrower than the objects a neck must be to end an object there: "
        "0.15 is about a seventh. Used only where the network predicts no rays.",
    )
    n_rays: int = Field(
        32,
        ge=8,
        le=256,
        description="Corners of each polygon; more follow the outline closer. Used only where the "
        "network predicts no rays.",
    )
    min_size: int = Field(
        10, ge=1, le=10_000_000, description="Objects of fewer pixels than this are dropped."
    )

    fill_holes: int = Field(
        100,
        ge=0,
        le=10_000_000,
        description="Round holes of up to this many pixels are filled; 0 leaves all holes open. "
        "Used only where the network predicts no rays.",
    )

    def find(self, maps: Maps) -> Instances:
        """Draw the objects as star-convex polygons.

        Parameters
        ----------
        maps : Maps
            2D. With distances, those and `centre` (the foreground if it is None) are used; without
            them the foreground only.

        Returns
        -------
        Instances

        Raises
        ------
        NucleateError
            If the maps are 3D.
        """
        shape = maps.foreground.shape
        if len(shape) != 2:
            raise NucleateError(
                f"Star-convex polygons are flat, but the image is 3D, {shape}; split it slice by "
                "slice or by watershed."
            )
        mask = None
        if maps.distances is not None:
            points, rays = self._predicted(maps, maps.distances)
        else:
            mask = maps.foreground > self.threshold
            inside = holes(mask, self.fill_holes)
            mask |= round_ones(inside)[inside]
            points, rays = self._measured(mask)
        labels = draw(points, rays, (shape[0], shape[1]), self.overlap)
        found = remove_small(labels if mask is None else labels * mask, self.min_size)
        return measured(found, maps)

    def _predicted(self, maps: Maps, distances: NDArray[np.float32]) -> Candidates:
        """List likely centres and their rays from the network's maps, the likeliest first."""
        from napari_nucleate.core.instances import _kernels

        given = maps.foreground if maps.centre is None else maps.centre
        score = np.nan_to_num(given, nan=0.0).astype(np.float32, copy=False)
        # A network is often equally sure of many pixels: then the widest place comes first.
        width = np.nan_to_num(distances.min(axis=0, initial=np.inf), nan=0.0, posinf=0.0)
        points = _kernels.peaks(np.where(score > self.probability, score + 1e-4 * width, 0), 0.0)
        y, x = points.T
        order = np.argsort(-score[y, x], kind="stable")
        rays = distances[:, y, x].T[order]
        longest = float(np.hypot(*given.shape))
        rays = np.nan_to_num(rays, nan=0.5, posinf=longest).clip(0.5, longest)
        return points[order], np.ascontiguousarray(rays, np.float32)

    def _measured(self, mask: NDArray[np.bool_]) -> Candidates:
        """List the widest places of a mask and their rays, the widest first."""
        from scipy import ndimage as ndi

        from napari_nucleate.core.instances import _kernels

        width = ndi.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1].astype(np.float32)
        smooth = np.where(mask, ndi.gaussian_filter(width, 1.0), 0)
        points = _kernels.peaks(smooth, 0.0)
        points = points[np.argsort(-smooth[points[:, 0], points[:, 1]], kind="stable")]
        rise = 1 / (1 - self.separation)
        return points, _kernels.rays_at(mask.astype(np.int32), smooth, points, self.n_rays, rise)


def draw(
    points: NDArray[np.int64], rays: NDArray[np.float32], shape: tuple[int, int], overlap: float
) -> NDArray[np.int32]:
    """Draw star-convex polygons, the first ones first, but those that overlap drawn ones too much.

    Parameters
    ----------
    points : ndarray of int64, shape (N, 2)
        Centres within the image, in Y and X.
    rays : ndarray of float32, shape (N, R)
        Distances > 0 from the centre to each corner, in pixels, at the angles of `ray_distances`.
    shape : tuple of int
        Shape of the image.
    overlap : float
        Largest part of the smaller of two polygons that they may share.

    Returns
    -------
    ndarray of int32
        Labels; pixels in more than one polygon belong to the one they lie deeper in.
    """
    from napari_nucleate.core.instances import _kernels

    angles = 2 * np.pi * np.arange(rays.shape[1]) / rays.shape[1]
    directions = np.stack((np.sin(angles), np.cos(angles)), axis=1)
    corners = (rays[..., np.newaxis] * directions).astype(np.float32)  # (N, R, 2)
    low = np.floor(points + corners.min(axis=1)).astype(np.int64)
    high = np.ceil(points + corners.max(axis=1)).astype(np.int64) + 1
    boxes = np.concatenate((low.clip(0), np.minimum(high, shape)), axis=1)
    labels: NDArray[np.int32] = _kernels.select(points, corners, boxes, shape, overlap)
    return labels
