"""How one image of the gallery is painted: picture, name, confidence and what became of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari.utils.theme import get_theme
from qtpy.QtCore import QObject, QPointF, QRect, QRectF, QSize, Qt
from qtpy.QtGui import QColor, QPainter, QPen, QPixmap, QPolygonF
from qtpy.QtWidgets import QStyle, QStyledItemDelegate

from napari_nucleate.gui.images_table import STATUS_COLOURS

if TYPE_CHECKING:
    from qtpy.QtCore import QModelIndex
    from qtpy.QtWidgets import QStyleOptionViewItem

    from napari_nucleate.project.model import Item

PICTURE = 152
PADDING = 6
CARD_SIZE = QSize(PICTURE + 2 * PADDING, PICTURE + 2 * PADDING + 38)
GOOD = 0.6
"""From this confidence on, nothing is said of what lowered it."""
POOR = 0.4
"""Below this confidence, nothing is accepted that nobody looked at."""
GROUND = QColor(0, 0, 0, 150)
# Told apart by the colour-blind too (Okabe & Ito).
GREEN, AMBER, RED = QColor("#00a878"), QColor("#e69f00"), QColor("#d55e00")
BADGES: dict[str, tuple[QColor, tuple[tuple[float, float], ...]]] = {
    "accepted": (QColor(STATUS_COLOURS["accepted"]), ((-0.42, 0.02), (-0.1, 0.34), (0.44, -0.3))),
    "rejected": (
        QColor(STATUS_COLOURS["rejected"]),
        ((-0.32, -0.32), (0.32, 0.32), (0, 0), (0.32, -0.32), (-0.32, 0.32)),
    ),
}


def confidence_colour(confidence: float) -> QColor:
    """Green for the better ones, from `GOOD` on, amber from `POOR` on, red below."""
    return GREEN if confidence >= GOOD else AMBER if confidence >= POOR else RED


class CardDelegate(QStyledItemDelegate):
    """Paints the cards of a `Gallery` in the colours of a napari theme.

    Parameters
    ----------
    role : int
        The role that gives the `Item` of a row.
    theme : str
        Name of the theme.
    parent : QObject, optional
    """

    def __init__(self, role: int, theme: str, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._role = role
        self.set_theme(theme)

    def set_theme(self, name: str) -> None:
        """Paint in another theme's colours from now on."""
        theme = get_theme(name)
        names = ("background", "foreground", "primary", "current", "text")
        self._colours = {n: QColor(getattr(theme, n).as_hex()) for n in names}

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex) -> QSize:
        """Every card has the same size."""
        del option, index
        return CARD_SIZE

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex) -> None:
        """Paint one card."""
        item: Item = index.data(self._role)
        card = QRect(option.rect.topLeft(), CARD_SIZE)
        painter.save()
        painter.setRenderHints(
            QPainter.RenderHint.Antialiasing | QPainter.RenderHint.SmoothPixmapTransform
        )
        self._paint_ground(painter, card, option.state)
        inner = card.adjusted(PADDING, PADDING, -PADDING, -PADDING)
        frame = QRect(inner.left(), inner.top(), PICTURE, PICTURE)
        self._paint_picture(painter, frame, index.data(Qt.ItemDataRole.DecorationRole))
        if item.status == "rejected":
            painter.fillRect(frame, QColor(0, 0, 0, 130))
        self._paint_reason(painter, frame, item)
        self._paint_badge(painter, frame, item.status)
        self._paint_text(painter, inner.adjusted(0, PICTURE + 4, 0, 0), item)
        painter.restore()

    def _paint_ground(self, painter: QPainter, card: QRect, state: Any) -> None:
        selected = bool(state & QStyle.StateFlag.State_Selected)
        over = bool(state & QStyle.StateFlag.State_MouseOver)
        colour = "primary" if selected or over else "foreground"
        painter.setPen(QPen(self._colours["current"], 2) if selected else Qt.PenStyle.NoPen)
        painter.setBrush(self._colours[colour])
        painter.drawRoundedRect(QRectF(card).adjusted(1, 1, -1, -1), 4, 4)

    def _paint_picture(self, painter: QPainter, frame: QRect, picture: QPixmap | None) -> None:
        painter.fillRect(frame, self._colours["background"])
        if picture is not None:
            size = picture.size().scaled(frame.size(), Qt.AspectRatioMode.KeepAspectRatio)
            shown = QRect(frame.topLeft(), size)
            shown.moveCenter(frame.center())
            painter.drawPixmap(shown, picture)

    def _paint_badge(self, painter: QPainter, frame: QRect, status: str) -> None:
        if status not in BADGES:
            return
        colour, stroke = BADGES[status]
        centre, radius = QPointF(frame.right() - 13, frame.top() + 14), 10.0
        painter.setPen(QPen(QColor("white"), 1.5))
        painter.setBrush(colour)
        painter.drawEllipse(centre, radius, radius)
        painter.setPen(QPen(QColor("white"), 2.2, cap=Qt.PenCapStyle.RoundCap))
        painter.drawPolyline(QPolygonF([centre + QPointF(x, y) * radius for x, y in stroke]))

    def _paint_text(self, painter: QPainter, rect: QRect, item: Item) -> None:
        line = painter.fontMetrics()
        name = line.elidedText(item.key, Qt.TextElideMode.ElideMiddle, rect.width())
        painter.setPen(self._colours["text"])
        painter.drawText(rect, Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft, name)
        confidence = item.confidence or 0.0
        below = rect.adjusted(0, rect.height() - line.height(), 0, 0)
        right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        painter.drawText(below, right, f"{confidence:.2f}")
        room = below.width() - line.horizontalAdvance("0.00") - 8
        bar = QRectF(below.left(), below.center().y() - 2, room, 6)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(self._colours["background"])
        painter.drawRoundedRect(bar, 3, 3)
        bar.setWidth(max(bar.width() * confidence, 6))
        painter.setBrush(confidence_colour(confidence))
        painter.drawRoundedRect(bar, 3, 3)

    def _paint_reason(self, painter: QPainter, frame: QRect, item: Item) -> None:
        """Say on the lower edge of the picture why the confidence is low."""
        if not item.reason or (item.confidence or 0.0) >= GOOD:
            return
        painter.save()
        font = painter.font()
        font.setPointSizeF(font.pointSizeF() * 0.85)
        painter.setFont(font)
        flags = Qt.AlignmentFlag.AlignBottom | Qt.TextFlag.TextWordWrap
        room = frame.adjusted(5, 0, -5, -3)
        painter.setPen(QColor("white"))  # without a pen, Qt takes a text for nothing
        taken = painter.boundingRect(room, flags, item.reason)
        painter.fillRect(frame.adjusted(0, taken.top() - frame.top() - 3, 0, 0), GROUND)
        painter.drawText(room, flags, item.reason)
        painter.restore()
