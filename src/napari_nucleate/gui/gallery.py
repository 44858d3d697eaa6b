"""The gallery of predicted images: a list model, how an entry is painted, and the view."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari.utils.theme import get_theme
from qtpy.QtCore import (
    QAbstractListModel,
    QItemSelection,
    QItemSelectionModel,
    QModelIndex,
    QSize,
    QSortFilterProxyModel,
    Qt,
    Signal,
)
from qtpy.QtGui import QPainter
from qtpy.QtWidgets import QAbstractItemView, QListView

from napari_nucleate.gui.card import CARD_SIZE, CardDelegate
from napari_nucleate.gui.widgets import plain

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from qtpy.QtCore import QObject
    from qtpy.QtGui import QKeyEvent, QPaintEvent

    from napari_nucleate.gui.thumbnails import Thumbnails
    from napari_nucleate.project.model import Item

ITEM = Qt.ItemDataRole.UserRole
RANK = Qt.ItemDataRole.UserRole + 1


_PLAIN, _SHIFT = Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.ShiftModifier
KEYS = {
    (_PLAIN, Qt.Key.Key_A): "accepted",
    (_SHIFT, Qt.Key.Key_A): "accepted_down",
    (_PLAIN, Qt.Key.Key_R): "rejected",
    (_PLAIN, Qt.Key.Key_E): "corrected",
    (_PLAIN, Qt.Key.Key_U): "undone",
    (_PLAIN, Qt.Key.Key_Return): "opened",
    (_PLAIN, Qt.Key.Key_Enter): "opened",
}
"""Signals of the gallery, by modifiers and key."""


class GalleryModel(QAbstractListModel):
    """The images with a prediction; `show_items` changes only the rows that differ.

    Parameters
    ----------
    thumbnails : Thumbnails
    parent : QObject, optional
    """

    def __init__(self, thumbnails: Thumbnails, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._thumbnails = thumbnails
        self._items: list[Item] = []
        thumbnails.ready.connect(self._on_ready)

    def show_items(self, items: Sequence[Item]) -> None:
        """Show these items; selections of those that stay are kept."""
        new = {item.key: item for item in items}
        for row in reversed([r for r, item in enumerate(self._items) if item.key not in new]):
            self.beginRemoveRows(QModelIndex(), row, row)
            del self._items[row]
            self.endRemoveRows()
        for row, item in enumerate(self._items):
            if item != new[item.key]:
                self._items[row] = new[item.key]
                self.dataChanged.emit(self.index(row), self.index(row))
        known = {item.key for item in self._items}
        added = [item for key, item in new.items() if key not in known]
        if added:
            first = len(self._items)
            self.beginInsertRows(QModelIndex(), first, first + len(added) - 1)
            self._items += added
            self.endInsertRows()

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        """How many images there are."""
        return 0 if parent is not None and parent.isValid() else len(self._items)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """What the view and the delegate ask for."""
        item = self._items[index.row()]
        if role == Qt.ItemDataRole.DisplayRole:
            return item.key
        if role == Qt.ItemDataRole.DecorationRole:
            return self._thumbnails.get(item.key)
        if role == Qt.ItemDataRole.ToolTipRole:
            return plain(_tip(item))
        if role == ITEM:
            return item
        if role == RANK:
            return item.confidence
        return None

    def _on_ready(self, key: str) -> None:
        for row, item in enumerate(self._items):
            if item.key == key:
                role = [Qt.ItemDataRole.DecorationRole]
                self.dataChanged.emit(self.index(row), self.index(row), role)


class Ranking(QSortFilterProxyModel):
    """The images of some statuses, in the order of their confidence."""

    def __init__(self, model: GalleryModel) -> None:
        super().__init__(model)
        self._statuses: frozenset[str] = frozenset()
        self.setSourceModel(model)
        self.setSortRole(RANK)
        self.order(best_first=True)

    def order(self, best_first: bool) -> None:
        """Sort by confidence."""
        order = Qt.SortOrder.DescendingOrder if best_first else Qt.SortOrder.AscendingOrder
        self.sort(0, order)

    def show_statuses(self, statuses: Collection[str]) -> None:
        """Show only images with one of these statuses; all where none is given."""
        self._statuses = frozenset(statuses)
        self.invalidate()

    def filterAcceptsRow(self, row: int, parent: QModelIndex) -> bool:
        """Whether a row is shown."""
        if not self._statuses:
            return True
        item: Item = self.sourceModel().index(row, 0, parent).data(ITEM)
        return item.status in self._statuses

    def lessThan(self, left: QModelIndex, right: QModelIndex) -> bool:
        """By confidence; equal ones by name, as the ranking of the project does."""
        a, b = left.data(ITEM), right.data(ITEM)
        return bool((a.confidence, b.key) < (b.confidence, a.key))


class Gallery(QListView):
    """Shows the ranking as cards. Every judgement has a key, see `KEYS`.

    Attributes
    ----------
    hint : str
        What is shown in an empty gallery.

    Signals
    -------
    accepted, rejected
        The person's word on what is selected.
    accepted_down
        The person accepts all down to the current image.
    corrected
        The person wants to correct the current image.
    undone
        The person takes the last judgement back.
    opened
        The person wants to see the current image in the viewer.
    """

    accepted = Signal()
    rejected = Signal()
    accepted_down = Signal()
    corrected = Signal()
    undone = Signal()
    opened = Signal()

    def __init__(self, ranking: Ranking, delegate: CardDelegate) -> None:
        super().__init__()
        self.setModel(ranking)
        self.setItemDelegate(delegate)
        delegate.setParent(self)
        self.setViewMode(QListView.ViewMode.IconMode)
        self.setResizeMode(QListView.ResizeMode.Adjust)
        self.setMovement(QListView.Movement.Static)
        self.setUniformItemSizes(True)
        self.setGridSize(CARD_SIZE + QSize(4, 4))
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setMouseTracking(True)
        self.hint = ""
        self.doubleClicked.connect(self.opened)

    @property
    def selected(self) -> list[str]:
        """Names of the selected images, in the order shown."""
        rows = sorted(self.selectionModel().selectedIndexes(), key=lambda index: index.row())
        return [index.data() for index in rows]

    @property
    def current(self) -> str:
        """Name of the image with the focus; empty where none has it."""
        return self.currentIndex().data() or ""

    def select(self, keys: Collection[str]) -> None:
        """Select images, where they are shown; the first has the focus."""
        wanted, found = set(keys), QItemSelection()
        rows = [self.model().index(row, 0) for row in range(self.model().rowCount())]
        for index in (index for index in rows if index.data() in wanted):
            found.select(index, index)
        if found.indexes():
            self.setCurrentIndex(found.indexes()[0])
            self.selectionModel().select(found, QItemSelectionModel.SelectionFlag.ClearAndSelect)

    def set_theme(self, name: str) -> None:
        """Take the colours of a napari theme."""
        self.itemDelegate().set_theme(name)
        self.setStyleSheet(f"QListView {{ background: {get_theme(name).background.as_hex()}; }}")

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the cards, or the hint where there is none."""
        super().paintEvent(event)
        if self.hint and not self.model().rowCount():
            painter = QPainter(self.viewport())
            painter.setPen(self.palette().placeholderText().color())
            room = self.viewport().rect().adjusted(24, 24, -24, -24)
            flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
            painter.drawText(room, flags, self.hint)
            painter.end()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Act on the keys of `KEYS`; others move about as in any list."""
        held = event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier
        act = KEYS.get((held, event.key()))
        if act is None:
            super().keyPressEvent(event)
        else:
            getattr(self, act).emit()


def _tip(item: Item) -> str:
    lines = [item.key, f"Confidence {item.confidence or 0:.2f}, {item.status}"]
    if item.reason:
        lines.append(f"Lowered most because {item.reason}.")
    if item.model:
        lines.append(f"Predicted by {item.model}.")
    return "\n".join(lines)
