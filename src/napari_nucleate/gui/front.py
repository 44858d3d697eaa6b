"""Whether a person can see a dock: behind another tab, Qt calls it visible too."""

from __future__ import annotations

from qtpy.QtCore import QEvent, QObject, Signal
from qtpy.QtWidgets import QDockWidget, QWidget


class Front(QObject):
    """Follows whether a widget in a dock is shown in front.

    Parameters
    ----------
    widget : QWidget
        What the dock holds.

    Signals
    -------
    changed(bool)
        It came to the front, or went from it.
    """

    changed = Signal(bool)

    def __init__(self, widget: QWidget) -> None:
        super().__init__(widget)
        self._widget = widget
        self._frame: QDockWidget | None = None
        self._in_front = True
        self._seen = False
        widget.installEventFilter(self)

    @property
    def seen(self) -> bool:
        """Whether it can be seen now."""
        return self._seen

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Look when the widget is shown or hidden."""
        if watched is self._widget and event.type() in (QEvent.Type.Show, QEvent.Type.Hide):
            self._look(event.type() == QEvent.Type.Show)
        return False

    def _look(self, visible: bool) -> None:
        frame = self._widget.parent()
        if isinstance(frame, QDockWidget) and frame is not self._frame:
            self._frame = frame
            frame.visibilityChanged.connect(self._on_front)
        self._tell(visible)

    def _on_front(self, in_front: bool) -> None:
        self._in_front = in_front
        self._tell(self._widget.isVisible())

    def _tell(self, visible: bool) -> None:
        seen = visible and self._in_front
        if seen != self._seen:
            self._seen = seen
            self.changed.emit(seen)
