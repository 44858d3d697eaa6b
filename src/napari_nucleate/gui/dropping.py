"""A project's folder dropped on the window, or one of images of several sizes.

napari asks which plugin to use wherever two read folders, whichever folder it is: so no reader of
ours claims folders, and those that are ours to show are taken out of what is dropped.
"""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent, QObject, QTimer

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.gui.files import add_stacks, alike, several
from napari_nucleate.io.read import read_folder
from napari_nucleate.io.there import is_folder
from napari_nucleate.project.store import Store

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_nucleate.core.images import Stack
    from napari_nucleate.gui.session import Session

MOST = 500
"""Files of a dropped folder that are looked at for their sizes."""


class Drops(QObject):
    """Opens a project when its folder is dropped on the viewer, and folders that napari can't show.

    These hold images of several sizes. Other drops are napari's.

    Parameters
    ----------
    session : Session
    """

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._session = session
        session.viewer.window._qt_viewer.installEventFilter(self)  # noqa: SLF001

    def eventFilter(self, watched: QObject, event: Any) -> bool:
        """Take the drop of one folder that holds a project, or images of several sizes."""
        del watched
        if event.type() != QEvent.Type.Drop:
            return False
        urls = event.mimeData().urls()
        folder = Path(urls[0].toLocalFile()) if len(urls) == 1 and urls[0].isLocalFile() else None
        if folder is None or not is_folder(folder):
            return False
        if Store(folder).exists:
            # Not before the drop is over: whoever drags waits for its end, and a dialog may come.
            QTimer.singleShot(0, lambda: self._open(folder))
        elif stacks := _several_sizes(folder):
            QTimer.singleShot(0, lambda: self._add(stacks))
        else:
            return False
        event.acceptProposedAction()
        return True

    def _add(self, stacks: Sequence[Stack]) -> None:
        try:
            for group in alike(stacks):
                add_stacks(self._session.viewer, group)
        except NucleateError as error:
            self._session.notify(error)

    def _open(self, folder: Path) -> None:
        from napari_nucleate.gui.opening import open_project

        try:
            open_project(self._session.viewer, folder)
        except NucleateError as error:
            self._session.notify(error)


def _several_sizes(folder: Path) -> list[Stack]:
    """The images of a folder, if they have several sizes; none where they can't be read."""
    try:
        if len([*islice(folder.iterdir(), MOST + 1)]) > MOST:
            return []  # who drops it waits while it is looked at; napari takes it
        stacks = read_folder(folder)
    except (NucleateError, OSError):
        return []
    return stacks if several(stacks) else []
