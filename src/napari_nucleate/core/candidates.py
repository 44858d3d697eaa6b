"""Predictions that are good enough to learn from, and which of them teach the most."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_nucleate.core.annotation import Annotation
from napari_nucleate.core.choose import Watched, covering, describe
from napari_nucleate.core.pseudo import MOST_PIXELS, PseudoLabel, label_worth_learning

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

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

DIGITS = 2
"""Images whose descriptions agree to so many digits show the same."""


def surer_part(good: Sequence[str], count: int) -> Sequence[str]:
    """The share `SURER` of them, or as many as are wanted; the surest are first. Pure."""
    return good[: max(count, round(SURER * len(good)))]


def most_telling(
    good: Sequence[str],
    count: int,
    descriptions: Mapping[str, NDArray[np.float64]],
    learned: Collection[str] = (),
) -> list[str]:
    """Order images so that the first look like all of them together, and like nothing known. Pure.

    The surest of hundreds are all of the easiest kind, with few objects. Of the surer part, see
    `SURER`, those come first that bring all others nearest, see `covering`. What looks the same as
    a surer or a known one comes last.

    Parameters
    ----------
    good : sequence of str
        Predictions that are good enough to learn from, the surest first.
    count : int
        How many are wanted.
    descriptions : mapping of str to ndarray
        Of all images by name, see `describe`; those of which nothing is known come later.
    learned : collection of str
        Those that are learned from anyway.

    Examples
    --------
    >>> looks = {key: np.array([float(i)]) for i, key in enumerate("abcdefgh")}
    >>> most_telling("abcdefgh", 1, looks)
    ['d', 'a', 'b', 'c', 'e', 'f', 'g', 'h']
    >>> most_telling("abcdefgh", 1, looks, learned=["c", "d", "e"])[0]
    'g'
    """
    learned = set(learned)
    good = _copies_last(good, descriptions, learned)
    surer = set(surer_part(good, count))
    if len(surer) <= count:
        return good
    # Of what is alike the first is chosen: that is the surest.
    keys = [key for key in dict.fromkeys([*good, *descriptions]) if key in descriptions]
    among = [i for i, key in enumerate(keys) if key in surer]
    known = [i for i, key in enumerate(keys) if key in learned]
    # Some may lie too close to each other in their stack, and others are taken instead.
    first = covering(np.stack([descriptions[k] for k in keys]), 2 * count, known, among=among)
    return list(dict.fromkeys([*(keys[i] for i in first), *good]))


def _copies_last(
    good: Sequence[str],
    descriptions: Mapping[str, NDArray[np.float64]],
    learned: Collection[str],
) -> list[str]:
    """The same order, but last what looks the same as one before, brighter, darker or mirrored."""
    looks = {key: tuple(np.round(looks, DIGITS)) for key, looks in descriptions.items()}
    seen = {looks[key] for key in learned if key in looks}
    copies = set()
    for key in good:
        if looks.get(key) in seen:
            copies.add(key)
        elif key in looks:
            seen.add(looks[key])
    return sorted(good, key=copies.__contains__)


class Candidates:
    """What of a pool is good enough to learn from.

    Parameters
    ----------
    options : SelfTraining
    recipe : Recipe
        Of the model that predicts.
    diameter : float
        Of a person's objects; 0 where it isn't known.
    known : mapping of str to ndarray, each of shape (C, *spatial), optional
        Images that are learned from anyway, by name.
    """

    def __init__(
        self,
        options: SelfTraining,
        recipe: Recipe,
        diameter: float,
        known: Mapping[str, NDArray[np.generic]] | None = None,
    ) -> None:
        self._options, self._recipe, self._diameter = options, recipe, diameter
        self._known = list(known or {})
        self._descriptions = {key: describe(image) for key, image in (known or {}).items()}
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
        return (Watched(source, self._descriptions) for source in sources)

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

    def room(self, count: int) -> int:
        """So many of them, or as many as memory has room for where nobody said how many."""
        pixels = [packed.pixels for packed in self._labels.values()]
        if self._options.best or not pixels:
            return count
        return min(count, len(pixels), max(1, int(MOST_PIXELS // np.mean(pixels))))

    def order(self, ranked: Sequence[str], count: int) -> list[str]:
        """Name them in the order in which they are to be learned from, see `most_telling`.

        Parameters
        ----------
        ranked : sequence of str
            All of the pool, the surest first.
        count : int
            How many are wanted.
        """
        good = [key for key in ranked if key in self._labels]
        return most_telling(good, count, self._descriptions, self._known)

    def label(self, key: str) -> PseudoLabel:
        """What is sure of one of them."""
        return self._labels[key].label


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
        return cls(labels.shape, *(zlib.compress(a.tobytes(), 1) for a in arrays))

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
