"""Show long work on the terminal: bars with time left, and a line where something is worth it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self, TypeVar

from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from napari_nucleate.cli.console import PlainConsole
from napari_nucleate.core.events import (
    Accepted,
    BlockDone,
    Described,
    Prediction,
    RoundStarted,
    SetAside,
    Started,
    Step,
    Taught,
    Tile,
    Trained,
    Validated,
    Warned,
)

if TYPE_CHECKING:
    from collections.abc import Generator
    from types import TracebackType

Event = TypeVar("Event")
Result = TypeVar("Result")

console = PlainConsole(stderr=True)
"""For people; what machines read goes to the standard output. Brackets in names are no markup."""


class Follower:
    """Draws bars for the events of a generator.

    Parameters
    ----------
    images : int
        How many images will be predicted; 0 where none.
    quiet : bool
        Show nothing.
    kept : str
        What is said where Ctrl+C ends it.
    """

    def __init__(
        self,
        images: int = 0,
        quiet: bool = False,
        kept: str = "Stopped; what is done so far is kept.",
    ) -> None:
        self._kept = kept
        self._images = images
        self._predicted = 0
        self._task: TaskID | None = None
        self._quiet = quiet
        self._progress = Progress(
            TextColumn("{task.description:<22}", markup=False),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}", markup=False),
            console=console,
            disable=quiet,
        )

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()
        if kind is KeyboardInterrupt:
            self.say(self._kept)

    def follow(self, events: Generator[Event, None, Any]) -> Generator[Event, None, None]:
        """Pass events on, showing each."""
        try:
            for event in events:
                self.show(event)
                yield event
        finally:
            events.close()

    def through(self, events: Generator[Any, None, Result]) -> Result:
        """Show all events, and return what the generator returns."""
        while True:
            try:
                self.show(next(events))
            except StopIteration as end:
                result: Result = end.value
                return result

    def show(self, event: object) -> None:
        """Show one event."""
        if isinstance(event, Started | Step | Validated | Trained):
            self._show_training(event)
        elif isinstance(event, Tile | Prediction):
            self._show_prediction(event)
        elif isinstance(event, BlockDone):
            self._show_block(event)
        elif isinstance(event, Described):
            self._show_described(event)
        elif isinstance(event, RoundStarted):
            self.say(
                f"Round {event.number}: {event.human} image(s) labelled by a person, "
                + f"{event.accepted} accepted by a person, " * bool(event.accepted)
                + f"{event.pseudo} by the program",
                "bold",
            )
        elif isinstance(event, Accepted | Taught):
            self.say(event.note)
        elif isinstance(event, SetAside):
            self.say(event.note, "yellow")
        elif isinstance(event, Warned):
            self.say(event.message, "yellow")

    def _show_training(self, event: Started | Step | Validated | Trained) -> None:
        if isinstance(event, Started):
            self._begin("Training")
            self.say(
                f"Training on {event.examples} image(s), {event.device}, "
                f"{event.parameters / 1e6:.1f} M parameters. {event.note}"
            )
        elif isinstance(event, Step):
            self._to(event.fraction, f"step {event.step}, loss {event.loss:.3f}")
        elif isinstance(event, Validated):
            kept = ", kept" if event.model else ""
            now = f"step {event.step}" if event.step else "before training"
            rate = f", learning rate {event.learning_rate:.1e}" if event.step else ""
            self.say(
                f"  {event.fraction:4.0%}  {now}, validation loss {event.loss:.3f}, "
                f"mean AP {event.ap:.3f}, Dice {event.dice:.3f}{rate}{kept}"
            )
        else:
            self._predicted = 0
            self._end()

    def _show_prediction(self, event: Tile | Prediction) -> None:
        if isinstance(event, Prediction):
            self._predicted += 1
            if self._predicted == self._images:
                self._end()
            return
        if self._task is None:
            self._begin("Predicting")
        at = (self._predicted + event.done / event.total) / max(self._images, 1)
        self._to(at, event.key)

    def _show_block(self, event: BlockDone) -> None:
        if self._task is None:
            self._begin("Splitting")
        self._to(event.done / event.total, f"block {event.done}, {event.objects} objects")
        if event.done == event.total:
            self._end()

    def _show_described(self, event: Described) -> None:
        if self._task is None:
            self._begin("Looking at images")
        self._to(event.done / event.total, "")
        if event.done == event.total:
            self._end()

    def say(self, line: str, style: str | None = None) -> None:
        """Print a line above the bars."""
        if not self._quiet:
            self._progress.console.print(line, style=style, soft_wrap=True)

    def _begin(self, what: str) -> None:
        self._end()
        self._task = self._progress.add_task(what, total=1.0, note="")

    def _to(self, fraction: float, note: str) -> None:
        if self._task is not None:
            self._progress.update(self._task, completed=fraction, note=note)

    def _end(self) -> None:
        if self._task is not None:
            self._progress.update(self._task, completed=1.0)
            self._progress.remove_task(self._task)
            self._task = None
