"""What happens on the annotation layer: strokes, napari's undo and redo, noticed as they come."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_nucleate.gui.scores import REDO, UNDO
from napari_nucleate.project.model import PAINTED

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

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
        # Images painted on since labels were redrawn, and which planes of them.
        self._fresh: dict[str, set[int]] = {}
        # Where the last step may have painted beyond an image's edge.
        self._beyond: list[tuple[slice, ...]] = []

    def watch(self, layer: Labels) -> None:
        """See what is painted on a new annotation layer."""
        self._undone, self._fresh, self._beyond = 0, {}, []
        layer.events.paint.connect(self._on_painted)
        layer.events.labels_update.connect(self._on_updated)
        # napari doesn't redraw a hidden layer.
        for emitter in (layer.events.set_data, layer.events.visible):
            emitter.connect(self.catch_up)

    def note(self, key: str, planes: Iterable[int] | None = None) -> None:
        """Note that an image's labels are others now: they are kept, and a training may follow.

        Parameters
        ----------
        key : str
        planes : iterable of int, optional
            Of a volume; all without it.
        """
        self.count += 1
        self._session.keeper.touch_planes(key, planes)
        self._session.changes.note(key)

    def refresh(self, *keys: str) -> None:
        """Look at the annotation layer which images are painted: at these, or all without any."""
        # What nobody told of, such as labels that a script put there, is kept from now on.
        changed = self._look(keys or self._session.state.keys())
        if changed:
            self._session.keeper.touch(*changed)

    def _look(self, keys: Iterable[str], first: Mapping[str, set[int]] | None = None) -> list[str]:
        """Note which of some images are painted; returns those of which that is new.

        Planes that are looked at first are likely to be.
        """
        session = self._session
        if session.annotation is None or session.source is None:
            return []
        changed = []
        for item in map(session.state.item, keys):
            painted = self._any(item.key, (first or {}).get(item.key, set()))
            if painted != (item.status in PAINTED):
                status = session.judgements.status(item.key, painted)
                changed.append(item.model_copy(update={"status": status}))
        if changed:
            session.set_items(*changed)
        return [item.key for item in changed]

    def _any(self, key: str, first: set[int]) -> bool:
        """Whether anything is painted on an image; these planes are looked at first."""
        session = self._session
        layer, source = session.annotation, session.source
        if layer is None or source is None:
            return False
        image = layer.data[source.place(session.ref(key))]
        planes = image.reshape(-1, *image.shape[-2:])
        return any(planes[at].any() for at in [*first, *({*range(len(planes))} - first)])

    def _on_painted(self, event: Any) -> None:
        layer = self._session.annotation
        if layer is None or event.source is not layer:
            return  # the layer of a project of before, which is still there
        if not layer.visible:
            # What was undone while it was hidden, nobody told of, and a stroke makes it forgotten.
            for key in self._session.refs():
                self.note(key)
        # A stroke ends what could be redone.
        self._undone = self._redoable()
        self._edited(event.value)
        self._session.trainings.get_ready()

    def _on_updated(self) -> None:
        """See what a script painted: napari tells of it before the labels are changed."""
        if self._fresh:
            fresh, self._fresh = self._fresh, {}
            self._look(fresh, fresh)
        self._clear_beyond()
        self._beyond = []

    def catch_up(self) -> None:
        """See whether something was undone or redone: napari tells nobody, but its history does."""
        layer, undone = self._session.annotation, self._redoable()
        steps = undone - self._undone
        if layer is None or not steps:
            return
        moved = list(getattr(layer, REDO if steps > 0 else UNDO, ()))[-abs(steps) :]
        self._undone = undone
        self._edited([atom for step in moved for atom in step])

    def _edited(self, atoms: Sequence[Any]) -> None:
        """Note the images, and planes of them, that a step of the layer's history changed."""
        source = self._session.source
        if self._session.annotation is None or source is None:
            return
        self._beyond = [part for atom in atoms for part in source.beyond(atom[0])]
        self._clear_beyond()
        planes: dict[str, set[int]] = {}
        for where in (atom[0] for atom in atoms):
            for ref in source.images_at(where):
                if found := source.planes_at(where, ref):  # else all lies in padding
                    planes.setdefault(ref.key, set()).update(found)
        for key, changed in planes.items():
            self.note(key, changed)
        self._fresh = planes
        self._look(planes, planes)

    def _clear_beyond(self) -> None:
        """Take away what was painted beyond an image's edge, and is no part of its labels.

        No step of its own: there was nothing before, and that is what undoing the stroke brings
        back.
        """
        layer = self._session.annotation
        if layer is None:
            return
        painted = [part for part in self._beyond if layer.data[part].any()]
        for part in painted:
            layer.data[part] = 0
        if painted:
            layer.refresh()

    def _redoable(self) -> int:
        """How many edits of the annotation layer could be done again."""
        return len(getattr(self._session.annotation, REDO, ()))
