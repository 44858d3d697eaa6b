"""Predictions that are good enough to learn from, and which of them teach the most."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_nucleate.core.annotation import Annotation
from napari_nucleate.core.choose import covering, describe
from napari_nucleate.core.pseudo import MOST_PIXELS, PseudoLabel, label_worth_learning

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from napari_nucleate.core.events import Prediction
    from napari_nucleate.core.predict import Source
    from napari_nucleate.core.recipe import Recipe
    from napari_nucleate.core.rounds import SelfTraining

MOST_BYTES = 5e8
"""So many of labels are kept, compressed: a few thousand images. Of more, the surest."""

SURER = 1 / 2
"""This share of what is good enough, the surest, is chosen from. Of 32 images of 400 that a network
of eight labelled ones predicted, chosen so, 0.97 of the objects learned were right, of those chosen
among all 0.93 (dsb2018_fluo, two draws)."""


class Candidates:
    """What of a pool is good enough to learn from.

    Parameters
    ----------
    options : SelfTraining
    recipe : Recipe
        Of the model that predicts.
    diameter : float
        Of a person's objects; 0 where it isn't known.
    known : iterable of ndarray, each of shape (C, *spatial)
        Images that are learned from anyway.
    """

    def __init__(
        self,
        options: SelfTraining,
        recipe: Recipe,
        diameter: float,
        known: Iterable[NDArray[np.generic]] = (),
    ) -> None:
        self._options, self._recipe, self._diameter = options, recipe, diameter
        self._known = [describe(image) for image in known]
        self._descriptions: dict[str, NDArray[np.float64]] = {}
        self._confidence: dict[str, float] = {}
        self._labels: dict[str, _Packed] = {}
        self._bytes = 0

    def __len__(self) -> int:
        """How many there are."""
        return len(self._labels)

    def __contains__(self, key: str) -> bool:
        """Whether an image's prediction is one of them."""
        return key in self._labels

    def watched(self, sources: Iterable[Source]) -> Iterator[Source]:
        """The same sources; what they look like is noted when they are read."""
        return (_Watched(source, self) for source in sources)

    def see(self, key: str, image: NDArray[Any]) -> None:
        """Note what an image looks like."""
        # What isn't an image is refused by whoever reads it, in words.
        if image.ndim == self._recipe.ndim + 1 and image.size:
            self._descriptions[key] = describe(image)

    def add(self, prediction: Prediction) -> None:
        """Keep the labels of a prediction, if it is good enough."""
        label = label_worth_learning(prediction, self._recipe, self._options, self._diameter)
        if label is None:
            return
        self._labels[prediction.key] = packed = _Packed.of(label)
        self._confidence[prediction.key] = prediction.scores.image
        self._bytes += packed.size
        while self._bytes > MOST_BYTES and len(self._labels) > 1:
            worst = min(self._labels, key=self._confidence.__getitem__)
            self._bytes -= self._labels.pop(worst).size

    def order(self, ranked: Sequence[str], count: int) -> list[str]:
        """Name those that are good enough, in the order in which they teach most.

        The surest of hundreds are all of the easiest kind, with few objects. So of the surer part
        those come first that together look like all of the pool, see `SURER` and `covering`. Where
        nobody said how many are wanted, it is no more than memory has room for.

        Parameters
        ----------
        ranked : sequence of str
            All of the pool, the surest first, and last what teaches nothing new.
        count : int
            How many are wanted.
        """
        good = [key for key in ranked if key in self._labels]
        surer = set(good[: max(count, round(SURER * len(good)))])
        if len(surer) > count:
            table = np.stack([*(self._descriptions[key] for key in ranked), *self._known])
            among = [i for i, key in enumerate(ranked) if key in surer]
            labelled = range(len(ranked), len(table))
            # Some may lie too close to each other in their stack, and others are taken instead.
            first = [ranked[i] for i in covering(table, 2 * count, labelled, among=among)]
            good = list(dict.fromkeys([*first, *good]))
        return good if self._options.best else self._with_room(good)

    def label(self, key: str) -> PseudoLabel:
        """What is sure of one of them."""
        return self._labels[key].label

    def _with_room(self, keys: Sequence[str]) -> list[str]:
        """The first of them that memory has room for."""
        pixels = np.cumsum([self._labels[key].pixels for key in keys])
        return list(keys[: max(1, int(np.searchsorted(pixels, MOST_PIXELS, side="right")))])


@dataclass(frozen=True)
class _Watched:
    """A source whose pixels others see, too."""

    source: Source
    candidates: Candidates

    @property
    def key(self) -> str:
        return self.source.key

    def read(self) -> NDArray[Any]:
        pixels = self.source.read()
        self.candidates.see(self.key, pixels)
        return pixels


@dataclass(frozen=True)
class _Packed:
    """A label in a thirtieth of the memory."""

    shape: tuple[int, ...]
    labels: bytes
    known: bytes
    ignored: bytes

    @classmethod
    def of(cls, label: PseudoLabel) -> _Packed:
        labels, known = label.annotation.labels, label.annotation.known
        arrays = (labels.astype(np.int32), np.packbits(known), np.packbits(label.ignored))
        return cls(labels.shape, *(zlib.compress(np.ascontiguousarray(a), 1) for a in arrays))

    @property
    def pixels(self) -> int:
        return int(np.prod(self.shape))

    @property
    def size(self) -> int:
        """Bytes."""
        return len(self.labels) + len(self.known) + len(self.ignored)

    @property
    def label(self) -> PseudoLabel:
        labels = np.frombuffer(zlib.decompress(self.labels), np.int32).reshape(self.shape)
        known, ignored = (self._mask(packed) for packed in (self.known, self.ignored))
        return PseudoLabel(Annotation(labels.copy(), known), ignored)

    def _mask(self, packed: bytes) -> NDArray[np.bool_]:
        bits = np.frombuffer(zlib.decompress(packed), np.uint8)
        return np.unpackbits(bits, count=self.pixels).astype(bool).reshape(self.shape)
