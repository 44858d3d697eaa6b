"""The Correct dock: objects put right by hand, each correction one Ctrl+Z."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Labels
from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QCheckBox,
    QGridLayout,
    QGroupBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.gui.corrections import (
    ALL,
    BORDER,
    FILL_ALL,
    SMALL,
    SMOOTH_ALL,
    SPLIT,
    TOOLS,
    Correction,
    Given,
    Numbers,
    in_words,
    shown_key,
)
from napari_nucleate.gui.dock import column, rows
from napari_nucleate.gui.edits import Editor, copy_of, why_not
from napari_nucleate.gui.evidence import axes_of, usual_ndim
from napari_nucleate.gui.fields import Choice
from napari_nucleate.gui.front import Front
from napari_nucleate.gui.gestures import Gesture
from napari_nucleate.gui.keys import Keys
from napari_nucleate.gui.session import session_of
from napari_nucleate.gui.widgets import LayerCombo, Sentence, follow

if TYPE_CHECKING:
    from napari import Viewer


class CorrectDock(QWidget):
    """Corrects the objects of a Labels layer by clicks, lines and keys.

    Tools stay in the hand until Escape; a tool's key acts at once on the object under the pointer.
    Keys are bound while the dock is in front. Each correction changes the image in view only, and
    is one step of napari's own history.

    Parameters
    ----------
    viewer : napari.Viewer
    """

    def __init__(self, viewer: Viewer) -> None:
        super().__init__()
        viewer = getattr(viewer, "__wrapped__", viewer)
        self._viewer = viewer
        self._session = session_of(viewer)
        self._editor: Editor | None = None
        self._followed: Labels | None = None
        self._keys = Keys(viewer)
        self._front = Front(self)
        self.tool: Correction | None = None
        self.gesture: Gesture | None = None
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
        self._connect()
        self._on_chosen(self.layers.layer)

    # -- the widgets ----------------------------------------------------------------------

    def _lay_out(self) -> None:
        self.layers.setToolTip("Whose objects are corrected; the selected Labels layer.")
        self.copy.setToolTip("Make a layer of your own with the same labels, and correct that.")
        self.cut.setToolTip("Split the object at the points.")
        self.leave.setToolTip("Put the tool away.")
        self.pixels.setToolTip("How far Smooth, Grow and Shrink reach.")
        self.gap.setToolTip("Background between merged objects up to this wide is closed.")
        self.size.setToolTip("Objects with fewer pixels than this are small.")
        self.ends.setToolTip("Whether the first and last plane of a volume are a border, too.")
        self.undo.setToolTip("Take the last change of this layer back: Ctrl+Z.")
        self.redo.setToolTip("Make it again: Ctrl+Shift+Z.")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 6, 6, 6)
        layout.setSpacing(8)
        layout.addWidget(self._what())
        layout.addWidget(self._tools())
        layout.addWidget(self._all())
        layout.addLayout(_row(self.undo, self.redo))
        layout.addWidget(self.said)
        layout.addStretch(1)
        # Or napari would leave half of the dock empty.
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)

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
        inside.addWidget(self.hint)
        inside.addLayout(_row(self.cut, self.leave))
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

    def _connect(self) -> None:
        self.layers.chosen.connect(self._on_chosen)
        self.dimensions.edited.connect(self.refresh)
        self.copy.clicked.connect(self._copy)
        self.cut.clicked.connect(self._cut)
        self.leave.clicked.connect(self.put_away)
        self.undo.clicked.connect(lambda: self._step("undo"))
        self.redo.clicked.connect(lambda: self._step("redo"))
        for correction in (*TOOLS, *ALL):
            button = self.buttons[correction.name]
            button.clicked.connect(partial(self._on_button, correction))
        follow(self, self._viewer.layers.selection.events.active, self._on_active)
        self._session.changed.connect(self._on_session)
        self._front.changed.connect(self._on_front)
        keys = self._keys
        self.destroyed.connect(lambda: keys.release())

    # -- the layer ------------------------------------------------------------------------

    def _on_active(self, event: Any = None) -> None:
        del event
        active = self._viewer.layers.selection.active
        if isinstance(active, Labels) and active is not self.layers.layer:
            self.layers.choose(active)

    def _on_chosen(self, layer: Labels | None) -> None:
        if self._followed is not None:
            for emitter in (
                self._followed.events.editable,
                self._followed.events.n_edit_dimensions,
            ):
                emitter.disconnect(self._on_layer_changed)
        self._followed = layer
        if layer is not None:
            for emitter in (layer.events.editable, layer.events.n_edit_dimensions):
                emitter.connect(self._on_layer_changed)
        self.said.say("")
        self._on_layer_changed()

    def _on_layer_changed(self, event: Any = None) -> None:
        """Guess again whether the layer's objects reach through planes."""
        del event
        layer = self.layers.layer
        deep = layer is not None and "Z" in axes_of(self._session, layer)
        self.dimensions.setEnabled(deep)
        self.dimensions.setToolTip(
            "Whether objects reach through planes." if deep else "The layer has no Z axis."
        )
        usual = 2
        if layer is not None and deep:
            usual = 3 if layer.n_edit_dimensions == 3 else usual_ndim(self._session, layer)
        self.dimensions.show_value(usual)
        self.refresh()

    def refresh(self) -> None:
        """Look whether the layer can be corrected; a tool in the hand is put away."""
        self.put_away()
        layer = self.layers.layer
        why = why_not(self._session, layer)
        self._editor = None
        if layer is not None and not why:
            self._editor = Editor(self._session, layer, self.dimensions.raw())
        self.note.warn(why) if layer is not None else self.note.say(why)
        self.copy.setVisible(bool(why) and layer is not None)
        for button in (*self.buttons.values(), self.undo, self.redo):
            button.setEnabled(self._editor is not None)
        self.ends.setEnabled(self._editor is not None and self.dimensions.raw() == 3)
        self._bind()

    def _on_session(self) -> None:
        """Look again if the work changed whether or how the layer can be corrected."""
        layer, editor = self.layers.layer, self._editor
        if layer is None or bool(why_not(self._session, layer)) == (editor is not None):
            self.refresh()
        elif editor is not None:
            now = Editor(self._session, layer, self.dimensions.raw())
            if now.spatial != editor.spatial:
                self._on_layer_changed()

    def _copy(self) -> None:
        if self.layers.layer is not None:
            self.layers.choose(copy_of(self._session, self.layers.layer, self.dimensions.raw()))

    # -- keys -----------------------------------------------------------------------------

    def _on_front(self, in_front: bool) -> None:
        if not in_front:
            self.put_away()
        self._bind()

    def _bind(self) -> None:
        """Bind the keys, while they mean what the buttons in sight say."""
        self._keys.release()
        if self._editor is not None and self._front.seen:
            keys = {c.key: partial(self._on_key, c) for c in (*TOOLS, *ALL)}
            self._keys.bind(self._editor.layer, keys)

    def _on_key(self, correction: Correction) -> None:
        if correction.gesture != "click" or self._editor is None:
            self._on_button(correction)
            return
        try:
            pixel = self._editor.pointed()
        except NucleateError as error:
            self.said.warn(str(error))
            return
        self._act(correction, np.array([pixel], float))

    # -- tools ----------------------------------------------------------------------------

    def _on_button(self, correction: Correction, checked: bool = False) -> None:
        del checked
        if self._editor is None:
            return
        again = correction is self.tool
        self.put_away()
        self.said.say("")
        if correction.gesture == "all":
            self._act(correction, np.array([self._editor.in_view()], float))
        elif not again:
            self._take(correction)

    def _take(self, tool: Correction) -> None:
        """Take a tool into the hand."""
        editor = self._editor
        if editor is None:
            return
        if tool.gesture == "line":
            try:
                editor.through()
            except NucleateError as error:
                self.buttons[tool.name].setChecked(False)
                self.said.warn(str(error))
                return
        self.tool = tool
        self.gesture = Gesture(self._viewer, editor, tool.gesture, self)
        self.gesture.made.connect(self._on_made)
        self.gesture.marked.connect(self._on_marked)
        self.gesture.refused.connect(self.said.warn)
        self.gesture.left.connect(self.put_away)
        self.buttons[tool.name].setChecked(True)
        self.hint.say(f"{tool.next} Escape leaves the tool.")
        self.leave.setVisible(True)
        self._on_marked(0)
        keys = {"Escape": self.put_away}
        if tool is SPLIT:
            keys["Enter"] = self._cut
        self._keys.bind(editor.layer, keys, over=True)

    def put_away(self) -> None:
        """Put the tool away; the layer is as before."""
        gesture, self.gesture, self.tool = self.gesture, None, None
        if gesture is not None:
            gesture.stop()
            gesture.deleteLater()
            self._keys.release("Escape", "Enter")
        for button in self.buttons.values():
            button.setChecked(False)
        self.hint.say("")
        self.leave.setVisible(False)
        self.cut.setVisible(False)

    def _on_marked(self, count: int) -> None:
        self.cut.setVisible(self.tool is SPLIT)
        self.cut.setEnabled(count > 1)
        if count:
            more = "press Enter, or click another" if count > 1 else "click the next part"
            self.hint.say(f"{count} point{'s' * (count != 1)}: {more}. Escape leaves the tool.")
            self.said.say("")

    def _cut(self) -> None:
        if self.gesture is None:
            return
        if len(self.gesture.points) < 2:
            self.said.warn("Click two or more points in one object first.")
        elif self._act(SPLIT, np.array(self.gesture.points)):
            self.gesture.clear()
            self.hint.say(f"{SPLIT.next} Escape leaves the tool.")

    def _on_made(self, positions: np.ndarray) -> None:
        if self.tool is not None:
            self._act(self.tool, positions)

    # -- corrections ----------------------------------------------------------------------

    def _act(self, correction: Correction, positions: np.ndarray) -> bool:
        """Correct the image that the first position lies in, and say what was done."""
        editor = self._editor
        if editor is None:
            return False
        try:
            # A line may begin outside of the image.
            shape = np.array(editor.layer.data.shape)
            pixel = editor.pixel(
                np.clip(positions[0], 0, shape - 1)
                if correction.gesture == "line"
                else positions[0]
            )
            along = editor.through() if correction.gesture == "line" else 0
            given = Given(
                editor.inside(positions), along, editor.spacing, editor.largest, self._numbers()
            )
            edit = editor.apply(pixel, lambda image: correction.make(image, given))
        except NucleateError as error:
            self.said.warn(str(error))
            return False
        self.said.say(in_words(correction, edit))
        return True

    def _numbers(self) -> Numbers:
        return Numbers(
            self.pixels.value(), self.gap.value(), self.size.value(), self.ends.isChecked()
        )

    def _step(self, what: str) -> None:
        if self._editor is not None:
            getattr(self._editor.layer, what)()
            self.said.say("")


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
    return box


def _row(*widgets: QWidget, stretch: bool = False) -> QHBoxLayout:
    row = QHBoxLayout()
    row.setSpacing(4)
    for widget in widgets:
        row.addWidget(widget, 0 if stretch else 1)
    if stretch:
        row.addStretch(1)
    return row
