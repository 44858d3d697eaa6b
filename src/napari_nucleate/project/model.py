"""The state of a project: what there is, and what became of it. Frozen; changed by replacing."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import Field

from napari_nucleate.core.annotation import Known
from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.images import FileName
from napari_nucleate.core.params import Params
from napari_nucleate.core.recipe import Recipe
from napari_nucleate.core.rounds import SelfTraining

Status = Literal[
    "unlabelled", "labelled", "corrected", "empty", "predicted", "accepted", "rejected"
]
STATUS_HELP: dict[Status, str] = {
    "unlabelled": "Nothing is painted and nothing predicted.",
    "labelled": "A person painted it; it trains and is never changed by the program.",
    "corrected": "A person took its prediction over to correct it; it trains as what a person "
    "painted.",
    "empty": "A person confirmed that there is nothing in it; it trains as background.",
    "predicted": "A model predicted it; it waits for review.",
    "accepted": "A person, or a round, accepted its prediction; it trains with less weight.",
    "rejected": "A person rejected its prediction; it doesn't train.",
}
PAINTED: frozenset[Status] = frozenset({"labelled", "corrected"})
"""Images whose labels are on the annotation layer."""
HUMAN: frozenset[Status] = PAINTED | {"empty"}
WAITING: tuple[Status, ...] = ("unlabelled", "predicted", "rejected")
"""Images that no person labelled, and of which no prediction was accepted."""


def rule_of(status: Status, known: Known) -> Known:
    """How unpainted pixels of an image count, where the project has a rule. Pure.

    Who confirms that an image is empty looked at all of it, and so did who corrected a prediction.

    Examples
    --------
    >>> rule_of("corrected", "boxes"), rule_of("labelled", "boxes")
    ('dense', 'boxes')
    """
    return "dense" if status in ("empty", "corrected") else known


class Item(Params):
    """One image of the project."""

    key: FileName = Field(min_length=1, description="The image's name.")
    status: Status = Field("unlabelled", description="What became of it.")
    source: str = Field(
        "",
        description="Path of the file, relative inside the project; empty: it is only in napari.",
    )
    checksum: str = Field("", description="Of a sample of the file's pixels; empty: not known.")
    model: FileName = Field("", description="The model that predicted it.")
    round: int | None = Field(None, ge=0, description="The round of that model.")
    confidence: float | None = Field(None, ge=0, le=1, description="Confidence of the prediction.")
    reason: str = Field("", description="What lowered the confidence most.")
    objects: int | None = Field(None, ge=0, description="How many objects were predicted.")
    judged: bool | None = Field(
        None, description="A person looked at it and accepted it; false: among others, or a round."
    )

    def at(self, other: Item) -> Item:
        """The same judgement of an image whose file is where `other` says. Pure."""
        return self.model_copy(update={"source": other.source, "checksum": other.checksum})

    @property
    def vouched(self) -> bool:
        """Whether a person accepted its prediction after a look; so did who used older versions."""
        return self.status == "accepted" and self.judged is not False


class View(Params):
    """How the images lie in a layer of napari, as the person said."""

    name: str = Field(description="What all images together are called.")
    files: tuple[str, ...] = Field((), description="What it was made of, along its first axis.")
    axes: str = Field(pattern="^[NTCZYX]{2,6}$", description="One letter an axis, without colours.")
    shape: tuple[int, ...] = Field(description="Of the layer's data, colours included.")
    shapes: tuple[tuple[int, ...], ...] = Field(
        (), description="Of each of its images, colours included; empty where all are of one size."
    )
    colour: Literal["", "channels", "grey"] = Field(
        "", description="How colours are read; empty where the layer has none."
    )
    point: tuple[float, ...] = Field((), description="Where the sliders were last, in its units.")
    center: tuple[float, ...] = Field((), description="The middle of what was looked at.")
    zoom: float | None = Field(None, gt=0, description="Screen pixels a unit.")
    scale: tuple[float, ...] = Field((), description="Size of a pixel along each axis.")
    units: tuple[str, ...] = Field((), description="Its units.")


class RoundEntry(Params):
    """One line of the project's history."""

    number: int = Field(ge=0, description="Round; 0 knows the person's labels only.")
    model: FileName = Field(description="Name of the model's folder.")
    human: int = Field(ge=0, description="Images with a person's labels.")
    pseudo: int = Field(ge=0, description="Images learned from by what was predicted.")
    human_objects: int | None = Field(None, ge=0, description="Objects that a person labelled.")
    pseudo_objects: int | None = Field(None, ge=0, description="Predicted objects learned from.")
    initial: FileName = Field("", description="The model whose weights it began with; empty: none.")
    seconds: float = Field(ge=0, description="Time of training, in seconds.")
    steps: int | None = Field(None, ge=0, description="Updates of the weights.")
    validation_ap: float | None = Field(None, description="Mean AP on the validation images.")
    initial_ap: float | None = Field(
        None, description="That of the model it began with, on the same objects."
    )
    measured: str = Field(
        "", description="By what; APs can be compared where it is the same. Empty: by nothing new."
    )
    set_aside: str = Field("", description="Why it was set aside; empty where it wasn't.")


class State(Params):
    """All of a project but its pixels: the content of `nucleate.json`."""

    version_field: ClassVar[str] = "version"

    version: Literal[1] = Field(1, description="Version of this format.")
    name: str = Field("project", description="What the person calls it.")
    known: Known = Field("dense", description="How unpainted pixels count.")
    recipe: Recipe = Field(Recipe(), description="How the next model is trained.")
    self_training: SelfTraining = Field(SelfTraining(), description="How masks join the labels.")
    items: tuple[Item, ...] = Field((), description="The images.")
    view: View | None = Field(None, description="Their layer; none before a window began it.")
    rounds: tuple[RoundEntry, ...] = Field((), description="The models so far.")
    chosen: FileName = Field("", description="The model in use; empty: the newest not set aside.")

    def item(self, key: str) -> Item:
        """Find an image by its name.

        Raises
        ------
        NucleateError
            If there is none.
        """
        for item in self.items:
            if item.key == key:
                return item
        raise NucleateError(f"The project has no image {key!r}.")

    def keys(self, *statuses: Status) -> list[str]:
        """Names of the images with one of these statuses, in order; all without any."""
        return [i.key for i in self.items if not statuses or i.status in statuses]

    @property
    def used(self) -> RoundEntry | None:
        """The model in use; none before the first training."""
        chosen = [entry for entry in self.rounds if entry.model == self.chosen]
        newest = (entry for entry in reversed(self.rounds) if not entry.set_aside)
        return chosen[0] if chosen else next(newest, None)

    @property
    def model(self) -> str:
        """Name of the model in use; empty before the first training."""
        return self.used.model if self.used else ""

    def ranked(self) -> list[Item]:
        """Images with a prediction, best first."""
        shown = [i for i in self.items if i.confidence is not None and i.status not in HUMAN]
        return sorted(shown, key=lambda i: (-(i.confidence or 0.0), i.key))

    def replace(self, *items: Item) -> Self:
        """The same state with these items in the place of those with their names."""
        new = {i.key: i for i in items}
        return self.model_copy(update={"items": tuple(new.get(i.key, i) for i in self.items)})

    def set_aside(self, model: str, why: str) -> Self:
        """The same state with a model out of use, but for its place in the history.

        The model whose weights it began with is in use again.
        """
        rounds = tuple(
            entry.model_copy(update={"set_aside": why}) if entry.model == model else entry
            for entry in self.rounds
        )
        before = next((entry.initial for entry in rounds if entry.model == model), "")
        return self.model_copy(update={"rounds": rounds, "chosen": before})

    def use(self, model: str) -> Self:
        """The same state with another of its models in use.

        Raises
        ------
        NucleateError
            If there is none of that name.
        """
        if model not in [entry.model for entry in self.rounds]:
            raise NucleateError(f"The project has no model {model!r}.")
        return self.model_copy(update={"chosen": model})

    def mark(self, key: str, status: Status) -> Self:
        """The same state with one image's status changed.

        Raises
        ------
        NucleateError
            If there is no such image, it has no prediction to accept or reject, or a person
            labelled it: that isn't for a judgement of a prediction to undo.
        """
        item = self.item(key)
        if item.status in HUMAN and status in ("accepted", "rejected"):
            raise NucleateError(f"{key} is {item.status} by a person; its prediction isn't used.")
        if status in ("accepted", "rejected", "predicted") and item.confidence is None:
            raise NucleateError(f"{key} has no prediction yet; predict it first.")
        return self.replace(item.model_copy(update={"status": status}))
