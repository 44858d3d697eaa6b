"""After a crash: the question whether to go on with the project that was open then."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QMessageBox

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.project.lock import abandoned, forget
from napari_nucleate.project.state_file import there
from napari_nucleate.project.store import home_folder

if TYPE_CHECKING:
    from pathlib import Path

    from napari_nucleate.gui.session import Session

_asked: set[Path] = set()


def offer(session: Session) -> QMessageBox | None:
    """Ask whether to go on with a project that was open when its window or command was killed.

    Only of projects in the folder that new ones are made in, the newest first, each once; and only
    where nothing else is worked on. The window answers meanwhile.

    Returns
    -------
    QMessageBox or None
        The question that is shown; None where there is nothing to ask.
    """
    if session.source is not None:
        return None
    found = _newest()
    if found is None:
        return None
    folder, owner = found
    _asked.add(folder)
    question = QMessageBox(session.viewer.window._qt_window)  # noqa: SLF001
    question.setIcon(QMessageBox.Icon.Question)
    question.setWindowTitle("Nucleate")
    # Names of folders may look like rich text.
    question.setTextFormat(question.textFormat().PlainText)
    question.setText(f"{folder.name} was open when {owner} ended unexpectedly.")
    question.setInformativeText(
        "What was painted until two seconds before is kept. Go on with it? You can also open it "
        "later, from the Label dock."
    )
    go_on = question.addButton("Go on", QMessageBox.ButtonRole.AcceptRole)
    question.addButton("Not now", QMessageBox.ButtonRole.RejectRole)
    question.finished.connect(lambda _: _answer(session, folder, question.clickedButton() is go_on))
    question.open()
    return question


def _newest() -> tuple[Path, str] | None:
    """The project that was used last of those that nobody closed, and by what it was used."""
    try:
        folders = list(home_folder().iterdir())
    except OSError:  # there is none yet, or one may not look into it
        return None
    found = []
    for folder in folders:
        state = there(folder)
        if folder in _asked or state is None:
            continue
        owner = abandoned(folder)
        if owner:
            found.append((state.stat().st_mtime, folder, owner))
    return max(found)[1:] if found else None


def _answer(session: Session, folder: Path, go_on: bool) -> None:
    from napari_nucleate.gui.opening import open_project

    try:
        if go_on:
            open_project(session.viewer, folder)
        else:
            forget(folder)
    except NucleateError as error:
        session.notify(error)
