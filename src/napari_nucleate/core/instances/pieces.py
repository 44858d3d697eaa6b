"""Connected components of an image of any size: pieces of blocks, joined where they meet.

Nothing is read twice and nothing is approximate: an object may run through the whole image.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_nucleate.core.events import BlockDone
from napari_nucleate.core.instances.found import Instances
from napari_nucleate.core.instances.regions import grown, within
from napari_nucleate.core.instances.settle import check_count

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from numpy.typing import NDArray

    from napari_nucleate.core.instances.components import Components
    from napari_nucleate.core.instances.maps import Maps
    from napari_nucleate.core.instances.regions import Region

OPEN = 1
"""The id of all background that is no hole: it reaches the edge of the image, or is too large."""


def join_pieces(
    splitter: Components,
    read: Callable[[Region], Maps],
    shape: Sequence[int],
    out: Any,
    cores: Sequence[Region],
) -> Generator[BlockDone, None, Instances]:
    """Label the connected pieces of the foreground block by block; see `find_in_blocks`.

    First every block's pieces of foreground, and those of its background that may be holes, get
    ids of their own in `out`; those that meet across a seam are noted. A hole is a joined piece
    of background that stays small enough and off the edge of the image; it joins the objects
    around it. Then ids become labels.
    """
    pieces = _Pieces(splitter)
    for done, core in enumerate(cores, 1):
        frame = grown(core, (1,) * len(core), shape)
        there = np.array(out[frame])  # what neighbours wrote; 0 where no block was yet
        inner = within(core, frame)
        there[inner] = pieces.label(read(core), core, shape)
        out[core] = there[inner]
        pieces.join(there, inner)
        yield BlockDone(done, 2 * len(cores), 0)
    ids, instances = pieces.objects(out)
    for done, core in enumerate(cores, len(cores) + 1):
        out[core] = ids[np.asarray(out[core])]
        yield BlockDone(done, 2 * len(cores), len(instances))
    return instances


class _Pieces:
    """Pieces of foreground and background: their sizes, and which of them belong together."""

    def __init__(self, splitter: Components) -> None:
        self._splitter = splitter
        # Id 0 is nothing, id 1 is open background.
        self._count = OPEN
        self._solid = [np.zeros(OPEN + 1, bool)]
        self._size = [np.zeros(OPEN + 1, np.int64)]
        self._sure: list[NDArray[np.float64]] = [np.zeros(OPEN + 1)]
        self._votes: list[NDArray[np.float64]] = []
        self._alike: list[NDArray[np.int64]] = []
        self._beside: list[NDArray[np.int64]] = []

    def label(self, maps: Maps, core: Region, shape: Sequence[int]) -> NDArray[np.int64]:
        """Give the pieces of a block ids that no other block has."""
        from scipy import ndimage as ndi

        mask = maps.foreground > self._splitter.threshold
        solid, n = ndi.label(mask)
        gaps, m = self._gaps(mask, core, shape)
        ids: NDArray[np.int64] = np.where(
            mask, solid + self._count, np.where(gaps, gaps + self._count + n, OPEN)
        )
        flat = ids.reshape(-1) - self._count
        own = flat > 0
        flat, total = flat[own], n + m
        self._count += total
        check_count(self._count)
        self._solid.append(np.arange(total) < n)
        self._size.append(np.bincount(flat, minlength=total + 1)[1:])
        sure = np.nan_to_num(maps.foreground).reshape(-1)[own].astype(np.float64)
        self._sure.append(np.bincount(flat, sure, total + 1)[1:].astype(np.float64))
        if maps.classes is not None:
            votes = [np.nan_to_num(c).reshape(-1)[own] for c in maps.classes]
            self._votes.append(np.stack([np.bincount(flat, v, total + 1)[1:] for v in votes]))
        self._note(self._beside, *_walls(ids, mask, gaps))
        return ids

    def _gaps(
        self, mask: NDArray[np.bool_], core: Region, shape: Sequence[int]
    ) -> tuple[NDArray[np.int32], int]:
        """Label the background of a block that may be a hole, or a part of one."""
        from scipy import ndimage as ndi

        if not self._splitter.fill_holes:
            return np.zeros(mask.shape, np.int32), 0
        gaps, m = ndi.label(~mask, np.ones((3,) * mask.ndim))
        large = np.bincount(gaps.reshape(-1), minlength=m + 1) > self._splitter.fill_holes
        for axis, (part, n) in enumerate(zip(core, shape, strict=True)):
            along = np.moveaxis(gaps, axis, 0)
            if part.start == 0:
                large[along[0]] = True
            if part.stop == n:
                large[along[-1]] = True
        large[0] = True
        numbers = np.where(large, 0, np.cumsum(~large)).astype(np.int32)
        return numbers[gaps], int(numbers.max())

    def join(self, there: NDArray[Any], inner: Region) -> None:
        """Note which ids of a block (`inner`) meet those of the frame around it."""
        solid = np.concatenate(self._solid)
        self._solid = [solid]
        far = (-1, 0, 1) if self._splitter.fill_holes else (0,)
        steps = list(itertools.product(far, repeat=there.ndim - 1))
        for axis, part in enumerate(inner):
            for low, high, side in ((0, part.start, part.start), (part.stop, None, part.stop - 1)):
                strip = slice(low, high)
                if not range(*strip.indices(there.shape[axis])):
                    continue
                ours = np.moveaxis(there, axis, 0)[side]
                theirs = np.moveaxis(there, axis, 0)[strip][0]
                rest = [p for i, p in enumerate(inner) if i != axis]
                for step in steps:
                    self._meet(ours, theirs, rest, step, solid)

    def _meet(
        self,
        ours: NDArray[Any],
        theirs: NDArray[Any],
        rest: Sequence[slice],
        step: tuple[int, ...],
        solid: NDArray[np.bool_],
    ) -> None:
        """Compare the face of a block with its frame, moved by `step` along the face."""
        moved = [
            slice(max(p.start + s, 0), min(p.stop + s, n))
            for p, s, n in zip(rest, step, theirs.shape, strict=True)
        ]
        back = tuple(slice(m.start - s, m.stop - s) for m, s in zip(moved, step, strict=True))
        a, b = ours[back].reshape(-1), theirs[tuple(moved)].reshape(-1)
        known = (b > 0) & ((a != OPEN) | (b != OPEN))
        a, b = a[known], b[known]
        same = solid[a] == solid[b]
        # Foreground joins through faces, background through corners too.
        straight = not any(step)
        alike = same if straight else same & ~solid[a]
        self._note(self._alike, a[alike], b[alike])
        if straight:
            walls = ~same & (a != OPEN) & (b != OPEN)
            self._note(self._beside, a[walls], b[walls])

    @staticmethod
    def _note(pairs: list[NDArray[np.int64]], a: NDArray[Any], b: NDArray[Any]) -> None:
        if len(a):
            both = np.stack((a, b), axis=1).astype(np.int64)
            pairs.append(np.unique(both, axis=0))

    def objects(self, out: Any) -> tuple[NDArray[Any], Instances]:
        """Number the objects; gives the label of every id, and what is known of the objects."""
        solid, size = np.concatenate(self._solid), np.concatenate(self._size)
        roots = _roots(len(size), self._alike)
        total = np.bincount(roots, size, len(size))
        hole = ~solid & (roots != roots[OPEN]) & (total[roots] <= self._splitter.fill_holes)
        hole[: OPEN + 1] = False
        beside = _pairs(self._beside)
        beside = beside[(hole | solid)[beside].all(1)]
        roots = _roots(len(size), [*self._alike, beside])
        part = hole | solid
        total = np.bincount(roots[part], size[part], len(size))
        whole = np.zeros(len(size), bool)
        whole[roots[part]] = True
        whole &= total >= self._splitter.min_size
        number = np.where(whole, np.cumsum(whole), 0)
        ids = np.where(part, number[roots], 0).astype(out.dtype)
        n = int(whole.sum())
        sure = np.bincount(ids, np.concatenate(self._sure), n + 1)[1:] / total[whole]
        classes = None
        if self._votes:
            votes = np.concatenate([np.zeros((len(self._votes[0]), OPEN + 1)), *self._votes], 1)
            sums = [np.bincount(ids, v, n + 1)[1:] for v in votes]
            classes = np.argmax(sums, axis=0).astype(np.int32) + 1
        return ids, Instances(out, sure.astype(np.float32).clip(0, 1), classes=classes)


def _walls(
    ids: NDArray[np.int64], mask: NDArray[np.bool_], gaps: NDArray[np.int32]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs of ids of foreground and of gaps that share a face, within a block."""
    if not gaps.any():
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    pairs = []
    for axis in range(ids.ndim):
        low, high = np.moveaxis(ids, axis, 0)[:-1], np.moveaxis(ids, axis, 0)[1:]
        wall = np.moveaxis(mask, axis, 0)[:-1] != np.moveaxis(mask, axis, 0)[1:]
        wall &= (low != OPEN) & (high != OPEN)
        pairs.append((low[wall], high[wall]))
    a, b = zip(*pairs, strict=True)
    return np.concatenate(a), np.concatenate(b)


def _pairs(parts: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    return np.concatenate([np.zeros((0, 2), np.int64), *parts])


def _roots(n: int, parts: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """One number for all ids 0..n-1 that pairs join."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    pairs = _pairs(parts)
    graph = coo_array((np.ones(len(pairs), bool), tuple(pairs.T)), (n, n))
    roots: NDArray[np.int64] = connected_components(graph, directed=False)[1].astype(np.int64)
    return roots
