"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import secrets
from contextlib import contextmanager
from typing import TYPE_CHECKING

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.failures import reason

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def atomic(path: Path, overwrite: bool = False) -> Iterator[Path]:
    """Write to a temporary file that takes the name `path` when the block ends well.

    Parameters
    ----------
    path : Path
        The file to write; its folder must exist.
    overwrite : bool
        Whether a file that is there already may be replaced.

    Yields
    ------
    Path
        A file in the same folder, with the same suffix, to write to. It is removed if the block
        fails; an old file at `path` is then as it was.

    Raises
    ------
    NucleateError
        If `path` exists and may not be replaced, or can't be written.
    """
    _check(path, overwrite)
    # Hidden, so that a reader of the folder never takes it for an image.
    part = path.with_name(f".{path.stem[:40]}-{secrets.token_hex(4)}{path.suffix}")
    try:
        yield part
        _flush(part)
        _check(path, overwrite)
        part.replace(path)
        _flush_folder(path.parent)
    except OSError as error:
        raise NucleateError(f"{path} can't be written: {reason(error)}.") from error
    finally:
        part.unlink(missing_ok=True)


def write_text(path: Path, text: str, overwrite: bool = False) -> None:
    """Write `text` as UTF-8, whole or not at all; see `atomic`."""
    with atomic(path, overwrite) as part:
        part.write_text(text, "utf-8", newline="\n")


def _check(path: Path, overwrite: bool) -> None:
    if not path.parent.is_dir():
        raise NucleateError(f"The folder {path.parent} does not exist; create it first.")
    if path.is_dir():
        raise NucleateError(f"{path} is a folder; give the name of a file.")
    if path.exists() and not overwrite:
        raise NucleateError(f"{path} exists already; choose another name, or allow to replace it.")


def _flush(path: Path) -> None:
    """Have the content on the disk before the name points to it."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _flush_folder(folder: Path) -> None:
    """Have the new name on the disk too, where the system can: Windows can't."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
