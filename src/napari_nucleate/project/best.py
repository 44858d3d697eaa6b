"""The best weights of a training, on disk before it is said that there are any."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.events import RoundEvent, Step, Trained, TrainEvent, Validated, Warned
from napari_nucleate.core.failures import may_pass

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from napari_nucleate.core.model import Model

Event = TypeVar("Event", TrainEvent, RoundEvent)


class BestKept:
    """Writes the best weights as they come.

    Where the disk is full, or a drive away, the training goes on, and they are written as soon as
    they can be: an hour of learning is worth more than a moment's space.

    Parameters
    ----------
    save : callable
        Writes a model, over an earlier state of the same training.

    Attributes
    ----------
    model : Model or None
        The weights written last.
    """

    def __init__(self, save: Callable[[Model], object]) -> None:
        self._save = save
        self.model: Model | None = None
        self._begun = False
        self._waiting: Model | None = None

    def of(self, steps: Generator[Event, None, object]) -> Generator[Event | Warned, None, None]:
        """Pass events on, each after what it announces was written.

        A `Validated` whose model can't be written now comes without it, after a warning; the next
        one after it was written has it, unless there is a better one. What waits still when this
        is closed is written, and `model` tells of it.

        Raises
        ------
        NucleateError
            If they can't be written and that won't pass, or at the end still can't.
        """
        try:
            for event in steps:
                self._begun = self._begun or isinstance(event, Step)
                if isinstance(event, Validated):
                    told, warning = self._validated(event)
                    if warning is not None:
                        yield warning
                    yield told
                    continue
                if isinstance(event, Trained):
                    self._waiting = event.model  # one from before is of no use any more
                    self._write(event.model)
                yield event
        finally:
            # Closing them may write weights that are newer, which have to stay.
            try:
                if self._waiting is not None:
                    self._write(self._waiting)
            finally:
                steps.close()

    def in_words(self) -> str:
        """Say which weights are safe; empty where nothing was learned yet."""
        if self.model is not None:
            record = self.model.card.record
            return f"Kept: the best weights so far, {record.name} of step {record.best_step}."
        return "No weights were kept: none were measured yet." if self._begun else ""

    def _validated(self, event: Validated) -> tuple[Validated, Warned | None]:
        model = event.model or self._waiting
        if model is None:
            return event, None
        try:
            self._write(model)
        except NucleateError as error:
            if not self._may_pass(error.__cause__):
                raise
            first, self._waiting = self._waiting is None, model
            told = (
                f"{error} The training goes on; its best weights are written as soon as it works."
            )
            return replace(event, model=None), Warned(told) if first else None
        return replace(event, model=model), None

    def _may_pass(self, error: BaseException | None) -> bool:
        # Of a drive that was unplugged the system says that there is no such folder, or that it may
        # not be made. Before anything was written, that is so.
        unplugged = isinstance(error, FileNotFoundError | PermissionError)
        return may_pass(error) or (self.model is not None and unplugged)

    def _write(self, model: Model) -> None:
        self._save(model)
        self.model, self._waiting = model, None
