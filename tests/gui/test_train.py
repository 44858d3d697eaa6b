"""The Train dock: recipe, buttons, progress, curve, endings; and what must not break it."""

import threading
import time

import numpy as np
import pytest
from napari.utils import progress
from qtpy.QtCore import Qt

from napari_nucleate.core.augment import Augmentation
from napari_nucleate.core.events import Preview, Started, Step, Tile, Validated, Warned
from napari_nucleate.core.predict import Tiling
from napari_nucleate.core.recipe import Epochs, Optimisation, Recipe, Seconds, Steps, UNet
from napari_nucleate.core.targets import Boundary, Semantic
from napari_nucleate.core.training.train import train
from napari_nucleate.gui import trainings
from napari_nucleate.gui.chart import MOST_POINTS
from napari_nucleate.gui.job import Failed
from napari_nucleate.gui.train import TrainDock
from napari_nucleate.project import run

TINY = Recipe(
    architecture=UNet(width=4, levels=2),
    optimisation=Optimisation(budget=Steps(value=4), patch=32, batch=2, device="cpu"),
    augmentation=Augmentation(elastic=0),
)


@pytest.fixture
def dock(project):
    project.session.set_recipe(TINY)
    widget = TrainDock(project.viewer)
    project.viewer.window.add_dock_widget(widget)
    return widget


def click(qtbot, button):
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def wait(qtbot, session):
    qtbot.waitUntil(lambda: not session.job.running, timeout=60_000)


def endless(events=()):
    """A broken or patient fake: gives events, then counts steps until it is stopped."""
    yield from events
    step = 0
    while True:
        step += 1
        time.sleep(0.002)
        yield Step(step, 1.0, 1e-3, min(step / 1000, 0.99), step / 500)


def out_of_memory():
    yield Started(1, (), "cuda", 1000, "")
    yield Step(1, 1.0, 1e-3, 0.1, 1)
    raise RuntimeError("CUDA out of memory")


def test_shows_the_recipe(dock):
    assert dock.recipe.value.model_dump() == dock.session.state.recipe.model_dump()
    assert dock.recipe.size.currentIndex() == -1  # none of the named sizes
    dock.session.set_recipe(Recipe(target=Semantic(classes=3)))
    assert dock.recipe.target.value == Semantic(classes=3)
    assert dock.recipe.size.currentText() == "Medium"
    assert dock.recipe.budget.raw() == {"kind": "seconds", "value": 60}


def test_edits_change_the_recipe(dock):
    form = dock.recipe
    form.size.setCurrentText("Small and fast")
    assert dock.session.state.recipe.architecture == UNet(width=16, levels=3)
    form.architecture.editor("width").setValue(20)
    assert dock.session.state.recipe.architecture.width == 20
    assert form.size.currentIndex() == -1
    form.budget.kind.setCurrentIndex(form.budget.kind.findData(Epochs))
    form.budget.numbers[Epochs].setValue(7)
    assert dock.session.state.recipe.optimisation.budget == Epochs(value=7)
    form.device.setCurrentIndex(0)
    assert dock.session.state.recipe.optimisation.device == "auto"
    form.target.editor("width").setValue(3)
    assert dock.session.state.recipe.target == Boundary(width=3)
    assert dock.session.state.recipe.optimisation.patch == 32


def test_an_invalid_recipe_closes_train_and_says_why(dock):
    dock.recipe.optimisation.editor("patch").setValue(33)
    assert not dock.train.isEnabled()
    assert "multiple of 16" in dock.train.toolTip()
    assert "multiple of 16" in dock.recipe.message.text()
    assert dock.session.state.recipe == TINY
    dock.recipe.optimisation.editor("patch").setValue(48)
    assert dock.train.isEnabled()


def test_says_what_is_missing(make_napari_viewer):
    viewer = make_napari_viewer()
    dock = TrainDock(viewer)
    viewer.window.add_dock_widget(dock)
    assert not dock.train.isEnabled()
    assert dock.why_train.text() == dock.train.toolTip() != ""
    assert not dock.stop.isEnabled()
    assert not dock.predict.isEnabled()


def test_trains_and_predicts(dock, project, qtbot):
    project.viewer.window._qt_window.show()
    click(qtbot, dock.train)
    assert project.session.job.running == "training"
    assert not dock.train.isEnabled()
    assert dock.stop.isEnabled()
    assert len(progress._all_instances) == 1
    wait(qtbot, project.session)
    assert len(progress._all_instances) == 0
    assert dock.status.text() == "Training finished; the best weights are kept."
    assert dock.best.text().startswith("Kept: AP")
    assert "round-0" in dock.folder.text()
    dock.chart.draw()
    assert len(dock.chart.loss_line.getData()[0]) == 4
    assert len(dock.chart.ap_line.getData()[0]) >= 2
    assert project.session.preview in project.viewer.layers
    assert project.viewer.layers.selection.active is project.session.annotation
    assert dock.predict.text() == "Predict the rest (5)"
    click(qtbot, dock.predict)
    wait(qtbot, project.session)
    assert dock.status.text() == "Prediction finished."
    assert project.session.state.keys("predicted") == project.keys[1:]
    assert not dock.resume.isEnabled()
    assert "No training was interrupted" in dock.resume.toolTip()
    click(qtbot, dock.further)
    wait(qtbot, project.session)
    assert [r.model for r in project.session.state.rounds] == ["round-0", "round-0-2"]


def test_stop_keeps_the_best(dock, project, qtbot):
    slow = TINY.optimisation.model_copy(update={"budget": Steps(value=2000)})
    project.session.set_recipe(TINY.model_copy(update={"optimisation": slow}))
    with qtbot.waitSignal(
        project.session.happened, timeout=60_000, check_params_cb=lambda e: isinstance(e, Validated)
    ):
        click(qtbot, dock.train)
    click(qtbot, dock.stop)
    wait(qtbot, project.session)
    assert dock.status.text() == "Stopped; the best weights so far are kept."
    assert dock.resume.isEnabled()
    assert (project.session.store.folder / "models" / "round-0" / "model.json").is_file()


def stopped(dock, project, qtbot, steps=60):
    """Train, and press Stop at the first validation."""
    longer = TINY.optimisation.model_copy(update={"budget": Steps(value=steps)})
    project.session.set_recipe(TINY.model_copy(update={"optimisation": longer}))
    with qtbot.waitSignal(
        project.session.happened, timeout=60_000, check_params_cb=lambda e: isinstance(e, Validated)
    ):
        click(qtbot, dock.train)
    click(qtbot, dock.stop)
    wait(qtbot, project.session)
    return project.session.store.folder / "models" / "round-0" / "resume.safetensors"


def test_continue_goes_on_with_the_training_that_was_stopped(dock, project, qtbot):
    kept = stopped(dock, project, qtbot)
    assert kept.is_file()
    assert project.session.trainings.interrupted == "round-0"
    before = len(dock.chart._steps)
    assert before > 0
    steps = []
    project.session.happened.connect(
        lambda e: steps.append(e.step) if isinstance(e, Step) else None
    )
    click(qtbot, dock.resume)
    wait(qtbot, project.session)
    assert steps[0] > 1
    assert steps[-1] == 60
    assert len(dock.chart._steps) > before
    assert [r.model for r in project.session.state.rounds] == ["round-0"]
    assert not kept.exists()
    assert not dock.resume.isEnabled()
    assert dock.further.isEnabled()


def test_continue_says_what_changed_since(dock, project, qtbot):
    kept = stopped(dock, project, qtbot)
    project.session.annotation.data[0, :9, :9] = 3
    click(qtbot, dock.resume)
    wait(qtbot, project.session)
    assert "The labels of nuclei_n0 changed since the training was inter" in dock.status.text()
    assert kept.is_file()
    project.session.set_recipe(TINY)
    click(qtbot, dock.resume)
    wait(qtbot, project.session)
    assert "The recipe changed (optimisation.budget.value was 60 and is 4)" in dock.status.text()
    # A new training takes its place, without touching it.
    click(qtbot, dock.train)
    wait(qtbot, project.session)
    assert [r.model for r in project.session.state.rounds] == ["round-0", "round-0-2"]
    assert kept.is_file()
    assert not dock.resume.isEnabled()


def test_says_how_it_stands(dock, project, qtbot):
    events = [Validated(3, 0.5, 0.25, 0.75, 0.3, None, 0.002)]
    project.session.start("training", lambda: endless(events))
    expected = "Now: loss 0.50, AP 0.25, Dice 0.75 at step 3, learning rate 0.002."
    qtbot.waitUntil(lambda: dock.now.text() == expected)
    click(qtbot, dock.stop)
    wait(qtbot, project.session)
    assert dock.now.text() == ""


def test_stop_before_anything_is_kept(dock, project, qtbot):
    project.session.start("training", endless)
    click(qtbot, dock.stop)
    wait(qtbot, project.session)
    assert "no weights were kept" in dock.status.text()
    assert not dock.resume.isEnabled()


def test_a_best_model_that_nobody_heard_of_is_used(dock, project, qtbot, monkeypatch):
    def ahead(*args, **kwargs):
        # As beside the window, where events after Stop are not read any more.
        steps = train(*args, **kwargs)
        step = next(e for e in steps if isinstance(e, Step))
        try:
            while True:
                time.sleep(0.01)
                yield step
        finally:
            while not isinstance(next(steps), Validated):
                pass
            steps.close()

    monkeypatch.setattr(run, "_trained_here", ahead)
    with qtbot.waitSignal(
        project.session.happened, timeout=60_000, check_params_cb=lambda e: isinstance(e, Step)
    ):
        click(qtbot, dock.train)
    click(qtbot, dock.stop)
    wait(qtbot, project.session)
    assert [r.model for r in project.session.state.rounds] == ["round-0"]
    assert dock.status.text() == "Stopped; the best weights so far are kept."
    assert dock.resume.isEnabled()
    assert dock.predict.isEnabled()


def test_a_round_that_made_it_worse_is_set_aside_and_it_is_said(dock, project, qtbot, monkeypatch):
    click(qtbot, dock.train)
    wait(qtbot, project.session)
    said = []
    monkeypatch.setattr(trainings, "show_warning", said.append)
    monkeypatch.setattr(run, "lowered", lambda now, earlier: "Round 1 made it worse.")
    project.session.trainings.train(further=True, number=1)
    wait(qtbot, project.session)
    assert [r.set_aside for r in project.session.state.rounds] == ["", "Round 1 made it worse."]
    assert dock.status.text() == "Round 1 made it worse."
    assert said == ["Round 1 made it worse."]
    assert "round-0" in dock.folder.text()
    assert project.session.plan.predict


def test_running_out_of_memory_is_told(dock, project, qtbot):
    said = []
    project.session.ended.connect(said.append)
    project.session.start("training", out_of_memory)
    wait(qtbot, project.session)
    assert isinstance(said[0], Failed)
    assert dock.status.text().startswith("Training failed: memory ran out; close other programs")
    assert dock.train.isEnabled()
    assert len(progress._all_instances) == 0


def test_a_training_that_breaks_off_keeps_its_best_and_says_so(dock, project, qtbot, monkeypatch):
    from napari_nucleate.core.training.learner import Learner

    loss, calls = Learner._loss, []

    def odd(self, batch):
        calls.append(1)
        if len(calls) > 3:
            raise OSError(5, "Input/output error", "/net/a.tif")
        return loss(self, batch)

    monkeypatch.setattr(Learner, "_loss", odd)
    click(qtbot, dock.train)
    wait(qtbot, project.session)
    said = dock.status.text()
    assert said.startswith("Training failed: /net/a.tif can't be read or written: its drive")
    assert "Kept: the best weights so far, round-0 of step " in said
    assert project.session.state.model == "round-0"
    assert project.session.store.load_model("round-0").card.record.best_step <= 3
    assert dock.predict.isEnabled()


def test_a_second_start_is_refused(dock, project, qtbot):
    project.session.start("prediction", endless)
    assert not dock.train.isEnabled()
    assert "Wait: prediction is under way" in dock.train.toolTip()
    said = []
    project.session.notify = said.append
    dock.train.setEnabled(True)  # as if clicked at the same moment
    click(qtbot, dock.train)
    assert "Wait: prediction is under way" in str(said[0])


def test_progress_tells_the_time_left(dock, project, qtbot):
    project.session.start("training", lambda: endless([Started(3, (), "cpu", 2_000_000, "Note.")]))
    qtbot.waitUntil(lambda: dock.bar.value() > 0, timeout=10_000)
    assert dock.bar.format().startswith("Training: ")
    assert "2.0 million weights. Note." in dock.status.text()
    qtbot.waitUntil(lambda: "left" in dock.bar.format(), timeout=10_000)


def test_warnings_are_shown(dock, project, qtbot):
    project.session.start("training", lambda: endless([Warned("Back at half the rate.")]))
    qtbot.waitUntil(lambda: "half the rate" in dock.status.text())


def test_long_curves_are_thinned(dock):
    for step in range(1, 3 * MOST_POINTS):
        dock.chart.add_step(Step(step, 1 / step, 1e-3, 0, 0))
    dock.chart.add_step(Step(step + 1, float("nan"), 1e-3, 0, 0))
    dock.chart.draw()
    steps, losses = dock.chart.loss_line.getData()
    assert len(steps) <= MOST_POINTS
    assert np.isfinite(losses).all()
    assert steps[-1] > 2.9 * MOST_POINTS


def test_preview_is_drawn_where_the_image_lies(dock, project):
    key = project.keys[2]
    values = np.full((16, 16), 0.5, np.float32)
    event = Preview(1, key, (8, 4), values)
    project.session.job.happened.emit(event)
    preview = project.session.preview
    expected = project.layer.data_to_world((2, 8, 4))
    np.testing.assert_allclose(preview.data_to_world((0, 0, 0)), expected)
    project.session.job.happened.emit(Preview(2, key, (8, 4), values * 2))
    assert project.session.preview is preview
    assert preview.data.max() == 1


@pytest.mark.parametrize("gone", ["layer", "annotation", "preview", "prediction"])
def test_layers_may_go_while_training(dock, project, qtbot, gone):
    project.predict(n1=0.5)
    values = np.zeros((16, 16), np.float32)
    events = [Preview(1, project.keys[0], (0, 0), values)] * 3
    with qtbot.waitSignal(project.session.happened):
        project.session.start("training", lambda: endless(events))
    layer = project.layer if gone == "layer" else getattr(project.session, gone)
    project.viewer.layers.remove(layer)
    project.predict(n2=0.5)
    qtbot.wait(50)
    project.session.stop()
    wait(qtbot, project.session)


def test_closing_the_viewer_ends_training(dock, project, qtbot):
    closed = []

    def work():
        try:
            yield from endless()
        finally:
            closed.append(threading.current_thread().name)

    project.session.start("training", work)
    project.viewer.close()
    assert closed == ["nucleate training"]
    assert len(progress._all_instances) == 0


def closed_while_training(project, qtbot):
    """The project as the window leaves it, closed after a first validation."""
    session, validated = project.session, []
    long = TINY.optimisation.model_copy(update={"budget": Epochs(value=900)})
    session.set_recipe(TINY.model_copy(update={"optimisation": long}))
    session.happened.connect(lambda e: validated.append(e) if isinstance(e, Validated) else None)
    session.trainings.train()
    qtbot.waitUntil(lambda: bool(validated), timeout=60_000)
    project.viewer.close()
    return session.store.load_state()


def test_a_training_that_the_closing_window_ended_is_in_the_project(dock, project, qtbot):
    store, state = project.session.store, closed_while_training(project, qtbot)
    assert state.model
    assert store.load_model(state.model).card.record.steps > 0
    assert store.interrupted() == state.model


def test_what_the_closing_window_ended_is_not_used_where_there_is_another_model(
    dock, project, qtbot
):
    session = project.session
    session.trainings.train()
    wait(qtbot, session)
    used = session.state.model
    state = closed_while_training(project, qtbot)
    assert len(state.rounds) == 2
    assert state.model == used


def test_many_seconds(dock):
    dock.session.set_recipe(
        TINY.model_copy(update={"optimisation": Optimisation(budget=Seconds(value=90.5))})
    )
    assert dock.recipe.value.optimisation.budget == Seconds(value=90.5)


def test_turned_copies_are_averaged_when_asked_for(dock, project, qtbot):
    click(qtbot, dock.train)
    wait(qtbot, project.session)
    tiles = []
    project.session.happened.connect(lambda e: tiles.append(e) if isinstance(e, Tile) else None)
    dock.views.setChecked(True)
    click(qtbot, dock.predict)
    wait(qtbot, project.session)
    # Two of the four are those that confidence compares.
    assert {t.total for t in tiles} == {4}


def test_other_sizes_are_looked_at_when_asked_for(dock, project, qtbot, monkeypatch):
    click(qtbot, dock.train)
    wait(qtbot, project.session)
    asked = []
    monkeypatch.setattr(project.session, "predict", lambda *, tiling: asked.append(tiling))
    for checked in (False, True):
        dock.zooms.setChecked(checked)
        click(qtbot, dock.predict)
    assert asked == [Tiling(), Tiling(zooms=True)]
