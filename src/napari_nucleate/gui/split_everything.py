"""Splitting all images of a layer into a new layer, beside the window."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QGroupBox, QHBoxLayout, QProgressBar

from napari_nucleate.gui.axes import MADE
from napari_nucleate.gui.dock import column, on_click
from napari_nucleate.gui.evidence import (
    Evidence,
    OfPrediction,
    SplitAll,
    SplitPart,
    snapshot,
    split_all,
)
from napari_nucleate.gui.job import Ending, Failed, Stopped
from napari_nucleate.gui.scores import INDEX
from napari_nucleate.gui.seeds import in_words
from napari_nucleate.gui.session import session_of
from napari_nucleate.gui.warming import SENTENCE, Preparing, preparing
from napari_nucleate.gui.widgets import GatedButton, Sentence
from napari_nucleate.project.plan import Gate

if TYPE_CHECKING:
    from collections.abc import Generator

    from napari import Viewer

    from napari_nucleate.core.instances import Splitter


STEPS = 1000
"""Of the bar: blocks count as parts of an image."""


class SplitEverything(QGroupBox):
    """A button that splits all images into a new layer *split*, a bar, and what came of it.

    Labels are unique in it, as in the prediction layer: its features tell of all objects.

    Parameters
    ----------
    viewer : napari.Viewer

    Signals
    -------
    made
        The new layer is there.
    """

    made = Signal()

    def __init__(self, viewer: Viewer) -> None:
        super().__init__("All images")
        self._viewer = viewer
        self._session = session_of(viewer)
        self._evidence: Evidence | None = None
        self._result: SplitAll | None = None
        self.button = GatedButton("Apply to everything", "Split all images into a new layer.")
        self.stop = GatedButton("Stop", "End the splitting; no layer is made.")
        self.bar = QProgressBar()
        self.outcome = Sentence()
        buttons = QHBoxLayout()
        buttons.addWidget(self.button, 2)
        buttons.addWidget(self.stop, 1)
        layout = column(self)
        layout.addLayout(buttons)
        layout.addWidget(self.bar)
        layout.addWidget(self.outcome)
        on_click(self._session, self.stop, self._session.stop)
        self._session.happened.connect(self._on_event)
        self._session.ended.connect(self._on_ended)
        self._show_work()

    def start(self, evidence: Evidence, splitter: Splitter) -> None:
        """Split all images.

        Raises
        ------
        NucleateError
            If something is under way already.
        """
        folder = self._session.store.folder
        place = folder if folder.is_dir() else None
        kept = snapshot(evidence, place)  # the person may go on placing seeds

        def work() -> Generator[Preparing | SplitPart | SplitAll, None, None]:
            yield from preparing()
            yield from split_all(kept, splitter, place)

        self._session.start("splitting", work)
        self._evidence = evidence
        self.outcome.say("")
        self.bar.setRange(0, 0)
        self._show_work()

    def _show_work(self) -> None:
        working = self._evidence is not None
        self.stop.apply(Gate() if working else Gate("No splitting is under way."))
        self.bar.setVisible(working)

    def _on_event(self, event: object) -> None:
        if self._evidence is None:
            return
        if isinstance(event, Preparing):
            self.outcome.say(SENTENCE)
        elif isinstance(event, SplitPart):
            self.outcome.say("")
            self.bar.setRange(0, STEPS)
            self.bar.setValue(round(STEPS * event.images / event.total))
        elif isinstance(event, SplitAll):
            self._result = event

    def _on_ended(self, ending: Ending) -> None:
        evidence, self._evidence = self._evidence, None
        result, self._result = self._result, None
        if evidence is None:
            return
        if isinstance(ending, Failed):
            self.outcome.warn(ending.message)
        elif isinstance(ending, Stopped):
            self.outcome.say("Stopped; no layer was made.")
        elif result is not None:
            self._show(evidence, result)
        self._show_work()

    def _show(self, evidence: Evidence, result: SplitAll) -> None:
        source = evidence.source
        if isinstance(evidence, OfPrediction):
            source.layer.visible = False  # or its colours mix with those of the result
        made = {"axes": source.axes, "ndim": source.ndim}
        layer = self._viewer.add_labels(
            result.labels,
            name="split",
            metadata={MADE: made, **source.sizes()},
            features={INDEX: np.arange(1, result.objects + 1), **result.table},
            **source.geometry(),
        )
        self._session.undoing.added(layer)
        count = len(source.stack.images(source.ndim))
        images = f"{count} image" + "s" * (count != 1)
        found = f"Layer {layer.name!r}: {count_objects(result.objects)} in {images}."
        self.outcome.say(found + self._missing(evidence) + in_words(result.astray))
        self.made.emit()

    def _missing(self, evidence: Evidence) -> str:
        """Say how many images stayed empty because nothing is predicted there."""
        if not isinstance(evidence, OfPrediction):
            return ""
        without = sum(item.confidence is None for item in self._session.state.items)
        return f" {without} without a prediction stay empty." if without else ""


def count_objects(count: int) -> str:
    """Say how many objects there are.

    Examples
    --------
    >>> count_objects(1), count_objects(12)
    ('1 object', '12 objects')
    """
    return f"{count} object" + "s" * (count != 1)
