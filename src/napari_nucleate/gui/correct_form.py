"""The widgets of the Correct dock, without what they do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari.layers import Labels
from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QCheckBox,
    QGridLayout,
    QGroupBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSpinBox,
    QWidget,
)

from napari_nucleate.gui.corrections import (
    ALL,
    BORDER,
    FILL_ALL,
    SMALL,
    SMOOTH_ALL,
    TOOLS,
    Correction,
    Numbers,
    shown_key,
)
from napari_nucleate.gui.dock import column, rows, scrolling
from napari_nucleate.gui.fields import Choice
from napari_nucleate.gui.widgets import LayerCombo, Sentence, calm

if TYPE_CHECKING:
    from napari import Viewer


class CorrectForm(QWidget):
    """Lays out the Correct dock.

    Parameters
    ----------
    viewer : napari.Viewer
    """

    def __init__(self, viewer: Viewer) -> None:
        super().__init__()
        self.layers = LayerCombo(viewer, Labels)
        self.dimensions = Choice([("2D, each plane by itself", 2), ("3D", 3)])
        self.note = Sentence()
        self.copy = QPushButton("Copy to a new layer")
        self.buttons = {c.name: _button(c) for c in (*TOOLS, *ALL)}
        self.pixels, self.gap = _number(1, 50, 1), _number(0, 50, 2)
        self.size = _number(1, 10_000_000, 50)
        self.ends = QCheckBox("Z ends, too")
        self.hint = Sentence()
        self.cut = QPushButton("Cut  (Enter)")
        self.leave = QPushButton("Leave  (Esc)")
        self.undo, self.redo = QPushButton("Undo"), QPushButton("Redo")
        self.said = Sentence()
        self._lay_out()

    def numbers(self) -> Numbers:
        """What is set beside the tools."""
        return Numbers(
            self.pixels.value(), self.gap.value(), self.size.value(), self.ends.isChecked()
        )

    def _lay_out(self) -> None:
        self.layers.setToolTip("Whose objects are corrected; the selected Labels layer.")
        self.copy.setToolTip("Make a layer of your own with the same labels, and correct that.")
        self.cut.setToolTip("Split the object at the points.")
        self.leave.setToolTip("Put the tool away.")
        self.pixels.setToolTip("How far Smooth, Grow and Shrink reach.")
        self.gap.setToolTip("Background between merged objects up to this wide is closed.")
        self.size.setToolTip("Objects with fewer pixels than this are small.")
        self.ends.setToolTip("Whether the first and last plane of a volume are a border, too.")
        self.undo.setToolTip("Take back what was done last: Ctrl+Z.")
        self.redo.setToolTip("Make it again: Ctrl+Shift+Z.")
        layout = scrolling(self)
        layout.addWidget(self._what())
        layout.addWidget(self._tools())
        layout.addWidget(self._all())
        layout.addLayout(_row(self.undo, self.redo))
        # What comes and goes is at the end, so that no button moves away from the pointer.
        layout.addWidget(self.hint)
        layout.addLayout(_row(self.cut, self.leave))
        layout.addWidget(self.said)
        layout.addStretch(1)

    def _what(self) -> QGroupBox:
        group = QGroupBox("What")
        fields = rows()
        fields.addRow("Layer", self.layers)
        fields.addRow("Objects", self.dimensions)
        inside = column(group)
        inside.addLayout(fields)
        inside.addWidget(self.note)
        inside.addWidget(self.copy)
        return group

    def _tools(self) -> QGroupBox:
        group = QGroupBox("One object")
        inside = column(group)
        grid = QGridLayout()
        grid.setSpacing(4)
        for place, tool in enumerate(TOOLS):
            grid.addWidget(self.buttons[tool.name], *divmod(place, 2))
        inside.addLayout(grid)
        inside.addLayout(
            _row(QLabel("Smooth, grow, shrink by"), self.pixels, QLabel("px"), stretch=True)
        )
        inside.addLayout(
            _row(QLabel("Merge closes gaps up to"), self.gap, QLabel("px"), stretch=True)
        )
        return group

    def _all(self) -> QGroupBox:
        group = QGroupBox("All objects of the image in view")
        grid = QGridLayout()
        grid.setSpacing(4)
        grid.setColumnStretch(0, 1)
        grid.setColumnStretch(1, 1)
        grid.addWidget(self.buttons[FILL_ALL.name], 0, 0)
        grid.addWidget(self.buttons[SMOOTH_ALL.name], 0, 1)
        grid.addWidget(self.buttons[BORDER.name], 1, 0)
        grid.addWidget(self.ends, 1, 1)
        grid.addWidget(self.buttons[SMALL.name], 2, 0)
        grid.addLayout(_row(QLabel("below"), self.size, QLabel("px"), stretch=True), 2, 1)
        column(group).addLayout(grid)
        return group


def _button(correction: Correction) -> QPushButton:
    """A button that shows its key; tools stay pressed while they are in the hand."""
    key = shown_key(correction.key)
    button = QPushButton(f"{correction.name}  ({key})")
    button.setCheckable(correction.gesture != "all")
    # The keyboard stays with the image.
    button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    at_once = {
        "click": f" {key} does it at once to the object under the pointer.",
        "all": f" Key: {key}.",
    }
    button.setToolTip(
        correction.tip + at_once.get(correction.gesture, f" {key} takes and leaves the tool.")
    )
    return button


def _number(low: int, high: int, value: int) -> QSpinBox:
    box = QSpinBox()
    box.setRange(low, high)
    box.setValue(value)
    calm(box)
    return box


def _row(*widgets: QWidget, stretch: bool = False) -> QHBoxLayout:
    row = QHBoxLayout()
    row.setSpacing(4)
    for widget in widgets:
        row.addWidget(widget, 0 if stretch else 1)
    if stretch:
        row.addStretch(1)
    return row
