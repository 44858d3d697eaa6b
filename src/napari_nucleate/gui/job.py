"""Long work beside the window: a generator in a thread, its events on the GUI's side."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

from qtpy.QtCore import QObject, QTimer, Signal

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.failures import in_words
from napari_nucleate.io.error_log import keep_error

Make = Callable[[], Generator[Any, None, Any]]


@dataclass(frozen=True)
class Finished:
    """The work came to its end."""


@dataclass(frozen=True)
class Stopped:
    """The person, or the closing window, ended the work early."""


@dataclass(frozen=True)
class Failed:
    """The work broke off; `message` is for the person, `error` is kept for a diagnosis."""

    message: str
    error: BaseException


Ending = Finished | Stopped | Failed


class Job(QObject):
    """Runs one generator at a time in a thread of its own.

    The generator is made, driven and closed in the thread, so that its `finally` blocks run there.
    Its events are collected and emitted 30 times a second on the GUI's side, in their order; then
    `ended` is emitted once, with how it ended. A generator given to napari's `thread_worker`
    instead would swallow RuntimeError, and CUDA's out-of-memory is one.

    Parameters
    ----------
    parent : QObject, optional
    every : int
        Milliseconds between collections, where 30 a second are too few.
    """

    happened = Signal(object)
    ended = Signal(object)
    started = Signal(str)

    def __init__(self, parent: QObject | None = None, *, every: int = 33) -> None:
        super().__init__(parent)
        self._run: _Run | None = None
        self._timer = QTimer(self)
        self._timer.setInterval(every)
        self._timer.timeout.connect(self._drain)

    @property
    def running(self) -> str:
        """What is under way, as a word with -ing; empty where nothing is."""
        return self._run.what if self._run else ""

    def start(self, what: str, make: Make) -> None:
        """Start work.

        Parameters
        ----------
        what : str
            As in "Wait: training is under way".
        make : callable
            Makes the generator; called in the thread.

        Raises
        ------
        NucleateError
            If something is under way already.
        """
        if self._run:
            raise NucleateError(f"Wait: {self.running} is under way; press Stop to end it.")
        run = self._run = _Run(what, make)
        # Who listens may let Qt handle events meanwhile; nothing can end before all were told.
        self.started.emit(what)
        if self._run is run:
            run.thread.start()
            self._timer.start()

    def stop(self) -> None:
        """Ask the work to end at its next event; `ended` tells when it has."""
        if self._run:
            self._run.stopping.set()

    def close(self, *, seconds: float = 60) -> list[Any]:
        """End the work and wait for its thread; nothing is emitted any more.

        Returns
        -------
        list
            Events that weren't emitted; the last tells how it ended, if it did in this time.
        """
        self._timer.stop()
        run, self._run = self._run, None
        if not run:
            return []
        run.stopping.set()
        if run.thread.is_alive():
            run.thread.join(seconds)
        return run.left()

    def _drain(self) -> None:
        run = self._run
        while run is not None and self._run is run:
            try:
                event = run.events.get_nowait()
            except queue.Empty:
                return
            if isinstance(event, Finished | Stopped | Failed):
                self._timer.stop()
                self._run = None
                run.thread.join()
                self.ended.emit(event)
                return
            self.happened.emit(event)


class _Run:
    """One piece of work and its thread; knows nothing of Qt."""

    def __init__(self, what: str, make: Make) -> None:
        self.what = what
        self.events: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.stopping = threading.Event()
        self._make = make
        self.thread = threading.Thread(target=self._work, name=f"nucleate {what}", daemon=True)

    def _work(self) -> None:
        try:
            ending = self._drive()
        except Exception as error:  # noqa: BLE001  # a thread's last words: whatever it was, say it
            message = in_words(error, self.what)
            keep_error(error, self.what, message)
            ending = Failed(message, error)
        self.events.put(ending)

    def left(self) -> list[Any]:
        """Events that nobody took yet."""
        found = []
        while not self.events.empty():
            found.append(self.events.get())
        return found

    def _drive(self) -> Ending:
        generator = self._make()
        try:
            for event in generator:
                self.events.put(event)
                if self.stopping.is_set():
                    return Stopped()
            return Finished()
        finally:
            generator.close()
