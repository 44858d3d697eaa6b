"""How far the running work is: a bar with the time left, in the dock and in napari's activity."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from napari.utils import progress
from qtpy.QtWidgets import QLabel, QProgressBar

from napari_nucleate.core.events import Prediction, Step, Tile
from napari_nucleate.gui.evidence import SplitPart

if TYPE_CHECKING:
    from napari_nucleate.gui.session import Session

_TOTAL = 1000
# Percent. Each of its pictures makes Qt draw the whole window anew, canvas and all; where a
# processor does the drawing, at full pace that takes nine tenths of a training's time.
_SPINNER_SPEED = 10


class WorkBar(QProgressBar):
    """Shows how far a session's running work is; empty where nothing runs.

    Parameters
    ----------
    session : Session
    """

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        # At most one; a list outlives the widget.
        self._activities: list[progress] = []
        self._fraction = self._since = self._drawn = 0.0
        self._images = 0
        self.setRange(0, _TOTAL)
        self.setTextVisible(True)
        self._rest()
        session.job.started.connect(self._on_started)
        session.happened.connect(self._on_event)
        session.ended.connect(self._on_ended)
        # A viewer that closes while something runs leaves no bar behind in the others.
        activities = self._activities
        self.destroyed.connect(lambda: [activity.close() for activity in activities])

    def _on_started(self, what: str) -> None:
        self._fraction, self._images = 0.0, 0
        self._since = self._drawn = time.perf_counter()
        self.setFormat(f"{what.capitalize()} starts")
        self._activities.append(progress(total=_TOTAL, desc=what.capitalize()))
        self._set_spinner(_SPINNER_SPEED)

    def _on_event(self, event: object) -> None:
        if isinstance(event, Step):
            self._fraction = event.fraction
        elif isinstance(event, Tile):
            self._fraction = (self._images + event.done / event.total) / self._wanted()
        elif isinstance(event, Prediction):
            self._images += 1
            self._fraction = self._images / self._wanted()
        elif isinstance(event, SplitPart):
            self._fraction = event.images / event.total
        now = time.perf_counter()
        if now - self._drawn > 0.5 or self._fraction >= 1:
            self._drawn = now
            self._draw()

    def _wanted(self) -> int:
        return max(self._session.predicting, self._images, 1)

    def _draw(self) -> None:
        fraction, elapsed = min(self._fraction, 1.0), time.perf_counter() - self._since
        if not fraction:
            return
        value = round(fraction * _TOTAL)
        self.setValue(value)
        # Too early, a guess would jump.
        sure = elapsed > 2 and fraction > 0.01
        left = f", {in_time(elapsed * (1 - fraction) / fraction)} left" if sure else ""
        self.setFormat(f"{self._session.job.running.capitalize()}: {100 * fraction:.0f} %{left}")
        for activity in self._activities:
            activity.update(value - activity.n)

    def _on_ended(self, ending: object = None) -> None:
        del ending
        while self._activities:
            self._activities.pop().close()
            self._set_spinner(100)
        self._rest()

    def _set_spinner(self, percent: int) -> None:
        """Set the pace of the spinner in the viewer's status bar."""
        window = self._session.viewer.window._qt_window  # noqa: SLF001
        for label in window.statusBar().findChildren(QLabel):
            if label.movie() is not None:
                label.movie().setSpeed(percent)

    def _rest(self) -> None:
        self.setValue(0)
        self.setFormat("")


def in_time(seconds: float) -> str:
    """Say a time as a person would.

    Examples
    --------
    >>> [in_time(s) for s in (7, 75, 3700)]
    ['7 s', '1 min 15 s', '1 h 1 min']
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
