"""What happened in a project, a line each: log.csv, which any spreadsheet opens."""

from __future__ import annotations

import csv
import io
import os
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from napari_nucleate.core.foreign import one_line
from napari_nucleate.project.model import Item, State

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from napari_nucleate.project.model import Status

LOG = "log.csv"
COLUMNS = (
    "time",
    "who",
    "what",
    "images",
    "model",
    "steps",
    "seconds",
    "validation AP",
    "note",
)
_LONGEST = 200
"""Characters of a field."""
_BECAME: dict[Status, str] = {
    "unlabelled": "erased",
    "labelled": "labelled",
    "corrected": "corrected",
    "empty": "confirmed empty",
    "predicted": "judgement taken back",
    "accepted": "accepted",
    "rejected": "rejected",
}


@dataclass(frozen=True)
class Happened:
    """One line: what happened, to how many images, with which model.

    Parameters
    ----------
    what : str
        As in "accepted".
    images : int, optional
    model : str
    steps : int, optional
        Of a training.
    seconds : float, optional
    validation_ap : float, optional
    note : str
    """

    what: str
    images: int | None = None
    model: str = ""
    steps: int | None = None
    seconds: float | None = None
    validation_ap: float | None = None
    note: str = ""

    def row(self) -> tuple[str, ...]:
        """What stands in the table from the column "what" on."""
        numbers = (self.images, self.steps)
        images, steps = ("" if n is None else str(n) for n in numbers)
        seconds = "" if self.seconds is None else f"{self.seconds:.1f}"
        ap = "" if self.validation_ap is None else f"{self.validation_ap:.4f}"
        return (self.what, images, self.model, steps, seconds, ap, self.note)


def write(folder: Path, who: str, events: Sequence[Happened]) -> None:
    """Add lines to a project's log. What can't be written is left out: it is a log only.

    Each line is written at once; half a last line, which a kill may leave, is ended first.
    """
    time = datetime.now().astimezone().isoformat(" ", "seconds")
    # The work itself is kept elsewhere, and says so where it can't be.
    with suppress(OSError), (folder / LOG).open("ab+", buffering=0) as file:
        text = _lines([(time, who, *event.row()) for event in events])
        # Excel takes other letters than English ones for what they are after such a mark only.
        head = "" if file.tell() else "\ufeff" + _lines([COLUMNS])
        file.write(_mending(file) + (head + text).encode("utf-8"))


def read(folder: Path) -> list[dict[str, str]]:
    """Read a project's log, a dict a line; columns that half a line lacks are empty."""
    try:
        text = (folder / LOG).read_text("utf-8-sig", errors="replace")
    except FileNotFoundError:
        return []
    rows = csv.reader(io.StringIO(text))
    next(rows, None)
    return [dict(zip(COLUMNS, [*row, *[""] * len(COLUMNS)], strict=False)) for row in rows if row]


def between(before: State | None, after: State) -> list[Happened]:
    """What happened between two states of a project; before there was one, it was made. Pure."""
    made = [] if before else [Happened("created", len(after.items), note=after.name)]
    return [*made, *_trained(before or State(), after), *_judged(before or State(), after)]


def _trained(before: State, after: State) -> Iterator[Happened]:
    known = {entry.model: entry for entry in before.rounds}
    for entry in after.rounds:
        old = known.get(entry.model)
        if old is None or old.seconds != entry.seconds:
            yield Happened(
                "trained",
                entry.human + entry.pseudo,
                entry.model,
                entry.steps,
                seconds=entry.seconds,
                validation_ap=entry.validation_ap,
                note="went on" if old else "",
            )
        if entry.set_aside and not (old and old.set_aside):
            yield Happened("set aside", model=entry.model, note=entry.set_aside)
    if after.chosen and after.chosen != before.chosen:
        yield Happened("chosen", model=after.chosen)


def _judged(before: State, after: State) -> Iterator[Happened]:
    known = {item.key: item for item in before.items}
    new = [(known.get(item.key, Item(key=item.key)), item) for item in after.items]
    predicted = Counter(now.model for old, now in new if _prediction(old) != _prediction(now))
    for model, count in predicted.items():
        yield Happened("predicted", count, model)
    became = Counter(
        now.status
        for old, now in new
        if old.status != now.status
        and not (now.status == "predicted" and _prediction(old) != _prediction(now))
    )
    for status, what in _BECAME.items():
        if became[status]:
            yield Happened(what, became[status])


def _prediction(item: Item) -> tuple[object, ...]:
    return item.model, item.round, item.confidence


def _lines(rows: Sequence[Sequence[str]]) -> str:
    text = io.StringIO(newline="")
    table = csv.writer(text, lineterminator="\n")
    # A field never goes on in the next line: so what a kill left is one line at most.
    table.writerows([[_field(value) for value in row] for row in rows])
    return text.getvalue()


def _field(text: str) -> str:
    """A text in one line, of a length to read, that no spreadsheet takes for a formula. Pure."""
    line = one_line(text, _LONGEST)
    return f"'{line}" if line.startswith(("=", "+", "-", "@")) else line


def _mending(file: io.FileIO) -> bytes:
    """What ends a last line that a kill cut; nothing where it is whole."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - 2**14))
    end = file.read()
    if not end or end.endswith(b"\n"):
        return b""
    # An open quote would swallow the lines to come.
    open_quote = end.rpartition(b"\n")[2].count(b'"') % 2
    return b'"\n' if open_quote else b"\n"
