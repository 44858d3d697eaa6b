"""The Split dock: from a mask, probabilities or a prediction to single objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from napari.layers import Image, Labels, Points
from qtpy.QtWidgets import (
    QCheckBox,
    QGroupBox,
    QWidget,
)

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.events import Prediction
from napari_nucleate.gui.axes import axes_of, usual_ndim
from napari_nucleate.gui.dock import column, on_click, rows, scrolling
from napari_nucleate.gui.evidence import Evidence, OfPrediction, evidence_of, guess_kind
from napari_nucleate.gui.fields import Choice
from napari_nucleate.gui.front import Front
from napari_nucleate.gui.life import Follower
from napari_nucleate.gui.live import NAME, Live
from napari_nucleate.gui.seeds import in_words, seeds_of, watch
from napari_nucleate.gui.session import session_of
from napari_nucleate.gui.split_everything import SplitEverything, count_objects
from napari_nucleate.gui.splitter_form import SplitterForm
from napari_nucleate.gui.thresholds import Thresholds
from napari_nucleate.gui.widgets import LayerCombo, Sentence
from napari_nucleate.project.plan import Gate

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Layer


KINDS = [
    ("a mask or probabilities", "mask"),
    ("bright lines between objects", "borders"),
    ("distances to the boundary", "distances"),
]
NO_KIND = "Labels are a mask, and a prediction has the network's own maps."


class SplitDock(QWidget):
    """Splits any mask, probabilities, labels or prediction into single objects.

    The region in view is split live while the parameters move; *Apply to everything* makes a new
    layer. Labels are unique in it, through all images, and its features tell how probable each
    object is. The layer that is split is never changed.

    Parameters
    ----------
    viewer : napari.Viewer
    """

    def __init__(self, viewer: Viewer) -> None:
        super().__init__()
        self._viewer = viewer
        self._session = session_of(viewer)
        self._evidence: Evidence | None = None
        self._picked = False
        self._front = Front(self)
        self._follower = Follower(self._on_layer_changed)
        self._watched: WeakSet[Layer] = WeakSet()
        self.layers = LayerCombo(viewer, (Image, Labels), _can_be_split)
        self.dimensions = Choice([("2D, each plane by itself", 2), ("3D", 3)])
        self.kind = Choice(KINDS)
        self.seeds = LayerCombo(viewer, (Points, Labels), lambda x: x.name != NAME, none="none")
        self.note = Sentence()
        self.form = SplitterForm()
        self.thresholds = Thresholds(viewer)
        self.live_on = QCheckBox("Show the region in view live")
        self.live_count = Sentence()
        self.everything = SplitEverything(viewer)
        self.live = Live(viewer, self)
        self._lay_out()
        self._connect()
        self._on_chosen(self.layers.layer)

    def _lay_out(self) -> None:
        self.layers.setToolTip("What is split. It is never changed.")
        self.seeds.setToolTip(
            "A Points layer with a point in each object, or a Labels layer with a spot of its own "
            "label in each. The watershed then finds these objects and no others."
        )
        self.live_on.setChecked(True)
        what, how = QGroupBox("What"), QGroupBox("How")
        fields = rows()
        fields.addRow("Layer", self.layers)
        fields.addRow("Objects", self.dimensions)
        fields.addRow("The layer is", self.kind)
        fields.addRow("Seeds", self.seeds)
        column(what).addLayout(fields)
        what.layout().addWidget(self.note)
        acts = column(how)
        acts.addWidget(self.form)
        acts.addWidget(self.thresholds)
        acts.addSpacing(4)
        acts.addWidget(self.live_on)
        acts.addWidget(self.live_count)
        above = scrolling(self)
        above.addWidget(what)
        above.addWidget(how)
        above.addWidget(self.everything)
        above.addStretch(1)

    def _connect(self) -> None:
        self.layers.chosen.connect(self._on_chosen)
        self.layers.activated.connect(self._on_picked)
        self.dimensions.edited.connect(self._choose)
        self.kind.edited.connect(self._choose)
        self.seeds.chosen.connect(self._on_seeds)
        self.form.changed.connect(self._on_edited)
        self.live_on.toggled.connect(self._renew)
        self.live.waiting.connect(self.live_count.say)
        self.live.shown.connect(self._on_live)
        self.live.failed.connect(self._on_live_failed)
        on_click(self._session, self.everything.button, self._apply_all)
        on_click(self._session, self.thresholds.button, self._choose_thresholds)
        self.thresholds.chosen.connect(self._on_thresholds)
        self.everything.made.connect(lambda: self.live_on.setChecked(False))
        self._session.changed.connect(self._apply)
        self._session.happened.connect(self._on_event)
        self.live.dismissed.connect(lambda: self.live_on.setChecked(False))
        self._front.changed.connect(self._renew)
        self.destroyed.connect(self.live.close)
        self.destroyed.connect(lambda: self._follower.follow(None))

    # -- what is split --------------------------------------------------------------------

    def _on_picked(self) -> None:
        self._picked = True

    def _on_layer_changed(self, event: Any) -> None:
        """Look again at a layer that got other pixels, or lies elsewhere."""
        if event.type == "data":
            self._on_chosen(self.layers.layer)
        else:
            self._choose()

    def _on_chosen(self, layer: Layer | None) -> None:
        self._follower.follow(layer)
        if layer is not None:
            deep = "Z" in axes_of(self._session, layer)
            self.dimensions.setEnabled(deep)
            self.dimensions.setToolTip(
                "Whether objects reach through planes." if deep else "The layer has no Z axis."
            )
            self.dimensions.show_value(usual_ndim(self._session, layer) if deep else 2)
            maps = layer is self._session.prediction
            self.kind.setEnabled(not maps and isinstance(layer, Image))
            self.kind.setToolTip("What its pixels stand for." if self.kind.isEnabled() else NO_KIND)
            self.kind.show_value("mask" if maps else guess_kind(layer))
        self._choose()

    def _choose(self) -> None:
        """Look at the layer anew: whether and how it can be split."""
        layer = self.layers.layer
        self._evidence = None
        self.note.say("")
        if layer is not None:
            try:
                evidence = evidence_of(self._session, layer, self.dimensions.raw(), self.kind.raw())
                evidence.seeds = seeds_of(self.seeds.layer, evidence.source)
            except NucleateError as error:
                self.note.warn(str(error))
            else:
                self._evidence = evidence
                self.form.suit(evidence)
                self._say()
        self._session.set_choices(splittable=self._evidence is not None)
        self._apply()
        self._renew()

    def _say(self) -> None:
        """Say what is split, and that seeds don't act where they don't."""
        if self._evidence is None:
            return
        idle = self._evidence.seeds is not None and self.form.kind != "watershed"
        self.note.say(self._evidence.note + " Seeds act in the watershed only." * idle)

    def _on_seeds(self, layer: Layer | None) -> None:
        if layer is not None and layer not in self._watched:
            self._watched.add(layer)
            watch(self, layer, self._on_seeds_changed)
        self._choose()

    def _on_seeds_changed(self, event: Any) -> None:
        """Split again with the seeds as they are now; the evidence stays, and its layer too."""
        layer = self.seeds.layer
        if layer is None or event.source is not layer:
            return
        try:
            if self._evidence is not None:
                self._evidence.seeds = seeds_of(layer, self._evidence.source)
                self._renew()
                return
        except NucleateError:
            pass  # they fit no more
        self._choose()

    def _on_event(self, event: object) -> None:
        if isinstance(event, Prediction) and isinstance(self._evidence, OfPrediction):
            self._choose()  # the maps are others now

    def _apply(self) -> None:
        prediction = self._session.prediction
        if prediction is not None and not self._picked and self.layers.layer is not prediction:
            self.layers.choose(prediction)
        broken = self._evidence is None and self.note.text()
        self.everything.button.apply(Gate(broken) if broken else self._session.plan.split)
        self.thresholds.button.apply(
            Gate(broken) if broken else self.thresholds.gate(self._evidence)
        )

    # -- live -----------------------------------------------------------------------------

    def _on_edited(self, splitter: object) -> None:
        del splitter
        self._say()
        if self.live_on.isChecked():
            self._renew(at_once=True)
        else:
            self.live_on.setChecked(True)

    def _renew(self, *, at_once: bool = False) -> None:
        """Split live what is in view, if it can be seen and is wanted."""
        if self._evidence is None or not self.live_on.isChecked() or not self._front.seen:
            self.live.end()
            self.live_count.say("")
            return
        try:
            self.live.split(self._evidence, self.form.value, at_once=at_once)
        except NucleateError:
            self.live.end()  # the form says what is wrong

    def _on_live(self, count: int) -> None:
        seeds = self._evidence.seeds if self._evidence else None
        stray = in_words(self.live.astray + (seeds.outside if seeds else 0))
        self.live_count.say(f"{count_objects(count)} in view" + (f".{stray}" if stray else ""))

    def _on_live_failed(self, message: str) -> None:
        self.live_count.warn(message)

    def _choose_thresholds(self) -> None:
        if self._evidence is not None:
            self.thresholds.start(self._evidence, self.form.value)

    def _on_thresholds(self, splitter: object) -> None:
        self.form.choose(splitter)
        self._on_edited(splitter)

    def _apply_all(self) -> None:
        if self._evidence is not None:
            self.everything.start(self._evidence, self.form.value)


def _can_be_split(layer: Layer) -> bool:
    return layer.name != NAME and not getattr(layer, "rgb", False)
