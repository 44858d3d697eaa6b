"""What to annotate next: found beside the window, shown in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.events import Described
from napari_nucleate.core.images import SPATIAL
from napari_nucleate.gui.job import Failed, Job
from napari_nucleate.gui.viewpoint import frame
from napari_nucleate.project.suggest import Suggestion, is_labelled, suggesting

if TYPE_CHECKING:
    from napari_nucleate.gui.job import Ending
    from napari_nucleate.gui.session import Session


class Suggester(QObject):
    """Looks at all images once, in a thread, and shows the one where a label helps most.

    Parameters
    ----------
    session : Session
    parent : QObject, optional

    Signals
    -------
    told(str)
        How far it is, or why an image was proposed.
    """

    told = Signal(str)

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._job = Job(self)
        self._job.happened.connect(self._on_event)
        self._job.ended.connect(self._on_ended)
        self._source: object = None
        # What was looked at when the person asked, and how often something had been painted.
        self._asked: tuple[str, int] = ("", 0)
        # Proposed and left unlabelled: the person wants another one.
        self._passed: set[str] = set()
        session.changed.connect(self._on_changed)
        self.destroyed.connect(self._job.close)

    def suggest(self) -> None:
        """Begin to look for the next image; `told` says why, when it is shown.

        Raises
        ------
        NucleateError
            If no image is left to label, or it is looking already.
        """
        session = self._session
        if not session.plan.next_unlabelled:
            raise NucleateError(session.plan.next_unlabelled.why)
        if self._job.running:
            raise NucleateError("Wait: all images are looked at, once.")
        if session.source is not self._source:
            self._source, self._passed = session.source, set()
        session.strokes.refresh()
        state, store, known = session.state, session.store, session.descriptions
        left = {item.key for item in state.items if not is_labelled(item)}
        if left <= self._passed:
            self._passed = set()
        # One that was passed over stands for itself, as if it were labelled.
        passed = [state.item(k) for k in self._passed & left]
        state = state.replace(*(i.model_copy(update={"status": "labelled"}) for i in passed))
        refs = list(map(session.ref, state.keys()))
        self._job.start("looking for an image", lambda: suggesting(state, store, refs, known=known))
        self._asked = session.current, session.strokes.count
        self.told.emit("Looking at the images…")

    def _on_changed(self) -> None:
        if self._session.source is not self._source and self._source is not None:
            self._source = None
            self._job.stop()
            self.told.emit("")

    def _on_event(self, event: object) -> None:
        if self._source is None:  # these are other images than those it looked at
            return
        if isinstance(event, Described) and event.done < event.total:
            self.told.emit(f"Looking at the images: {event.done} of {event.total}…")
        elif isinstance(event, Suggestion):
            self._show(event)

    def _show(self, suggestion: Suggestion) -> None:
        session = self._session
        if (session.current, session.strokes.count) != self._asked:
            # The person went on meanwhile, and may be painting.
            self.told.emit(f"{suggestion.why} Ask again to go there.")
            return
        self._passed.add(suggestion.key)
        session.go_to(suggestion.key)
        self._look_at(suggestion)
        session.annotate()
        self.told.emit(suggestion.why)

    def _on_ended(self, ending: Ending) -> None:
        if isinstance(ending, Failed):
            self.told.emit(ending.message)

    def _look_at(self, suggestion: Suggestion) -> None:
        """Move the camera to the part proposed."""
        session = self._session
        source, viewer = session.source, session.viewer
        if source is None or not suggestion.region:
            return
        part = dict(zip(SPATIAL[source.ndim], suggestion.region, strict=True))
        if "Z" in part:
            source.show_at(viewer, {"Z": part["Z"].start})
        frame(viewer, source, session.ref(suggestion.key), suggestion.region)
