"""What happened in a project, a line each: log.csv, which any spreadsheet opens."""

from __future__ import annotations

import csv
import io
import os
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate
from typing import TYPE_CHECKING

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.foreign import one_line
from napari_nucleate.io.atomic import write_bytes
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
    "names",
)
"""New ones come last: a line of an earlier version is the beginning of one."""
_LONGEST, _NAMES = 200, 1000
"""Characters of a field, and of the names of images."""
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
    """One line: what happened, to how many images and to which, with which model.

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
    names : tuple of str
        The images', where it wasn't all of them.
    """

    what: str
    images: int | None = None
    model: str = ""
    steps: int | None = None
    seconds: float | None = None
    validation_ap: float | None = None
    note: str = ""
    names: tuple[str, ...] = ()

    def row(self) -> tuple[str, ...]:
        """What stands in the table from the column "what" on."""
        numbers = (self.images, self.steps)
        images, steps = ("" if n is None else str(n) for n in numbers)
        seconds = "" if self.seconds is None else f"{self.seconds:.1f}"
        ap = "" if self.validation_ap is None else f"{self.validation_ap:.4f}"
        names = _listed(self.names)
        return (self.what, images, self.model, steps, seconds, ap, self.note, names)


def write(folder: Path, who: str, events: Sequence[Happened]) -> None:
    """Add lines to a project's log. What can't be written is left out: it is a log only.

    Each line is written at once; half a last line, which a kill may leave, is ended first. A log of
    an earlier version gets the columns of this one before.
    """
    with suppress(OSError, NucleateError):  # without, its lines are longer than its head
        _migrate(folder / LOG)
    time = datetime.now().astimezone().isoformat(" ", "seconds")
    # The work itself is kept elsewhere, and says so where it can't be.
    with suppress(OSError), (folder / LOG).open("ab+", buffering=0) as file:
        text = _lines([(time, who, *event.row()) for event in events])
        head = b"" if file.tell() else _head()
        file.write(head + _mending(file) + text.encode("utf-8"))


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
    predicted = defaultdict[str, list[str]](list)
    became = defaultdict[str, list[str]](list)
    for now in after.items:
        old = known.get(now.key, Item(key=now.key))
        new = _prediction(old) != _prediction(now)
        if new:
            predicted[now.model].append(now.key)
        if old.status != now.status and not (now.status == "predicted" and new):
            became[now.status].append(now.key)
    for model, keys in predicted.items():
        yield Happened("predicted", len(keys), model, names=tuple(keys))
    for status, what in _BECAME.items():
        if keys := became[status]:
            yield Happened(what, len(keys), names=tuple(keys))


def _prediction(item: Item) -> tuple[object, ...]:
    return item.model, item.round, item.confidence


def _lines(rows: Sequence[Sequence[str]]) -> str:
    text = io.StringIO(newline="")
    table = csv.writer(text, lineterminator="\n")
    # A field never goes on in the next line: so what a kill left is one line at most.
    longest = (*[_LONGEST] * (len(COLUMNS) - 1), _NAMES)
    table.writerows([[*map(_field, row, longest)] for row in rows])
    return text.getvalue()


def _listed(names: Sequence[str]) -> str:
    """Names in one field: as many as there is room for, and how many more there are. Pure."""
    whole = "; ".join(names)
    if len(whole) <= _NAMES:
        return whole
    ends = accumulate(len(name) + 2 for name in names)
    count = sum(end <= _NAMES - 20 for end in ends)
    return "; ".join([*names[:count], f"and {len(names) - count} more"])


def _migrate(path: Path) -> None:
    """Give a log that an earlier version began the columns that came since; its lines stay."""
    with path.open("rb") as file:
        head = file.readline(2**14)
        columns = head.decode("utf-8-sig", "replace").strip().split(",")
        if not 3 <= len(columns) < len(COLUMNS) or (*columns,) != COLUMNS[: len(columns)]:
            return
        rest = file.read()
    write_bytes(path, _head() + rest, overwrite=True)


def _head() -> bytes:
    # Excel takes other letters than English ones for what they are after such a mark only.
    return ("\ufeff" + _lines([COLUMNS])).encode("utf-8")


def _field(text: str, longest: int) -> str:
    """A text in one line, of a length to read, that no spreadsheet takes for a formula. Pure."""
    line = one_line(text, longest)
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
