"""The second dock: train a network on the labels, watch it learn, predict the rest."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, QUrl
from qtpy.QtWidgets import (
    QCheckBox,
    QGroupBox,
    QHBoxLayout,
    QLabel,
    QWidget,
)

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.events import (
    Corrected,
    Prediction,
    Started,
    Step,
    Trained,
    Validated,
    Warned,
)
from napari_nucleate.core.predict import Tiling
from napari_nucleate.gui.chart import LearningChart
from napari_nucleate.gui.diagnosis import DiagnosisButton
from napari_nucleate.gui.dock import column, on_click, scrolling
from napari_nucleate.gui.job import Ending, Failed, Stopped
from napari_nucleate.gui.models import Models
from napari_nucleate.gui.recipe_form import RecipeForm
from napari_nucleate.gui.reliability import ReliabilityChart
from napari_nucleate.gui.session import session_of
from napari_nucleate.gui.widgets import GatedButton, Sentence
from napari_nucleate.gui.work_bar import WorkBar
from napari_nucleate.project.model import WAITING
from napari_nucleate.project.plan import Gate

if TYPE_CHECKING:
    from pathlib import Path

    from napari import Viewer


class TrainDock(QWidget):
    """Train on what is labelled, follow the curve, and predict the other images.

    Parameters
    ----------
    viewer : napari.Viewer
    """

    def __init__(self, viewer: Viewer) -> None:
        super().__init__()
        self.session = session_of(viewer)
        self.recipe = RecipeForm(self.session.state.recipe)
        self.train = GatedButton("Train", "Train a new network on all labels.")
        self.resume = GatedButton(
            "Continue", "Go on with the training that was stopped, exactly where it was."
        )
        self.further = GatedButton(
            "Train further", "Train the model in use further, from its best weights, on all labels."
        )
        self.stop = GatedButton("Stop", "End at the next step; the best weights are kept.")
        self.predict = GatedButton(
            "Predict the rest", "Predict all images that nobody labelled or accepted."
        )
        self.views = QCheckBox("Average turned copies")
        self.views.setToolTip(
            "Predict each image as it is, and turned by one, two and three quarters, and take the "
            "mean: twice as slow, since two are compared anyway, and a little better."
        )
        self.zooms = QCheckBox("Objects of very different sizes")
        self.zooms.setToolTip(
            "Look at images whose masks can't be trusted at half and at twice their size, too, and "
            "keep what can be trusted most: up to six times slower, of flat images."
        )
        self.why_train, self.why_predict = Sentence(), Sentence()
        self.bar = WorkBar(self.session)
        self.chart = LearningChart(viewer)
        self.reliability = ReliabilityChart(viewer)
        self.models = Models(viewer)
        self.status = Sentence()
        self.now = Sentence()
        self.best = Sentence()
        self.folder = QLabel()
        self._kept: Validated | None = None
        self._task = self._warned = ""
        # The project and the model whose reliability is shown.
        self._trusted: tuple[Path, str] | None = None
        self._goes_on = False
        self._lay_out()
        self.recipe.edited.connect(self._on_recipe)
        on_click(self.session, self.train, self.session.trainings.train)
        on_click(self.session, self.resume, self._resume)
        on_click(self.session, self.further, lambda: self.session.trainings.train(further=True))
        on_click(self.session, self.stop, self.session.stop)
        on_click(self.session, self.predict, self._predict)
        on_click(self.session, self.models.use, lambda: self.session.use(self.models.selected))
        self.session.changed.connect(self.refresh)
        self.session.job.started.connect(self._on_started)
        self.session.happened.connect(self._on_event)
        self.session.ended.connect(self._on_ended)
        self.refresh()

    def refresh(self) -> None:
        """Show the session's state, and open and close the buttons."""
        session, plan = self.session, self.session.plan
        if not self.recipe.problem and self.recipe.value != session.state.recipe:
            self.recipe.value = session.state.recipe
        problem = Gate(self.recipe.problem)
        self.train.apply(problem if plan.train and not problem else plan.train)
        self.resume.apply(problem if plan.resume and not problem else plan.resume)
        self.further.apply(problem if plan.further and not problem else plan.further)
        self.stop.apply(plan.stop)
        waiting = len(session.state.keys(*WAITING))
        self.predict.setText(f"Predict the rest ({waiting})" if waiting else "Predict the rest")
        none_left = Gate("Every image is labelled or accepted; there is none to predict.")
        gate = none_left if plan.predict and not waiting else plan.predict
        self.predict.apply(gate)
        # While something runs, the bar tells; the reason would only repeat it.
        running = bool(session.job.running)
        self.why_train.say("" if running else plan.train.why)
        self.why_predict.say("" if running or not plan.train else gate.why)
        self._show_trust()
        self._history.setVisible(bool(session.state.rounds))
        self.models.show_state(session.state, session.job.running)
        self._show_folder()

    def _show_trust(self) -> None:
        """Show how far the confidence of the model in use can be trusted; none while one learns."""
        session = self.session
        name = session.state.model
        if session.job.running == "training" or self._trusted == (session.store.folder, name):
            return
        self._trusted = session.store.folder, name
        try:
            card = session.store.load_card(name) if name else None
        except NucleateError:  # its files are damaged or gone, which is said where it is used
            card = None
        self.reliability.show_trust(card.trust if card is not None else None)

    def _resume(self) -> None:
        # The curve goes on, too.
        self._goes_on = True
        try:
            self.session.trainings.resume()
        finally:
            self._goes_on = False

    def _predict(self) -> None:
        views = 4 if self.views.isChecked() else 1
        self.session.predict(tiling=Tiling(views=views, zooms=self.zooms.isChecked()))

    def _on_recipe(self) -> None:
        if self.recipe.problem:
            self.refresh()
        else:
            self.session.set_recipe(self.recipe.value)

    def _on_started(self, what: str) -> None:
        self._task, self._warned = what, ""
        self.status.say(f"{what.capitalize()} starts.")
        if what == "training" and not self._goes_on:
            self._kept = None
            self.now.say("")
            self.best.say("")
            self.chart.clear()
            self._trusted = None
            self.reliability.show_trust(None)

    def _on_event(self, event: object) -> None:
        if isinstance(event, Step):
            self.chart.add_step(event)
        elif isinstance(event, Validated):
            self.chart.add_validation(event)
            self.now.say(validated_in_words(event))
            if event.model is not None:
                self._kept = event
                self.best.say(f"Best so far: {_scores(event)}.")
        elif isinstance(event, Started):
            self.status.say(started_in_words(event))
        elif isinstance(event, Warned):
            self._warned = event.message
            self.status.warn(event.message)
        elif isinstance(event, Corrected):
            self.status.say(corrected_in_words(event))
        elif isinstance(event, Prediction):
            self.status.say(f"Predicted {event.key}: confidence {event.scores.image:.2f}.")
        elif isinstance(event, Trained):
            self.chart.draw()
            self._trusted = None  # its card may be another than at its last stop

    def _on_ended(self, ending: Ending) -> None:
        if isinstance(ending, Failed):
            self.status.warn(ending.message)
        else:
            words = self._ended_in_words(isinstance(ending, Stopped))
            # What was warned of last is nothing to miss.
            if self._warned and not self._aside:
                self.status.warn(f"{words} {self._warned}")
            else:
                self.status.say(words)
        if self._task == "training":
            kept = None if self._aside else self._kept
            self.now.say("")
            self.best.say("" if kept is None else f"Kept: {_scores(kept)}.")
        self.refresh()

    def _ended_in_words(self, stopped: bool) -> str:
        if self._task != "training":
            return f"{self._task.capitalize()} {'stopped' if stopped else 'finished'}."
        models = [entry.model for entry in self.session.state.rounds]
        if stopped and self._kept is None and self.session.trainings.interrupted not in models:
            on = " Press Continue to go on." * bool(self.session.trainings.interrupted)
            return f"Stopped before the first validation: no weights were kept.{on}"
        if self._aside:
            return self._aside
        if stopped:
            return "Stopped; the best weights so far are kept."
        return "Training finished; the best weights are kept."

    @property
    def _aside(self) -> str:
        """Why the model that was trained last is set aside; empty where it is in use."""
        rounds = self.session.state.rounds
        return rounds[-1].set_aside if rounds else ""

    def _show_folder(self) -> None:
        used = self.session.state.used
        self.folder.setVisible(used is not None)
        if used is not None:
            path = self.session.store.folder / "models" / used.model
            # Paths have no spaces to wrap at.
            shown = str(path).replace("/", "/\u200b").replace("\\", "\\\u200b")
            link = html.escape(QUrl.fromLocalFile(str(path)).toString())
            shown = html.escape(shown)
            self.folder.setText(f'Model: <a style="color: #6aa9f0" href="{link}">{shown}</a>')
            self.folder.setToolTip("Open the folder of the model in use.")

    def _lay_out(self) -> None:
        self.folder.setWordWrap(True)
        self.folder.setOpenExternalLinks(True)
        recipe, learn, rest = QGroupBox("Recipe"), QGroupBox("Train"), QGroupBox("Predict")
        self._history = QGroupBox("Models")
        history = column(self._history)
        history.addWidget(self.models)
        history.addWidget(self.folder)
        column(recipe).addWidget(self.recipe)
        buttons = QHBoxLayout()
        buttons.setSpacing(4)
        more = QHBoxLayout()
        more.setSpacing(4)
        for row, pair in ((buttons, (self.train, self.stop)), (more, (self.resume, self.further))):
            for button in pair:
                row.addWidget(button, 1)
        rows = column(learn)
        rows.addLayout(buttons)
        rows.addLayout(more)
        for widget in (self.why_train, self.bar, self.status, self.now, self.best):
            rows.addWidget(widget)
        for widget in (self.chart, self.reliability):
            rows.addWidget(widget)
        rows = column(rest)
        rows.addWidget(self.predict)
        rows.addWidget(self.views)
        rows.addWidget(self.zooms)
        rows.addWidget(self.why_predict)
        layout = scrolling(self)
        for group in (recipe, learn, rest, self._history):
            layout.addWidget(group)
        layout.addWidget(DiagnosisButton(self.session.viewer), 0, Qt.AlignmentFlag.AlignLeft)
        layout.addStretch(1)


def started_in_words(event: Started) -> str:
    """Say what a training works on and where.

    Examples
    --------
    >>> started_in_words(Started(3, (), "cpu", 1_930_000, "Validated on the 3 training image(s)."))
    'Learning from 3 images on cpu, 1.9 million weights. Validated on the 3 training image(s).'
    """
    images = f"{event.examples} image{'s' * (event.examples != 1)}"
    weights = f"{event.parameters / 1e6:.1f} million weights"
    return f"Learning from {images} on {event.device}, {weights}. {event.note}"


def corrected_in_words(event: Corrected) -> str:
    """Say what becomes of labels painted while a network learns.

    Examples
    --------
    >>> corrected_in_words(Corrected("cells_t3", 120, held_out=False))
    'Learning from your correction of cells_t3.'
    """
    if event.held_out:
        return f"Your correction of {event.key} is held out: it counts in the validation."
    return f"Learning from your correction of {event.key}."


def validated_in_words(event: Validated) -> str:
    """Say how a training stands.

    Examples
    --------
    >>> validated_in_words(Validated(120, 0.314, 0.412, 0.805, 0.3, None, 0.0021))
    'Now: loss 0.31, AP 0.41, Dice 0.81 at step 120, learning rate 0.0021.'
    >>> validated_in_words(Validated(0, 0.314, 0.412, 0.805, 0.0, None))
    'Before: loss 0.31, AP 0.41, Dice 0.81.'
    """
    if event.step == 0:
        return f"Before: loss {event.loss:.2f}, {_scores(event)}."
    return f"Now: loss {event.loss:.2f}, {_scores(event)}, learning rate {event.learning_rate:.2g}."


def _scores(event: Validated) -> str:
    at = f" at step {event.step}" if event.step else ""
    return f"AP {event.ap:.2f}, Dice {event.dice:.2f}{at}"
