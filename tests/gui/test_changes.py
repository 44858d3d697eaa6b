"""Painting while a network learns: what is handed to it, when, and that the dock says so."""

import time

import numpy as np
import pytest

from napari_nucleate.core.augment import Augmentation
from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.events import Corrected, Step
from napari_nucleate.core.recipe import Optimisation, Recipe, Steps, UNet
from napari_nucleate.gui import trainings
from napari_nucleate.gui.job import Stopped
from napari_nucleate.gui.train import TrainDock
from napari_nucleate.project import run
from napari_nucleate.project.run import load_training

TINY = Recipe(
    architecture=UNet(width=4, levels=2),
    optimisation=Optimisation(budget=Steps(value=100_000), patch=32, batch=2, device="cpu"),
    augmentation=Augmentation(elastic=0),
)


@pytest.fixture
def training(project, qtbot, monkeypatch):
    """A training in which nothing is learned; gives what was handed over, as it comes."""
    got = []

    def listening(store, examples, recipe, card, *, changed, **other):
        step = 0
        while True:
            time.sleep(0.002)
            got.extend(changed())
            step += 1
            yield Step(step, 1.0, 1e-3, 0.1, step / 500)

    monkeypatch.setattr(run, "training", listening)

    def start(known="dense"):
        project.session.set_known(known)
        project.session.trainings.train()
        return got

    yield start
    project.session.stop()
    qtbot.waitUntil(lambda: not project.session.job.running, timeout=120_000)


def stroke(project, name=None, at=(30, 30), label=9):
    """Paint a dab on an image, the one in view by default, as the mouse does."""
    if name is not None:
        project.session.go_to(f"nuclei_{name}")
    n = int(project.session.current.removeprefix("nuclei_n"))
    layer = project.session.annotation
    layer.selected_label = label
    layer.brush_size = 5
    with layer.block_history():
        layer.paint((n, *at), label)
    return n


def square(n, low, high):
    return np.array([[n, low, low], [n, low, high], [n, high, high], [n, high, low]])


def test_a_stroke_is_handed_over(project, training, qtbot):
    got = training()
    stroke(project, "n0")
    qtbot.waitUntil(lambda: bool(got), timeout=120_000)
    (example,) = got
    assert example.key == "nuclei_n0"
    assert example.annotation.labels[30, 30] == 9
    assert example.annotation.known.all()
    np.testing.assert_array_equal(example.image[0], project.layer.data[0])
    # It is a copy: what is painted later comes with the next one.
    stroke(project, "n0", at=(10, 10), label=8)
    assert example.annotation.labels[10, 10] != 8
    qtbot.waitUntil(lambda: len(got) == 2, timeout=120_000)
    assert got[1].annotation.labels[10, 10] == 8
    assert got[1].annotation.labels[30, 30] == 9


def test_a_new_image_waits_until_the_person_goes_on(project, training, qtbot):
    got = training()
    stroke(project, "n2")
    qtbot.wait(500)
    assert not got
    project.session.go_to("nuclei_n3")
    qtbot.waitUntil(lambda: bool(got), timeout=120_000)
    assert [e.key for e in got] == ["nuclei_n2"]
    project.session.go_to("nuclei_n2")
    stroke(project, at=(50, 50))  # from now on, at once
    qtbot.waitUntil(lambda: len(got) == 2, timeout=120_000)


def test_at_stop_all_is_handed_over(project, training, qtbot, monkeypatch):
    got = training()
    stroke(project, "n2")  # still in view
    with monkeypatch.context() as patched:
        patched.setattr(project.session.job, "stop", lambda: None)  # not before it was asked
        project.session.stop()
        qtbot.waitUntil(lambda: bool(got), timeout=120_000)
    assert [e.key for e in got] == ["nuclei_n2"]


def test_scribbles_on_a_new_image_are_handed_over_at_once(project, training, qtbot):
    got = training("sparse")
    stroke(project, "n2", label=1)
    qtbot.waitUntil(lambda: bool(got), timeout=120_000)
    (example,) = got
    assert example.annotation.known[30, 30]
    assert 0 < example.annotation.known.sum() < 40
    assert not example.annotation.labels.any()


def test_boxes_count_once_they_are_drawn(project, training, qtbot):
    project.session.set_known("boxes")
    project.session.boxes.add_rectangles(square(0, 0, 40))
    got = training("boxes")
    stroke(project, "n2")
    qtbot.wait(500)
    assert not got
    project.session.boxes.add_rectangles(square(2, 20, 40))
    qtbot.waitUntil(lambda: bool(got), timeout=120_000)
    (example,) = got
    assert example.key == "nuclei_n2"
    assert example.annotation.known.sum() == 400
    assert example.annotation.labels[30, 30] == 9


def test_where_the_last_box_is_deleted_nothing_is_known_any_more(project, training, qtbot):
    project.session.set_known("boxes")
    project.session.boxes.add_rectangles(square(0, 0, 40))
    got = training("boxes")
    project.session.go_to("nuclei_n0")
    project.session.boxes.selected_data = {0}
    project.session.boxes.remove_selected()
    qtbot.waitUntil(lambda: bool(got), timeout=120_000)
    assert got[0].key == "nuclei_n0"
    assert not got[0].annotation.known.any()


def test_an_erased_image_is_not_known_any_more(project, training, qtbot):
    project.session.annotation.data[1] = project.session.annotation.data[0]
    got = training()
    project.session.go_to("nuclei_n1")
    project.session.annotation.data[1] = 0
    project.session.strokes.note("nuclei_n1")
    project.session.strokes.refresh("nuclei_n1")
    qtbot.waitUntil(lambda: any(e.key == "nuclei_n1" for e in got), timeout=120_000)
    assert not got[-1].annotation.known.any()


def test_an_empty_image_is_background(project, training, qtbot):
    got = training()
    project.session.confirm_empty("nuclei_n4")
    qtbot.waitUntil(lambda: bool(got), timeout=120_000)
    assert got[0].key == "nuclei_n4"
    assert got[0].annotation.known.all()
    assert not got[0].annotation.labels.any()


def test_nothing_is_collected_between_trainings(project, qtbot):
    stroke(project, "n0")
    assert not project.session.changes._timer.isActive()
    project.session.changes.begin(["nuclei_n0"], "dense")
    stroke(project, "n0")
    project.session.changes.end()
    qtbot.wait(500)
    assert project.session.changes() == []


def test_the_annotation_may_go_meanwhile(project, training, qtbot):
    got = training()
    stroke(project, "n0")
    project.viewer.layers.remove(project.session.annotation)
    qtbot.wait(500)
    assert not got


@pytest.mark.parametrize("beside", [False, True], ids=["thread", "process"])
def test_a_real_training_takes_it_up_and_the_dock_says_so(project, qtbot, monkeypatch, beside):
    monkeypatch.setattr(trainings, "possible", lambda: beside)
    session = project.session
    session.set_recipe(TINY)
    dock = TrainDock(project.viewer)
    project.viewer.window.add_dock_widget(dock)
    said = []
    session.happened.connect(lambda e: said.append(e) if isinstance(e, Corrected) else None)
    session.trainings.train()
    assert session.viewer.layers.selection.active is session.annotation
    assert not session.preview.data.any()
    qtbot.waitUntil(lambda: session.preview.data.any(), timeout=120_000)
    stroke(project, "n0")
    qtbot.waitUntil(lambda: bool(said), timeout=30_000)
    (event,) = said
    assert (event.key, event.held_out) == ("nuclei_n0", False)
    assert event.pixels > 0
    assert "Learning from your correction of nuclei_n0." in dock.status.text()
    ended = []
    session.ended.connect(ended.append)
    session.stop()
    qtbot.waitUntil(lambda: bool(ended), timeout=30_000)
    assert isinstance(ended[0], Stopped)


def test_what_was_painted_last_is_in_what_can_be_gone_on_with(project, qtbot, monkeypatch):
    monkeypatch.setattr(trainings, "possible", lambda: True)
    session = project.session
    session.set_recipe(TINY)
    steps, ended = [], []
    session.happened.connect(lambda e: steps.append(e) if isinstance(e, Step) else None)
    session.ended.connect(ended.append)
    session.trainings.train()
    qtbot.waitUntil(lambda: len(steps) > 3, timeout=120_000)
    stroke(project, "n2")  # still in view
    session.stop()
    qtbot.waitUntil(lambda: bool(ended), timeout=60_000)
    snapshot = session.store.load_snapshot(session.trainings.interrupted)
    assert "nuclei_n2" in [seen.key for seen in snapshot.progress.seen]
    ended.clear()
    session.trainings.resume()
    qtbot.waitUntil(lambda: bool(ended) or len(steps) > 8, timeout=120_000)
    session.stop()
    qtbot.waitUntil(lambda: bool(ended), timeout=60_000)
    assert isinstance(ended[0], Stopped)


def test_the_next_training_finds_torch_loaded(project, qtbot, monkeypatch):
    prepared = []
    monkeypatch.setattr(trainings, "prepare", prepared.append)
    session = project.session
    session.set_recipe(TINY)
    ended = []
    session.ended.connect(ended.append)
    session.trainings.train()
    monkeypatch.setattr(trainings, "possible", lambda: True)
    session.stop()
    qtbot.waitUntil(lambda: bool(ended), timeout=60_000)
    assert prepared == [load_training]


def test_an_eye_tells_the_limits_of_the_whole_image(project, monkeypatch):
    eye = project.session.eye
    project.session.go_to("nuclei_n0")
    eye.look()
    monkeypatch.setattr("napari_nucleate.gui.eye.SECONDS_APART", 0)
    seen = eye()
    normalisation = project.session.state.recipe.normalisation
    image = project.session.ref("nuclei_n0").read()
    np.testing.assert_array_equal(seen.limits, normalisation.limits(image))
    assert eye().limits is seen.limits
    project.session.go_to("nuclei_n3")
    assert not np.array_equal(eye().limits, seen.limits)


def test_a_box_that_is_missing_is_told_with_its_image(project):
    project.session.set_known("boxes")
    with pytest.raises(NucleateError, match="nuclei_n0: Boxes are chosen but none is drawn"):
        project.session.annotation_of("nuclei_n0")
