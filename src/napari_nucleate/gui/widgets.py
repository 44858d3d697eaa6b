"""Small widgets that the docks share: layer lists, buttons that say why not, sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from qtpy.QtCore import QEvent, QObject, QSignalBlocker, QSize, Qt, Signal
from qtpy.QtGui import QPainter
from qtpy.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QLabel,
    QPushButton,
    QSizePolicy,
    QTableView,
    QWidget,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari import Viewer
    from napari.layers import Layer
    from qtpy.QtGui import QPaintEvent

    from napari_nucleate.project.plan import Gate


ROW = 22
"""Height of a row of a list, in pixels."""


def follow(owner: QObject, emitter: Any, callback: Callable[..., Any]) -> None:
    """Call back on a napari event, until the Qt object `owner` is destroyed."""
    emitter.connect(callback)
    owner.destroyed.connect(lambda: emitter.disconnect(callback))


class _Calm(QObject):
    """Keeps the wheel from changing values while the person scrolls past."""

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        if (
            event is not None
            and event.type() == QEvent.Type.Wheel
            and isinstance(watched, QWidget)
            and not watched.hasFocus()
        ):
            event.ignore()
            return True
        return False


def calm(widget: QWidget) -> None:
    """Let the wheel change a widget's value only after it was clicked: docks scroll."""
    widget.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
    widget.installEventFilter(_Calm(widget))


class LayerCombo(QComboBox):
    """Lists the viewer's layers of some types, and stays right as they come, go and change names.

    Parameters
    ----------
    viewer : napari.Viewer
    types : type or tuple of types
        Layers to list, such as `napari.layers.Image`.
    accepts : callable, optional
        Tells whether a layer of these types is listed.
    none : str, optional
        A first entry that stands for no layer, as in "none".
    parent : QWidget, optional

    Signals
    -------
    chosen(object)
        The chosen layer changed, by the person or by the list; None where there is none.
    """

    chosen = Signal(object)

    def __init__(
        self,
        viewer: Viewer,
        types: type | tuple[type, ...],
        accepts: Callable[[Layer], bool] | None = None,
        none: str | None = None,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._viewer, self._types, self._accepts, self._none = viewer, types, accepts, none
        self._layer: Layer | None = None
        self._named: WeakSet[Layer] = WeakSet()
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(12)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        calm(self)
        for emitter in ("inserted", "removed", "reordered"):
            follow(self, getattr(viewer.layers.events, emitter), self.refresh)
        self.currentIndexChanged.connect(self._on_index)
        self.refresh()

    @property
    def layer(self) -> Layer | None:
        """The chosen layer."""
        return self._layer

    @property
    def layers(self) -> list[Layer]:
        """The layers listed, the topmost first."""
        found = [layer for layer in self._viewer.layers if isinstance(layer, self._types)]
        return [x for x in reversed(found) if self._accepts is None or self._accepts(x)]

    def choose(self, layer: Layer | None) -> None:
        """Choose a layer; one that is not listed leaves the choice as it is."""
        at = self.findData(layer)
        if at >= 0:
            self.setCurrentIndex(at)

    def refresh(self, event: Any = None) -> None:
        """List the layers again; the chosen one stays, or the first takes its place."""
        del event
        with QSignalBlocker(self):
            self.clear()
            if self._none is not None:
                self.addItem(self._none, None)
            for layer in self.layers:
                if layer not in self._named:
                    self._named.add(layer)
                    follow(self, layer.events.name, self.refresh)
                self.addItem(layer.name, layer)
            at = self.findData(self._layer)
            self.setCurrentIndex(max(at, 0) if self.count() else -1)
        self._on_index()

    def _on_index(self, index: int | None = None) -> None:
        del index
        layer = self.currentData()
        if layer is not self._layer:
            self._layer = layer
            self.chosen.emit(layer)


def plain(text: str) -> str:
    r"""A text for a tooltip, a label or a notice, that Qt takes for nothing but text.

    Qt guesses whether a text is HTML: a file called `<img src=...>` would be a picture. What looks
    the same, but with a space of no width after each `<`, isn't.

    Examples
    --------
    >>> plain("a & b"), plain("<b>a")
    ('a & b', '<\u200bb>a')
    """
    return text.replace("<", "<\u200b")


def list_rows(table: QTableView) -> None:
    """Let a table look like a list: whole rows, one of them selected, no grid, no numbers."""
    table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
    table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
    table.setShowGrid(False)
    table.setWordWrap(False)
    table.verticalHeader().hide()
    table.verticalHeader().setDefaultSectionSize(ROW)
    header = table.horizontalHeader()
    header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
    header.setHighlightSections(False)


class GatedButton(QPushButton):
    """A button that a plan opens and closes; closed, its tooltip says why.

    Parameters
    ----------
    text : str
    tip : str
        What it does, for the tooltip of the open button.
    parent : QWidget, optional
    """

    def __init__(self, text: str, tip: str = "", parent: QWidget | None = None) -> None:
        super().__init__(text, parent)
        self._tip = tip
        self.setToolTip(tip)

    def apply(self, gate: Gate) -> None:
        """Open or close the button."""
        self.setEnabled(bool(gate))
        self.setToolTip(self._tip if gate else plain(gate.why))


LONGEST_WORD = 30
"""Letters of a word that is shown whole, however narrow a dock is."""


class Sentence(QLabel):
    """A line of text for the person, wrapped; hidden while there is nothing to say.

    `warn` gives it the colour of warnings in both of napari's themes. A word that is too long for
    one line, such as a path, is cut, and makes no dock wider; the tooltip has all of it.
    """

    def __init__(self, text: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWordWrap(True)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.say(text)

    def minimumSizeHint(self) -> QSize:
        """As wide as usual words."""
        size = super().minimumSizeHint()
        usual = LONGEST_WORD * self.fontMetrics().averageCharWidth()
        return QSize(min(size.width(), usual), size.height())

    def say(self, text: str) -> None:
        """Show a sentence in the colour of other text; empty hides the line."""
        self._show(text, "")

    def warn(self, text: str) -> None:
        """Show a sentence that something is wrong; empty hides the line."""
        self._show(text, "color: #d9822b;")

    def _show(self, text: str, style: str) -> None:
        self.setStyleSheet(style)
        self.setText(text)
        long = any(len(word) > LONGEST_WORD for word in text.split())
        self.setToolTip(plain(text) if long else "")
        self.setVisible(bool(text))


class Elided(QLabel):
    """A line of text that is cut in its middle where there is no room for all of it."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setTextFormat(Qt.TextFormat.PlainText)

    def minimumSizeHint(self) -> QSize:
        """It gives way to what is beside it."""
        return QSize(4 * self.fontMetrics().averageCharWidth(), super().minimumSizeHint().height())

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Draw as much of the text as fits."""
        del event
        room = self.contentsRect()
        cut = Qt.TextElideMode.ElideMiddle
        shown = self.fontMetrics().elidedText(self.text(), cut, room.width())
        QPainter(self).drawText(room, self.alignment(), shown)
