"""One state a viewer: what the docks show and what their buttons do."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QApplication

from napari_nucleate.core.annotation import Annotation, Known, annotate
from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.events import Prediction, Preview, Trained, Warned
from napari_nucleate.core.loading import load_torch
from napari_nucleate.gui.active import Finisher
from napari_nucleate.gui.changes import Changes
from napari_nucleate.gui.checking import Checks
from napari_nucleate.gui.dropping import Drops
from napari_nucleate.gui.eye import Eye
from napari_nucleate.gui.job import Ending, Failed, Job
from napari_nucleate.gui.judgements import Judgements
from napari_nucleate.gui.keeping import Keeper
from napari_nucleate.gui.layers import boxes_of
from napari_nucleate.gui.life import LayerLife
from napari_nucleate.gui.notices import show_warning
from napari_nucleate.gui.painting import Painting
from napari_nucleate.gui.projects import Projects
from napari_nucleate.gui.reading import Kept, read_labels
from napari_nucleate.gui.results import Results
from napari_nucleate.gui.strokes import Strokes
from napari_nucleate.gui.trainings import Trainings
from napari_nucleate.gui.undoing import Undoing
from napari_nucleate.gui.viewpoint import face, frame
from napari_nucleate.project import run
from napari_nucleate.project.model import WAITING, Item, State, rule_of
from napari_nucleate.project.plan import Gate, Plan, Situation, plan
from napari_nucleate.project.store import Store, new_folder_for

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari import Viewer
    from napari.layers import Image, Labels, Shapes
    from numpy.typing import NDArray

    from napari_nucleate.core.images import ImageRef, NDim
    from napari_nucleate.core.predict import Tiling
    from napari_nucleate.core.recipe import Recipe
    from napari_nucleate.gui.layers import Colour, LayerSource


def session_of(viewer: Viewer) -> Session:
    """The viewer's session; made at the first call, gone with the viewer's window."""
    # napari gives plugins a proxy of the viewer.
    viewer = getattr(viewer, "__wrapped__", viewer)
    window = viewer.window._qt_window  # noqa: SLF001
    return window.findChild(Session) or Session(viewer)


class Session(QObject):
    """State of the work in one viewer. Docks call its methods and listen to its signals.

    Signals
    -------
    changed
        The state or what can be done changed; docks apply `plan` and `state`.
    happened(object)
        An event of the running work, see `core.events`.
    ended(object)
        How the work ended: Finished, Stopped or Failed.
    """

    changed = Signal()
    happened = Signal(object)
    ended = Signal(object)

    def __init__(self, viewer: Viewer) -> None:
        window = viewer.window._qt_window  # noqa: SLF001
        super().__init__(window)
        self.viewer = viewer
        self.state = State()
        self.store = Store(new_folder_for("project"))
        self.source: LayerSource | None = None
        # What the images look like, of those that were read for that: see `describe`.
        self.descriptions: dict[str, NDArray[np.float64]] = {}
        self.annotation: Labels | None = None
        self.boxes: Shapes | None = None
        self.prediction: Labels | None = None
        self.preview: Image | None = None
        self.job = Job(self)
        self.job.happened.connect(self._on_event)
        self.job.ended.connect(self._on_ended)
        self._refs: dict[str, ImageRef] = {}
        self.life = LayerLife(self)
        self.eye = Eye(self)
        self.changes = Changes(self)
        self.keeper = Keeper(self)
        self.judgements = Judgements(self)
        self.strokes = Strokes(self)
        self._finisher = Finisher(viewer)
        self.undoing = Undoing(self)
        self.projects = Projects(self)
        self.painting = Painting(self)
        self.results = Results(self)
        self.trainings = Trainings(self)
        self.checks = Checks(self)
        self.drops = Drops(self)
        self._splittable = self._exportable = self._closed = False
        # How many images the last prediction was asked for.
        self.predicting = 0
        self._face()
        viewer.dims.events.ndisplay.connect(self._face)
        viewer.dims.events.point.connect(self.eye.look)
        viewer.dims.events.point.connect(self.changes.look)
        viewer.scene.camera.events.center.connect(self.eye.look)
        viewer.scene.camera.events.zoom.connect(self.eye.look)
        window.destroyed.connect(self.close)
        QApplication.instance().aboutToQuit.connect(self.close)

    # -- what there is ------------------------------------------------------------------

    @property
    def plan(self) -> Plan:
        """What can be done now, and why not."""
        return plan(
            Situation(
                self.state,
                image=self.source is not None,
                annotation=self.annotation is not None,
                running=self.job.running,
                model=self.state.model,
                interrupted=self.trainings.interrupted,
                splittable=self._splittable,
                exportable=self._exportable,
                judged=bool(self.judgements),
                locked=self.store.locked,
            )
        )

    def ref(self, key: str) -> ImageRef:
        """The image of that name."""
        return self._refs[key]

    def refs(self) -> Mapping[str, ImageRef]:
        """All images by name; of other pixels there is another mapping."""
        return self._refs

    def need_source(self) -> LayerSource:
        """The image that is worked on; raises where there is none."""
        if self.source is None:
            raise NucleateError("Choose an image layer in the Label dock first.")
        return self.source

    def check(self, gate: Gate) -> None:
        """Raise the sentence that says why something can't be done now."""
        if not gate:
            raise NucleateError(gate.why)

    @property
    def current(self) -> str:
        """Name of the image that the sliders point at; empty without an image layer."""
        return self.source.in_view(self.viewer).key if self.source else ""

    def read(self, source: LayerSource) -> None:
        """Read images from a layer from now on; tells nobody."""
        if source is not self.source:
            self.descriptions = {}
        self.source = source
        self._refs = {ref.key: ref for ref in source.stack.images(source.ndim)}

    # -- Label --------------------------------------------------------------------------

    def choose_layer(
        self, layer: Image, axes: str, ndim: NDim, colour: Colour | None = None
    ) -> None:
        """Work on an image layer from now on, see `Projects.begin`."""
        self.projects.begin(layer, axes, ndim, colour)

    def annotate(self) -> Labels:
        """Make the annotation layer, or select the one there is, ready to paint."""
        self.need_source()
        if self.store.locked:
            raise NucleateError(self.store.locked)
        self.life.show_image()
        self.annotation = self.annotation or self.life.back("annotation")
        if self.annotation is None:
            kept = read_labels(self.store, self.state, list(self._refs.values()))
            return self.painting.make(kept)
        return self.painting.ready()

    def set_known(self, known: Known) -> None:
        """Choose how unpainted pixels count; boxes get a layer to draw rectangles on."""
        self.set_state(self.state.model_copy(update={"known": known}))
        self.painting.need_boxes()

    def need_annotation(self) -> Labels:
        """The annotation layer; raises where there is none."""
        if self.annotation is None:
            raise NucleateError("There is no annotation layer; press Annotate first.")
        return self.annotation

    def painted(self, key: str) -> NDArray[Any]:
        """What is painted on an image, as in the layer; a copy (*spatial)."""
        place = self.need_source().place(self.ref(key))
        return np.array(self.need_annotation().data[place])

    def rule_of(self, key: str) -> Known:
        """How unpainted pixels of an image count."""
        return rule_of(self.state.item(key).status, self.state.known)

    def annotation_of(self, key: str) -> Annotation:
        """Labels and known pixels of an image, by the chosen rule."""
        boxes = boxes_of(self.life.kept("boxes"), self.need_source(), self.ref(key))
        rule = self.rule_of(key)
        try:
            return annotate(self.painted(key), rule, boxes)
        except NucleateError as error:
            raise NucleateError(f"{key}: {error}") from error

    def confirm_empty(self, key: str) -> None:
        """Say that there is nothing in an image; it then trains as background.

        Raises
        ------
        NucleateError
            If something is painted on it.
        """
        if self.painted(key).any():
            raise NucleateError(
                f"{key} has painted labels; erase them to confirm that it is empty."
            )
        self.set_state(self.state.mark(key, "empty"))
        self.strokes.note(key)

    def go_to(self, key: str) -> None:
        """Show an image in the viewer; its layer comes back if it was removed."""
        source = self.need_source()
        self.life.show_image()
        before, ref = source.in_view(self.viewer), self.ref(key)
        source.show(self.viewer, ref)
        if ref.shape != before.shape:  # it may lie outside of what is seen, or be a spot in it
            frame(self.viewer, source, ref)

    def next_unlabelled(self) -> str:
        """Show the next image, after the one in view, that no person has labelled."""
        keys = self.state.keys()
        at = keys.index(self.current) + 1
        for key in keys[at:] + keys[:at]:
            if self.state.item(key).status in WAITING:
                self.go_to(key)
                return key
        raise NucleateError("No image is left to label.")

    # -- Train and predict --------------------------------------------------------------

    def set_recipe(self, recipe: Recipe) -> None:
        """Train by another recipe from now on."""
        self.set_state(self.state.model_copy(update={"recipe": recipe}))

    def stop(self) -> None:
        """End what runs at its next event; the best weights are kept."""
        # The sooner a training hears of the last strokes, the likelier it goes on with them later.
        self.changes.collect(everything=True)
        self.job.stop()

    def predict(self, keys: Sequence[str] | None = None, *, tiling: Tiling | None = None) -> None:
        """Predict images; by default all that no person labelled and nobody accepted."""
        self.check(self.plan.predict)
        store, state = self.store, self.state
        keys = keys or state.keys(*WAITING)
        if not keys:
            raise NucleateError("Every image is labelled or accepted; there is none to predict.")
        refs = [self.ref(k) for k in keys]
        name, seen = state.model, self.descriptions

        def work() -> Any:
            load_torch()
            model = store.load_model(name)
            options = state.self_training
            yield from run.predicting(store, model, refs, options, tiling=tiling, seen=seen)

        self.predicting = len(refs)
        if self.preview is not None:
            # It shows the same again, and would hide the colours.
            self.preview.visible = False
        if self.prediction is not None:
            self.prediction.visible = True
        self.job.start("prediction", work)
        self.changed.emit()

    def use(self, model: str) -> None:
        """Predict with another model of the project from now on, and train further from it.

        Raises
        ------
        NucleateError
            If something runs.
        """
        self.need_rest()
        self.set_state(self.state.use(model))

    # -- Split and Export ---------------------------------------------------------------

    def set_choices(
        self, *, splittable: bool | None = None, exportable: bool | None = None
    ) -> None:
        """Say whether a layer is chosen to split, or to export."""
        before = self._splittable, self._exportable
        self._splittable = before[0] if splittable is None else splittable
        self._exportable = before[1] if exportable is None else exportable
        if before != (self._splittable, self._exportable):
            self.changed.emit()

    def start(self, what: str, make: Any) -> None:
        """Run a dock's own long work; its events come by `happened`."""
        self.job.start(what, make)
        self.changed.emit()

    # -- keeping ------------------------------------------------------------------------

    def set_items(self, *items: Item) -> None:
        """Let images have another status from now on."""
        self.set_state(self.state.replace(*items))

    def notify(self, error: NucleateError) -> None:
        """Show a sentence to the person, in napari's way."""
        show_warning(str(error))

    # -- inside -------------------------------------------------------------------------

    def _face(self) -> None:
        face(self.viewer)

    def set_state(self, state: State) -> None:
        """Have another state from now on; it is kept, and docks show it."""
        self.state = state
        self.keeper.touch()
        self.changed.emit()

    def need_rest(self) -> None:
        """Raise the sentence that says what runs, if something does."""
        if self.job.running:
            raise NucleateError(f"Wait: {self.job.running} is under way; press Stop to end it.")

    def _on_event(self, event: object) -> None:
        self._note(event)
        if isinstance(event, Prediction | Preview):
            self.results.show(event)
        elif isinstance(event, Kept):
            self.results.show(event.prediction)
        elif isinstance(event, Warned):
            show_warning(event.message)
        self.happened.emit(event)
        if isinstance(event, Prediction | Trained):
            self.keeper.touch()
            self.changed.emit()

    def _note(self, event: object) -> None:
        """Note what an event says of models and images."""
        self.state = run.after(self.state, event)
        self.trainings.note(event)

    def close(self) -> None:
        """End what runs, and keep what there is to keep; the window closes.

        Once: another window may go on with the project afterwards.
        """
        if self._closed:
            return
        self._closed = True
        self.checks.stop()
        for event in self.job.close():
            self._note(event)
        used = self.state.model
        self.trainings.enter(finished=False)
        if used and used != self.state.model:
            # Nobody saw how good what was ended is; it can be chosen, or gone on with.
            self.state = self.state.use(used)
        self.keeper.touch()
        try:
            with suppress(NucleateError):  # it was said when it couldn't be written
                self.keeper.finish()
        finally:
            self.keeper.close()
            self.store.close()

    def _on_ended(self, ending: Ending) -> None:
        self.changes.end()
        if isinstance(ending, Failed):
            show_warning(ending.message)
        self.trainings.end(ending)
        self.keeper.touch()
        self.ended.emit(ending)
        self.changed.emit()
