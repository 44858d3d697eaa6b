"""One process works on a project at a time: it holds a lock that ends with it, however it ends."""

from __future__ import annotations

import getpass
import json
import os
import platform
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Self

from filelock import FileLock, Timeout

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.failures import reason
from napari_nucleate.core.foreign import json_of, one_line

if TYPE_CHECKING:
    from pathlib import Path

LOCK, OWNER = ".lock", ".owner.json"
"""Hidden files in the project's folder: what the system locks, and who holds it, in words."""


class ProjectLock:
    """The right to write a project.

    The system holds it for the process, so that it is free again when the process was killed; what
    is written of the owner is only for the sentence that others get.

    Parameters
    ----------
    folder : Path
        The project's; it must exist when the lock is taken.
    what : str
        What it is taken for, such as "self-train".
    """

    def __init__(self, folder: Path, what: str) -> None:
        self._folder, self._what = folder, what
        self._lock = FileLock(folder / LOCK, thread_local=False)

    def __enter__(self) -> Self:
        self.take()
        return self

    def __exit__(self, *exception: object) -> None:
        self.free()

    @property
    def held(self) -> bool:
        """Whether this process has it by this object."""
        return self._lock.is_locked

    def take(self) -> None:
        """Take it, if it isn't held already.

        Raises
        ------
        NucleateError
            If another window or command holds it, saying which and since when; or if the folder
            can't be written to.
        """
        if self.held:
            return
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise NucleateError(
                f"{self._folder} is in use by {self._owner()}; wait for its end, or end it there."
            ) from None
        except OSError as error:
            raise NucleateError(f"{self._folder} can't be written to: {reason(error)}.") from error
        owner = {
            "what": self._what,
            "process": os.getpid(),
            "machine": platform.node(),
            "user": _user(),
            "since": datetime.now().astimezone().strftime("%Y-%m-%d %H:%M"),
        }
        with suppress(OSError):  # only words are lost
            (self._folder / OWNER).write_text(json.dumps(owner), "utf-8")

    def free(self) -> None:
        """Give it back; nothing where it isn't held."""
        if self.held:
            with suppress(OSError):
                (self._folder / OWNER).unlink(missing_ok=True)
            self._lock.release()

    def _owner(self) -> str:
        """Who holds it, as well as it is known."""
        owner = owner_of(self._folder)
        if owner is None:
            return "another window or command"
        return (
            f"{owner['what']} (process {owner['process']} of {owner['user']} on "
            f"{owner['machine']}, since {owner['since']})"
        )


def abandoned(folder: Path) -> str:
    """What worked on a project, on this machine, and ended without giving it back.

    Returns
    -------
    str
        Such as "a napari window (since 2026-11-20 14:03)"; empty where it was given back, is in
        use, or nobody knows.
    """
    owner = owner_of(folder)
    if owner is None or owner["machine"] != platform.node():
        return ""
    lock = FileLock(folder / LOCK, thread_local=False)
    try:
        lock.acquire(timeout=0)
    except (Timeout, OSError):
        return ""
    lock.release()
    return f"{owner['what']} (since {owner['since']})"


def forget(folder: Path) -> None:
    """Forget that what worked on a project ended without giving it back.

    Raises
    ------
    NucleateError
        If another window or command holds it by now, or the folder can't be written to.
    """
    with ProjectLock(folder, "a napari window"):
        pass


def owner_of(folder: Path) -> dict[str, str] | None:
    """What is written of who holds a project's lock, or held it last; None where nothing is."""
    try:
        raw = json_of(folder / OWNER)
        return {
            key: one_line(raw[key], 60) for key in ("what", "process", "user", "machine", "since")
        }
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # a container may have no name for it
        return "somebody"
