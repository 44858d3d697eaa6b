"""Accepting the best of many predictions: which ones is found beside the window."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal

from napari_nucleate.core.candidates import surer_part
from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.events import Described
from napari_nucleate.gui.job import Failed, Job, Stopped
from napari_nucleate.project.accept import Ordered, ordering
from napari_nucleate.project.model import HUMAN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_nucleate.gui.job import Ending
    from napari_nucleate.gui.session import Session

STOPPED = "Stopped looking at the images: nothing was accepted."


class Accepter(QObject):
    """Accepts predictions that are sure and together look like all images.

    For that it has to know what the images look like. It looks, in a thread, at those that weren't
    predicted since the window was opened.

    Parameters
    ----------
    session : Session
    parent : QObject, optional

    Signals
    -------
    told(str)
        How far it is, and in the end what was accepted.
    accepted(list of str)
        These images.
    """

    told = Signal(str)
    accepted = Signal(list)

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._job = Job(self)
        self._job.happened.connect(self._on_event)
        self._job.ended.connect(self._on_ended)
        self._asked: tuple[object, str, int] = (None, "", 0)
        self.destroyed.connect(self._job.close)

    def accept(self, count: int) -> None:
        """Accept so many that nobody judged yet; where it is looking already, stop that.

        Raises
        ------
        NucleateError
            If none is good enough.
        """
        session = self._session
        if self._job.running:
            self._job.stop()
            return
        good, learned = session.judgements.good_enough(), session.state.keys(*HUMAN, "accepted")
        if len(surer_part(good, count)) <= count:
            self._accept(count, good)
            return
        self._asked = session.store, session.state.model, count
        refs, seen = list(map(session.ref, session.state.keys())), session.descriptions
        self._job.start("looking at the images", lambda: ordering(good, count, learned, refs, seen))
        self.told.emit("Looking at the images…")

    def _accept(self, count: int, order: Sequence[str]) -> None:
        keys = self._session.judgements.accept_best(count, order)
        what = keys[0] if len(keys) == 1 else f"{len(keys)} images"
        self.told.emit(f"Accepted: {what}, sure ones that together look like all images.")
        self.accepted.emit(keys)

    def _on_event(self, event: object) -> None:
        session, (store, model, count) = self._session, self._asked
        if session.store is not store or session.state.model != model:
            self._job.stop()  # these are other images, or other predictions to come
            self.told.emit(STOPPED)
        elif isinstance(event, Described) and event.done < event.total:
            done = f"{event.done} of {event.total}"
            self.told.emit(f"Looking at the images: {done}… Click again to stop.")
        elif isinstance(event, Ordered):
            try:
                self._accept(count, event.keys)
            except NucleateError as error:  # the person judged all of them meanwhile
                self.told.emit("")
                session.notify(error)

    def _on_ended(self, ending: Ending) -> None:
        if isinstance(ending, Failed):
            self.told.emit("")
            self._session.notify(NucleateError(ending.message))
        elif isinstance(ending, Stopped):
            self.told.emit(STOPPED)
