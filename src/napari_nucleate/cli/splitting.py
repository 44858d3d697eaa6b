"""From options to a splitter, and from files to what it splits."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_nucleate.cli.data import check_same_channels, references
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
    from_mask_like,
)

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
    """What is split: masks and probabilities, or the maps that a model drew.

    Parameters
    ----------
    refs : sequence of ImageRef
        All of one number of channels.
    target : Target or None
        What names the channels of a model's maps; None for masks.
    """

    refs: Sequence[ImageRef]
    target: Target | None

    @classmethod
    def of(cls, path: Path, ndim: NDim, card: Card | None) -> Source:
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
        return cls(refs, card.recipe.target if card else None)

    def maps(self, ref: ImageRef, region: tuple[slice, ...] = ()) -> Maps:
        """Read an image, or a region of it."""
        pixels = ref.read(region)
        if self.target is not None:
            return self.target.maps(pixels.astype(np.float32))
        try:
            return from_mask_like(pixels[0])
        except NucleateError as error:
            raise NucleateError(f"{ref.key}: {error}") from error

    def split(
        self, ref: ImageRef, splitter: Splitter, out: NDArray[np.int32], side: int | None
    ) -> Generator[BlockDone, None, Instances]:
        """Write the labels of an image into `out`; block by block if it is large, or `side` given.

        Each block tells when it is done; an image that is split as a whole is one block.
        """
        if side is None and math.prod(ref.shape) * ref.stack.n_channels <= LARGE:
            found = splitter.find(self.maps(ref))
            out[...] = found.labels
            yield BlockDone(1, 1, len(found))
            return found
        blocks = Blocks(side=side or 0)
        read = partial(self.maps, ref)
        return (yield from find_in_blocks(splitter, read, ref.shape, out, blocks))
