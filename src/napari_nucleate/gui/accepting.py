"""Accepting the best of many predictions: which ones is found beside the window."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal

from napari_nucleate.core.candidates import most_telling, surer_part
from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.events import Described
from napari_nucleate.gui.job import Failed, Job
from napari_nucleate.project.accept import Ordered, ordering
from napari_nucleate.project.model import HUMAN

if TYPE_CHECKING:
    from napari_nucleate.gui.job import Ending
    from napari_nucleate.gui.session import Session


class Accepter(QObject):
    """Accepts predictions that are sure and look like all images together.

    For that it has to know what the images look like. It looks, in a thread, at those that weren't
    predicted since the window was opened.

    Parameters
    ----------
    session : Session
    parent : QObject, optional

    Signals
    -------
    told(str)
        How far it is, and what went wrong; empty at the end.
    """

    told = Signal(str)

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._job = Job(self)
        self._job.happened.connect(self._on_event)
        self._job.ended.connect(self._on_ended)
        self._asked: tuple[object, str, int] = (None, "", 0)
        self.destroyed.connect(self._job.close)

    def accept(self, count: int) -> None:
        """Accept so many that nobody judged yet, at once or when all images were looked at.

        Raises
        ------
        NucleateError
            If none is good enough, or it is looking already.
        """
        session = self._session
        if self._job.running:
            raise NucleateError("Wait: all images are looked at, once.")
        good, learned = session.judgements.good_enough(), session.state.keys(*HUMAN, "accepted")
        keys, seen = session.state.keys(), session.descriptions
        nothing_to_choose = len(surer_part(good, count)) <= count
        if nothing_to_choose or all(key in seen for key in keys):
            looks = {key: seen[key] for key in keys if key in seen}
            session.judgements.accept_best(count, most_telling(good, count, looks, learned))
            return
        self._asked = session.source, session.state.model, count
        refs = list(map(session.ref, keys))
        self._job.start("looking at the images", lambda: ordering(good, count, learned, refs, seen))
        self.told.emit("Looking at the images…")

    def _on_event(self, event: object) -> None:
        session, (source, model, count) = self._session, self._asked
        if (session.source, session.state.model) != (source, model):
            self._job.stop()  # these are other images, or other predictions to come
        elif isinstance(event, Described) and event.done < event.total:
            self.told.emit(f"Looking at the images: {event.done} of {event.total}…")
        elif isinstance(event, Ordered):
            try:
                session.judgements.accept_best(count, event.keys)
            except NucleateError as error:  # the person judged all of them meanwhile
                session.notify(error)

    def _on_ended(self, ending: Ending) -> None:
        self.told.emit("")
        if isinstance(ending, Failed):
            self._session.notify(NucleateError(ending.message))
