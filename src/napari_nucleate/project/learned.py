"""What each round learned from, for a person to read and another to repeat: rounds/NAME.json."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from napari_nucleate.core.annotation import Known
from napari_nucleate.core.params import Params
from napari_nucleate.core.rounds import SelfTraining
from napari_nucleate.project.model import Item, State

if TYPE_CHECKING:
    from napari_nucleate.core.model import Model


class Round(Params):
    """One training: which images, with whose labels, of which confidence."""

    version_field: ClassVar[str] = "format"

    format: Literal[1] = Field(1, description="Version of this format.")
    number: int = Field(ge=0, description="Round; 0 knows the person's labels only.")
    model: str = Field(description="The model that was trained.")
    initial: str = Field("", description="The model whose weights it began with; empty: none.")
    started: str = Field("", description="When the training began, ISO 8601, UTC.")
    known: Known = Field("dense", description="How unpainted pixels counted.")
    self_training: SelfTraining = Field(SelfTraining(), description="How masks joined the labels.")
    human: tuple[Item, ...] = Field((), description="Images with a person's labels.")
    pseudo: tuple[Item, ...] = Field(
        (), description="Images learned from by what was predicted: by which model, how sure."
    )
    held_out: tuple[str, ...] = Field((), description="Images validated on, not trained on.")
    validation_ap: float | None = Field(None, description="Mean AP on the validation images.")


def learned(state: State, model: Model) -> Round:
    """What a model learned from, by its record and the state of the project then. Pure.

    Where the files are isn't in it: they may move, and the checksums tell that they are the same.
    """
    record = model.card.record
    items = {item.key: item.model_copy(update={"source": ""}) for item in state.items}
    human, pseudo = (
        tuple(items.get(key, Item(key=key)) for key in keys)
        for keys in (record.human, record.pseudo)
    )
    return Round(
        number=record.round,
        model=record.name,
        initial=record.initial,
        started=record.started,
        known=state.known,
        self_training=state.self_training,
        human=human,
        pseudo=pseudo,
        held_out=record.held_out,
        validation_ap=record.validation_ap,
    )
