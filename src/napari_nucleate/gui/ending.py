"""The window ends as if it had been closed where the system asks: logout, kill, a cluster, Ctrl+C.

Only the window that `nucleate` opened itself: a plugin doesn't change what signals do to napari.
Python calls what handles a signal when it runs next, and in Qt's loop it may not run for long. So a
timer has it run a few times a second, on all systems alike. (A socket that signals write to would
do, too, and napari has one while it runs; but nothing here talks through sockets, see
docs/security.md.)
"""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication

from napari_nucleate.gui.session import Session

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

SIGNALS = ("SIGTERM", "SIGHUP", "SIGINT", "SIGBREAK")
"""Names of signals by which the system, or a person in a terminal, ends a program."""
EVERY = 200
"""Milliseconds that a signal waits at most."""


@contextmanager
def ending_in_order() -> Iterator[None]:
    """Close all windows at a signal, with what runs ended and everything kept; then Qt's loop ends.

    Signals that are ignored stay so: who starts a program by nohup wants that. There must be a
    QApplication, and this must be the main thread.
    """
    asked = [getattr(signal, name) for name in SIGNALS if hasattr(signal, name)]
    asked = [one for one in asked if signal.getsignal(one) not in (None, signal.SIG_IGN)]
    timer = QTimer()
    timer.timeout.connect(_let_python_run)
    timer.start(EVERY)
    handlers = {one: signal.signal(one, _on_signal) for one in asked}
    try:
        yield
    finally:
        timer.stop()
        for one, handler in handlers.items():
            signal.signal(one, handler)


def end() -> None:
    """Keep everything, end what runs, close all windows, and leave Qt's loop."""
    try:
        for window in QApplication.topLevelWidgets():
            session = window.findChild(Session)
            if session is not None:
                _close(session)
    finally:
        QApplication.closeAllWindows()
        QApplication.exit()


def _close(session: Session) -> None:
    # A stroke under way is finished by that.
    session.viewer.layers.selection.active = None
    # Before what runs is waited for: who asked may not wait that long.
    session.keeper.flush()
    session.close()


def _on_signal(number: int, frame: FrameType | None) -> None:
    """Have it end when Qt's loop has its turn: anything may be half done now."""
    del number, frame
    QTimer.singleShot(0, end)


def _let_python_run() -> None:
    """Nothing: Python handles signals before it."""
