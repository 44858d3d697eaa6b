"""One undo for everything: strokes and corrections, judgements and splits, in their order.

napari remembers the edits of each Labels layer by itself. Here only their order is remembered, and
what lies between them; labels are undone by napari.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol
from weakref import WeakSet, ref

from napari.layers import Labels
from napari.utils.key_bindings import coerce_keybinding
from qtpy.QtCore import QObject

from napari_nucleate.gui.scores import REDO, UNDO

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.layers import Layer

    from napari_nucleate.gui.session import Session

MOST = 200
"""Acts that are remembered; of one layer napari remembers 100."""
KEYS = {"Control-Z": "undo", "Control-Shift-Z": "redo"}


class Act(Protocol):
    """Something a person did."""

    def undo(self) -> str:
        """Take it back; returns what was, in words, or nothing where that can't be done now."""

    def redo(self) -> str:
        """Do it again, likewise."""


class Undoing(QObject):
    """Takes back what the person did last, wherever that was, and does it again.

    Parameters
    ----------
    session : Session
    """

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._session = session
        self._done: list[Act] = []
        self._undone: list[Act] = []
        self._busy = False
        self._watched: WeakSet[Labels] = WeakSet()
        viewer = session.viewer
        for layer in viewer.layers:
            self._watch(layer)
        viewer.layers.events.inserted.connect(self._on_inserted)
        for key, name in KEYS.items():
            if coerce_keybinding(key) not in viewer.keymap:
                viewer.bind_key(key, self._pressed(name))

    def enter(self, act: Act) -> None:
        """Remember what was just done; what was undone before can't be done again then."""
        if self._busy:
            return
        # What lies in layers that nobody has any more only takes memory.
        self._done = [a for a in self._done if not isinstance(a, _Edit) or a.layer is not None]
        self._done.append(act)
        del self._done[:-MOST]
        self._undone.clear()

    def forget(self, annotation: Labels | None) -> None:
        """Another project is worked on: only edits of the person's own layers can be undone now."""
        for acts in (self._done, self._undone):
            acts[:] = [
                act
                for act in acts
                if isinstance(act, _Edit) and act.layer is not None and act.layer is not annotation
            ]

    def added(self, layer: Layer) -> None:
        """Remember that a layer was made for the person."""
        self.enter(_Added(self._session, layer))

    def undo(self) -> str:
        """Take the last act back; returns what it was, or nothing where there is none."""
        return self._move("undo", self._done, self._undone)

    def redo(self) -> str:
        """Do again what was taken back last; returns what it was, or nothing."""
        return self._move("redo", self._undone, self._done)

    # -- inside -------------------------------------------------------------------------

    def _move(self, what: str, source: list[Act], target: list[Act]) -> str:
        self._busy = True
        try:
            while source:
                act = source.pop()
                said: str = getattr(act, what)()
                if said:  # else it was taken back elsewhere, or its layer is gone
                    target.append(act)
                    return said
        finally:
            self._busy = False
        return ""

    def _pressed(self, name: str) -> Any:
        session = self._session

        def pressed(of: object) -> None:
            del of
            said = getattr(self, name)()
            done = {"undo": "Undone", "redo": "Done again"}[name]
            # In the status bar: a notice at each press would hide what is undone.
            session.viewer.status = f"{done}: {said}." if said else f"Nothing is left to {name}."

        return pressed

    def _on_inserted(self, event: Any) -> None:
        self._watch(event.value)

    def _watch(self, layer: Layer) -> None:
        """Have edits of a Labels layer in the row, and its keys step through all of it."""
        if not isinstance(layer, Labels) or layer in self._watched:
            return
        self._watched.add(layer)
        of = ref(layer)
        for step in getattr(layer, UNDO, ()):  # painted before anybody watched
            self.enter(_Edit(self._session, layer, step))

        def painted(event: Any) -> None:
            edited = of()
            if edited is not None and event.value:
                self.enter(_Edit(self._session, edited, event.value))

        layer.events.paint.connect(painted)
        for key, name in KEYS.items():
            layer.bind_key(key, self._pressed(name), overwrite=True)


class _Edit:
    """A step in the history of a Labels layer."""

    def __init__(self, session: Session, layer: Labels, atoms: Sequence[Any]) -> None:
        self._session, self._layer = session, ref(layer)
        self._atoms = list(atoms)

    @property
    def layer(self) -> Labels | None:
        """The layer, if anybody has it still."""
        return self._layer()

    def undo(self) -> str:
        return self._step(UNDO, "undo")

    def redo(self) -> str:
        return self._step(REDO, "redo")

    def _step(self, history: str, what: str) -> str:
        layer, session = self.layer, self._session
        if layer is None or layer not in session.viewer.layers:
            return ""
        newest = getattr(layer, history, ())
        if not newest or {*map(id, newest[-1])} != {*map(id, self._atoms)}:
            return ""
        layer.visible = True  # nothing changes unseen; of hidden layers napari tells nothing
        try:
            getattr(layer, what)()
        except (IndexError, ValueError):  # its pixels were replaced by others, of another shape
            return ""
        return f"an edit of {layer.name}{self._shown(layer)}"

    def _shown(self, layer: Labels) -> str:
        """Show where it was, if that is known: nothing changes unseen."""
        session = self._session
        if layer is not session.annotation or session.source is None:
            return ""
        images = session.source.images_at(self._atoms[0][0])
        if not images:
            return ""
        if session.current not in [image.key for image in images]:
            session.go_to(images[0].key)
        return f", in {session.current}"


class _Added:
    """A layer that was made."""

    def __init__(self, session: Session, layer: Layer) -> None:
        self._session, self._layer = session, ref(layer)
        # Held only while it may come back: layers are large.
        self._removed: Layer | None = None

    def undo(self) -> str:
        layer, layers = self._layer(), self._session.viewer.layers
        if layer is None or layer not in layers:
            return ""
        self._removed = layer
        layers.remove(layer)
        return f"the layer {layer.name}"

    def redo(self) -> str:
        layer, layers = self._removed, self._session.viewer.layers
        self._removed = None
        if layer is None or layer in layers:
            return ""
        layers.append(layer)
        return f"the layer {layer.name}"
