"""What a layer holds for a splitter: a mask, probabilities, or the network's own maps."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from napari.layers import Labels

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.events import BlockDone
from napari_nucleate.core.images import ImageRef, NDim
from napari_nucleate.core.instances import Instances, find_in_blocks
from napari_nucleate.core.instances.evidence import (
    Kind,
    astray,
    evidence_from,
    guess,
    with_seeds,
)
from napari_nucleate.core.instances.maps import Maps
from napari_nucleate.core.instances.settle import check_count
from napari_nucleate.gui.axes import source_of
from napari_nucleate.io.scratch import scratch

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from napari.layers import Image
    from numpy.typing import NDArray

    from napari_nucleate.core.instances import Splitter
    from napari_nucleate.core.targets import Target
    from napari_nucleate.gui.layers import LayerSource
    from napari_nucleate.gui.seeds import Seeds
    from napari_nucleate.gui.session import Session
    from napari_nucleate.project.store import Store

Region = tuple[slice, ...]


NOTES: dict[Kind, str] = {
    "mask": "Splits the mask {}.",
    "borders": "Splits {} along its bright lines.",
    "distances": "Splits {} by its distances to the boundary.",
}

LOOK = 512
"""So many rows and columns of a plane are looked at to guess what it holds."""

LARGE = 2**25
"""Images of more pixels are split block by block."""


@dataclass(frozen=True)
class SplitPart:
    """An image was split, or a block of it: `images` of `total` are done, the last one in part."""

    images: float
    total: int


@dataclass(frozen=True)
class SplitAll:
    """All images were split; `astray` seeds lie outside the mask or the images.

    In large images, only those outside are counted.

    Parameters
    ----------
    labels : ndarray of int32, of the source's shape
        Objects 1..n: those of the first image, then those of the next. A memmap where they are
        many; its file goes away with it.
    table : dict of str to ndarray
        What is known of each object, columns of length n; NaN where nothing is.
    """

    labels: NDArray[np.int32]
    table: dict[str, NDArray[Any]]
    astray: int = 0

    @property
    def objects(self) -> int:
        """How many objects there are."""
        return len(self.table["probability"])


class OfLayer:
    """A mask, labels, probabilities, borders or distances in any layer.

    Parameters
    ----------
    source : LayerSource
    kind : {"mask", "borders", "distances"}
        What the pixels stand for.
    """

    def __init__(self, source: LayerSource, kind: Kind = "mask") -> None:
        self.source = source
        self.kind = kind
        self.seeds: Seeds | None = None
        # Which optional maps there are, as splitters call them.
        self.drawn: tuple[str, ...] = ("border",) if kind == "borders" else ()
        self._labels = isinstance(source.layer, Labels)
        self.note = NOTES[kind].format(repr(source.layer.name))

    def maps(self, ref: ImageRef, region: Region = ()) -> Maps:
        """Read an image, or a region (*spatial) of it; called in a thread.

        Raises
        ------
        NucleateError
            If the pixels are neither a mask nor probabilities.
        """
        place = list(self.source.place(ref))
        for at, part in zip(
            [i for i, p in enumerate(place) if isinstance(p, slice)], region, strict=False
        ):
            place[at] = part
        values = np.asarray(self.source.stack.data[tuple(place)])
        name, raw = self.source.layer.name, not self._labels and values.dtype.kind in "iu"
        if raw and self.kind == "mask" and not _two_values(values):
            raise NucleateError(
                f"{name!r} looks like a raw image, not like a mask: it has more than two values. "
                "Choose labels, a mask, or probabilities from 0 to 1; or say that it shows borders "
                "or distances."
            )
        try:
            return _seeded(evidence_from(values, self.kind), self.seeds, ref, region)
        except NucleateError as error:
            raise NucleateError(f"{name!r} can't be split. {error}") from error


class OfPrediction:
    """The maps that a network drew, as the project keeps them; nothing is predicted again.

    Parameters
    ----------
    source : LayerSource
        Of the prediction layer.
    session : Session
    """

    note = "Splits the network's maps again; nothing is predicted anew."

    def __init__(self, source: LayerSource, session: Session) -> None:
        self.source = source
        self._store: Store = session.store
        self._stack = source.stack if session.source is None else session.source.stack
        self._models = {item.key: item.model for item in session.state.items}
        self._target = session.state.recipe.target
        self.target = self._newest()
        self.seeds: Seeds | None = None
        self.drawn = {"boundary": ("border",), "star-convex": ("distances",)}.get(
            self.target.kind, ()
        )
        self._last: tuple[str, Maps] | None = None

    def maps(self, ref: ImageRef, region: Region = ()) -> Maps:
        """Read an image, or a region of it; empty where there is no prediction."""
        key = ImageRef(self._stack, ref.ndim, ref.index).key
        if self._last is None or self._last[0] != key:
            self._last = key, self._load(key, ref)
        maps = self._last[1][region or (slice(None),) * ref.ndim]
        return _seeded(maps, self.seeds, ref, region)

    def _load(self, key: str, ref: ImageRef) -> Maps:
        prediction = self._store.load_prediction(key)
        if prediction is None:
            return Maps(np.zeros(self.source.stack.data[self.source.place(ref)].shape, np.float32))
        return self._trained(self._models.get(key, "")).maps(prediction.maps.astype(np.float32))

    def _newest(self) -> Target:
        names = [name for name in self._models.values() if name]
        return self._trained(names[-1] if names else "")

    def _trained(self, model: str) -> Target:
        """The target of a model: the recipe may have changed since the training."""
        return self._store.load_card(model).recipe.target if model else self._target


Evidence = OfLayer | OfPrediction


def snapshot(evidence: Evidence, folder: Path | None = None) -> Evidence:
    """The same evidence with the seeds of now, for a thread that reads them while they change.

    Parameters
    ----------
    evidence : Evidence
    folder : Path, optional
        Where seeds lie for which the memory may be too small.
    """
    kept = copy(evidence)
    if evidence.seeds is not None:
        kept.seeds = copy(evidence.seeds)
        kept.seeds.keep(folder)
    return kept


def evidence_of(
    session: Session, layer: Image | Labels, ndim: NDim, kind: Kind = "mask"
) -> Evidence:
    """Take a layer as something to split: the project's prediction with its maps, others by kind.

    Raises
    ------
    NucleateError
        If the layer is empty, has colours or channels, or lacks a third dimension for 3D.
    """
    source = source_of(session, layer, ndim)
    if source.stack.n_channels > 1:
        raise NucleateError(
            f"{layer.name!r} has {source.stack.n_channels} channels; split them with "
            "Layers > Split Stack, and choose one."
        )
    if layer is session.prediction:
        return OfPrediction(source, session)
    return OfLayer(source, kind)


def guess_kind(layer: Image | Labels) -> Kind:
    """Guess what the pixels of a layer stand for, from one plane of it."""
    data = layer.data[-1] if layer.multiscale else layer.data
    if isinstance(layer, Labels) or np.dtype(data.dtype).kind != "f" or 0 in data.shape:
        return "mask"
    plane = data[tuple(n // 2 for n in data.shape[:-2])]
    steps = tuple(slice(None, None, max(n // LOOK, 1)) for n in plane.shape)
    return guess(np.asarray(plane[steps]))


def split_all(
    evidence: Evidence, splitter: Splitter, folder: Path | None = None
) -> Generator[SplitPart | SplitAll, None, None]:
    """Split all images of a layer; large ones are read and split block by block.

    Parameters
    ----------
    evidence : Evidence
    splitter : Splitter
    folder : Path, optional
        Where labels lie for which the memory may be too small.
    """
    source = evidence.source
    refs, labels = source.stack.images(source.ndim), scratch(source.shape, np.int32, folder)
    tables: list[dict[str, NDArray[Any]]] = []
    objects, stray = 0, evidence.seeds.outside if evidence.seeds else 0
    for done, ref in enumerate(refs):
        out = labels[source.place(ref)]
        for event in _split_image(evidence, splitter, ref, out):
            if isinstance(event, int):
                stray += event
            elif isinstance(event, BlockDone):
                yield SplitPart(done + event.done / event.total, len(refs))
            else:
                tables.append(event.table())
                if objects:
                    check_count(objects + len(event))
                    for plane in out:  # by planes or rows: all of it may be larger than memory
                        plane[plane > 0] += objects
                objects += len(event)
    yield SplitAll(labels, _joined(tables), stray)


def _split_image(
    evidence: Evidence, splitter: Splitter, ref: ImageRef, out: NDArray[np.int32]
) -> Generator[BlockDone | int | Instances, None, None]:
    """Split an image into `out`; then tell how many seeds are astray, and the objects."""
    if out.size > LARGE:
        read = partial(evidence.maps, ref)
        yield (yield from find_in_blocks(splitter, read, out.shape, out))
        return
    maps = evidence.maps(ref)
    found = splitter.find(maps)
    out[...] = found.labels
    yield BlockDone(1, 1, len(found))
    yield astray(maps, splitter)
    yield found


def _joined(tables: list[dict[str, NDArray[Any]]]) -> dict[str, NDArray[Any]]:
    """One table from those of several images, which may know different things."""
    frames = [pd.DataFrame(table) for table in tables if len(table["probability"])]
    if not frames:
        return tables[0]
    return {str(name): column.to_numpy() for name, column in pd.concat(frames).items()}


def _seeded(maps: Maps, seeds: Seeds | None, ref: ImageRef, region: Region) -> Maps:
    if seeds is None:
        return maps
    return with_seeds(maps, seeds.labels(ref, maps.foreground.shape, region))


def _two_values(values: NDArray[Any]) -> bool:
    return bool(((values == values.min()) | (values == values.max())).all())
