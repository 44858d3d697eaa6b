"""`nucleate.json`, and the state before it, to open a project with whose file was damaged.

The program writes the file whole or not at all; a network drive, a program that syncs folders or
the disk may spoil it later. A newer format, or a value that isn't valid, isn't damage: who wrote it
meant it.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from napari_nucleate.core.errors import DamagedError, NucleateError
from napari_nucleate.core.failures import reason
from napari_nucleate.io.atomic import newest, write_text
from napari_nucleate.io.there import is_file, is_there
from napari_nucleate.project.model import State

if TYPE_CHECKING:
    from pathlib import Path

STATE, PREVIOUS = "nucleate.json", "nucleate.previous.json"
DAMAGED = "nucleate.damaged{}.json"
"""What a damaged file is called from the next write on; a second one has a number."""


@dataclass(frozen=True)
class Read:
    """A project's state as it was read; `why` says that it is the one before, and why."""

    state: State
    why: str = ""


def there(folder: Path) -> Path | None:
    """The file of a project's state, or of the one before it; None where a folder holds none."""
    return newest(folder / STATE, folder / PREVIOUS)


def read_state(folder: Path) -> Read:
    """Read a project's state; where its file is damaged or gone, the one kept before it.

    Changes nothing. Paths inside the project are relative.

    Raises
    ------
    NucleateError
        If there is none, it is of a newer version, can't be read or isn't valid, or is damaged and
        the one before it can't be read either.
    """
    path, before = folder / STATE, folder / PREVIOUS
    spare = is_file(before)
    try:
        if is_file(path) or not spare:
            return Read(State.load(path))
        what = "isn't there any more"
    except DamagedError as error:
        if not spare:
            raise NucleateError(f"{error} {_without(folder)}") from error
        what = "is damaged"
    try:
        state = State.load(before)
    except DamagedError as error:
        raise NucleateError(
            f"{path} {what}, and {before.name}, kept before it, is damaged. {_without(folder)}"
        ) from error
    aside = _aside(folder).name
    kept = f" Before anything is written, the damaged file is kept as {aside}." * is_there(path)
    return Read(
        state,
        f"{path} {what}: the state kept before it, at {_time(before)}, is used. What you painted "
        f"since then is here, too; what you set and judged since then isn't.{kept}",
    )


def write_state(folder: Path, state: State, before: State | None = None) -> None:
    """Write `nucleate.json`; then the state `before`, if one is given, as the one kept before it.

    Raises
    ------
    NucleateError
        If the state can't be written.
    """
    write_text(folder / STATE, state.to_json(), overwrite=True)
    if before is not None:
        # It is a spare only, and there will be another; the state itself is on the disk.
        with suppress(NucleateError):
            write_text(folder / PREVIOUS, before.to_json(), overwrite=True)


def keep_aside(folder: Path) -> str:
    """Give a damaged `nucleate.json` another name, before another takes its place.

    Returns
    -------
    str
        The name; empty where the file is gone.

    Raises
    ------
    NucleateError
        If that can't be; nothing must be written then.
    """
    path = folder / STATE
    if not is_there(path):
        return ""
    aside = _aside(folder)
    try:
        path.rename(aside)
    except OSError as error:
        raise NucleateError(f"{path} can't be kept as {aside.name}: {reason(error)}.") from error
    return aside.name


def _aside(folder: Path) -> Path:
    """A name for a damaged file that none has yet."""
    count, path = 1, folder / DAMAGED.format("")
    while is_there(path):
        count += 1
        path = folder / DAMAGED.format(f"-{count}")
    return path


def _time(path: Path) -> str:
    """When a file was written, by this machine's clock."""
    written = datetime.fromtimestamp(path.stat().st_mtime).astimezone()
    return written.strftime("%Y-%m-%d %H:%M")


def _without(folder: Path) -> str:
    """What to do where no state can be read."""
    return (
        "Put a copy of it back, if you have one; else begin a new project with the same images. "
        f"The labels are still in {folder / 'annotations'}, a TIFF an image, which napari opens."
    )
