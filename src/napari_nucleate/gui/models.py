"""The models of a project: how good each is, what it learned from, and which is in use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyqtgraph as pg
from qtpy.QtCore import QAbstractTableModel, QModelIndex, Qt
from qtpy.QtGui import QFont
from qtpy.QtWidgets import QHeaderView, QLabel, QTableView, QVBoxLayout, QWidget

from napari_nucleate.gui.images_table import STATUS_COLOURS
from napari_nucleate.gui.plots import paint, small_plot
from napari_nucleate.gui.widgets import ROW, GatedButton, follow, list_rows, plain
from napari_nucleate.project.plan import Gate

if TYPE_CHECKING:
    from napari import Viewer

    from napari_nucleate.project.model import RoundEntry, State

AP, ASIDE = "#4cb86a", "#dd5c5c"
HUMAN_COLOUR, PSEUDO_COLOUR = STATUS_COLOURS["labelled"], STATUS_COLOURS["accepted"]


class ModelsTable(QAbstractTableModel):
    """Models by row, the oldest first."""

    HEADERS = ("Model", "AP", "Objects", "Time")
    TIPS = (
        "Bold: the model in use.",
        "Mean AP at IoU 0.5 to 0.9 on what was held out of a person's labels; where these are too "
        "few to hold some out, on what was learned from, and too high.",
        "Labelled objects: a person's, those held out among them, and predicted ones.",
        "Time of training.",
    )

    def __init__(self) -> None:
        super().__init__()
        self.rounds: tuple[RoundEntry, ...] = ()
        self.used = ""

    def show_state(self, state: State) -> None:
        """Show the models of a project."""
        used = state.model
        if (state.rounds, used) != (self.rounds, self.used):
            self.beginResetModel()
            self.rounds, self.used = state.rounds, used
            self.endResetModel()

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        """One row a model."""
        return 0 if parent is not None and parent.isValid() else len(self.rounds)

    def columnCount(self, parent: QModelIndex | None = None) -> int:
        """As many as `HEADERS`."""
        return 0 if parent is not None and parent.isValid() else len(self.HEADERS)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Text, font and tooltip of a cell."""
        entry = self.rounds[index.row()]
        if role == Qt.ItemDataRole.DisplayRole:
            return in_words(entry)[index.column()]
        if role == Qt.ItemDataRole.FontRole:
            font = QFont()
            font.setBold(entry.model == self.used)
            font.setStrikeOut(bool(entry.set_aside) and entry.model != self.used)
            return font
        if role == Qt.ItemDataRole.ToolTipRole:
            return plain(told(entry, entry.model == self.used))
        return None

    def headerData(
        self,
        section: int,
        orientation: Qt.Orientation,
        role: int = Qt.ItemDataRole.DisplayRole,
    ) -> Any:
        """Names of the columns."""
        if orientation == Qt.Orientation.Horizontal:
            if role == Qt.ItemDataRole.DisplayRole:
                return self.HEADERS[section]
            if role == Qt.ItemDataRole.ToolTipRole:
                return self.TIPS[section]
        return None


class Models(QWidget):
    """The history of a project at a glance: a chart, a table, and a button to use another model.

    Parameters
    ----------
    viewer : napari.Viewer
    """

    def __init__(self, viewer: Viewer) -> None:
        super().__init__()
        self._viewer = viewer
        self._running = ""
        self.models = ModelsTable()
        self.table = QTableView()
        self.plot, self.bars = small_plot(90), small_plot(70)
        self.line = self.plot.plot(pen=pg.mkPen(AP, width=1.5), symbol="o", symbolSize=6)
        self.human = pg.BarGraphItem(x=[], height=[], width=0.6, brush=HUMAN_COLOUR, pen=None)
        self.pseudo = pg.BarGraphItem(
            x=[], height=[], y0=[], width=0.6, brush=PSEUDO_COLOUR, pen=None
        )
        self.use = GatedButton(
            "Use this model",
            "Predict with the selected model from now on, and train further from its weights.",
        )
        self._set_up()
        self.table.doubleClicked.connect(self.use.click)
        self.table.selectionModel().selectionChanged.connect(self._apply_gate)
        self.models.modelReset.connect(self._apply_gate)
        follow(self, viewer.events.theme, self._on_theme)
        self._on_theme()

    @property
    def selected(self) -> str:
        """Name of the selected model; empty where none is."""
        rows = self.table.selectionModel().selectedRows()
        return self.models.rounds[rows[0].row()].model if rows else ""

    def show_state(self, state: State, running: str) -> None:
        """Show the models of a project; while something `running`, none can be chosen."""
        self._running = running
        self.models.show_state(state)
        self._fit()
        self._draw(state.rounds)
        self._apply_gate()

    def _set_up(self) -> None:
        table = self.table
        table.setModel(self.models)
        list_rows(table)
        header = table.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self.bars.addItem(self.human)
        self.bars.addItem(self.pseudo)
        self.bars.setXLink(self.plot)
        for plot, what in ((self.plot, "AP"), (self.bars, "Objects")):
            plot.getAxis("left").setWidth(44)
            plot.getAxis("bottom").setStyle(showValues=False)
            plot.setLabel("left", what)
            plot.getAxis("left").enableAutoSIPrefix(False)
        self.legend = QLabel(
            f'<span style="color: {HUMAN_COLOUR}">■</span> a person\'s&nbsp;&nbsp;&nbsp;'
            f'<span style="color: {PSEUDO_COLOUR}">■</span> predictions&nbsp;&nbsp;&nbsp;'
            f'<span style="color: {ASIDE}">●</span> set aside'
        )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        for widget in (self.plot, self.bars, self.legend, self.table, self.use):
            layout.addWidget(widget)

    def _fit(self) -> None:
        """Make the table as high as its rows, up to six."""
        rows = min(max(self.models.rowCount(), 1), 6)
        high = self.table.horizontalHeader().sizeHint().height() + ROW * rows + 4
        self.table.setFixedHeight(high)

    def _draw(self, rounds: tuple[RoundEntry, ...]) -> None:
        # One point is no curve.
        for widget in (self.plot, self.bars, self.legend):
            widget.setVisible(len(rounds) > 1)
        x = np.arange(len(rounds))
        ap = np.array([np.nan if r.validation_ap is None else r.validation_ap for r in rounds])
        colours = [ASIDE if r.set_aside else AP for r in rounds]
        known = np.isfinite(ap)
        measured = np.array([r.measured for r in rounds])[known]
        self.line.setData(
            x[known],
            ap[known],
            # By other labels than the one before, a point is another measure.
            connect=np.append(measured[1:] == measured[:-1], False).astype(np.int32),
            symbolBrush=[c for c, k in zip(colours, known, strict=True) if k],
            symbolPen=None,
        )
        human = np.array([r.human_objects or 0 for r in rounds])
        self.human.setOpts(x=x, height=human)
        self.pseudo.setOpts(x=x, y0=human, height=np.array([r.pseudo_objects or 0 for r in rounds]))
        if known.any():  # with room above and below, and never as if a hundredth were a leap
            self.plot.setYRange(ap[known].min() - 0.05, ap[known].max() + 0.05, padding=0)
        self.plot.setXRange(-0.5, max(len(rounds), 2) - 0.5, padding=0.02)

    def _apply_gate(self) -> None:
        name = self.selected
        why = "" if name else "Select a model in the table first."
        if name and name == self.models.used:
            why = f"{name} is in use."
        if self._running:
            why = f"Wait: {self._running} is under way."
        self.use.apply(Gate(why))

    def _on_theme(self, event: object = None) -> None:
        del event
        for plot in (self.plot, self.bars):
            paint(plot, self._viewer)


def in_words(entry: RoundEntry) -> tuple[str, str, str, str]:
    """Name, AP, objects and time of a model, as in the table; before → after, where both are known.

    Examples
    --------
    >>> from napari_nucleate.project.model import RoundEntry
    >>> in_words(
    ...     RoundEntry(
    ...         number=1,
    ...         model="round-1",
    ...         human=2,
    ...         pseudo=4,
    ...         human_objects=31,
    ...         pseudo_objects=70,
    ...         seconds=75,
    ...         validation_ap=0.5,
    ...     )
    ... )
    ('round-1', '0.50', '31 + 70', '1 min 15 s')
    """
    ap = "–" if entry.validation_ap is None else f"{entry.validation_ap:.2f}"
    if entry.initial_ap is not None:
        ap = f"{entry.initial_ap:.2f} → {ap}"
    objects = "–"
    if entry.human_objects is not None:
        objects = str(entry.human_objects)
        if entry.pseudo:
            objects += f" + {entry.pseudo_objects}"
    minutes, seconds = divmod(round(entry.seconds), 60)
    time = f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
    return entry.model, ap, objects, time


def told(entry: RoundEntry, used: bool) -> str:
    """All that the history says of a model, in sentences."""
    images = f"Learned from {entry.human} labelled image{'s' * (entry.human != 1)}"
    if entry.pseudo:
        images += f" and {entry.pseudo} prediction{'s' * (entry.pseudo != 1)}"
    lines = [f"{entry.model}, round {entry.number}.", f"{images}."]
    if entry.initial:
        lines.append(f"Began with the weights of {entry.initial}.")
    if used:
        lines.append("In use.")
    elif entry.set_aside:
        lines.append(entry.set_aside)
    return "\n".join(lines)
