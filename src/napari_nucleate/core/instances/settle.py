"""Which objects of a block are certain, and writing each of them once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.instances.found import Instances
from napari_nucleate.core.instances.planes import LinkedPlanes
from napari_nucleate.core.instances.regions import (
    around,
    boxes_of,
    clusters,
    common,
    grown,
    meet,
    meet_any,
    sizes,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from napari_nucleate.core.instances.base import SplitterBase
    from napari_nucleate.core.instances.maps import Maps
    from napari_nucleate.core.instances.regions import Region

S = TypeVar("S", bound="SplitterBase")
T = TypeVar("T", bound=np.generic)
CELL = 4
"""Boxes are compared on a grid of cells of so many pixels; one plane in Z."""


@dataclass(frozen=True)
class Look:
    """What to look at: every object of `core` is to be settled, seen with a halo `around` it."""

    core: Region
    around: Region
    halo: tuple[int, ...]


@dataclass(frozen=True)
class Seen:
    """What a look settled: all of a region, but for what is near uncertain objects.

    Parameters
    ----------
    region : Region
        What was read.
    unsure : ndarray of int64, shape (n, 2, ndim)
        Bounding boxes of the uncertain objects, in pixels of the image.
    reach : tuple of int
        How near them nothing is settled, in pixels along each axis.
    """

    region: Region
    unsure: NDArray[np.int64]
    reach: tuple[int, ...]

    def settles(self, core: Region) -> bool:
        """Whether all objects of a part of the region are written."""
        return not self._near(core).any()

    def again(self, look: Look, shape: Sequence[int]) -> list[Look]:
        """Where to look again, with twice the halo, for what isn't settled yet of the core."""
        wider = tuple(2 * h for h in look.halo)
        groups = clusters(self.unsure[self._near(look.core)], max(look.halo))
        return [Look(common(grown(g, self.reach, shape), look.core), g, wider) for g in groups]

    def _near(self, core: Region) -> NDArray[np.bool_]:
        return meet(_spread(self.unsure, self.reach), core)


class Ledger:
    """The labels written so far, and the scores of their objects.

    Parameters
    ----------
    splitter : Splitter
        Only objects of its least size, if it has one, are written.
    out : array of int32 or uint32
        Where labels are written.
    """

    def __init__(self, splitter: SplitterBase, out: Any) -> None:
        self.out = out
        # An object that the edge of a block cuts may look too small: it is measured when whole.
        self.splitter, self._least = without_min_size(splitter)
        self.loose = loosest(self.splitter)
        self._count = 0
        self._parts: list[Instances] = []

    def __len__(self) -> int:
        return self._count

    def write(
        self, found: Instances, boxes: NDArray[np.int64], at: Region, keep: NDArray[np.bool_]
    ) -> None:
        """Write objects that aren't there already.

        Parameters
        ----------
        found : Instances
            Of the region `at`.
        boxes : ndarray of int64, shape (n, 2, ndim)
            Their bounding boxes.
        at : Region
        keep : ndarray of bool, shape (n,)
            Which of them to write.
        """
        chosen = np.zeros(0, np.int64)
        if keep.any():
            inner = around(boxes[keep])
            outer = tuple(
                slice(a.start + b.start, a.stop + b.start) for a, b in zip(inner, at, strict=True)
            )
            there, labels = np.array(self.out[outer]), found.labels[inner]
            size = np.bincount(labels.reshape(-1), minlength=len(found) + 1)[1:]
            taken = np.bincount(labels[there > 0], minlength=len(found) + 1)[1:]
            chosen = np.flatnonzero(keep & (2 * taken <= size) & (size >= self._least))
            ids = np.zeros(len(found) + 1, there.dtype)
            ids[chosen + 1] = self._ids(len(chosen))
            np.copyto(there, ids[labels], where=there == 0)
            self.out[outer] = there
        self._parts.append(_rows(found, chosen, at))

    def close(self) -> Instances:
        """All objects; nothing is written any more."""
        if not self._parts:
            return Instances(self.out, np.zeros(0, np.float32))
        return Instances(
            self.out,
            np.concatenate([part.probability for part in self._parts]),
            _joined([part.points for part in self._parts]),
            _joined([part.rays for part in self._parts]),
            _joined([part.classes for part in self._parts]),
        )

    def _ids(self, n: int) -> NDArray[np.int64]:
        first, self._count = self._count + 1, self._count + n
        check_count(self._count)
        return np.arange(first, first + n)


def settle(ledger: Ledger, region: Region, read: Callable[[Region], Maps], neighbours: int) -> Seen:
    """Split a region, and write the objects that are certain.

    Parameters
    ----------
    ledger : Ledger
    region : Region
        What is read.
    read : callable
        Gives the maps of a region.
    neighbours : int
        How many neighbours in a row from an object on must be whole.

    Returns
    -------
    Seen
    """
    shape = tuple(ledger.out.shape)
    maps = read(region)
    found = ledger.splitter.find(maps)
    # What the edge cuts may be too small to be found, but not by the loosest splitter.
    loose = found if ledger.loose is ledger.splitter else ledger.loose.find(maps)
    boxes, all_boxes = boxes_of(found.labels), boxes_of(loose.labels)
    reach = ledger.splitter.reach(len(shape))
    cut = boxes_cut(all_boxes, region, shape, _context(all_boxes, maps, reach))
    doubtful = changed(all_boxes, cut, reach, neighbours)
    unsure = all_boxes[doubtful]
    if loose is not found:
        doubtful = meet_any(boxes, unsure, (1, CELL, CELL)[-len(shape) :])
    ledger.write(found, boxes, region, ~doubtful)
    offset = np.array([part.start for part in region])
    return Seen(region, unsure + offset, reach)


def boxes_cut(
    boxes: NDArray[np.int64], region: Region, shape: Sequence[int], context: Sequence[int]
) -> NDArray[np.bool_]:
    """Tell which boxes (n, 2, ndim) lie nearer than `context` to an edge of the region.

    The edges of the image itself, of this shape, cut nothing.
    """
    starts = np.array([part.start > 0 for part in region])
    stops = np.array([part.stop < n for part, n in zip(region, shape, strict=True)])
    room = np.array(sizes(region)) - boxes[:, 1]
    low, high = (boxes[:, 0] < context) & starts, (room < context) & stops
    near: NDArray[np.bool_] = (low | high).any(1)
    return near


def changed(
    boxes: NDArray[np.int64], cut: NDArray[np.bool_], reach: Sequence[int], neighbours: int
) -> NDArray[np.bool_]:
    """Spread from the objects that are cut to their neighbours, and theirs.

    Parameters
    ----------
    boxes : ndarray of int64, shape (n, 2, ndim)
        Bounding boxes of the objects.
    cut : ndarray of bool, shape (n,)
        Which of them are cut.
    reach : sequence of int
        How near each other neighbours are, in pixels along each axis.
    neighbours : int
        How often it spreads.

    Returns
    -------
    ndarray of bool, shape (n,)
        Who may look different for the cut; never too few.
    """
    cut = cut.copy()
    cell = (1, CELL, CELL)[-boxes.shape[2] :]
    for _ in range(neighbours):
        before = np.count_nonzero(cut)
        cut |= meet_any(boxes, _spread(boxes[cut], reach), cell)
        if np.count_nonzero(cut) == before:
            break
    return cut


def without_min_size(splitter: S) -> tuple[S, int]:
    """The splitter that keeps objects of any size, and the size that it would ask for."""
    least = int(getattr(splitter, "min_size", 1))
    if least <= 1:
        return splitter, 1
    return splitter.model_copy(update={"min_size": 1}), least


def loosest(splitter: SplitterBase) -> SplitterBase:
    """The splitter that drops nothing for being small; the same where it drops nothing."""
    if not isinstance(splitter, LinkedPlanes):
        return splitter
    inner = splitter.splitter.model_copy(update={"min_size": 1})
    loose = splitter.model_copy(update={"splitter": inner, "min_planes": 1})
    return splitter if loose == splitter else loose


def check_count(n: int) -> None:
    """Refuse more objects than int32 can number.

    Raises
    ------
    NucleateError
        If n is above 2³¹ - 1.
    """
    if n > np.iinfo(np.int32).max:
        raise NucleateError(
            f"{n} objects or pieces of them are more than labels can number; raise the threshold."
        )


def _context(boxes: NDArray[np.int64], maps: Maps, reach: Sequence[int]) -> Sequence[int]:
    """How far from a cut the unseen acts: an object drawn from rays may begin beyond the cut."""
    if maps.distances is None or not len(boxes):
        return reach
    widest: list[int] = np.maximum(reach, (boxes[:, 1] - boxes[:, 0]).max(0)).tolist()
    return widest


def _spread(boxes: NDArray[np.int64], reach: Sequence[int]) -> NDArray[np.int64]:
    return np.stack(
        (np.maximum(boxes[:, 0] - np.array(reach), 0), boxes[:, 1] + np.array(reach)), axis=1
    )


def _rows(found: Instances, chosen: NDArray[np.int64], at: Region) -> Instances:
    """The scores of some objects, without labels; points in pixels of the image."""
    offset = np.array([part.start for part in at])
    points = None if found.points is None else (found.points[chosen] + offset).astype(np.float32)
    return Instances(
        np.zeros(0, np.int32),
        found.probability[chosen],
        points,
        None if found.rays is None else found.rays[chosen],
        None if found.classes is None else found.classes[chosen],
    )


def _joined(parts: Sequence[NDArray[T] | None]) -> NDArray[T] | None:
    """All rows of a table, None where some block had no such table."""
    there = [part for part in parts if part is not None]
    return np.concatenate(there) if len(there) == len(parts) else None
