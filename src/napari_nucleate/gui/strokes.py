"""What happens on the annotation layer: strokes, napari's undo and redo, noticed as they come."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_nucleate.gui.scores import REDO, UNDO
from napari_nucleate.project.model import PAINTED

if TYPE_CHECKING:
    from napari.layers import Labels

    from napari_nucleate.gui.session import Session


class Strokes:
    """Sees which images are painted, and tells who keeps and who learns from them.

    Parameters
    ----------
    session : Session

    Attributes
    ----------
    count : int
        How often something was painted.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self.count = 0
        # How many edits of the annotation layer could be redone, when it was last looked at.
        self._undone = 0

    def watch(self, layer: Labels) -> None:
        """See what is painted on a new annotation layer."""
        self._undone = 0
        layer.events.paint.connect(self._on_painted)
        layer.events.labels_update.connect(self._on_painted)
        layer.events.set_data.connect(self._on_redrawn)

    def note(self, key: str) -> None:
        """Note that an image's labels are others now: they are kept, and a training may follow."""
        self.count += 1
        self._session.keeper.touch(key)
        self._session.changes.note(key)

    def refresh(self, *keys: str) -> None:
        """Look at the annotation layer which images are painted: at these, or all without any."""
        session = self._session
        layer, source = session.annotation, session.source
        if layer is None or source is None:
            return
        changed = []
        for item in [session.state.item(key) for key in keys] or session.state.items:
            painted = bool(layer.data[source.place(session.ref(item.key))].any())
            if painted != (item.status in PAINTED):
                status = session.judgements.status(item.key, painted)
                changed.append(item.model_copy(update={"status": status}))
        if changed:
            session.set_items(*changed)

    def _on_painted(self) -> None:
        session = self._session
        if session.annotation is None or session.source is None:
            return
        # A stroke ends what could be redone.
        self._undone = self._redoable()
        # One across planes changes other images than the one in view, too; those are looked at
        # before a training.
        key = session.current
        self.note(key)
        session.trainings.get_ready()
        if (session.state.item(key).status in PAINTED) != bool(session.painted(key).any()):
            self.refresh(key)

    def _on_redrawn(self) -> None:
        """See whether something was undone or redone: napari tells nobody, but its history does."""
        layer, source = self._session.annotation, self._session.source
        undone = self._redoable()
        if layer is None or source is None or undone == self._undone:
            return
        moved = getattr(layer, REDO if undone > self._undone else UNDO, ())
        self._undone = undone
        refs = [ref for atom in (moved[-1] if moved else ()) for ref in source.images_at(atom[0])]
        keys = list(dict.fromkeys(ref.key for ref in refs))
        for key in keys:
            self.note(key)
        if keys:
            self.refresh(*keys)

    def _redoable(self) -> int:
        """How many edits of the annotation layer could be done again."""
        return len(getattr(self._session.annotation, REDO, ()))
