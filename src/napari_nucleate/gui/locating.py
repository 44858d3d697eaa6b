"""Asking a person where the images of a project are now."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QListWidget,
    QPushButton,
    QVBoxLayout,
)

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.gui.waiting import wait_for
from napari_nucleate.gui.widgets import Sentence
from napari_nucleate.project.images import missing, moved
from napari_nucleate.project.locate import Located, locating

if TYPE_CHECKING:
    from qtpy.QtWidgets import QWidget

    from napari_nucleate.project.model import State


class LocateDialog(QDialog):
    """Lists the files that are missing, and looks for them in folders that the person chooses.

    Parameters
    ----------
    parent : QWidget
    state : State
        The project's; the attribute of that name follows what is found.
    """

    def __init__(self, parent: QWidget, state: State) -> None:
        super().__init__(parent)
        self.setWindowTitle(f"Where are the images of {state.name}?")
        self.setMinimumSize(520, 320)
        self.state = state
        self.sentence, self.outcome = Sentence(), Sentence()
        self.list = QListWidget()
        self.choose = QPushButton("Choose a folder…")
        self.choose.setToolTip(
            "The images are looked for in it, and in the folders below it: by their names, their "
            "folders' names, and a sample of their pixels."
        )
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        self.open = buttons.addButton("Open", QDialogButtonBox.ButtonRole.AcceptRole)
        layout = QVBoxLayout(self)
        for widget in (self.sentence, self.list, self.choose, self.outcome, buttons):
            layout.addWidget(widget)
        self.choose.clicked.connect(self._choose)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        self._refresh()

    def look_in(self, folder: Path) -> None:
        """Look for what is missing below a folder, and show what is found."""
        state = self.state
        try:
            events = wait_for(self, f"Looking in {folder}…", lambda: locating(state, folder))
        except NucleateError as error:
            self.outcome.warn(str(error))
            return
        located = next((e for e in reversed(events or []) if isinstance(e, Located)), None)
        if located is not None:
            self.state = moved(self.state, located.found)
            self._refresh()
            (self.outcome.say if located.complete else self.outcome.warn)(located.in_words())

    def _choose(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "A folder that holds the images")
        if folder:
            self.look_in(Path(folder))

    def _refresh(self) -> None:
        gone = missing(self.state)
        self.list.clear()
        self.list.addItems(gone)
        count = f"{len(gone)} file{'s' * (len(gone) != 1)}"
        self.sentence.say(
            f"{count} of {self.state.name} aren't where they were. Labels, predictions and models "
            "are kept; choose a folder to look for the images in."
            if gone
            else "All images are found."
        )
        self.open.setEnabled(not gone)
        self.choose.setEnabled(bool(gone))


def ask_where(parent: QWidget, state: State) -> State:
    """Ask where missing images are. Nothing is written: whether they fit shows on opening.

    Returns
    -------
    State
        With images that are there.

    Raises
    ------
    NucleateError
        If the person doesn't know.
    """
    before = missing(state)
    dialog = LocateDialog(parent, state)
    known = dialog.exec() == QDialog.DialogCode.Accepted
    found, gone = dialog.state, missing(dialog.state)
    dialog.deleteLater()
    if not known or gone:
        raise NucleateError(
            f"{state.name!r} isn't opened: {len(before)} of its image files aren't where "
            f"they were, such as {before[0]}. Nothing of it is changed."
        )
    return found
