"""The Correct dock: objects put right by hand, each correction one Ctrl+Z."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Labels
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.gui.axes import axes_of, usual_ndim
from napari_nucleate.gui.correct_form import CorrectForm
from napari_nucleate.gui.corrections import (
    ALL,
    SPLIT,
    TOOLS,
    Correction,
    Given,
    in_words,
)
from napari_nucleate.gui.edits import Editor, copy_of, why_not
from napari_nucleate.gui.front import Front
from napari_nucleate.gui.gestures import Gesture
from napari_nucleate.gui.keys import Keys
from napari_nucleate.gui.life import Follower
from napari_nucleate.gui.session import session_of
from napari_nucleate.gui.widgets import follow

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari import Viewer

    from napari_nucleate.core.images import NDim


class CorrectDock(CorrectForm):
    """Corrects the objects of a Labels layer by clicks, lines and keys.

    Tools stay in the hand until Escape; a tool's key acts at once on the object under the pointer.
    Keys are bound while the dock is in front. Each correction changes the image in view only, and
    is one step of napari's own history.

    Parameters
    ----------
    viewer : napari.Viewer
    """

    def __init__(self, viewer: Viewer) -> None:
        viewer = getattr(viewer, "__wrapped__", viewer)
        super().__init__(viewer)
        self._viewer = viewer
        self._session = session_of(viewer)
        self._editor: Editor | None = None
        # As deep as objects of the layer most likely reach; the person may know better.
        self._usual: NDim = 2
        self._follower = Follower(self._on_layer_changed, ("editable", "n_edit_dimensions"))
        self._keys = Keys(viewer)
        self._front = Front(self)
        self.tool: Correction | None = None
        self.gesture: Gesture | None = None
        self._connect()
        self._on_chosen(self.layers.layer)

    def _connect(self) -> None:
        self.layers.chosen.connect(self._on_chosen)
        self.dimensions.edited.connect(self.refresh)
        self.copy.clicked.connect(self._copy)
        self.cut.clicked.connect(self._cut)
        self.leave.clicked.connect(lambda: self.put_away(now=True))
        self.undo.clicked.connect(lambda: self._step("undo"))
        self.redo.clicked.connect(lambda: self._step("redo"))
        for correction in (*TOOLS, *ALL):
            button = self.buttons[correction.name]
            button.clicked.connect(partial(self._on_button, correction))
        follow(self, self._viewer.layers.selection.events.active, self._on_active)
        self._session.changed.connect(self._on_session)
        self._front.changed.connect(self._on_front)
        self.destroyed.connect(self._keys.release_all)
        self.destroyed.connect(lambda: self._follower.follow(None))

    # -- the layer ------------------------------------------------------------------------

    def _on_active(self, event: Any = None) -> None:
        del event
        active = self._viewer.layers.selection.active
        if isinstance(active, Labels) and active is not self.layers.layer:
            self.layers.choose(active)

    def _on_chosen(self, layer: Labels | None) -> None:
        self._follower.follow(layer)
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
        self._usual = self._guessed(layer)
        self.dimensions.show_value(self._usual)
        self.refresh()

    def _guessed(self, layer: Labels | None) -> NDim:
        """As many dimensions as objects of the layer most likely have."""
        if layer is None or "Z" not in axes_of(self._session, layer):
            return 2
        return 3 if layer.n_edit_dimensions == 3 else usual_ndim(self._session, layer)

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
            # A layer is made first, and the project's afterwards.
            other = (now.spatial, now.extents) != (editor.spatial, editor.extents)
            if other or self._guessed(layer) != self._usual:
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
        self._keys.release_all()
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
        self.put_away(now=True)
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
        keys = {"Escape": lambda: self.put_away(now=True)}
        if tool is SPLIT:
            keys["Enter"] = self._cut
        self._keys.bind(editor.layer, keys, over=True)

    def put_away(self, now: bool = False) -> None:
        """Put the tool away; the layer is as before.

        Parameters
        ----------
        now : bool
            Whether the marks go at once: not while napari says that layers come or go.
        """
        gesture, self.gesture, self.tool = self.gesture, None, None
        if gesture is not None:
            gesture.stop(now)
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
            return
        gesture = self.gesture
        # The session may put the tool away meanwhile, as where the layer's status is another now.
        if self._act(SPLIT, np.array(gesture.points)) and self.gesture is gesture:
            gesture.clear()
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
            shape = np.array(editor.shape_at(positions[0]))
            pixel = editor.pixel(
                np.clip(positions[0], 0, shape - 1)
                if correction.gesture == "line"
                else positions[0]
            )
            along = editor.through() if correction.gesture == "line" else 0
            given = Given(
                editor.inside(positions), along, editor.spacing, editor.largest, self.numbers()
            )
            with _patience():
                edit = editor.apply(pixel, lambda image: correction.make(image, given))
        except NucleateError as error:
            self.said.warn(str(error))
            return False
        self.said.say(in_words(correction, edit))
        return True

    def _step(self, what: str) -> None:
        said = getattr(self._session.undoing, what)()
        self.said.say(f"{'Undone' if what == 'undo' else 'Done again'}: {said}." if said else "")


@contextmanager
def _patience() -> Iterator[None]:
    """Show the pointer that says wait: smoothing all objects of a volume takes seconds."""
    QApplication.setOverrideCursor(Qt.CursorShape.WaitCursor)
    try:
        yield
    finally:
        QApplication.restoreOverrideCursor()
