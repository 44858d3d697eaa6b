"""What a person painted and decided is on disk a moment later, and comes back."""

import json

import numpy as np
import pytest

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.gui import keeping
from napari_nucleate.gui.layers import boxes_of
from napari_nucleate.gui.session import session_of
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

    store = project.session.store

    def told():
        return store.exists and store.load_state().item("nuclei_n2").status == "labelled"

    qtbot.waitUntil(told, timeout=10_000)


def test_a_decision_is_written_too(project):
    project.predict(n1=0.9)
    project.session.judgements.judge(["nuclei_n1"], accept=True)
    project.session.keeper.flush()
    kept = project.session.store.load_state()
    assert kept.item("nuclei_n1").status == "accepted"


def test_nothing_is_written_where_nothing_was_done(make_napari_viewer, home):
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
    store = session.store
    qtbot.waitUntil(lambda: store.exists and store.load_state().known == "boxes", timeout=10_000)
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


def test_another_image_waits_until_everything_is_written(project, monkeypatch):
    session, said = project.session, []
    monkeypatch.setattr("napari_nucleate.gui.keeping.show_warning", said.append)
    before, layer = session.store, project.viewer.add_image(np.zeros((64, 64)), name="next")

    def full(*args):
        raise NucleateError("The disk is full.")

    with monkeypatch.context() as patch:
        patch.setattr(session.store, "save_annotation", full)
        paint(project, 2)
        with pytest.raises(NucleateError, match=r"saved yet \(The disk is full\)"):
            session.choose_layer(layer, "YX", 2)
    assert said == ["Not saved: The disk is full."]
    assert session.source.layer is project.layer
    session.choose_layer(layer, "YX", 2)
    assert before.load_annotation("nuclei_n2").any()
    session.annotate().data[:9, :9] = 1
    session.strokes.refresh()
    session.keeper.flush()
    assert session.store.load_annotation("next").any()
    assert len(said) == 1


def test_what_could_not_be_written_of_a_removed_layer_is_written_later(project, monkeypatch):
    session = project.session
    monkeypatch.setattr("napari_nucleate.gui.keeping.show_warning", lambda message: None)

    def full(*args):
        raise NucleateError("The disk is full.")

    with monkeypatch.context() as patch:
        patch.setattr(session.store, "save_annotation", full)
        paint(project, 2)
        project.viewer.layers.remove(session.annotation)
    session.keeper.flush()
    assert session.store.load_annotation("nuclei_n2").any()


def test_an_error_while_copying_does_not_end_it(project, monkeypatch):
    session = project.session

    def none(*args):
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(keeping, "_copied", none)
        paint(project, 2)
        with pytest.raises(MemoryError):
            session.keeper.flush()
    session.keeper.flush()
    assert session.store.load_annotation("nuclei_n2").any()


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


@pytest.fixture
def volume(make_napari_viewer):
    """A session on a volume of 12 planes, ready to paint."""
    viewer = make_napari_viewer()
    layer = viewer.add_image(np.zeros((12, 40, 48), np.uint8), name="embryo")
    session = session_of(viewer)
    session.choose_layer(layer, "ZYX", 3)
    session.annotate()
    return session


def test_of_a_volume_only_planes_painted_on_are_written(volume):
    volume.annotation.brush_size = 1
    volume.annotation.paint((3, 20, 20), 5)
    volume.annotation.paint((7, 9, 9), 5)
    volume.keeper.flush()
    planes = volume.store.folder / "annotations" / "embryo.planes"
    assert sorted(p.name for p in planes.iterdir()) == ["0003.tif", "0007.tif"]
    np.testing.assert_array_equal(volume.store.load_annotation("embryo"), volume.annotation.data)


def test_undone_strokes_on_a_volume_are_undone_on_disk(volume):
    volume.annotation.paint((3, 20, 20), 5)
    volume.keeper.flush()
    volume.annotation.undo()
    volume.keeper.flush()
    assert not volume.store.load_annotation("embryo").any()
    assert volume.state.item("embryo").status == "unlabelled"


def test_a_volume_is_one_file_when_its_project_is_left(volume):
    volume.annotation.paint((3, 20, 20), 5)
    store, painted = volume.store, volume.annotation.data.copy()
    volume.close()
    assert [p.name for p in (store.folder / "annotations").iterdir()] == ["embryo.tif"]
    np.testing.assert_array_equal(store.load_annotation("embryo"), painted)


def test_who_never_pauses_is_kept_too(project, qtbot):
    paint(project, 2)
    path = written(project, "annotations/nuclei_n2.tif")
    for _ in range(30):
        project.session.keeper.touch()
        qtbot.wait(100)
        if path.is_file():
            break
    assert path.is_file()


def test_what_could_not_be_written_is_tried_again_by_itself(project, qtbot, monkeypatch):
    said = []
    monkeypatch.setattr(keeping, "show_warning", said.append)
    monkeypatch.setattr(keeping, "show_info", said.append)
    monkeypatch.setattr(keeping, "AGAIN", 1000)
    store, attempts = project.session.store, []
    save = store.save_annotation

    def full(key, *args, **options):
        attempts.append(key)
        if len(attempts) <= 2:
            raise NucleateError("The disk is full.")
        return save(key, *args, **options)

    monkeypatch.setattr(store, "save_annotation", full)
    paint(project, 2)
    qtbot.waitUntil(lambda: len(said) == 2, timeout=20_000)
    assert said == ["Not saved: The disk is full.", "Everything is saved again."]
    assert store.load_annotation("nuclei_n2").any()


def test_a_stroke_whose_state_was_lost_in_a_crash_comes_back(project):
    session = project.session
    session.keeper.flush()
    paint(project, 4)
    session.store.save_annotation("nuclei_n4", session.painted("nuclei_n4"))
    state = session.store.load_state()
    assert state.item("nuclei_n4").status == "unlabelled"
    session.projects.open(session.source, state, session.store)
    assert session.state.item("nuclei_n4").status == "labelled"


def test_a_stroke_is_kept_where_python_ends_before_the_window(project):
    session = project.session
    session.keeper._writer.shutdown()  # as Python does, when a script never closed its window
    paint(project, 2)
    session.close()
    assert session.store.load_annotation("nuclei_n2").any()
