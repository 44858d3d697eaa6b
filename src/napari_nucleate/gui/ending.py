"""The window ends as if it had been closed where the system asks: logout, kill, a cluster, Ctrl+C.

Only the window that `nucleate` opened itself: a plugin doesn't change what signals do to napari.
Python calls what handles a signal when it runs next, and in Qt's loop it may not run for long. So
each signal writes a byte to a socket, and Qt calls a method of ours when there is one to read.
napari does the same for Ctrl+C while it runs, with a socket of its own, and wakes Python as well.
"""

from __future__ import annotations

import signal
import socket
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from qtpy.QtCore import QSocketNotifier, QTimer
from qtpy.QtWidgets import QApplication

from napari_nucleate.gui.session import Session

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

SIGNALS = ("SIGTERM", "SIGHUP", "SIGINT", "SIGBREAK")
"""Names of signals by which the system, or a person in a terminal, ends a program."""


@contextmanager
def ending_in_order() -> Iterator[None]:
    """Close all windows at a signal, with what runs ended and everything kept; then Qt's loop ends.

    Signals that are ignored stay so: who starts a program by nohup wants that. There must be a
    QApplication, and this must be the main thread.
    """
    asked = [getattr(signal, name) for name in SIGNALS if hasattr(signal, name)]
    asked = [one for one in asked if signal.getsignal(one) not in (None, signal.SIG_IGN)]
    sender, receiver = socket.socketpair()
    with sender, receiver:
        for end in (sender, receiver):
            end.setblocking(False)
        waker = QSocketNotifier(receiver.fileno(), QSocketNotifier.Type.Read)
        waker.activated.connect(lambda *_: _emptied(receiver))
        before = signal.set_wakeup_fd(sender.fileno(), warn_on_full_buffer=False)
        handlers = {one: signal.signal(one, _on_signal) for one in asked}
        try:
            yield
        finally:
            for one, handler in handlers.items():
                signal.signal(one, handler)
            signal.set_wakeup_fd(before)
            waker.setEnabled(False)


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


def _emptied(receiver: socket.socket) -> None:
    """Read what signals wrote; that Python runs is all that it is for."""
    with suppress(BlockingIOError):
        receiver.recv(64)
