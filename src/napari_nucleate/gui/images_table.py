"""The list of a project's images with what became of each."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QAbstractTableModel, QModelIndex, QSignalBlocker, QSize, Qt, Signal
from qtpy.QtGui import QColor, QIcon, QPainter, QPixmap
from qtpy.QtWidgets import QHeaderView, QTableView

from napari_nucleate.gui.widgets import ROW, list_rows, plain
from napari_nucleate.project.model import STATUS_HELP, Status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_nucleate.project.model import Item

STATUS_COLOURS: dict[Status, str] = {
    "unlabelled": "#8a919c",
    "labelled": "#4c9be8",
    "corrected": "#35b8b0",
    "empty": "#9d7fe0",
    "predicted": "#e0a72e",
    "accepted": "#4cb86a",
    "rejected": "#dd5c5c",
}
"""Colour of each status; bright enough for napari's dark theme, dark enough for the light one."""


@cache
def status_icon(status: Status) -> QIcon:
    """Draw the dot that stands for a status."""
    pixmap = QPixmap(24, 24)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(STATUS_COLOURS[status]))
    painter.drawEllipse(5, 5, 14, 14)
    painter.end()
    icon = QIcon()
    # A selected row would tint the dot otherwise.
    for mode in (QIcon.Mode.Normal, QIcon.Mode.Selected):
        icon.addPixmap(pixmap, mode)
    return icon


class ImagesModel(QAbstractTableModel):
    """Images by row: name and status. Shows thousands; rows that didn't change are left alone."""

    HEADERS = ("Image", "Status")

    def __init__(self) -> None:
        super().__init__()
        self.items: tuple[Item, ...] = ()
        self.rows: dict[str, int] = {}

    def show_items(self, items: tuple[Item, ...]) -> None:
        """Show these images; tells the view which rows changed."""
        old = self.items
        if [i.key for i in old] != [i.key for i in items]:
            self.beginResetModel()
            self.items = items
            self.rows = {item.key: row for row, item in enumerate(items)}
            self.endResetModel()
            return
        self.items = items
        for row, (before, after) in enumerate(zip(old, items, strict=True)):
            if before != after:
                self.dataChanged.emit(self.index(row, 0), self.index(row, 1))

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        """One row an image."""
        return 0 if parent is not None and parent.isValid() else len(self.items)

    def columnCount(self, parent: QModelIndex | None = None) -> int:
        """Name and status."""
        return 0 if parent is not None and parent.isValid() else len(self.HEADERS)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Text, dot and tooltip of a cell."""
        item = self.items[index.row()]
        if role == Qt.ItemDataRole.ToolTipRole:
            drawn = item.model and item.status not in ("labelled", "empty", "unlabelled")
            by = f" Its labels were drawn by {item.model}." if drawn else ""
            return plain(f"{item.key}: {STATUS_HELP[item.status]}{by}")
        if role == Qt.ItemDataRole.DisplayRole:
            return item.key if index.column() == 0 else item.status
        if role == Qt.ItemDataRole.DecorationRole and index.column() == 1:
            return status_icon(item.status)
        return None

    def headerData(
        self,
        section: int,
        orientation: Qt.Orientation,
        role: int = Qt.ItemDataRole.DisplayRole,
    ) -> Any:
        """Names of the columns."""
        if role == Qt.ItemDataRole.DisplayRole and orientation == Qt.Orientation.Horizontal:
            return self.HEADERS[section]
        return None


class ImagesTable(QTableView):
    """Shows the images; the one in view is highlighted.

    Signals
    -------
    picked(str)
        The person clicked an image, or moved to it with the keyboard.
    """

    picked = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.images = ImagesModel()
        self.setModel(self.images)
        list_rows(self)
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        header = self.horizontalHeader()
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        header.setSectionResizeMode(1, QHeaderView.ResizeMode.Fixed)
        self.setColumnWidth(1, 112)
        # Three rows below the header; it takes all the room that there is.
        self.setMinimumHeight(4 * ROW)
        self.selectionModel().currentRowChanged.connect(self._on_current)

    def sizeHint(self) -> QSize:
        """As low as it may be: the rest of the dock is seen without scrolling."""
        return QSize(super().sizeHint().width(), self.minimumHeight())

    def show_items(self, items: Sequence[Item], current: str) -> None:
        """Show these images and highlight the one in view."""
        with QSignalBlocker(self):
            self.images.show_items(tuple(items))
        self.highlight(current)

    def highlight(self, key: str) -> None:
        """Highlight the image in view; `picked` is not emitted."""
        row = self.images.rows.get(key, -1)
        index = self.images.index(row, 0)
        if row >= 0 and index != self.currentIndex():
            with QSignalBlocker(self):
                self.setCurrentIndex(index)
            self.scrollTo(index)

    def _on_current(self, current: QModelIndex, before: QModelIndex) -> None:
        del before
        if current.isValid():
            self.picked.emit(self.images.items[current.row()].key)
