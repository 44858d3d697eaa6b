"""Folders that appear whole or not at all: filled beside, flushed, and then renamed."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.failures import reason
from napari_nucleate.io.atomic import flush_folder

if TYPE_CHECKING:
    from collections.abc import Iterator

OLD = 86400.0
"""Seconds without a change after which a folder beside is no longer being filled.

One large file may be compared for long; that changes nothing.
"""


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """Fill a temporary folder that takes the name `folder` when the block ends well.

    What a writer of the same folder left that was killed long ago is removed before.

    Parameters
    ----------
    folder : Path
        Made by this; the folder that it lies in must exist.

    Yields
    ------
    Path
        An empty folder beside. It is removed if the block fails; files in it are to be flushed.

    Raises
    ------
    NucleateError
        If the folder exists or can't be written.
    """
    check_new(folder)
    _sweep(folder)
    part = folder.with_name(f".nucleate-{secrets.token_hex(4)}-{folder.name[:40]}")
    try:
        with writing(folder):
            part.mkdir()
            yield part
            for at, _, _ in os.walk(part):
                flush_folder(Path(at))
            check_new(folder)
            part.rename(folder)
            flush_folder(folder.parent)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def check_new(folder: Path) -> None:
    """Refuse a folder that can't be made, since it exists or its own folder doesn't.

    Raises
    ------
    NucleateError
        If so.
    """
    if folder.exists() or folder.is_symlink():
        raise NucleateError(f"{folder} exists already; choose another name.")
    if not folder.parent.is_dir():
        raise NucleateError(f"The folder {folder.parent} does not exist; create it first.")


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Have errors of the system say that a file or folder can't be written, and why.

    Raises
    ------
    NucleateError
        With the sentence.
    """
    try:
        yield
    except OSError as error:
        raise NucleateError(f"{path} can't be written: {reason(error)}.") from error


def _sweep(folder: Path) -> None:
    """Remove what is left of writers of this folder; what can't be removed stays."""
    beside = re.compile(rf"\.nucleate-[0-9a-f]{{8}}-{re.escape(folder.name[:40])}")
    before = time.time() - OLD
    with suppress(OSError):
        for part in folder.parent.iterdir():
            left = beside.fullmatch(part.name) and part.is_dir() and not part.is_symlink()
            if left and _changed(part) < before:
                shutil.rmtree(part, ignore_errors=True)


def _changed(folder: Path) -> float:
    """When anything in a folder changed last, in seconds."""
    paths = [folder, *folder.rglob("*")]
    return max(path.lstat().st_mtime for path in paths)
