"""Looking, beside the window, whether the images of a project still are the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject

from napari_nucleate.gui.job import Ending, Finished, Job
from napari_nucleate.gui.notices import show_warning
from napari_nucleate.project.images import (
    Looked,
    changed,
    changed_in_words,
    look,
    noted,
    sources,
)

if TYPE_CHECKING:
    from napari_nucleate.gui.session import Session


class Checks(QObject):
    """Reads a sample of each image's file; warns of other pixels, and notes those not known yet.

    Parameters
    ----------
    session : Session
    """

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._session = session
        self._job: Job | None = None

    @property
    def running(self) -> bool:
        """Whether files are being looked at."""
        return self._job is not None

    def begin(self) -> None:
        """Look at the files of the session's project; those of the former one don't matter now."""
        self.stop()
        files, looked = sources(self._session.state), list[Looked]()
        if not files:
            return
        job = self._job = Job(self)
        job.happened.connect(looked.append)
        job.ended.connect(lambda ending: self._on_ended(job, ending, looked))
        job.start("looking", lambda: look(files))

    def stop(self) -> None:
        """End it, without waiting: a network drive may take long."""
        if self._job is not None:
            self._job.close(seconds=0)
            self._job.deleteLater()
            self._job = None

    def _on_ended(self, job: Job, ending: Ending, looked: list[Looked]) -> None:
        if self._job is not job:
            return
        self._job = None
        job.deleteLater()
        session = self._session
        if not isinstance(ending, Finished):
            return
        if other := changed(session.state, looked):
            show_warning(changed_in_words(other))
        after = noted(session.state, looked)
        if after is not session.state:
            session.set_items(*after.items)
