"""Clicks, points and lines in the canvas, while a tool of the Correct dock is in the hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, Qt, Signal

from napari_nucleate.core.errors import NucleateError

if TYPE_CHECKING:
    from collections.abc import Generator

    from napari import Viewer
    from napari.layers import Labels, Layer, Points, Shapes

    from napari_nucleate.gui.edits import Editor

MARKS = "correcting"
"""Name of the layer that shows points and lines while they are drawn."""
STILL = 4
"""Screen pixels that a click may move; farther it is a drag of the view."""


class Gesture(QObject):
    """Listens to the mouse on a layer until `stop`, with the layer's own tools put away.

    Parameters
    ----------
    viewer : napari.Viewer
    editor : Editor
    kind : {"click", "points", "line"}
    parent : QObject, optional

    Signals
    -------
    made(object)
        A click or a line is complete: positions in the layer's data, (K, layer.ndim).
    marked(int)
        There are so many points now.
    refused(str)
        Why a click doesn't count.
    left
        The person took up another tool of napari's, or the layer went.
    """

    made = Signal(object)
    marked = Signal(int)
    refused = Signal(str)
    left = Signal()
    _over = Signal()

    def __init__(
        self, viewer: Viewer, editor: Editor, kind: str, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._viewer, self._editor, self.kind = viewer, editor, kind
        self.layer: Labels = editor.layer
        self.points: list[np.ndarray] = []
        self._before = self.layer.mode
        self._marks: Points | Shapes | None = None
        viewer.layers.selection.active = self.layer
        self.layer.mode = "pan_zoom"
        if kind != "click":
            self._marks = self._add_marks()
        # Dragging draws; the wheel still zooms.
        self.layer.mouse_pan = kind != "line"
        self.layer.cursor = "cross"
        self.layer.mouse_drag_callbacks.append(self._on_drag)
        self.layer.events.mode.connect(self._on_left)
        viewer.layers.selection.events.active.connect(self._on_active)
        # Layers mustn't go while napari still tells everybody that another one came or went.
        self._over.connect(self._remove_marks, Qt.ConnectionType.QueuedConnection)

    def stop(self, now: bool = False) -> None:
        """Give the layer back as it was, and take the marks away, now or a moment later."""
        self._viewer.layers.selection.events.active.disconnect(self._on_active)
        self.layer.events.mode.disconnect(self._on_left)
        if self._on_drag in self.layer.mouse_drag_callbacks:
            self.layer.mouse_drag_callbacks.remove(self._on_drag)
        if self.layer.mode == "pan_zoom":
            self.layer.mouse_pan = True
            self.layer.cursor = "standard"
            self.layer.mode = self._before
        if now:
            self._remove_marks()
        else:
            self._over.emit()

    def clear(self) -> None:
        """Forget the points."""
        self.points.clear()
        self._show([])
        self.marked.emit(0)

    # -- the mouse ------------------------------------------------------------------------

    def _on_drag(self, layer: Labels, event: Any) -> Generator[None, None, None]:
        del layer
        if event.button != 1:
            return
        start = np.array(event.pos)
        if self.kind == "line":
            yield from self._draw(event)
            return
        position, moved = self._position(event), False
        yield
        while event.type == "mouse_move":
            moved |= bool(np.abs(np.array(event.pos) - start).max() > STILL)
            yield
        if not moved and position is not None:
            self._click(position)

    def _draw(self, event: Any) -> Generator[None, None, None]:
        first = self._position(event)
        if first is None:
            return
        line = [first]
        yield
        while event.type == "mouse_move":
            at = self._position(event)
            if at is not None and np.abs(at - line[-1]).max() >= 1:
                line.append(at)
                self._show(line)
            yield
        self._show([])
        if len(line) > 1:
            self.made.emit(np.array(line))
        else:
            self.refused.emit("Hold the mouse button down and draw a line.")

    def _click(self, position: np.ndarray) -> None:
        if self.kind == "click":
            self.made.emit(position[np.newaxis])
            return
        try:
            pixel = self._editor.pixel(position)
            self._one_object(pixel)
        except NucleateError as error:
            self.refused.emit(str(error))
            return
        self.points.append(np.array(pixel, float))
        self._show(self.points)
        self.marked.emit(len(self.points))

    def _one_object(self, pixel: tuple[int, ...]) -> None:
        """Refuse a point beside the object that the others lie in, or on the background."""
        data = self.layer.data
        label = int(data[pixel])
        if not label:
            raise NucleateError("There is no object there; click on the one to split.")
        if self.points:
            first = tuple(int(p) for p in self.points[0])
            if self._editor.place(first) != self._editor.place(pixel):
                raise NucleateError("The first point lies in another image; Escape forgets it.")
            if int(data[first]) != label:
                raise NucleateError(
                    f"This is object {label}, the first point lies in {int(data[first])}; click "
                    "within one object."
                )

    def _position(self, event: Any) -> np.ndarray | None:
        try:
            return self._editor.position(event.position, event.view_direction)
        except NucleateError as error:
            self.refused.emit(str(error))
            return None

    # -- marks ----------------------------------------------------------------------------

    def _add_marks(self) -> Points | Shapes:
        layer = self.layer
        where = {
            "ndim": layer.ndim,
            "scale": layer.scale,
            "translate": layer.translate,
            "rotate": layer.rotate,
            "shear": layer.shear,
            "affine": layer.affine,
            "units": layer.units,
            "axis_labels": layer.axis_labels,
        }
        if self.kind == "points":
            marks: Points | Shapes = self._viewer.add_points(
                name=MARKS, face_color="white", border_color="black", **where
            )
        else:
            marks = self._viewer.add_shapes(name=MARKS, edge_color="white", **where)
        self._viewer.layers.selection.active = layer
        return marks

    def _show(self, positions: list[np.ndarray]) -> None:
        if self._marks is None or self._marks not in self._viewer.layers:
            return
        displayed = [float(abs(self.layer.scale[-1])), float(abs(self.layer.scale[-2]))]
        pixel = 1 / (self._viewer.scene.camera.zoom * max(displayed))  # of the screen, in data
        if self.kind == "points":
            self._marks.data = np.array(positions).reshape(-1, self.layer.ndim)
            self._marks.size = 12 * pixel
            self._marks.selected_data = set()
            return
        self._marks.selected_data = set(range(len(self._marks.data)))
        self._marks.remove_selected()
        if len(positions) > 1:
            line = np.array(positions)
            self._marks.add_paths([line], edge_width=2.5 * pixel, edge_color="white")

    def _remove_marks(self) -> None:
        layers = self._viewer.layers
        if self._marks is not None and self._marks in layers:
            active = layers.selection.active
            layers.remove(self._marks)
            if active is not self._marks:
                layers.selection.active = active
        self.deleteLater()

    # -- leaving --------------------------------------------------------------------------

    def _on_left(self, event: Any = None) -> None:
        del event
        self.left.emit()

    def _on_active(self, event: Any) -> None:
        layer: Layer | None = event.value
        if layer is None or (layer is not self.layer and layer is not self._marks):
            self.left.emit()
