"""A button that chooses the thresholds by what a person labelled, and the curves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pyqtgraph as pg
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QHBoxLayout, QLabel, QVBoxLayout, QWidget

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.instances.tune import Tried, Tuned, choosing
from napari_nucleate.gui.dock import on_click
from napari_nucleate.gui.evidence import OfPrediction, snapshot
from napari_nucleate.gui.fields import in_words
from napari_nucleate.gui.job import Ending, Failed, Stopped
from napari_nucleate.gui.plots import paint, small_plot
from napari_nucleate.gui.session import session_of
from napari_nucleate.gui.widgets import GatedButton, Sentence, follow
from napari_nucleate.project import tune
from napari_nucleate.project.model import HUMAN, PAINTED
from napari_nucleate.project.plan import Gate

if TYPE_CHECKING:
    from napari import Viewer

    from napari_nucleate.core.annotation import Annotation
    from napari_nucleate.core.images import ImageRef
    from napari_nucleate.core.instances.tune import Case, Curve
    from napari_nucleate.gui.evidence import Evidence

LINE, CHOSEN = "#4c9be8", "#e0a72e"


class Thresholds(QWidget):
    """Chooses the thresholds with the highest AP on the labelled images, in the background.

    Parameters
    ----------
    viewer : napari.Viewer

    Signals
    -------
    chosen(object)
        The splitter that does best.
    """

    chosen = Signal(object)

    def __init__(self, viewer: Viewer) -> None:
        super().__init__()
        self._session = session_of(viewer)
        self._working = False
        self._learned = False
        self.button = GatedButton(
            "Choose for me", "Chooses what gives the highest AP on your labelled images."
        )
        self.stop = GatedButton("Stop", "End the search; the values stay as they are.")
        self.stop.hide()
        self.outcome = Sentence()
        self.curves = CurvePlots(viewer)
        buttons = QHBoxLayout()
        buttons.addWidget(self.button, 2)
        buttons.addWidget(self.stop, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addLayout(buttons)
        layout.addWidget(self.outcome)
        layout.addWidget(self.curves)
        on_click(self._session, self.stop, self._session.stop)
        self._session.happened.connect(self._on_event)
        self._session.ended.connect(self._on_ended)

    def gate(self, evidence: Evidence | None) -> Gate:
        """Whether thresholds can be chosen for what is split, and why not."""
        session = self._session
        if session.job.running or evidence is None:
            return session.plan.split
        if session.source is None or session.annotation is None:
            return Gate("Label a few objects in the Label dock first: they tell what is right.")
        if evidence.source.layer is session.annotation:
            return Gate("These are your labels themselves; choose a prediction or a mask.")
        if not session.state.keys(*PAINTED):
            return Gate("Paint a few objects first: they tell what is right.")
        if evidence.source.ndim != session.source.ndim:
            return Gate(
                f"Your labels are {session.source.ndim}D and objects here are "
                f"{evidence.source.ndim}D; choose the same above."
            )
        if session.state.recipe.target.semantic:
            return Gate("You labelled classes, not objects; they don't tell where objects part.")
        return Gate()

    def start(self, evidence: Evidence, splitter: Any) -> None:
        """Choose, beginning with a splitter.

        Raises
        ------
        NucleateError
            If it can't be done now.
        """
        gate = self.gate(evidence)
        if not gate:
            raise NucleateError(gate.why)
        session, state = self._session, self._session.state
        # Painted labels are read here, on the GUI's side: the person may go on painting.
        labels = {key: session.annotation_of(key) for key in state.keys(*HUMAN)}
        if isinstance(evidence, OfPrediction):
            store, ref = session.store, session.ref
            session.start("choosing", lambda: tune.tuning(store, state, labels, ref, splitter))
        else:
            kept = snapshot(evidence)
            cases = _LayerCases(kept, [(session.ref(k), a) for k, a in labels.items()])
            session.start("choosing", lambda: choosing(splitter, cases))
        self._working, self._learned = True, False
        self.stop.show()
        self.curves.show_curves(())
        self.outcome.say("Looking for the best values…")

    def _on_event(self, event: object) -> None:
        if not self._working:
            return
        if isinstance(event, tune.Measuring):
            self._learned = not event.held_out
        elif isinstance(event, Tried):
            self.outcome.say(f"{event.tried} settings tried…")
        elif isinstance(event, Tuned):
            note = " The model learned from them: elsewhere AP is likely lower." * self._learned
            self.outcome.say(f"{tune.in_words(event)}.{note}")
            self.curves.show_curves(event.curves)
            self.chosen.emit(event.splitter)

    def _on_ended(self, ending: Ending) -> None:
        if not self._working:
            return
        self._working = False
        self.stop.hide()
        if isinstance(ending, Failed):
            self.outcome.warn(ending.message)
        elif isinstance(ending, Stopped):
            self.outcome.say("Stopped; the values are as they were.")


class CurvePlots(QWidget):
    """AP by each threshold, side by side, the chosen value marked; hidden without curves."""

    def __init__(self, viewer: Viewer) -> None:
        super().__init__()
        self._viewer = viewer
        self._row = QHBoxLayout(self)
        self._row.setContentsMargins(0, 0, 0, 0)
        self._row.setSpacing(2)
        self.plots: list[pg.PlotWidget] = []
        follow(self, viewer.events.theme, self._paint)
        self.hide()

    def show_curves(self, curves: Sequence[Curve]) -> None:
        """Draw these in the place of those before."""
        while self._row.count():
            self._row.takeAt(0).widget().deleteLater()
        self.plots = [self._plot(curve) for curve in curves]
        top = max((ap for curve in curves for ap in curve.ap), default=0.0)
        for plot in self.plots:
            plot.setYRange(0, max(top, 0.1), padding=0.08)
        self.setVisible(bool(curves))
        self._paint()

    def _plot(self, curve: Curve) -> pg.PlotWidget:
        plot = small_plot(96)
        plot.plot(
            curve.values,
            curve.ap,
            pen=pg.mkPen(LINE, width=1.5),
            symbol="o",
            symbolSize=4,
            symbolBrush=LINE,
            symbolPen=None,
        )
        best = curve.ap[curve.values.index(curve.chosen)]
        plot.addItem(pg.InfiniteLine(curve.chosen, pen=pg.mkPen(CHOSEN, width=1)))
        plot.plot([curve.chosen], [best], pen=None, symbol="o", symbolSize=8, symbolBrush=CHOSEN)
        plot.getAxis("left").setWidth(28)
        plot.getAxis("bottom").setHeight(18)
        name = in_words(curve.field.rsplit(".", maxsplit=1)[-1])
        title = QLabel(f"{name} {curve.chosen:g}")
        title.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        tip = f"AP by {name.lower()}; {curve.chosen:g} is chosen."
        plot.setToolTip(tip)
        title.setToolTip(tip)
        box = QWidget()
        inside = QVBoxLayout(box)
        inside.setContentsMargins(0, 0, 0, 0)
        inside.setSpacing(0)
        inside.addWidget(title)
        inside.addWidget(plot)
        self._row.addWidget(box, 1)
        return plot

    def _paint(self, event: object = None) -> None:
        del event
        for plot in self.plots:
            paint(plot, self._viewer)


class _LayerCases(Sequence["Case"]):
    """A mask or probabilities beside the labels of the same images, read when asked."""

    def __init__(self, evidence: Evidence, labels: Sequence[tuple[ImageRef, Annotation]]) -> None:
        # Axes may have other names in another layer.
        refs = {_place(r): r for r in evidence.source.stack.images(evidence.source.ndim)}
        name = evidence.source.layer.name
        for ref, _ in labels:
            if _place(ref) not in refs or refs[_place(ref)].shape != ref.shape:
                raise NucleateError(
                    f"{name!r} has no image as {ref.key} is; choose a layer with the shape of "
                    "your labels."
                )
        self._evidence = evidence
        self._items = [(refs[_place(ref)], annotation) for ref, annotation in labels]

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, i: Any) -> Any:
        ref, annotation = self._items[i]
        return self._evidence.maps(ref), annotation


def _place(ref: ImageRef) -> tuple[int, ...]:
    return tuple(ref.position.values())
