"""A window that shows how far some work is, which nothing else may be done during."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QDialog, QDialogButtonBox, QProgressBar, QVBoxLayout

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.gui.job import Ending, Failed, Finished, Job
from napari_nucleate.gui.widgets import Sentence

if TYPE_CHECKING:
    from qtpy.QtWidgets import QWidget

    from napari_nucleate.gui.job import Make


class Waiting(QDialog):
    """Runs a generator; its events are collected, and those with `done` and `total` move a bar.

    Parameters
    ----------
    parent : QWidget
    text : str
        What is done, for the person.
    make : callable
        Makes the generator, in a thread.
    """

    def __init__(self, parent: QWidget, text: str, make: Make) -> None:
        super().__init__(parent)
        self.setWindowTitle("Nucleate")
        self.setWindowModality(Qt.WindowModality.ApplicationModal)
        self.setMinimumWidth(360)
        self.bar = QProgressBar()
        self.bar.setRange(0, 0)
        self.buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        layout = QVBoxLayout(self)
        for widget in (Sentence(text), self.bar, self.buttons):
            layout.addWidget(widget)
        self.events: list[object] = []
        self.ending: Ending | None = None
        self.job = Job(self)
        self.job.happened.connect(self._on_event)
        self.job.ended.connect(self._on_ended)
        self.buttons.rejected.connect(self.reject)
        self.job.start("copying", make)

    def reject(self) -> None:
        """Ask the work to end; the window closes when it has."""
        self.buttons.setEnabled(False)
        self.job.stop()

    def _on_event(self, event: object) -> None:
        self.events.append(event)
        done, total = getattr(event, "done", 0), getattr(event, "total", 0)
        if total:  # Qt counts to 2**31, bytes go further
            self.bar.setRange(0, 1000)
            self.bar.setValue(int(1000 * done / total))

    def _on_ended(self, ending: Ending) -> None:
        self.ending = ending
        self.accept()


def wait_for(parent: QWidget, text: str, make: Make) -> list[object] | None:
    """Do some work while nothing else can be done; returns its events, None if it was cancelled.

    Raises
    ------
    NucleateError
        If it failed.
    """
    dialog = Waiting(parent, text, make)
    if dialog.ending is None:
        dialog.exec()
    dialog.deleteLater()
    if isinstance(dialog.ending, Failed):
        raise NucleateError(dialog.ending.message)
    return dialog.events if isinstance(dialog.ending, Finished) else None
