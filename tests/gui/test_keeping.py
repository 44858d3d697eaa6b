"""What a person painted and decided is on disk a moment later, and comes back."""

import json

import numpy as np

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.gui.layers import boxes_of
from napari_nucleate.io.read import read_stack


def written(project, name):
    return project.session.store.folder / name


def paint(project, at):
    """One stroke on an image, as the brush makes it."""
    layer = project.session.annotation
    project.viewer.dims.set_current_step(0, at)
    index = np.nonzero(np.ones((1, 5, 5), int))
    layer.data_setitem((index[0] + at, index[1] + 3, index[2] + 3), 7)
    layer.events.paint(value=[])


def test_a_stroke_is_written_a_moment_later(project, qtbot):
    paint(project, 2)
    path = written(project, "annotations/nuclei_n2.tif")
    qtbot.waitUntil(path.is_file, timeout=10_000)
    assert (read_stack(path).data[...] == 7).sum() == 25
    qtbot.waitUntil(written(project, "nucleate.json").is_file, timeout=10_000)
    kept = json.loads(written(project, "nucleate.json").read_text("utf-8"))
    assert {i["key"]: i["status"] for i in kept["items"]}["nuclei_n2"] == "labelled"


def test_a_decision_is_written_too(project):
    project.predict(n1=0.9)
    project.session.judgements.judge(["nuclei_n1"], accept=True)
    project.session.keeper.flush()
    kept = project.session.store.load_state()
    assert kept.item("nuclei_n1").status == "accepted"


def test_nothing_is_written_where_nothing_was_done(make_napari_viewer, home):
    from napari_nucleate.gui.session import session_of

    viewer = make_napari_viewer()
    layer = viewer.add_image(np.zeros((3, 16, 16)), name="empty")
    session = session_of(viewer)
    session.choose_layer(layer, "NYX", 2)
    session.keeper.flush()
    assert not home.exists()


def test_a_removed_annotation_layer_comes_back_with_its_labels(project):
    session = project.session
    paint(project, 3)
    before = session.annotation.data.copy()
    session.keeper.touch("nuclei_n0")
    project.viewer.layers.remove(session.annotation)
    assert session.annotation is None
    assert not session.plan.train
    again = session.annotate()
    np.testing.assert_array_equal(again.data, before)


def test_boxes_are_kept_by_themselves(project, qtbot):
    session = project.session
    session.set_known("boxes")
    session.boxes.add_rectangles(np.array([[0, 2, 4], [0, 2, 20], [0, 30, 20], [0, 30, 4]]))
    path = written(project, "annotations/boxes.json")
    qtbot.waitUntil(path.is_file, timeout=10_000)
    assert session.store.load_state().known == "boxes"
    kept = json.loads(path.read_text("utf-8"))
    assert kept == {"nuclei_n0": [[[2, 4], [30, 20]]]}


def test_removed_boxes_come_back(project):
    session = project.session
    session.set_known("boxes")
    boxes = [[[2.0, 4.0], [30.0, 20.0]], [[8.0, 30.0], [20.0, 44.0]]]
    for (top, left), (bottom, right) in boxes:
        around = [(top, left), (top, right), (bottom, right), (bottom, left)]
        session.boxes.add_rectangles(np.array([(3, y, x) for y, x in around]))
    session.keeper.flush()
    project.viewer.layers.remove(session.boxes)
    assert session.boxes is None
    session.annotate()
    ref = session.ref("nuclei_n3")
    again = boxes_of(session.boxes, session.source, ref)
    assert [[list(low), list(high)] for low, high in again] == boxes
    session.keeper.touch("nuclei_n3")
    session.keeper.flush()
    assert json.loads(written(project, "annotations/boxes.json").read_text("utf-8")) == {
        "nuclei_n3": boxes
    }


def test_a_last_stroke_is_written_when_its_image_is_removed(project):
    session = project.session
    paint(project, 3)
    session.keeper.touch("nuclei_n3")
    project.viewer.layers.remove(project.layer)
    assert session.store.load_annotation("nuclei_n3").any()


def test_what_could_not_be_written_is_not_asked_of_the_next_image(project, monkeypatch):
    session, said = project.session, []
    monkeypatch.setattr("napari_nucleate.gui.keeping.show_warning", said.append)

    def full(*args):
        raise NucleateError("The disk is full.")

    with monkeypatch.context() as patch:
        patch.setattr(session.store, "save_annotation", full)
        paint(project, 2)
        session.keeper.touch("nuclei_n2")
        layer = project.viewer.add_image(np.zeros((64, 64)), name="next")
        session.choose_layer(layer, "YX", 2)
    assert said == ["Not saved: The disk is full."]
    session.annotate().data[:9, :9] = 1
    session.strokes.refresh()
    session.keeper.touch("next")
    session.keeper.flush()
    assert session.store.load_annotation("next").any()
    assert len(said) == 1


def test_what_can_not_be_written_is_said_and_tried_again(project, monkeypatch):
    session = project.session
    said = []
    monkeypatch.setattr("napari_nucleate.gui.keeping.show_warning", said.append)

    def full(state):
        raise NucleateError("The disk is full.")

    with monkeypatch.context() as patch:
        patch.setattr(session.store, "save_state", full)
        paint(project, 2)
        session.keeper.flush()
    assert said == ["Not saved: The disk is full."]
    session.keeper.flush()
    assert written(project, "annotations/nuclei_n2.tif").is_file()


def test_the_prediction_layer_is_not_for_painting(project):
    project.predict(n1=0.9)
    assert not project.session.prediction.editable
