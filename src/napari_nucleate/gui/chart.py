"""The learning curve: loss of steps and validations, and how good the validation images are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyqtgraph as pg
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from napari_nucleate.gui.plots import paint, small_plot
from napari_nucleate.gui.widgets import follow

if TYPE_CHECKING:
    from napari import Viewer

    from napari_nucleate.core.events import Step, Validated

LOSS, VALIDATION, AP, DICE = "#e0a72e", "#d96f9d", "#4cb86a", "#4c9be8"
MOST_POINTS = 2000


class LearningChart(QWidget):
    """Two plots over the steps: the losses, and AP and Dice on the validation images.

    Hidden until there is something to draw. Drawn at most once a second, however many steps come;
    long trainings are thinned out.
    """

    def __init__(self, viewer: Viewer) -> None:
        super().__init__()
        self._steps: list[tuple[float, float]] = []
        self._scores: list[tuple[float, float, float, float]] = []
        self._every = 1
        self._seen = 0
        self.loss_plot, self.score_plot = small_plot(110), small_plot(110)
        self.loss_line = self.loss_plot.plot(pen=pg.mkPen(LOSS, width=1.5))
        self.validation_line = _dotted(self.loss_plot, VALIDATION)
        self.ap_line = _dotted(self.score_plot, AP)
        self.dice_line = _dotted(self.score_plot, DICE)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(
            _legend(
                ("Loss", LOSS, "How far from the labels; lower is better."),
                (
                    "Validation loss",
                    VALIDATION,
                    "Cross-entropy on the validation images; where it rises again, the network "
                    "learns the training images by heart.",
                ),
            )
        )
        layout.addWidget(self.loss_plot)
        layout.addWidget(
            _legend(
                ("AP", AP, "Objects found and well outlined (IoU 0.5 to 0.9); 1 is perfect."),
                ("Dice", DICE, "Overlap of all painted pixels; 1 is perfect."),
            )
        )
        layout.addWidget(self.score_plot)
        for plot in (self.loss_plot, self.score_plot):
            plot.getAxis("left").setWidth(36)
        self.score_plot.setXLink(self.loss_plot)
        self.score_plot.setYRange(0, 1, padding=0.08)
        self.loss_plot.getAxis("bottom").setStyle(showValues=False)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(1000)
        self._timer.timeout.connect(self.draw)
        self._viewer = viewer
        follow(self, viewer.events.theme, self._on_theme)
        self._on_theme()
        self.hide()

    def clear(self) -> None:
        """Begin anew."""
        self._steps, self._scores, self._every, self._seen = [], [], 1, 0
        self.draw()

    def add_step(self, event: Step) -> None:
        """Note the loss of a step."""
        self._seen += 1
        if np.isfinite(event.loss) and self._seen % self._every == 0:
            self._steps.append((event.step, event.loss))
        if len(self._steps) > MOST_POINTS:
            pairs = np.array(self._steps[: MOST_POINTS // 2 * 2]).reshape(-1, 2, 2)
            self._steps = [(float(s), float(loss)) for s, loss in pairs.mean(1)]
            self._every *= 2
        self._later()

    def add_validation(self, event: Validated) -> None:
        """Note the loss and the scores of a validation."""
        self._scores.append((event.step, event.loss, event.ap, event.dice))
        self._later()

    def draw(self) -> None:
        """Draw what was noted, now."""
        self.setVisible(bool(self._steps or self._scores))
        steps = np.array(self._steps).reshape(-1, 2)
        scores = np.array(self._scores).reshape(-1, 4)
        finite = scores[np.isfinite(scores[:, 1])]
        self.loss_line.setData(steps[:, 0], _smooth(steps[:, 1]))
        self.validation_line.setData(finite[:, 0], finite[:, 1])
        self.ap_line.setData(scores[:, 0], scores[:, 2])
        self.dice_line.setData(scores[:, 0], scores[:, 3])

    def _later(self) -> None:
        if not self._timer.isActive():
            self._timer.start()

    def _on_theme(self, event: object = None) -> None:
        del event
        for plot in (self.loss_plot, self.score_plot):
            paint(plot, self._viewer)


def _dotted(plot: pg.PlotWidget, colour: str) -> pg.PlotDataItem:
    return plot.plot(
        pen=pg.mkPen(colour, width=1.5),
        symbol="o",
        symbolSize=5,
        symbolBrush=colour,
        symbolPen=None,
    )


def _smooth(values: np.ndarray) -> np.ndarray:
    """Mean over neighbours, a fiftieth of the curve wide: single steps are noise."""
    width = max(1, len(values) // 50)
    if width == 1:
        return values
    padded = np.pad(values, (width // 2, width - 1 - width // 2), mode="edge")
    return np.convolve(padded, np.ones(width) / width, mode="valid")


def _legend(*entries: tuple[str, str, str]) -> QLabel:
    text = "&nbsp;&nbsp;&nbsp;".join(
        f'<span style="color: {c}">●</span> {n}' for n, c, _ in entries
    )
    label = QLabel(text)
    label.setToolTip("\n".join(f"{name}: {tip}" for name, _, tip in entries))
    return label
