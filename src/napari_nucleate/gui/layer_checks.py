"""A list of layers to tick, which follows the viewer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import QListWidget, QListWidgetItem

from napari_nucleate.gui.widgets import follow

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari import Viewer
    from napari.layers import Layer

_LAYER = Qt.ItemDataRole.UserRole


class LayerChecks(QListWidget):
    """Lists layers of a type with a tick each, the topmost first.

    Parameters
    ----------
    viewer : napari.Viewer
    kind : type
        Layers to list, such as `napari.layers.Labels`.
    accepts : callable
        Tells whether a layer of that type is listed.
    at_first : callable
        Tells whether a layer is ticked before the person says so.

    Signals
    -------
    changed
        Other layers are ticked, or a ticked one has another name.
    """

    changed = Signal()

    def __init__(
        self,
        viewer: Viewer,
        kind: type,
        accepts: Callable[[Layer], bool],
        at_first: Callable[[Layer], bool],
    ) -> None:
        super().__init__()
        self._viewer, self._kind = viewer, kind
        self._accepts, self._at_first = accepts, at_first
        self._named: WeakSet[Layer] = WeakSet()
        self.setSpacing(2)
        self.setSelectionMode(QListWidget.SelectionMode.NoSelection)
        for name in ("inserted", "removed", "reordered"):
            follow(self, getattr(viewer.layers.events, name), self.refresh)
        self.itemChanged.connect(lambda _: self.changed.emit())
        self.refresh()

    @property
    def ticked(self) -> list[Layer]:
        """The layers ticked."""
        items = [self.item(row) for row in range(self.count())]
        return [i.data(_LAYER) for i in items if i.checkState() == Qt.CheckState.Checked]

    def tick(self, layer: Layer, on: bool = True) -> None:
        """Tick a layer, or take its tick away."""
        for row in range(self.count()):
            if self.item(row).data(_LAYER) is layer:
                state = Qt.CheckState.Checked if on else Qt.CheckState.Unchecked
                self.item(row).setCheckState(state)

    def refresh(self, event: Any = None) -> None:
        """List the layers again; ticks stay."""
        del event
        items = [self.item(row) for row in range(self.count())]
        before = {id(i.data(_LAYER)): i.checkState() for i in items}
        of_kind: list[Layer] = [x for x in self._viewer.layers if isinstance(x, self._kind)]
        listed = [layer for layer in of_kind if self._accepts(layer)]
        with QSignalBlocker(self):
            self.clear()
            for layer in reversed(listed):
                self._follow_name(layer)
                item = QListWidgetItem(layer.name)
                item.setData(_LAYER, layer)
                item.setFlags(Qt.ItemFlag.ItemIsUserCheckable | Qt.ItemFlag.ItemIsEnabled)
                first = Qt.CheckState.Checked if self._at_first(layer) else Qt.CheckState.Unchecked
                item.setCheckState(before.get(id(layer), first))
                self.addItem(item)
        self.changed.emit()

    def _follow_name(self, layer: Layer) -> None:
        if layer not in self._named:
            self._named.add(layer)
            follow(self, layer.events.name, self.refresh)
