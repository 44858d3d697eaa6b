"""All of a training at one moment, to go on from. Plain values and arrays: no torch, no files."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.model import Card, Model, Record
from napari_nucleate.core.params import Params

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_nucleate.core.patches import Example
    from napari_nucleate.core.recipe import Recipe

ADVICE = "; undo that to go on with it, or start another"
UNDO = f"since the training was interrupted{ADVICE}"


class Draws(Params):
    """The state of numpy's random generator (PCG64). JSON has no whole numbers so large."""

    state: str = Field(pattern=r"^\d{1,39}$", description="Where it is, 128 bits.")
    stream: str = Field(pattern=r"^\d{1,39}$", description="Its stream, 128 bits.")
    has_half: Literal[0, 1] = Field(0, description="Whether half of a number waits.")
    half: int = Field(0, ge=0, lt=2**32, description="That half.")

    @classmethod
    def of(cls, rng: np.random.Generator) -> Draws:
        """Read the state of a generator that `numpy.random.default_rng` made."""
        raw: Any = rng.bit_generator.state
        return cls(
            state=str(raw["state"]["state"]),
            stream=str(raw["state"]["inc"]),
            has_half=raw["has_uint32"],
            half=raw["uinteger"],
        )

    def put(self, rng: np.random.Generator) -> None:
        """Have a generator draw from here on."""
        rng.bit_generator.state = {
            "bit_generator": "PCG64",
            "state": {"state": int(self.state) % 2**128, "inc": int(self.stream) % 2**128},
            "has_uint32": self.has_half,
            "uinteger": self.half,
        }


class Learned(Params):
    """How far the learner has come, and what it gave up on the way."""

    averaged: int = Field(0, ge=0, description="Steps in the running mean of the weights.")
    failures: int = Field(0, ge=0, le=1, description="Losses that weren't finite.")
    batch: int = Field(ge=1, description="Patches a step that memory is enough for.")
    patch: int = Field(ge=16, description="Side of a patch that memory is enough for.")
    patch_depth: int = Field(ge=1, description="Planes of such a patch.")
    half: bool = Field(description="Whether it computes in bfloat16.")
    tuned: bool = Field(description="Whether it started from a model's weights.")


class Judged(Params):
    """What the judge remembers."""

    highest: float = Field(0.0, ge=0, le=1, description="Highest AP.")
    settled: float = Field(0.0, ge=0, le=1, description="Highest AP of late weights.")
    lowest: float | None = Field(None, description="Lowest loss.")
    waited: int = Field(0, ge=0, description="Validations since the last rise.")


class Timed(Params):
    """How much of the timetable is done."""

    done: float = Field(0.0, ge=0, le=1, description="The share at which it was validated last.")
    spent: float = Field(0.0, ge=0, description="Seconds of validations.")


class Seen(Params):
    """Fingerprints of an image and of its labels."""

    key: str = Field(description="The image's name.")
    image: str = Field(description="Of its pixels.")
    labels: str = Field(description="Of its labels, and of what is known.")
    known: bool = Field(True, description="Whether anything is known of it.")

    @classmethod
    def of(cls, example: Example) -> Seen:
        """Take the fingerprints of an example."""
        known = np.packbits(example.annotation.known)
        said = np.array([example.weight, example.pseudo], np.float64)
        ignored = [] if example.ignored is None else [np.packbits(example.ignored)]
        labels = _digest(example.annotation.labels, known, said, *ignored)
        anything = bool(example.annotation.known.any())
        image = fingerprint(example.image)
        return cls(key=example.key, image=image, labels=labels, known=anything)


class Progress(Params):
    """All of a snapshot but its card and its arrays."""

    version_field: ClassVar[str] = "format"

    format: Literal[1] = Field(1, description="Version of this format.")
    step: int = Field(ge=0, description="Updates of the weights.")
    fraction: float = Field(ge=0, le=1, description="How much of the training is done.")
    seconds: float = Field(ge=0, description="Time used.")
    draws: Draws
    learned: Learned
    judged: Judged
    timed: Timed
    best: Record | None = Field(None, description="The record of the best model so far.")
    seen: tuple[Seen, ...] = Field(description="What is learned from, in order.")


@dataclass(frozen=True)
class Snapshot:
    """All of a training at one moment.

    Parameters
    ----------
    card : Card
        Recipe, names and record, as the training began; what was held out is in the record.
    progress : Progress
    arrays : dict of str to ndarray
        By names that begin with what they are: "network/", "average/", "mean/", "square/" and
        "steps/", of the optimiser; "best/", the weights of the best model so far; "before/", what
        the model that it began with found.
    """

    card: Card
    progress: Progress
    arrays: dict[str, NDArray[np.generic]] = field(repr=False)

    @property
    def best(self) -> Model | None:
        """The best model so far."""
        if self.progress.best is None:
            return None
        card = self.card.model_copy(update={"record": self.progress.best})
        start = "best/"
        weights = {k.removeprefix(start): v for k, v in self.arrays.items() if k.startswith(start)}
        return Model(card, weights)

    def completed(self, recipe: Recipe) -> Recipe:
        """A recipe with what it leaves to the images, as this training found it there. Pure."""
        recipe = recipe.suited(self.card.spacing)
        if recipe.diameter:
            return recipe
        return recipe.model_copy(update={"diameter": self.card.recipe.diameter})

    def same(self, examples: Sequence[Example], recipe: Recipe) -> list[Example]:
        """Check that images, labels and recipe are those of the training; give its order. Pure.

        Images of which nothing is known are left out: nothing is learned from them, and one whose
        labels were erased during the training isn't among those given any more.

        Parameters
        ----------
        examples : sequence of Example
        recipe : Recipe
            Completed by the images, as the training's was.

        Raises
        ------
        NucleateError
            Saying what changed.
        """
        changed = difference(self.card.recipe.model_dump(), recipe.model_dump())
        if changed:
            raise NucleateError(f"The recipe changed ({changed}) {UNDO}.")
        now = {e.key: e for e in examples if e.annotation.known.any()}
        then = {seen.key: seen for seen in self.progress.seen if seen.known}
        for keys, what in ((now.keys() - then, "new"), (then.keys() - now, "gone")):
            if keys:
                raise NucleateError(f"{_names(keys)} {_are(keys)} {what} {UNDO}.")
        found = {key: Seen.of(example) for key, example in now.items()}
        for part in ("image", "labels"):
            keys = {k for k in then if getattr(found[k], part) != getattr(then[k], part)}
            if keys:
                what = "The labels of " if part == "labels" else "The pixels of "
                raise NucleateError(f"{what}{_names(keys)} changed {UNDO}.")
        return [now[key] for key in then]


def difference(old: dict[str, Any], new: dict[str, Any], path: str = "") -> str:
    """Say where nested values differ: the first of the places.

    Examples
    --------
    >>> difference({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 3}})
    'a.c was 2 and is 3'
    """
    for key in dict.fromkeys([*old, *new]):
        was, now = old.get(key), new.get(key)
        if isinstance(was, dict) and isinstance(now, dict):
            inner = difference(was, now, f"{path}{key}.")
            if inner:
                return inner
        elif was != now:
            return f"{path}{key} was {was} and is {now}"
    return ""


def fingerprint(image: NDArray[Any]) -> str:
    """Digits that tell an image from all others, by its pixels. Pure."""
    return _digest(image)


def _digest(*arrays: NDArray[Any]) -> str:
    found = hashlib.blake2b(digest_size=16)
    for array in arrays:
        found.update(f"{array.dtype.str}{array.shape}".encode())
        found.update(np.ascontiguousarray(array).data)
    return found.hexdigest()


def _names(keys: set[str]) -> str:
    first, *rest = sorted(keys)
    return first + (f" and {len(rest)} more" if rest else "")


def _are(keys: set[str]) -> str:
    return "are" if len(keys) > 1 else "is"
