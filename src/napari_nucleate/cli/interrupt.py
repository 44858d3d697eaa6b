"""Ctrl+C between two events, so that what is interrupted can go on where it was.

So does the signal by which a cluster announces that the time of a job is over.
"""

from __future__ import annotations

import signal
import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any, Self, TypeVar

from napari_nucleate.cli.progress import console
from napari_nucleate.core.errors import NucleateError
from napari_nucleate.io.snapshot import has_snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path
    from types import FrameType, TracebackType

Event = TypeVar("Event")

SIGNALS = (signal.SIGINT, signal.SIGTERM)

STOPPING = "Stopping after this step; Ctrl+C again doesn't wait for it."

AT_ONCE = 1.0
"""Seconds in which a second Ctrl+C isn't one."""


class Interrupt:
    """Waits with Ctrl+C, or the end of a job, for the next event; a second one doesn't wait.

    Unless it comes at once, as from a key that bounces, or while what there is is being saved.

    Parameters
    ----------
    hint : callable
        Gives what is said at the end of what was interrupted.
    """

    def __init__(self, hint: Callable[[], str]) -> None:
        self._hint = hint
        self._asked: float | None = None
        self._saving = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        # Python lets only the main thread listen to signals.
        if threading.current_thread() is threading.main_thread():
            for which in SIGNALS:
                self._before[which] = signal.signal(which, self._on_signal)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for which, handler in self._before.items():
            signal.signal(which, handler)
        if kind is KeyboardInterrupt:
            console.print(self._hint())

    def between(self, events: Generator[Event, None, Any]) -> Generator[Event, None, None]:
        """Pass events on; once Ctrl+C was pressed, close them and raise KeyboardInterrupt."""
        with closing(events):
            for event in events:
                yield event
                if self._asked is not None:
                    self._saving = True
                    events.close()
                    raise KeyboardInterrupt

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        now = time.monotonic()
        if self._asked is None:
            self._asked = now
            # The thread that was interrupted may be writing itself, and hold what a line needs.
            threading.Thread(target=console.print, args=(STOPPING,), daemon=True).start()
        elif now > self._asked + AT_ONCE and not self._saving:
            raise KeyboardInterrupt


def check_not_interrupted(folder: Path) -> None:
    """Refuse a new training where an interrupted one could go on.

    Raises
    ------
    NucleateError
        With the option that goes on with it.
    """
    if has_snapshot(folder):
        raise NucleateError(
            f"{folder} holds a training that was interrupted; go on with it by --resume, or choose "
            "a new folder."
        )
