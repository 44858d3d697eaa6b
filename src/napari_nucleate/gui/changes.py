"""What the person paints while a network learns, for it to learn from."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, QTimer

from napari_nucleate.core.annotation import Annotation, annotate
from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.patches import Example
from napari_nucleate.gui.layers import boxes_of
from napari_nucleate.project.model import HUMAN, rule_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from napari_nucleate.core.annotation import Known
    from napari_nucleate.core.images import ImageRef
    from napari_nucleate.gui.session import Session

PAUSE = 300
"""Milliseconds after the last stroke before it is handed over: strokes come in rows."""


@dataclass(frozen=True)
class _Painted:
    """A copy of what is painted on an image, and how it is read; no rule where nothing is known."""

    ref: ImageRef
    labels: NDArray[Any]
    rule: Known | None
    boxes: list[Any]

    def annotation(self) -> Annotation:
        """Labels and known pixels.

        Raises
        ------
        NucleateError
            If boxes count and none is drawn.
        """
        if self.rule is None:
            return Annotation(self.labels.astype(np.int32), np.zeros(self.labels.shape, bool))
        return annotate(self.labels, self.rule, self.boxes)


class Changes(QObject):
    """Collects images painted on, and hands them to a training. Called in the training's thread.

    Layers are read on the GUI's side, a moment after the last stroke. An image that was labelled
    when the training began is handed over then. One that wasn't, and of which all pixels count,
    is when the person goes on to another: until then, what isn't painted yet isn't background.

    Parameters
    ----------
    session : Session
        Whose labels are collected.
    """

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._session = session
        self._lock = threading.Lock()
        self._ready: dict[str, _Painted] = {}
        self._begun: set[str] | None = None
        self._rule: Known = "dense"
        # Images of which something was known by a box.
        self._boxed: set[str] = set()
        self._noted: set[str] = set()
        self._watched: set[str] = set()
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(PAUSE)
        self._timer.timeout.connect(self.collect)

    def begin(self, keys: Iterable[str], rule: Known) -> None:
        """A training begins, on these images of a person's, read by this rule."""
        with self._lock:
            self._ready = {}
        self._noted = set()
        self._begun, self._rule = set(keys), rule
        self._boxed = set(self._begun)

    def end(self) -> None:
        """The training is over; nothing is collected until the next."""
        self._timer.stop()
        self._begun = None
        with self._lock:
            self._ready = {}

    def watch(self) -> set[str]:
        """The images painted on from now on, growing; until it is asked for the next time."""
        self._watched = set()
        return self._watched

    def note(self, key: str) -> None:
        """Note that an image was painted on; on the GUI's side."""
        self._watched.add(key)
        if self._begun is not None and key:
            self._noted.add(key)
            self._timer.start()

    def look(self) -> None:
        """Note that the person may have gone on to another image; on the GUI's side."""
        if self._noted:
            self._timer.start()

    def collect(self, everything: bool = False) -> None:
        """Copy what is painted on the images noted; on the GUI's side.

        Parameters
        ----------
        everything : bool
            Also of those that the person may not be done with.
        """
        session, source = self._session, self._session.source
        if self._begun is None or source is None or session.annotation is None:
            return
        for key in sorted(self._noted):
            if not (everything or self._complete(key)):
                continue
            self._noted.discard(key)
            self._begun.add(key)
            ref = session.ref(key)
            status = session.state.item(key).status
            rule = rule_of(status, self._rule) if status in HUMAN else None
            boxes = boxes_of(session.life.kept("boxes"), source, ref)
            if boxes:
                self._boxed.add(key)
            elif rule == "boxes" and key in self._boxed:
                rule = None  # its last box was deleted
            painted = _Painted(ref, session.painted(key), rule, boxes)
            with self._lock:
                self._ready[key] = painted

    def _complete(self, key: str) -> bool:
        """Whether what is painted on an image says what there is in it."""
        session = self._session
        if self._begun is None:
            return False
        status = session.state.item(key).status
        said = status == "empty" or rule_of(status, self._rule) != "dense"
        return said or key in self._begun or key != session.current

    def __call__(self) -> list[Example]:
        """Images whose labels changed since the last call; in the training's thread."""
        if not self._ready:
            return []
        with self._lock:
            ready, self._ready = self._ready, {}
        examples = []
        for key, painted in ready.items():
            try:
                annotation = painted.annotation()
            except NucleateError:
                continue  # its first box isn't drawn yet
            examples.append(Example(key, painted.ref.read(), annotation))
        return examples
