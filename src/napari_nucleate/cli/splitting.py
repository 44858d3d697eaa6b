"""From options to a splitter, and from files to what it splits."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_nucleate.cli.data import check_same_channels, references
from napari_nucleate.cli.seeding import FileSeeds, seeds_from
from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.events import BlockDone
from napari_nucleate.core.instances import (
    Blocks,
    Components,
    Instances,
    LinkedPlanes,
    Maps,
    Splitter,
    StarConvex,
    Watershed,
    find_in_blocks,
)
from napari_nucleate.core.instances.evidence import Kind, astray, evidence_from, with_seeds
from napari_nucleate.core.instances.spacing import suited

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_nucleate.core.images import ImageRef, NDim
    from napari_nucleate.core.model import Card
    from napari_nucleate.core.targets import Target

COMPILING = "Compiling the loops of the splitter, once after installation: up to a minute…"

LARGE = 2**25
"""Images of more values, all maps counted, are split block by block."""

METHODS: dict[str, type[Components | Watershed | StarConvex | LinkedPlanes]] = {
    "watershed": Watershed,
    "components": Components,
    "star-convex": StarConvex,
    "linked-planes": LinkedPlanes,
}


def splitter_from(
    method: str | None,
    threshold: float | None,
    min_size: int | None,
    settings: str,
    own: Splitter | None = None,
) -> Splitter:
    """Make the splitter that the options describe; without a method, they change the `own` one.

    Raises
    ------
    NucleateError
        If the settings aren't a JSON object, or a value is out of bounds.
    """
    try:
        values: Any = json.loads(settings)
    except json.JSONDecodeError as error:
        raise NucleateError(f"--settings {settings!r} is not JSON: {error}.") from error
    if not isinstance(values, dict):
        raise NucleateError(f"--settings {settings!r} is not a JSON object, such as {{}}.")
    given = {"threshold": threshold, "min_size": min_size}
    given = {name: value for name, value in given.items() if value is not None}
    if method is None:
        base = own or Watershed()
        method, values = base.kind, base.model_dump() | values
    if method != "linked-planes":
        return METHODS[method].parse(values | given)
    # What options say of the mask and of sizes is about each plane.
    inner = values.get("splitter", {"kind": "watershed"})
    if given and isinstance(inner, dict):
        values["splitter"] = inner | given
    return LinkedPlanes.parse(values)


@dataclass(frozen=True)
class Source:
    """What is split: images of some kind, or the maps that a model drew.

    Parameters
    ----------
    refs : sequence of ImageRef
        All of one number of channels.
    target : Target or None
        What names the channels of a model's maps; None for other images.
    kind : {"mask", "borders", "distances"}
        What the pixels of other images stand for.
    seeds : FileSeeds, optional
        Where objects are.
    """

    refs: Sequence[ImageRef]
    target: Target | None
    kind: Kind = "mask"
    seeds: FileSeeds | None = None
    astray: list[int] = field(default_factory=list)
    """For each image that was split as a whole, how many seeds lie outside of its mask."""

    @classmethod
    def of(
        cls,
        path: Path,
        ndim: NDim,
        card: Card | None,
        kind: Kind = "mask",
        seeds: Path | None = None,
    ) -> Source:
        """Find the images of a folder or file.

        Raises
        ------
        NucleateError
            If masks have channels, or maps aren't those of the model.
        """
        refs = references(path, ndim)
        channels = check_same_channels(refs)
        if card is None and channels != 1:
            raise NucleateError(
                f"{refs[0].key} has {channels} channels; give one mask or probability, or with "
                "--model the model that drew these maps."
            )
        if card is not None and channels != card.recipe.target.n_maps:
            raise NucleateError(
                f"{refs[0].key} has {channels} map(s), the model {card.record.name} draws "
                f"{card.recipe.target.n_maps}; give the maps that `predict --maps` wrote with it."
            )
        target = card.recipe.target if card else None
        return cls(refs, target, kind, seeds_from(seeds, refs, ndim) if seeds else None)

    def maps(self, ref: ImageRef, region: tuple[slice, ...] = ()) -> Maps:
        """Read an image, or a region of it."""
        pixels = ref.read(region)
        try:
            if self.target is not None:
                maps = self.target.maps(pixels.astype(np.float32))
            else:
                maps = evidence_from(pixels[0], self.kind)
        except NucleateError as error:
            raise NucleateError(f"{ref.key}: {error}") from error
        if self.seeds is None:
            return maps
        whole = region or (slice(None),) * ref.ndim
        return with_seeds(maps, self.seeds.labels(ref, maps.foreground.shape, whole))

    def suited(self, splitter: Splitter, ref: ImageRef) -> Splitter:
        """The splitter for the pixels of an image; rays lie where they were learned."""
        learned = getattr(self.target, "anisotropy", None)
        if learned is not None and isinstance(splitter, StarConvex):
            return splitter.model_copy(update={"anisotropy": learned})
        return suited(splitter, ref.spacing)

    def split(
        self, ref: ImageRef, splitter: Splitter, out: NDArray[np.int32], side: int | None
    ) -> Generator[BlockDone, None, Instances]:
        """Write the labels of an image into `out`; block by block if it is large, or `side` given.

        Each block tells when it is done; an image that is split as a whole is one block.
        """
        if side is None and math.prod(ref.shape) * ref.stack.n_channels <= LARGE:
            maps = self.maps(ref)
            found = splitter.find(maps)
            self.astray.append(astray(maps, splitter))
            out[...] = found.labels
            yield BlockDone(1, 1, len(found))
            return found
        blocks = Blocks(side=side or 0)
        read = partial(self.maps, ref)
        return (yield from find_in_blocks(splitter, read, ref.shape, out, blocks))
