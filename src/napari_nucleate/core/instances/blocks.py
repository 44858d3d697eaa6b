"""Any splitter, block by block: arrays larger than memory, and the result of the whole image."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from pydantic import Field

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.events import BlockDone
from napari_nucleate.core.instances.components import Components
from napari_nucleate.core.instances.pieces import join_pieces
from napari_nucleate.core.instances.regions import Grid, grown, volume
from napari_nucleate.core.instances.settle import Ledger, Look, settle
from napari_nucleate.core.params import Params

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from napari_nucleate.core.instances.base import SplitterBase
    from napari_nucleate.core.instances.found import Instances
    from napari_nucleate.core.instances.maps import Maps
    from napari_nucleate.core.instances.regions import Region

    Read = Callable[[Region], Maps]


class Blocks(Params):
    """How an image is cut into blocks."""

    side: int = Field(
        0,
        ge=0,
        le=65_536,
        description="Side of a block in pixels of Y and X; 0 takes 2048 for flat images and 512 "
        "for volumes.",
    )
    depth: int = Field(64, ge=1, le=65_536, description="Planes of a block of a volume.")
    halo: int = Field(
        128,
        ge=1,
        le=65_536,
        description="How far beyond a block is read at first, in pixels of Y and X; half as far "
        "for volumes, and an eighth in Z. More is read where objects need it.",
    )
    neighbours: int = Field(
        2,
        ge=1,
        le=100,
        description="An object is taken from a block if neither it, nor so many neighbours "
        "in a row from it on, are cut by the edge of what was read.",
    )

    def sides(self, ndim: int) -> tuple[int, ...]:
        """Shape of a block of an image with so many dimensions."""
        side = self.side or (2048 if ndim == 2 else 512)
        return (self.depth, side, side)[-ndim:]

    def halos(self, ndim: int) -> tuple[int, ...]:
        """How far beyond a block is read at first, along each axis."""
        if ndim == 2:
            return self.halo, self.halo
        return math.ceil(self.halo / 8), math.ceil(self.halo / 2), math.ceil(self.halo / 2)


def find_in_blocks(
    splitter: SplitterBase,
    read: Read,
    shape: Sequence[int],
    out: Any,
    blocks: Blocks | None = None,
) -> Generator[BlockDone, None, Instances]:
    """Find the objects of an image block by block, as the splitter finds them in all of it.

    A block is read with a halo, and split. An object counts if it is certain: the edge of what
    was read cuts neither it, nor a neighbour of it, nor that one's (`Blocks.neighbours`). Where
    an object of the block is not certain, more is read around it and split again, up to the whole
    image: so the memory needed depends on the size of blocks and of objects. Certain objects are
    written whole by the first block that sees them.

    Connected components need no halo: pieces of blocks are joined where they meet.

    Parameters
    ----------
    splitter : Splitter
        Any. What decides on an object must lie within `Blocks.neighbours` objects of it.
    read : callable
        Gives the maps of a region, a tuple of slices.
    shape : sequence of int
        Shape of the image, 2D or 3D.
    out : array of int32 or uint32, that shape
        Zeros; the labels are written into it. Anything that can be read and written by slices:
        ndarray, memmap, zarr.
    blocks : Blocks, optional
        How the image is cut.

    Yields
    ------
    BlockDone
        After each block.

    Returns
    -------
    Instances
        `out` as labels 1..n, which differ from those of `splitter.find` in their order only; and
        the scores, in the order of the labels.

    Raises
    ------
    NucleateError
        If `out` has another shape or too small a type, or shape isn't 2D or 3D.

    Examples
    --------
    >>> from napari_nucleate.core.instances.clean import from_mask_like
    >>> maps = from_mask_like(np.ones((40, 40)))
    >>> out = np.zeros((40, 40), np.int32)
    >>> events = find_in_blocks(Components(), maps.__getitem__, (40, 40), out, Blocks(side=16))
    >>> last = list(events)[-1]
    >>> last.objects, int(out.min()), int(out.max())
    (1, 1, 1)
    """
    shape = tuple(int(n) for n in shape)
    blocks = blocks or Blocks()
    _check(shape, out)
    grid = Grid(shape, blocks.sides(len(shape)))
    if isinstance(splitter, Components):
        return (yield from join_pieces(splitter, read, shape, out, grid.tiles()))
    ledger = Ledger(splitter, out)
    yield from _settle_all(ledger, grid, read, blocks)
    return ledger.close()


def _settle_all(
    ledger: Ledger, grid: Grid, read: Read, blocks: Blocks
) -> Generator[BlockDone, None, None]:
    """Look at each block, and look wider where it needs that, until all objects are written."""
    halo, cores, settled = blocks.halos(len(grid.shape)), grid.tiles(), set()
    for done, core in enumerate(cores, 1):
        again, looks = 0, [] if _key(core) in settled else [Look(core, core, halo)]
        while looks:
            look = looks.pop()
            region = grown(look.around, look.halo, grid.shape)
            seen = settle(ledger, region, read, blocks.neighbours)
            more = seen.again(look, grid.shape)
            again += sum(volume(one.core) for one in more)
            looks += more
            # A look at large objects settles small blocks by the way.
            settled |= {_key(tile) for tile in grid.inside(region) if seen.settles(tile)}
        # Where much had to be read again, it costs less to read more at once from now on.
        if again > volume(core) / 4:
            halo = tuple(min(2 * h, n) for h, n in zip(halo, grid.shape, strict=True))
        yield BlockDone(done, len(cores), len(ledger))


def _key(core: Region) -> tuple[int, ...]:
    return tuple(part.start for part in core)


def _check(shape: tuple[int, ...], out: Any) -> None:
    if len(shape) not in (2, 3):
        raise NucleateError(f"An image of shape {shape} can't be split; 2D or 3D is needed.")
    if tuple(out.shape) != shape:
        raise NucleateError(f"The labels have shape {tuple(out.shape)}, the image {shape}.")
    dtype = np.dtype(cast("Any", out.dtype))
    if dtype.kind not in "iu" or dtype.itemsize < 4:
        raise NucleateError(f"Labels of type {dtype} run out of numbers; use int32 or uint32.")
