"""The active layer: it stays while layers come, and strokes end when another takes its place.

napari tells the active layer alone that the mouse button was released. Where a result comes while
a person paints, and its layer becomes active, the one that is painted on would never hear of it:
the stroke couldn't be undone, and nobody would keep it.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from weakref import ref

from napari.layers import Labels
from napari.utils.interactions import mouse_release_callbacks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari import Viewer
    from napari.layers import Layer

STAGED = "_staged_history"
"""Where napari keeps what is painted by a stroke that isn't finished."""


@contextmanager
def staying(viewer: Viewer) -> Iterator[None]:
    """Add layers while the person stays at those that are selected.

    napari makes a new layer the active one. Nobody hears of that: a tool would be put away, and a
    stroke that is under way would end.
    """
    selection = viewer.layers.selection
    selected, active = set(selection), selection.active
    with selection.events.active.blocker():
        try:
            yield
        finally:
            selection.intersection_update(selected)
            selection.update(selected)
            if active is not None:
                selection.active = active


class Finisher:
    """Finishes the stroke on a layer that stops being the active one.

    Parameters
    ----------
    viewer : napari.Viewer
    """

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer
        self._active: Callable[[], Layer | None] = _nothing
        self._on_active()
        viewer.layers.selection.events.active.connect(self._on_active)

    def _on_active(self, event: Any = None) -> None:
        del event
        before, active = self._active(), self._viewer.layers.selection.active
        if before is active:
            return
        self._active = _nothing if active is None else ref(active)
        if isinstance(before, Labels) and bool(getattr(before, STAGED, ())):
            for last in list(before._persisted_mouse_event.values())[:1]:  # noqa: SLF001
                mouse_release_callbacks(before, _Released(last.__wrapped__))


def _nothing() -> None:
    """No layer."""


class _Released:
    """A mouse event, as if the button had been released then."""

    type = "mouse_release"

    def __init__(self, event: Any) -> None:
        self._event = event

    def __getattr__(self, name: str) -> Any:
        return getattr(self._event, name)
