"""A project comes back in napari as it was left."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from qtpy.QtWidgets import QDialog, QDockWidget

from napari_nucleate.core.annotation import annotate
from napari_nucleate.core.confidence import Scores
from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.events import Prediction
from napari_nucleate.core.images import Stack
from napari_nucleate.core.model import Card, Model, Record
from napari_nucleate.core.samples import NucleiSample
from napari_nucleate.gui import locating, project_menu
from napari_nucleate.gui.files import alike
from napari_nucleate.gui.launch import DOCKS
from napari_nucleate.gui.layers import add_boxes
from napari_nucleate.gui.opening import open_project, reader
from napari_nucleate.gui.project_menu import ProjectMenu
from napari_nucleate.gui.session import session_of
from napari_nucleate.gui.start import fill
from napari_nucleate.io.read import read_images
from napari_nucleate.io.write import write_image
from napari_nucleate.project import log, run
from napari_nucleate.project.images import moved
from napari_nucleate.project.model import Item, State
from napari_nucleate.project.state_file import DAMAGED, STATE
from napari_nucleate.project.store import Store

SAMPLE = NucleiSample(count=4, size=64, radius=6).make()
TRUTH = np.asarray(SAMPLE.labels.data, np.int32)


@pytest.fixture
def images(tmp_path):
    """Four files of nuclei."""
    folder = tmp_path / "images"
    folder.mkdir()
    for name, image in zip("abcd", np.asarray(SAMPLE.images.data), strict=True):
        write_image(folder / f"{name}.tif", image, "YX", (0.5, 0.5), ("micrometer",) * 2)
    return folder


def predicted(session, key, truth, confidence):
    """Have an image predicted as it truly is."""
    target = session.state.recipe.target
    maps = target.encode(annotate(truth)).astype(np.float16)
    scores = Scores(confidence, {int(i): confidence for i in np.unique(truth)[1:]}, "a test")
    event = Prediction(key, maps, truth, scores)
    session.store.save_prediction(event)
    session.job.happened.emit(event)


@pytest.fixture
def left(make_napari_viewer, qtbot, images, random_model, tiny):
    """The folder of a project that a window was closed on."""
    viewer = make_napari_viewer()
    fill(viewer, read_images(images))
    session = session_of(viewer)
    session.choose_layer(viewer.layers[0], "NYX", 2)
    assert session.state.keys() == list("abcd")
    layer = session.annotate()
    layer.data_setitem(np.nonzero(TRUTH[:1]), TRUTH[:1][TRUTH[:1] > 0])
    session.strokes.refresh()
    session.strokes.note("a")
    session.set_known("boxes")
    session.boxes.add_rectangles(np.array([[0, 2, 4], [0, 2, 50], [0, 30, 50], [0, 30, 4]]))
    session.confirm_empty("d")
    record = Record(name="round-0", human=("a", "d"), validation_ap=0.5)
    model = Model(Card(recipe=tiny(), record=record), random_model(tiny()).weights)
    session.store.save_model(model)
    session.state = run.entered(session.state, model)
    predicted(session, "b", TRUTH[1], 0.9)
    predicted(session, "c", TRUTH[2], 0.6)
    session.judgements.judge(["b"], accept=True)
    qtbot.waitUntil(lambda: not session.checks.running)
    session.close()
    return session


def docks(session):
    return session.viewer.window._qt_window.findChildren(QDockWidget)


def opened(make_napari_viewer, qtbot, folder):
    viewer = make_napari_viewer()
    open_project(viewer, folder)
    session = session_of(viewer)
    qtbot.waitUntil(lambda: not session.job.running)
    return session


def same(one, other):
    """Whether two states differ by nothing but where one looked."""
    seen = {"point": (), "center": (), "zoom": None}
    views = [state.view.model_copy(update=seen) for state in (one, other)]
    return views[0] == views[1] and one.model_copy(update={"view": other.view}) == other


def test_it_comes_back_as_it_was_left(make_napari_viewer, qtbot, left):
    session = opened(make_napari_viewer, qtbot, left.store.folder)
    assert same(session.state, left.state)
    assert session.store.folder == left.store.folder
    np.testing.assert_array_equal(session.annotation.data[0], TRUTH[0])
    assert not session.annotation.data[1:].any()
    assert len(session.boxes.data) == 1
    np.testing.assert_array_equal(session.prediction.data[1] > 0, TRUTH[1] > 0)
    np.testing.assert_array_equal(session.prediction.data[2] > 0, TRUTH[2] > 0)
    assert not session.prediction.data[3].any()
    assert session.source.layer.scale.tolist() == [1, 0.5, 0.5]
    assert session.annotation.scale.tolist() == [1, 0.5, 0.5]
    np.testing.assert_array_equal(session.ref("c").read()[0], SAMPLE.images.data[2])
    shown = {type(dock.widget()) for dock in docks(session)}
    assert set(DOCKS.values()) <= shown
    assert session.plan.train
    assert session.plan.further


def test_what_is_painted_then_is_written_where_it_was(make_napari_viewer, qtbot, left):
    session = opened(make_napari_viewer, qtbot, left.store.folder)
    where = np.nonzero(TRUTH[1:3, :, :20])
    session.annotation.data_setitem((where[0] + 1, *where[1:]), 9)
    session.strokes.refresh()
    for key in "bc":
        session.strokes.note(key)
    session.close()
    store = Store(left.store.folder)
    np.testing.assert_array_equal(store.load_annotation("a"), TRUTH[0])
    np.testing.assert_array_equal(store.load_annotation("b") == 9, (TRUTH[1] > 0) & _left())
    assert store.load_state().item("b").status == "labelled"
    assert store.load_state().item("d").status == "empty"


def _left():
    return np.broadcast_to(np.arange(64) < 20, (64, 64))


def test_a_project_of_the_command_line_is_shown_too(make_napari_viewer, qtbot, images, tmp_path):
    items = [Item(key=n, source=str(images / f"{n}.tif")) for n in "abcd"]
    items[2] = items[2].model_copy(update={"status": "labelled"})
    with Store(tmp_path / "project") as store:
        store.save_state(State(name="mine", items=tuple(items)))
        store.save_annotation("c", TRUTH[2])
    session = opened(make_napari_viewer, qtbot, tmp_path / "project")
    assert session.state.keys("labelled") == ["c"]
    np.testing.assert_array_equal(session.annotation.data[2], TRUTH[2])
    session.go_to("c")
    assert session.current == "c"


def test_a_second_window_only_looks_on(make_napari_viewer, qtbot, left, monkeypatch):
    said = []
    monkeypatch.setattr("napari_nucleate.gui.projects.show_warning", said.append)
    session = opened(make_napari_viewer, qtbot, left.store.folder)
    before = session.store.load_state()
    other = opened(make_napari_viewer, qtbot, left.store.folder)
    assert said[0].startswith("Opened to look at only; ")
    assert "is in use by a napari window" in said[0]
    np.testing.assert_array_equal(other.annotation.data, session.annotation.data)
    assert not other.annotation.editable
    for action in ("train", "predict", "accept", "annotate", "confirm_empty"):
        assert not getattr(other.plan, action)
    with pytest.raises(NucleateError, match="look at only"):
        other.annotate()
    other.set_known("sparse")
    other.keeper.flush()
    other.close()
    assert session.store.load_state() == before
    session.close()
    again = opened(make_napari_viewer, qtbot, left.store.folder)
    assert again.annotation.editable
    assert again.plan.train


def small(folder, names, dtype=np.uint16):
    """Put other images in the place of these."""
    for name in names:
        write_image(folder / f"{name}.tif", np.ones((5, 6), dtype), "YX", overwrite=True)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda images: (images / "b.tif").unlink(), r"1 of its image files.*b\.tif"),
        (lambda images: small(images, "b"), r"has the shape \(5, 6\) instead of \(64, 64\)"),
        (lambda images: small(images, "b", np.uint8), r"types.*64×64 \(YX, uint16\) and 5×6"),
        (lambda images: small(images, "abcd"), "it is another image, or one of several"),
    ],
)
def test_images_that_are_not_found_are_named(
    make_napari_viewer, left, images, change, sentence, monkeypatch
):
    monkeypatch.setattr(locating.LocateDialog, "exec", lambda _: QDialog.DialogCode.Rejected)
    change(images)
    viewer = make_napari_viewer()
    with pytest.raises(NucleateError, match=sentence):
        open_project(viewer, left.store.folder)
    assert not viewer.layers
    left.store.claim()  # it is free again
    left.store.close()


def test_a_place_that_nobody_can_look_at_is_asked_for(make_napari_viewer, left, monkeypatch):
    store, asked = Store(left.store.folder), []
    state = store.load_state()
    far = state.item("b").model_copy(update={"source": "/" + "b" * 5000})
    with store:
        store.save_state(state.replace(far))
    monkeypatch.setattr(
        locating.LocateDialog, "exec", lambda dialog: asked.append(dialog.list.count())
    )
    with pytest.raises(NucleateError, match="1 of its image files"):
        open_project(make_napari_viewer(), store.folder)
    assert asked == [1]


def test_images_that_do_not_fit_are_asked_for_again(
    make_napari_viewer, left, images, tmp_path, monkeypatch
):
    (images / "b.tif").unlink()
    wrong, asked = tmp_path / "wrong", []
    wrong.mkdir()
    small(wrong, "b")

    def find(dialog):
        asked.append(dialog.list.count())
        places = {str(images / "b.tif"): str(wrong / "b.tif")}
        dialog.state = moved(dialog.state, places)
        return QDialog.DialogCode.Accepted

    monkeypatch.setattr(locating.LocateDialog, "exec", find)
    for _ in range(2):
        with pytest.raises(NucleateError, match=r"instead of \(64, 64\)"):
            open_project(make_napari_viewer(), left.store.folder)
    assert asked == [1, 1]


def test_labels_that_are_gone_or_of_another_image_keep_it_closed(
    make_napari_viewer, left, qtbot, tmp_path
):
    file = left.store.folder / "annotations" / "a.tif"
    kept = file.read_bytes()
    before = (left.store.folder / "nucleate.json").read_text()
    viewer = make_napari_viewer()
    file.unlink()
    with pytest.raises(NucleateError, match=r"The labels of a are gone; put .*a\.tif back"):
        open_project(viewer, left.store.folder)
    write_image(file, np.ones((5, 6), np.uint16), "YX")
    with pytest.raises(NucleateError, match=r"has the shape \(5, 6\), its image \(64, 64\)"):
        open_project(viewer, left.store.folder)
    assert not viewer.layers
    session_of(viewer).close()
    assert (left.store.folder / "nucleate.json").read_text() == before
    file.write_bytes(kept)
    np.testing.assert_array_equal(
        opened(make_napari_viewer, qtbot, left.store.folder).annotation.data[0], TRUTH[0]
    )


def test_a_damaged_state_is_the_one_before_and_what_was_painted_since_is_there(
    make_napari_viewer, qtbot, left, monkeypatch
):
    said = []
    monkeypatch.setattr("napari_nucleate.gui.projects.show_warning", said.append)
    with Store(left.store.folder) as store:
        store.save_annotation("c", TRUTH[2])
        store.save_state(store.load_state().mark("c", "labelled"))
    (left.store.folder / STATE).write_bytes(b"\0" * 200)
    session = opened(make_napari_viewer, qtbot, left.store.folder)
    assert session.state.keys("labelled") == ["a", "c"]
    np.testing.assert_array_equal(session.annotation.data[2], TRUTH[2])
    assert [f"{STATE} is damaged" in one for one in said] == [True]
    session.close()
    assert (left.store.folder / DAMAGED.format("")).read_bytes() == b"\0" * 200
    store = Store(left.store.folder)
    assert store.load_state().keys("labelled") == ["a", "c"]
    assert not store.restored


def test_a_window_opens_its_own_project_again(make_napari_viewer, qtbot, left):
    session = opened(make_napari_viewer, qtbot, left.store.folder)
    state = session.state
    for layer in list(session.viewer.layers):
        session.viewer.layers.remove(layer)
    open_project(session.viewer, left.store.folder)
    qtbot.waitUntil(lambda: not session.job.running)
    assert session.state == state
    np.testing.assert_array_equal(session.annotation.data[0], TRUTH[0])


@pytest.mark.parametrize("kind", ["volume", "time", "colour", "channels"])
def test_one_file_of_any_kind_comes_back(make_napari_viewer, qtbot, tmp_path, kind):
    rng = np.random.default_rng(0)
    shape, stored, axes, ndim, colour = {
        "volume": ((4, 30, 20), "ZYX", "ZYX", 3, None),
        "time": ((4, 30, 20), "TYX", "TYX", 2, None),
        "colour": ((30, 20, 3), "YXC", "YX", 2, "grey"),
        "channels": ((2, 30, 20), "CYX", "CYX", 2, None),
    }[kind]
    pixels = rng.integers(0, 255, shape).astype(np.uint8)
    path = tmp_path / ("cells.png" if kind == "colour" else "cells.tif")
    if kind == "colour":
        Image.fromarray(pixels).save(path)
    else:
        write_image(path, pixels, stored)
    viewer = make_napari_viewer()
    fill(viewer, read_images(path))
    session = session_of(viewer)
    session.choose_layer(viewer.layers[0], axes, ndim, colour)
    session.set_known("boxes")
    layer = session.annotate()
    key = session.state.keys()[-1]
    where = layer.data[session.source.place(session.ref(key))]
    where[..., 3:9, 4:10] = 7
    session.strokes.refresh()
    session.strokes.note(key)
    box = [[0] * (ndim - 2) + [2, 3], [3] * (ndim - 2) + [12, 14]]
    add_boxes(session.boxes, session.source, session.ref(key), [box])
    painted, read = session.painted(key), session.ref(key).read()
    session.close()
    other = make_napari_viewer()
    fill(other, read_images(path))  # a layer of that name is there already
    open_project(other, session.store.folder)
    again = session_of(other)
    qtbot.waitUntil(lambda: not again.job.running)
    np.testing.assert_array_equal(again.painted(key), painted)
    np.testing.assert_array_equal(again.ref(key).read(), read)
    assert again.state.recipe == session.state.recipe
    known = again.annotation_of(key).known
    expected = np.zeros(known.shape, bool)
    expected[tuple(slice(int(a), int(b)) for a, b in zip(*box, strict=True))] = True
    # What is painted is known, whatever the box.
    np.testing.assert_array_equal(known, expected | (painted > 0))
    again.close()
    assert Store(session.store.folder).load_state().items == session.state.items


@pytest.mark.parametrize(
    ("boxes", "sentence"),
    [
        (
            {"x": [[[0, 0], [9, 9]]]},
            r"boxes\.json gives boxes of 'x', and the project",
        ),
        ({"a": [[[0, 0, 0], [1, 9, 9]]]}, r"gives a box of 'a' whose corners haven't 2 numbers"),
        ({"a": [[[0, 0], [1e12, 9]]]}, r"a corner more than 2147483648 pixels away"),
    ],
)
def test_boxes_of_no_image_keep_it_closed(make_napari_viewer, left, boxes, sentence):
    left.store.boxes_file.write_text(json.dumps(boxes), "utf-8")
    viewer = make_napari_viewer()
    with pytest.raises(NucleateError, match=sentence):
        open_project(viewer, left.store.folder)
    assert not viewer.layers
    assert session_of(viewer).source is None


def test_boxes_are_drawn_in_planes_of_their_volume_only(make_napari_viewer):
    viewer = make_napari_viewer()
    session = session_of(viewer)
    session.choose_layer(viewer.add_image(np.ones((4, 30, 20))), "ZYX", 3)
    session.set_known("boxes")
    box = [[-(2.0**31), 2, 3], [2.0**31, 12, 14]]
    add_boxes(session.boxes, session.source, session.ref(session.current), [box])
    assert [corners[0, 0] for corners in session.boxes.data] == [0, 1, 2, 3]


def test_the_label_dock_shows_what_was_opened(make_napari_viewer, qtbot, tmp_path):
    write_image(tmp_path / "cells.tif", np.ones((4, 30, 20), np.uint8), "ZYX")
    viewer = make_napari_viewer()
    fill(viewer, read_images(tmp_path / "cells.tif"))
    session = session_of(viewer)
    session.choose_layer(viewer.layers[0], "ZYX", 3)
    session.annotate().data[:, 3:9, 4:10] = 7
    session.strokes.refresh()
    session.strokes.note(session.current)
    session.close()
    other = make_napari_viewer()
    fill(other, [])
    open_project(other, session.store.folder)
    (dock,) = (
        d.widget() for d in docks(session_of(other)) if isinstance(d.widget(), DOCKS["Label"])
    )
    assert dock.chooser.layers.layer is session_of(other).source.layer
    assert dock.chooser.three.isChecked()
    assert not dock.chooser.use.isEnabled()


def test_what_came_from_napari_only_is_said(make_napari_viewer, tmp_path):
    with Store(tmp_path / "p") as store:
        store.save_state(State(name="mine", items=(Item(key="a"),)))
        store.close()
    with pytest.raises(NucleateError, match="came from no file"):
        open_project(make_napari_viewer(), tmp_path / "p")
    with pytest.raises(NucleateError, match="is not a project"):
        open_project(make_napari_viewer(), tmp_path)


def test_it_can_be_dropped_on_the_window(make_napari_viewer, qtbot, left, tmp_path):
    other = tmp_path / "other.json"
    other.write_text("{}")
    assert reader(str(other)) is None
    assert reader([str(other)]) is None
    viewer = make_napari_viewer()
    viewer.open(left.store.folder / "nucleate.json", plugin="napari-nucleate")
    session = session_of(viewer)
    qtbot.waitUntil(lambda: not session.job.running)
    assert same(session.state, left.state)


def test_the_label_dock_opens_one(make_napari_viewer, qtbot, left, monkeypatch):
    viewer = make_napari_viewer()
    fill(viewer, [])
    said = []
    session = session_of(viewer)
    monkeypatch.setattr(session, "notify", said.append)
    menu = ProjectMenu(session)
    qtbot.addWidget(menu)
    asked = iter(["", str(left.store.folder.parent), str(left.store.folder)])
    monkeypatch.setattr(project_menu.QFileDialog, "getExistingDirectory", lambda *_: next(asked))
    menu.open.trigger()
    assert not said
    menu.open.trigger()
    assert "is not a project" in str(said[0])
    menu.open.trigger()
    qtbot.waitUntil(lambda: not session.job.running)
    assert session.state.keys() == left.state.keys()
    assert log.read(left.store.folder)[-1]["what"] == "opened"


def test_names_of_files_are_names_of_images(images):
    stacks = read_images(images)
    (group,) = alike(stacks)
    assert [Path(s.source).stem for s in group] == list("abcd")
    together = Stack(np.zeros((2, 3, 4, 4)), "NTYX", names=("x", "y: z"))
    assert [r.key for r in together.images(2)][1:4] == ["x_t1", "x_t2", "y_ z_t0"]
    for wrong in (("x",), ("x", "X"), ("a:", "a/")):
        with pytest.raises(NucleateError, match="name each"):
            Stack(np.zeros((2, 4, 4)), "NYX", names=wrong)


def test_what_was_looked_at_is_looked_at_again(make_napari_viewer, qtbot, left):
    session = opened(make_napari_viewer, qtbot, left.store.folder)
    session.go_to("c")
    session.viewer.scene.camera.zoom = 7.5
    session.viewer.scene.camera.center = (0.0, 12.0, 9.0)
    session.close()
    again = opened(make_napari_viewer, qtbot, left.store.folder)
    assert again.current == "c"
    assert again.viewer.scene.camera.zoom == pytest.approx(7.5)
    assert again.viewer.scene.camera.center == pytest.approx((0.0, 12.0, 9.0))
