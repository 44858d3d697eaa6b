"""The button Project: open one, save it elsewhere, send it to somebody, find its images."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog, QMenu, QMessageBox, QPushButton

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.gui.notices import show_info
from napari_nucleate.gui.waiting import wait_for
from napari_nucleate.project.copying import check_copy, copying, packing, unpacking
from napari_nucleate.project.images import (
    Looked,
    accepted_as,
    changed,
    changed_in_words,
    look,
    missing,
    sources,
)
from napari_nucleate.project.log import Happened
from napari_nucleate.project.model import HUMAN
from napari_nucleate.project.store import Store, new_folder_for

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from qtpy.QtGui import QAction

    from napari_nucleate.gui.session import Session

NEW = QFileDialog.Option.DontConfirmOverwrite
"""Nothing is ever replaced: a sentence says so instead of a question."""
NOTHING = "There is no project yet: choose an image, and paint on it."
NOT_WRITTEN = "The project isn't written yet; where it can't be, choose a folder by Save as…."


class ProjectMenu(QPushButton):
    """Opens projects, and moves the one that is worked on.

    Parameters
    ----------
    session : Session
    """

    def __init__(self, session: Session) -> None:
        super().__init__("Project")
        self._session = session
        self.setToolTip("Open a project of before, copy this one, or send it to somebody.")
        menu = QMenu(self)
        menu.setToolTipsVisible(True)
        self.setMenu(menu)
        self.open = self._action(
            "Open…", "Go on with a project of before: its images, labels and models.", self._open
        )
        self.open_zip = self._action(
            "Open zip…", "Go on with a project that somebody sent as a zip file.", self._open_zip
        )
        menu.addSeparator()
        self.save_as = self._action(
            "Save as…",
            "Copy the project to a new folder and go on there; the old one stays as it is.",
            self._save_as,
        )
        self.zip = self._action(
            "Zip…", "Write the project into one file, to send it to somebody.", self._zip
        )
        self.locate = self._action(
            "Check images…",
            "See whether the image files are where they were, and hold the same pixels.",
            self._locate,
        )
        menu.aboutToShow.connect(self.refresh)

    def refresh(self) -> None:
        """Open and close the entries; closed ones say why."""
        running = self._session.job.running
        why = f"Wait: {running} is under way." if running else ""
        nothing = self._nothing()
        for action, reason in (
            (self.open, why),
            (self.open_zip, why),
            (self.save_as, why or (nothing if nothing == NOTHING else "")),
            (self.zip, why or nothing),
            (self.locate, why or nothing),
        ):
            action.setEnabled(not reason)
            action.setToolTip(reason or action.statusTip())

    def _action(self, text: str, tip: str, work: Callable[[], None]) -> QAction:
        action = self.menu().addAction(text)
        action.setStatusTip(tip)
        action.setToolTip(tip)
        action.triggered.connect(lambda: self._do(work))
        return action

    def _do(self, work: Callable[[], None]) -> None:
        try:
            self._session.need_rest()
            work()
        except NucleateError as error:
            self._session.notify(error)

    # -- what they do --------------------------------------------------------------------

    def _open(self) -> None:
        from napari_nucleate.gui.opening import open_project

        last = str(self._session.store.folder.parent)
        folder = QFileDialog.getExistingDirectory(self, "Open a project", last)
        if folder:
            open_project(self._session.viewer, Path(folder))

    def _open_zip(self) -> None:
        from napari_nucleate.gui.opening import open_project

        name, _ = QFileDialog.getOpenFileName(
            self, "Open a project from a zip file", "", "Projects (*.zip)"
        )
        if not name:
            return
        archive = Path(name)
        folder = new_folder_for(archive.stem)

        def work() -> Generator[None, None, None]:
            unpacking(archive, folder)
            yield

        if wait_for(self, f"Unpacking {archive.name} to {folder}…", work) is not None:
            Store(folder).note(Happened("unpacked", note=str(archive)))
            open_project(self._session.viewer, folder)

    def _save_as(self) -> None:
        from napari_nucleate.gui.opening import open_project

        session = self._session
        before = session.store
        session.keeper.flush()  # what is refused here is written there
        if self._nothing() == NOTHING:
            raise NucleateError(NOTHING)
        name, _ = QFileDialog.getSaveFileName(
            self, "Save the project as a new folder", str(before.folder), options=NEW
        )
        if not name:
            return
        folder = Path(name)
        store = Store(folder)
        if not before.exists:
            self._begin_in(store)
            return
        # Of one that others work on, layers and state are as they were when it was opened.
        state = before.load_state() if before.locked else session.state
        work = partial(copying, state, before.folder, folder)
        if wait_for(self, f"Copying the project to {folder}…", work) is None:
            return
        store.note(Happened("copied", note=f"from {before.folder}"))
        if before.locked:
            open_project(session.viewer, folder)
        else:
            store.claim()
            session.projects.go_on_in(store)
        show_info(f"The project is now in {folder}; {before.folder} stays as it was.")

    def _begin_in(self, store: Store) -> None:
        """Write all that was done into a new folder; the one that it was meant for refused it."""
        session, folder = self._session, store.folder
        check_copy(session.store.folder, folder)
        store.claim()
        session.projects.go_on_in(store)
        session.keeper.touch(*session.state.keys(*HUMAN))
        session.keeper.flush()
        if store.exists:  # else what refused it was said
            show_info(f"The project is now in {folder}.")

    def _zip(self) -> None:
        session = self._session
        store, state = self._kept(), session.state
        images = self._with_images(_elsewhere(store, sources(state)))
        if images is None:
            return
        suggested = store.folder.parent / f"{store.folder.name}.zip"
        name, _ = QFileDialog.getSaveFileName(
            self, "Write the project into a zip file", str(suggested), "*.zip", options=NEW
        )
        if not name:
            return
        archive = Path(name if name.lower().endswith(".zip") else f"{name}.zip")
        work = partial(packing, state, store.folder, archive, images=images)
        if wait_for(self, f"Writing {archive}…", work) is not None:
            show_info(f"{archive} written, {archive.stat().st_size / 1e6:.1f} MB.")

    def _locate(self) -> None:
        from napari_nucleate.gui.opening import open_project

        session = self._session
        store, state = self._kept(), session.state
        if missing(state):
            open_project(session.viewer, store.folder)  # it asks where they are
            return
        events = wait_for(self, "Looking at the images…", lambda: look(sources(state)))
        looked = [event for event in events or [] if isinstance(event, Looked)]
        other = changed(state, looked)
        if events is None:
            return
        if not other:
            show_info("All images are where they were, and the same.")
        elif self._agrees(other):
            session.set_items(*accepted_as(session.state, looked).items)

    def _kept(self) -> Store:
        """The project's folder, with all that was done so far."""
        self._session.keeper.finish()
        if nothing := self._nothing():
            raise NucleateError(nothing)
        return self._session.store

    def _nothing(self) -> str:
        """Why there is no project on the disk; empty where there is one."""
        state = self._session.state
        if self._session.store.exists:
            return ""
        return NOT_WRITTEN if state.rounds or state.keys(*HUMAN) else NOTHING

    def _with_images(self, files: list[str]) -> bool | None:
        """Ask whether images are packed, too; None where the person cancels."""
        there = [Path(file) for file in files if Path(file).is_file()]
        if not there:
            return False
        size = sum(path.stat().st_size for path in there)
        box = QMessageBox(self)
        box.setWindowTitle("Nucleate")
        box.setText(f"Pack the {len(there)} image file(s), too? They take {size / 1e6:.1f} MB.")
        box.setInformativeText(
            "Without them, whoever opens the project needs the images from elsewhere."
        )
        box.addButton("With images", QMessageBox.ButtonRole.YesRole)
        box.addButton("Without", QMessageBox.ButtonRole.NoRole)
        box.addButton(QMessageBox.StandardButton.Cancel)
        box.exec()
        role = box.buttonRole(box.clickedButton())
        box.deleteLater()
        roles = QMessageBox.ButtonRole
        return {roles.YesRole: True, roles.NoRole: False}.get(role)

    def _agrees(self, other: list[str]) -> bool:
        """Ask whether files with other pixels are right."""
        box = QMessageBox(self)
        box.setWindowTitle("Nucleate")
        box.setTextFormat(Qt.TextFormat.PlainText)  # names of files may look like rich text
        box.setText(changed_in_words(other).partition(". ")[0] + ".")
        box.setInformativeText("Keep them as they are now, and don't warn of them again?")
        box.setStandardButtons(QMessageBox.StandardButton.Yes | QMessageBox.StandardButton.No)
        answer = box.exec()
        box.deleteLater()
        return answer == QMessageBox.StandardButton.Yes


def _elsewhere(store: Store, files: list[str]) -> list[str]:
    """Files outside of the project's folder."""
    inside = store.folder.resolve()
    return [file for file in files if not Path(file).is_relative_to(inside)]
