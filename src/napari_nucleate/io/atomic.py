"""Files that appear whole or not at all: written beside, flushed, read back, and then renamed."""

from __future__ import annotations

import errno
import os
import re
import secrets
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.failures import reason
from napari_nucleate.io.there import is_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Check = Callable[[Path], bool]
    """Reads a file, and says whether it holds what was to be written. May raise anything."""

OLD = 600.0
"""Seconds without a change after which a file beside is no longer being written."""

_BESIDE = re.compile(r"\.nucleate-[0-9a-f]{8}-")
_CHUNK = 2**20


@contextmanager
def atomic(
    path: Path, overwrite: bool = False, *, check: Check, previous: Path | None = None
) -> Iterator[Path]:
    """Write to a temporary file that takes the name `path` when the block ends well.

    Before, it is flushed to the disk and read back.

    Parameters
    ----------
    path : Path
        The file to write; its folder must exist.
    overwrite : bool
        Whether a file that is there already may be replaced.
    check : callable
        Reads the temporary file, and says whether it holds what was to be written.
    previous : Path, optional
        The name that the file that is replaced takes; one of before is dropped. A kill may leave
        the older under this name, and none at `path`.

    Yields
    ------
    Path
        A file in the same folder, with the same suffix, to write to. It is removed if the block
        fails; an old file at `path` is then as it was.

    Raises
    ------
    NucleateError
        If `path` exists and may not be replaced, can't be written, or isn't read back as it was
        written.
    """
    # Hidden, so that a reader of the folder never takes it for an image.
    part = path.with_name(f".nucleate-{secrets.token_hex(4)}-{path.stem[:40]}{path.suffix}")
    try:
        _check_place(path, overwrite)
        yield part
        flush(part)
        _verify(part, path, check)
        _check_place(path, overwrite)
        if previous is not None and path.exists():
            path.replace(previous)
        part.replace(path)
        flush_folder(path.parent)
    except OSError as error:
        raise NucleateError(f"{path} can't be written: {reason(error)}.") from error
    finally:
        with suppress(OSError):  # where the whole drive is gone, that was said already
            part.unlink(missing_ok=True)


def write_bytes(
    path: Path, data: bytes, overwrite: bool = False, previous: Path | None = None
) -> None:
    """Write `data`, whole or not at all; see `atomic`."""
    with atomic(path, overwrite, check=_holds(data), previous=previous) as part:
        part.write_bytes(data)


def write_text(path: Path, text: str, overwrite: bool = False) -> None:
    """Write `text` as UTF-8, whole or not at all; see `atomic`."""
    write_bytes(path, text.encode("utf-8"), overwrite)


def made(folder: Path, parents: bool = False) -> Path:
    """Make a folder where it doesn't exist; without `parents`, that which it is in must.

    Raises
    ------
    NucleateError
        If it can't be made.
    """
    try:
        folder.mkdir(parents=parents, exist_ok=True)
    except OSError as error:
        raise NucleateError(f"{folder} can't be made: {reason(error)}.") from error
    return folder


def newest(path: Path, previous: Path) -> Path | None:
    """The last file written by `atomic` with a `previous`; killed in between, the one before.

    None where there is none.
    """
    return next(filter(is_file, (path, previous)), None)


def sweep(folder: Path, deep: bool = True) -> None:
    """Remove what writers that were killed left in a folder, and in its subfolders if `deep`.

    Only files that `atomic` began, and that nobody wrote to for a while. What can't be removed
    stays: only room is lost.
    """
    before = time.time() - OLD
    for at, below, names in os.walk(folder):
        if not deep:
            below.clear()
        for name in filter(_BESIDE.match, names):
            with suppress(OSError):
                part = Path(at, name)
                if part.stat().st_mtime < before:
                    part.unlink()


def flush_folder(folder: Path) -> None:
    """Have the names of a folder on the disk too, where the system can: Windows can't."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _check_place(path: Path, overwrite: bool) -> None:
    if not path.parent.is_dir():
        # Known to who waits for a drive: it may be there again.
        gone = FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path.parent))
        raise NucleateError(f"The folder {path.parent} does not exist; create it first.") from gone
    if path.is_dir():
        raise NucleateError(f"{path} is a folder; give the name of a file.")
    if path.exists() and not overwrite:
        raise NucleateError(f"{path} exists already; choose another name, or remove it first.")


def flush(path: Path) -> None:
    """Have the content of a file on the disk, and read from there next."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())
        if hasattr(os, "posix_fadvise"):
            # Else what is read back is what memory still holds, not what the disk took.
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _verify(part: Path, path: Path, check: Check) -> None:
    try:
        same = check(part)
    except OSError:
        raise
    except Exception as error:  # a damaged file makes decoders raise whatever they like
        raise _not_same(path) from error
    if not same:
        raise _not_same(path)


def _not_same(path: Path) -> NucleateError:
    return NucleateError(
        f"{path} wasn't written: read back, it held something else. Check the disk, or save "
        "elsewhere."
    )


def _holds(data: bytes) -> Check:
    """A check that a file holds these bytes and no others; it is read in pieces."""

    def check(part: Path) -> bool:
        at = 0
        with part.open("rb") as file:
            while found := file.read(_CHUNK):
                # Slices of bytes: a memoryview would be compared element by element.
                if found != data[at : at + len(found)]:
                    return False
                at += len(found)
        return at == len(data)

    return check
