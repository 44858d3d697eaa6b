"""Volumes split plane by plane, and the cross-sections linked: for planes far apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from pydantic import Field

from napari_nucleate.core.instances.base import SplitterBase
from napari_nucleate.core.instances.components import Components
from napari_nucleate.core.instances.found import Instances, likeliest
from napari_nucleate.core.instances.star_convex import StarConvex
from napari_nucleate.core.instances.watershed import Watershed
from napari_nucleate.core.metrics import assign

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_nucleate.core.instances.maps import Maps

PlaneSplitter = Annotated[Components | Watershed | StarConvex, Field(discriminator="kind")]


class LinkedPlanes(SplitterBase):
    """Splits each plane of a volume by itself and links the cross-sections that overlap.

    For stacks whose planes are far apart, and for networks that only know planes. From plane to
    plane an object goes on as one cross-section at most: of two that it might go on as, the
    pairing with the highest sum of IoU decides (Hungarian method), and the other one begins or
    ends an object of its own. An object that grows thin and then thick again is cut where it is
    thinnest: one nucleus ends there above another.
    """

    kind: Literal["linked-planes"] = "linked-planes"
    splitter: PlaneSplitter = Field(
        Watershed(), title="In each plane", description="How each plane is split."
    )
    overlap: float = Field(
        0.5,
        ge=0.01,
        le=1,
        description="Two cross-sections belong to one object if they share at least this part of "
        "the smaller one.",
    )
    neck: float = Field(
        0.5,
        ge=0,
        le=1,
        description="An object is cut at a plane where its area falls below this part of its "
        "area both above and below; lower cuts less, 0 never.",
    )
    gap: int = Field(
        0, ge=0, le=100, description="How many planes in a row an object may be missing in."
    )
    min_planes: int = Field(
        1, ge=1, le=10_000, description="Objects seen in fewer planes than this are dropped."
    )

    def find(self, maps: Maps) -> Instances:
        """Split the planes, and link what lies over each other.

        Parameters
        ----------
        maps : Maps
            3D; the rays of star-convex objects lie within planes. In 2D the plane is split, and
            nothing is linked.

        Returns
        -------
        Instances
            In planes where an object is missing (`gap`), it has no pixels.
        """
        shape = maps.foreground.shape
        if len(shape) == 2:
            return self.splitter.find(maps)
        sections = _Sections([self.splitter.find(maps.plane(z)) for z in range(shape[0])])
        before = sections.linked(self.overlap, self.gap)
        tracks = _tracks(_cut(before, sections.area, self.neck))
        planes = np.bincount(tracks[1:])
        keep = planes >= self.min_planes
        number = np.where(keep, np.cumsum(keep), 0).astype(np.int32)
        objects = np.concatenate((np.zeros(1, np.int32), number[tracks[1:]]))
        labels = sections.paint(objects, shape)
        area = np.bincount(objects, sections.area, int(keep.sum()) + 1)[1:]
        sure = np.bincount(objects, sections.area * sections.sure, len(area) + 1)[1:] / area
        return Instances(labels, sure.astype(np.float32), classes=likeliest(labels, maps))

    def reach(self, ndim: int) -> tuple[int, ...]:
        """Within planes as far as the splitter of the planes, in Z over the gap."""
        flat = self.splitter.reach(2)
        return flat if ndim == 2 else (self.gap + 2, *flat)


class _Sections:
    """The cross-sections of all planes, numbered through from 1; row 0 of every table is none."""

    def __init__(self, planes: Sequence[Instances]) -> None:
        self._planes = [found.labels for found in planes]
        counts = [len(found) for found in planes]
        self.first = np.concatenate(([0], np.cumsum(counts)))
        areas = [
            np.bincount(found.labels.reshape(-1), minlength=n + 1)[1:]
            for found, n in zip(planes, counts, strict=True)
        ]
        self.area = np.concatenate((np.zeros(1, np.int64), *areas))
        self.sure = np.concatenate((np.zeros(1), *(found.probability for found in planes)))

    def linked(self, overlap: float, gap: int) -> NDArray[np.int64]:
        """The section that each one goes on from, 0 for none; the nearest planes come first."""
        before = np.zeros(len(self.area), np.int64)
        ended = np.ones(len(self.area), bool)
        for z in range(1, len(self._planes)):
            for back in range(1, min(gap + 1, z) + 1):
                low, high, iou = self._pairs(z - back, z, overlap)
                free = ended[low] & (before[high] == 0)
                low, high, iou = low[free], high[free], iou[free]
                if not len(low):
                    continue
                rows, cols = low - self.first[z - back] - 1, high - self.first[z] - 1
                n, m = self._count(z - back), self._count(z)
                chosen = assign(rows, cols, iou, n, m)
                before[high[chosen]] = low[chosen]
                ended[low[chosen]] = False
        return before

    def paint(self, objects: NDArray[np.int32], shape: tuple[int, ...]) -> NDArray[np.int32]:
        """Draw the object of each section."""
        labels = np.zeros(shape, np.int32)
        for z, plane in enumerate(self._planes):
            own = objects[self.first[z] : self.first[z + 1] + 1].copy()
            own[0] = 0
            labels[z] = own[plane]
        return labels

    def _count(self, z: int) -> int:
        return int(self.first[z + 1] - self.first[z])

    def _pairs(
        self, z: int, other: int, overlap: float
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
        """Sections of two planes that share enough of the smaller one, and their IoU."""
        a, b = self._planes[z].reshape(-1), self._planes[other].reshape(-1)
        both = (a > 0) & (b > 0)
        m = self._count(other) + 1
        pair, shared = np.unique(a[both].astype(np.int64) * m + b[both], return_counts=True)
        low, high = pair // m + self.first[z], pair % m + self.first[other]
        area, beyond = self.area[low], self.area[high]
        enough = shared >= overlap * np.minimum(area, beyond)
        iou = shared / (area + beyond - shared)
        return low[enough], high[enough], iou[enough]


def _tracks(before: NDArray[np.int64]) -> NDArray[np.int64]:
    """The object, from 0 on, of each section, in the order of their first ones; -1 for row 0."""
    tracks = np.full(len(before), -1, np.int64)
    count = 0
    for section, last in enumerate(before.tolist()):
        if section and last:
            tracks[section] = tracks[last]
        elif section:
            tracks[section], count = count, count + 1
    return tracks


def _cut(before: NDArray[np.int64], area: NDArray[np.int64], neck: float) -> NDArray[np.int64]:
    """Part objects at their necks; gives `before` without the links there.

    Examples
    --------
    >>> before, area = np.array([0, 0, 1, 2, 3, 4]), np.array([0, 9, 8, 2, 7, 9])
    >>> _cut(before, area, 0.5).tolist()
    [0, 0, 1, 0, 3, 4]
    """
    cut = before.copy()
    chains: dict[int, list[int]] = {}
    for section, track in enumerate(_tracks(before).tolist()):
        chains.setdefault(track, []).append(section)
    for chain in chains.values():
        if len(chain) > 2:
            for at in _necks(area[chain].tolist(), neck):
                cut[chain[at]] = 0
    return cut


def _necks(areas: Sequence[int], neck: float) -> list[int]:
    """Where a new object begins: beside each neck, at the larger step.

    Examples
    --------
    >>> _necks([9, 8, 2, 7, 9, 1, 2], 0.5)
    [2]
    """
    starts, peak, low = [], areas[0], 0
    for i, area in enumerate(areas):
        if areas[low] < neck * min(peak, area):
            starts.append(low + (areas[low + 1] - areas[low] >= areas[low - 1] - areas[low]))
            peak, low = area, i
        elif area >= peak:
            peak, low = area, i
        elif area < areas[low]:
            low = i
    return starts
