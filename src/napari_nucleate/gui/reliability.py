"""Whether the confidence of the model trained last is what it says, drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyqtgraph as pg
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_nucleate.core.confidence.reliability import calibration_error
from napari_nucleate.gui.plots import paint, small_plot
from napari_nucleate.gui.widgets import Sentence, follow

if TYPE_CHECKING:
    from napari import Viewer

    from napari_nucleate.core.confidence.trust import Trust

SHARE, PERFECT = "#4c9be8", "#8a8f98"
SMALLEST, LARGEST = 5.0, 14.0
"""Diameter of a dot: of few objects, and of half of all."""


class ReliabilityChart(QWidget):
    """The share of objects that is right, by the confidence that they were given.

    Hidden where nothing is known: too few objects were held out.

    Parameters
    ----------
    viewer : napari.Viewer
    """

    def __init__(self, viewer: Viewer) -> None:
        super().__init__()
        self._viewer = viewer
        self.said = Sentence()
        self.plot = small_plot(130)
        self.plot.getAxis("left").setWidth(36)
        self.plot.setXRange(0, 1, padding=0.04)
        self.plot.setYRange(0, 1, padding=0.08)
        self.plot.setLabel("bottom", "Confidence")
        self.plot.setToolTip(
            "Objects of labels that weren't learned from, by their confidence: dots on the line "
            "mean that of those given 0.9, nine in ten match a true object (IoU 0.5). Above it, "
            "objects are better than was said; below, worse. Larger dots are more objects."
        )
        dashed = pg.mkPen(PERFECT, width=1, style=Qt.PenStyle.DashLine)
        self.plot.plot([0, 1], [0, 1], pen=dashed)
        self.line = self.plot.plot(
            pen=pg.mkPen(SHARE, width=1.5), symbol="o", symbolBrush=SHARE, symbolPen=None
        )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self.said)
        layout.addWidget(self.plot)
        follow(self, viewer.events.theme, self._on_theme)
        self._on_theme()
        self.hide()

    def show_trust(self, trust: Trust | None) -> None:
        """Draw what is known of a model's confidence; hide without it."""
        bins = trust.reliability if trust is not None else ()
        self.setVisible(bool(bins))
        if not bins:
            return
        total = sum(one.count for one in bins)
        share = np.array([one.count for one in bins]) / total
        self.line.setData(
            [one.said for one in bins],
            [one.right for one in bins],
            symbolSize=SMALLEST + (LARGEST - SMALLEST) * np.minimum(2 * share, 1),
        )
        self.said.say(
            f"Confidence of {total} objects held out is off by {calibration_error(bins):.2f} "
            "on average."
        )

    def _on_theme(self, event: object = None) -> None:
        del event
        paint(self.plot, self._viewer)
