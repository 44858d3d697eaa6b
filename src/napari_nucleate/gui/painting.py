"""The layers that a person paints and draws on: made, and filled with what was kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_nucleate.core.annotation import annotate
from napari_nucleate.gui.layers import add_annotation, add_boxes

if TYPE_CHECKING:
    from napari.layers import Labels
    from numpy.typing import NDArray

    from napari_nucleate.gui.session import Session


class Painting:
    """Makes the session's annotation layer and the layer of its boxes.

    Parameters
    ----------
    session : Session
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def make(self, kept: dict[str, NDArray[np.int32]]) -> Labels:
        """Make the annotation layer, with these labels on it."""
        session = self._session
        source = session.need_source()
        layer = session.annotation = add_annotation(session.viewer, source)
        if session.state.known == "sparse":
            layer.selected_label = 2
        for key, labels in kept.items():
            where = layer.data[source.place(session.ref(key))]
            where[...] = labels.reshape(where.shape)
        layer.refresh()
        session.strokes.watch(layer)
        session.life.watch("annotation", layer)
        return self.ready()

    def ready(self) -> Labels:
        """Select the annotation layer, ready to paint."""
        session = self._session
        self.need_boxes()
        layer = session.need_annotation()
        session.viewer.layers.selection.active = layer
        layer.visible, layer.mode = True, "paint"
        session.changed.emit()
        return layer

    def need_boxes(self) -> None:
        """Make the layer that boxes are drawn on, or show the one there is, where boxes count."""
        session = self._session
        if session.state.known != "boxes" or session.source is None:
            return
        session.boxes = session.boxes or session.life.back("boxes")
        if session.boxes is None:
            session.boxes = session.viewer.add_shapes(
                name="known boxes",
                ndim=len(session.source.shape),
                face_color="transparent",
                edge_color="yellow",
                edge_width=2,
                **session.source.geometry(),
            )
            session.boxes.mode = "add_rectangle"
            for key, drawn in session.store.load_boxes().items():
                add_boxes(session.boxes, session.source, session.ref(key), drawn)
            session.boxes.editable = not session.store.locked
            session.life.watch("boxes", session.boxes)
            session.boxes.events.data.connect(self._on_boxes)

    def objects(self) -> NDArray[Any]:
        """What is painted on all images, without strokes that mean background.

        Returns
        -------
        ndarray, shape of the annotation layer
            Its own data where no such strokes are meant, a copy elsewhere.
        """
        session = self._session
        painted = session.need_annotation().data
        if session.state.known != "sparse" or session.source is None:
            return painted
        painted = np.array(painted)
        for key in session.refs():
            part = painted[session.source.place(session.ref(key))]
            if session.rule_of(key) == "sparse" and part.any():
                part[...] = annotate(part, "sparse").labels
        return painted

    def _on_boxes(self) -> None:
        session = self._session
        if session.boxes is None:
            return
        session.keeper.touch_boxes()
        session.changes.note(session.current)
