"""Whose work the window shows: the project's name, its folder, and whether all of it is saved."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QGridLayout, QLabel, QWidget

from napari_nucleate.gui.project_menu import ProjectMenu
from napari_nucleate.gui.widgets import Elided, Sentence, plain

if TYPE_CHECKING:
    from napari_nucleate.gui.session import Session


class ProjectBar(QWidget):
    """The button Project, and beside it the name of the project and how it stands.

    Parameters
    ----------
    session : Session
    """

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self.menu = ProjectMenu(session)
        self.menu.setMinimumWidth(88)  # its arrow stands beside its name
        self.name = Elided()
        self.kept = QLabel()
        self.why = Sentence()
        layout = QGridLayout(self)
        layout.setContentsMargins(6, 6, 6, 0)
        layout.setHorizontalSpacing(8)
        layout.setColumnStretch(1, 1)
        for at, widget in enumerate((self.menu, self.name, self.kept)):
            layout.addWidget(widget, 0, at)
        layout.addWidget(self.why, 1, 0, 1, 3)
        session.changed.connect(self.refresh)
        session.keeper.told.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        """Show which project it is, and whether it is saved."""
        session = self._session
        if session.source is None:
            self.name.setText("No project yet")
            self._show_kept("", "")
            return
        self.name.setText(session.state.name)
        self.name.setToolTip(plain(str(session.store.folder)))
        keeper = session.keeper
        if session.store.locked:
            self._show_kept("to look at only", session.store.locked)
        elif keeper.failure:
            self._show_kept("not saved", keeper.failure)
        elif not keeper.begun:
            self._show_kept("nothing to save yet", "It is saved once something is painted.")
        else:
            self._show_kept("saving…" if keeper.pending else "saved", str(session.store.folder))

    def _show_kept(self, text: str, tip: str) -> None:
        self.kept.setText(text)
        self.kept.setToolTip(plain(tip))
        self.why.warn(f"Not saved: {tip}" if text == "not saved" else "")
