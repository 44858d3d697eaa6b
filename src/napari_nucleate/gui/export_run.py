"""Running an export: a button, a bar, what was written, and where it lies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QUrl, Signal
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QGroupBox, QHBoxLayout, QProgressBar, QPushButton

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.gui.dock import column
from napari_nucleate.gui.exporting import LabelExport, Progress, Wanted, files, write
from napari_nucleate.gui.job import Ending, Failed, Job, Stopped
from napari_nucleate.gui.widgets import GatedButton, Sentence
from napari_nucleate.project.plan import Gate

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class ExportRun(QGroupBox):
    """Writes files beside the window, and beside a training; says what it wrote.

    Signals
    -------
    asked
        The person wants to export now.
    """

    asked = Signal()

    def __init__(self) -> None:
        super().__init__("Write")
        self.button = GatedButton("Export", "Write the files.")
        self.stop = GatedButton("Stop", "End the export; files that are written stay.")
        self.bar = QProgressBar()
        self.outcome = Sentence()
        self.open = QPushButton("Open the folder")
        self.written: list[Path] = []
        self.job = Job(self)
        self._gate = Gate()
        buttons = QHBoxLayout()
        buttons.addWidget(self.button, 2)
        buttons.addWidget(self.stop, 1)
        layout = column(self)
        layout.addLayout(buttons)
        for widget in (self.bar, self.outcome, self.open):
            layout.addWidget(widget)
        self.open.hide()
        self.button.clicked.connect(self.asked)
        self.stop.clicked.connect(self.job.stop)
        self.open.clicked.connect(self._open)
        self.job.happened.connect(self._on_progress)
        self.job.ended.connect(self._on_ended)
        self.destroyed.connect(self.job.close)
        self.apply(self._gate)

    def apply(self, gate: Gate) -> None:
        """Open or close the button; while it runs, it is closed."""
        self._gate = gate
        running = bool(self.job.running)
        wait = Gate("Wait: the export is under way; press Stop to end it.")
        self.button.apply(wait if running else gate)
        self.stop.apply(Gate() if running else Gate("No export is under way."))
        self.bar.setVisible(running)

    def start(self, exports: Sequence[LabelExport], wanted: Wanted) -> None:
        """Write the files.

        Raises
        ------
        NucleateError
            If a file exists and may not be replaced, layers don't fit, or an export runs.
        """
        for export in exports:
            export.check()
        there = [path for path in files(exports, wanted) if path.exists()]
        if there and not wanted.overwrite:
            more = f" and {len(there) - 1} more exist" if len(there) > 1 else " exists"
            raise NucleateError(
                f"{there[0].name}{more} already in {wanted.folder}. Choose another folder, or "
                "tick “Replace files that exist”."
            )
        self.job.start("export", lambda: write(exports, wanted))
        self.written = []
        self.outcome.say("")
        self.open.hide()
        self.bar.setRange(0, 0)
        self.apply(self._gate)

    def _on_progress(self, progress: Progress) -> None:
        self.bar.setRange(0, progress.total)
        self.bar.setValue(progress.done)
        if progress.path is not None:
            self.written.append(progress.path)

    def _on_ended(self, ending: Ending) -> None:
        count = len(self.written)
        wrote = f"{count} file{'s' * (count != 1)} written"
        if isinstance(ending, Failed):
            self.outcome.warn(f"{ending.message} {wrote} before.")
        elif isinstance(ending, Stopped):
            self.outcome.say(f"Stopped; {wrote}.")
        else:
            self.outcome.say(f"{wrote}: {self._names()}.")
        self.open.setVisible(bool(self.written))
        self.apply(self._gate)

    def _names(self) -> str:
        names = [path.name for path in self.written]
        return ", ".join(names if len(names) <= 6 else [*names[:2], "…", *names[-2:]])

    def _open(self) -> None:
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(self.written[-1].parent)))
