"""Writing what the person painted and decided, soon after they did."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari.utils.notifications import show_warning
from qtpy.QtCore import QObject, QTimer

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.gui.layers import boxes_of
from napari_nucleate.project.model import HUMAN

if TYPE_CHECKING:
    from napari_nucleate.gui.session import Session

PAUSE = 1500
"""Milliseconds after the last stroke or decision before it is written."""


class Keeper(QObject):
    """Writes the state and the images painted on, a moment after the last change.

    Nothing is written before there is something to keep: a painted image, or a model.

    Parameters
    ----------
    session : Session
        Whose work is kept.
    """

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._session = session
        self._painted: set[str] = set()
        self._changed = False
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(PAUSE)
        self._timer.timeout.connect(self.flush)

    def touch(self, *painted: str) -> None:
        """Note that the state changed, and which images were painted on."""
        self._painted.update(painted)
        self._changed = True
        self._timer.start()

    def forget(self) -> None:
        """Begin anew: another image is worked on. What wasn't written is still in its layer."""
        self._timer.stop()
        self._painted.clear()
        self._changed = False

    def flush(self) -> None:
        """Write what changed, now. What can't be written is said, and tried again next time."""
        if not self._changed:
            return
        self._timer.stop()
        try:
            self._write()
        except NucleateError as error:
            show_warning(f"Not saved: {error}")

    def _write(self) -> None:
        session = self._session
        state, store, source = session.state, session.store, session.source
        if not state.rounds and not self._painted and not state.keys(*HUMAN):
            return
        store.save_state(state)
        if session.annotation is not None and source is not None:
            for key in sorted(self._painted):
                ref = session.ref(key)
                store.save_annotation(key, session.painted(key), ref.spacing, ref.units)
                self._painted.discard(key)
            if session.boxes is not None:
                refs = map(session.ref, state.keys())
                boxes = {ref.key: boxes_of(session.boxes, source, ref) for ref in refs}
                store.save_boxes({key: drawn for key, drawn in boxes.items() if drawn})
        self._changed = False
