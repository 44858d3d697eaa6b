"""Images of several sizes are one project: padding is shown, and never read, kept or counted."""

import numpy as np
import pytest
from PIL import Image
from qtpy.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from qtpy.QtGui import QDragEnterEvent, QDropEvent
from qtpy.QtWidgets import QApplication
from skimage.io import imread

from napari_nucleate.cli.projects import images_of
from napari_nucleate.core.annotation import annotate
from napari_nucleate.core.confidence import Scores
from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.events import Prediction
from napari_nucleate.core.instances import Components
from napari_nucleate.core.samples import NucleiSample
from napari_nucleate.gui import dropping, files
from napari_nucleate.gui.choose import describe
from napari_nucleate.gui.corrections import BORDER, Given, Numbers
from napari_nucleate.gui.edits import Editor
from napari_nucleate.gui.evidence import SplitAll, evidence_of, split_all
from napari_nucleate.gui.export import ExportDock
from napari_nucleate.gui.exporting import LabelExport
from napari_nucleate.gui.layers import LayerSource, add_boxes, boxes_of
from napari_nucleate.gui.live import visible_region
from napari_nucleate.gui.opening import open_project
from napari_nucleate.gui.seeds import PointSeeds
from napari_nucleate.gui.session import session_of
from napari_nucleate.gui.start import fill
from napari_nucleate.io.read import read_images
from napari_nucleate.io.write import write_image
from napari_nucleate.project.model import Item, State
from napari_nucleate.project.store import Store

SHAPES = {"a": (64, 48), "b": (96, 72), "c": (40, 80)}
SAMPLE = NucleiSample(count=3, size=96, radius=6).make()
PIXELS, TRUTH = {}, {}
for at, (key, (height, width)) in enumerate(SHAPES.items()):
    PIXELS[key] = 100 + np.asarray(SAMPLE.images.data[at])[:height, :width]
    TRUTH[key] = np.asarray(SAMPLE.labels.data[at], np.int32)[:height, :width]


@pytest.fixture
def images(tmp_path):
    """Three files of nuclei, each of another size."""
    folder = tmp_path / "images"
    folder.mkdir()
    for key, pixels in PIXELS.items():
        write_image(folder / f"{key}.tif", pixels, "YX", (0.5, 0.5), ("micrometer",) * 2)
    return folder


@pytest.fixture
def session(make_napari_viewer, images):
    """A project on these files."""
    viewer = make_napari_viewer()
    fill(viewer, read_images(images))
    (layer,) = viewer.layers
    session = session_of(viewer)
    session.choose_layer(layer, "NYX", 2)
    return session


def paint(session, key, labels):
    """Paint labels on an image."""
    where = np.nonzero(labels)
    index = (np.full(len(where[0]), session.ref(key).position["N"]), *where)
    session.annotation.data_setitem(index, labels[where])


def predict(session, key, confidence=0.9):
    """Have the truth predicted."""
    target, truth = session.state.recipe.target, TRUTH[key]
    maps = target.encode(annotate(truth)).astype(np.float16)
    scores = Scores(confidence, {int(i): confidence for i in np.unique(truth)[1:]}, "a test")
    event = Prediction(key, maps, truth, scores)
    session.store.save_prediction(event)
    session.job.happened.emit(event)


def true(session, layer, key):
    """What a layer shows of an image."""
    return layer.data[session.source.place(session.ref(key))]


def outside(session, layer):
    """What a layer shows where no image is."""
    rest = np.array(layer.data)
    for ref in session.refs().values():
        rest[session.source.place(ref)] = 0
    return rest


def test_they_lie_in_one_layer_and_are_read_without_padding(session):
    layer = session.source.layer
    assert layer.data.shape == (3, 96, 80)
    assert layer.name == "3 images of up to 96×80"
    # napari would take the padding for black pixels.
    assert layer.contrast_limits[0] > 90
    assert describe(session.source).startswith("3 images of 64 × 48 to 96 × 72 pixels")
    for key, shape in SHAPES.items():
        ref = session.ref(key)
        assert ref.shape == shape
        np.testing.assert_array_equal(ref.read()[0], PIXELS[key])
        np.testing.assert_array_equal(ref.read((slice(30, 99), slice(9)))[0], PIXELS[key][30:, :9])
        position = ref.position["N"]
        shown = np.asarray(layer.data[position])
        np.testing.assert_array_equal(shown[: shape[0], : shape[1]], PIXELS[key])
        assert shown.sum() == PIXELS[key].sum()
        session.go_to(key)
        assert session.current == key
        assert [s.stop for s in visible_region(session.source, session.viewer)] == list(shape)
        session.eye.look()
        session.eye._next = 0
        assert session.eye().image.shape[1:] == shape


def test_an_image_of_another_size_is_brought_into_view(session):
    camera = session.viewer.scene.camera
    session.go_to("b")
    camera.center, camera.zoom = (0.0, 44.0, 30.0), 9.0
    session.go_to("c")  # it is 20 µm high: that place lies beyond
    assert camera.center[1:] == pytest.approx((9.75, 19.75), abs=0.5)
    before = camera.zoom
    camera.zoom = 2 * before
    session.go_to("c")
    assert camera.zoom == pytest.approx(2 * before)


def test_their_folder_may_be_dropped_on_the_window(make_napari_viewer, qtbot, images):
    viewer = make_napari_viewer()
    session_of(viewer)
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(images))])
    how = (Qt.DropAction.CopyAction, mime, Qt.MouseButton.LeftButton)
    none = Qt.KeyboardModifier.NoModifier
    view = viewer.window._qt_viewer
    QApplication.sendEvent(view, QDragEnterEvent(QPoint(5, 5), *how, none))
    QApplication.sendEvent(view, QDropEvent(QPointF(5, 5), *how, none))
    qtbot.waitUntil(lambda: len(viewer.layers) == 1)
    assert viewer.layers[0].data.shape == (3, 96, 80)


def test_they_come_back_with_all_that_was_made(make_napari_viewer, qtbot, session, tmp_path):
    session.annotate()
    paint(session, "a", TRUTH["a"])
    session.set_known("boxes")
    add_boxes(session.boxes, session.source, session.ref("a"), [((2, 4), (30, 40))])
    add_boxes(session.boxes, session.source, session.ref("c"), [((50, 4), (60, 40))])  # beside it
    predict(session, "b")
    predict(session, "c", 0.6)
    session.judgements.judge(["b"], accept=True)
    before = session.state
    assert before.view.shapes == tuple(SHAPES.values())
    for key, ref in zip(SHAPES, images_of(before, list(SHAPES)), strict=True):  # without a window
        np.testing.assert_array_equal(ref.read()[0], PIXELS[key])
    session.close()

    viewer = make_napari_viewer()
    open_project(viewer, session.store.folder)
    again = session_of(viewer)
    qtbot.waitUntil(lambda: not again.job.running)
    assert again.state.items == before.items
    assert [again.state.item(k).status for k in "abc"] == ["labelled", "accepted", "predicted"]
    np.testing.assert_array_equal(again.painted("a"), TRUTH["a"])
    assert again.annotation_of("a").known.shape == SHAPES["a"]
    assert boxes_of(again.boxes, again.source, again.ref("a")) == [([2, 4], [30, 40])]
    assert boxes_of(again.boxes, again.source, again.ref("c")) == []
    for key in "bc":
        np.testing.assert_array_equal(true(again, again.prediction, key) > 0, TRUTH[key] > 0)
        np.testing.assert_array_equal(again.ref(key).read()[0], PIXELS[key])
    for layer in (again.annotation, again.prediction):
        assert not outside(again, layer).any()

    dock = ExportDock(viewer)
    qtbot.addWidget(dock)
    dock.labels.tick(again.prediction)
    dock.folder.setText(str(tmp_path / "out"))
    dock._on_asked()
    qtbot.waitUntil(lambda: not dock.run.job.running)
    for key in "bc":
        written = imread(tmp_path / "out" / "prediction" / f"{key}.tif")
        np.testing.assert_array_equal(written > 0, TRUTH[key] > 0)
    assert (tmp_path / "out" / "prediction.csv").exists()
    assert not (tmp_path / "out" / "prediction.tif").exists()


def test_a_project_of_the_command_line_is_shown(make_napari_viewer, qtbot, images, tmp_path):
    items = [Item(key=k, source=str(images / f"{k}.tif")) for k in SHAPES]
    items[1] = items[1].model_copy(update={"status": "labelled"})
    with Store(tmp_path / "project") as store:
        store.save_state(State(name="mine", items=tuple(items)))
        store.save_annotation("b", TRUTH["b"])
    viewer = make_napari_viewer()
    open_project(viewer, tmp_path / "project")
    session = session_of(viewer)
    np.testing.assert_array_equal(session.painted("b"), TRUTH["b"])
    paint(session, "c", TRUTH["c"])
    session.close()
    with Store(tmp_path / "project") as store:
        assert store.load_state().keys("labelled") == ["b", "c"]
        np.testing.assert_array_equal(store.load_annotation("c"), TRUTH["c"])


def test_a_stroke_beyond_the_edge_ends_there(session):
    layer = session.annotate()
    session.go_to("a")
    layer.brush_size = 10
    layer.paint((0, 63, 20), 3)  # its lower half lies below the image
    assert (true(session, layer, "a")[-5:] == 3).any()
    assert not outside(session, layer).any()
    assert session.state.item("a").status == "labelled"
    session.undoing.undo()
    assert not layer.data.any()
    assert session.state.item("a").status == "unlabelled"
    session.undoing.redo()
    assert true(session, layer, "a").any()
    assert not outside(session, layer).any()


@pytest.mark.parametrize("way", ["brush", "script", "fill"])
def test_what_is_painted_beside_an_image_is_no_label(session, way):
    layer = session.annotate()
    if way == "brush":
        layer.paint((0, 80, 60), 3)
    elif way == "script":
        layer.data_setitem((np.array([0, 2]), np.array([90, 50]), np.array([5, 5])), 3)
    else:
        layer.data[0, 63, :48] = layer.data[0, :64, 47] = 2
        layer.fill((0, 80, 60), 3)
    assert not (layer.data == 3).any()
    if way != "fill":
        assert session.state.keys("labelled") == []
    session.undoing.undo()
    assert not (layer.data == 3).any()


def test_the_border_of_an_image_is_its_own(session):
    layer = session.annotate()
    labels = np.zeros(SHAPES["a"], np.int32)
    labels[60:, 5:10], labels[20:30, 20:30] = 1, 2
    paint(session, "a", labels)
    session.go_to("a")
    editor = Editor(session, layer, 2)
    given = Given(np.zeros((1, 2)), 0, editor.spacing, None, Numbers())
    editor.apply(editor.in_view(), lambda image: BORDER.make(image, given))
    assert np.unique(session.painted("a")).tolist() == [0, 2]
    with pytest.raises(NucleateError, match="outside"):
        editor.pixel((0, 70, 10))
    assert editor.pixel((1, 70, 10)) == (1, 70, 10)


def test_splitting_keeps_to_the_images(session):
    layer = session.annotate()
    for key, truth in TRUTH.items():
        paint(session, key, truth)
    layer.data[0, 90:, 70:] = 7  # a script's, which napari tells nobody of
    evidence = evidence_of(session, layer, 2)
    *_, result = split_all(evidence, Components())
    assert isinstance(result, SplitAll)
    for key, truth in TRUTH.items():
        split = result.labels[session.source.place(session.ref(key))]
        assert split.shape == truth.shape
        assert (split[truth > 0] > 0).all()
    assert not result.labels[0, 90:, 70:].any()
    points = session.viewer.add_points(
        [[0, 70, 10], [1, 70, 10], [2, 10, 79]], scale=layer.scale, ndim=3
    )
    assert PointSeeds(points, evidence.source).outside == 1


def test_labels_of_the_canvas_are_the_images(session):
    labels = np.zeros((3, 96, 80), np.int32)
    labels[0, 10:20, 10:20], labels[0, 80:, 60:] = 4, 5
    layer = session.viewer.add_labels(labels, axis_labels=("n", "y", "x"))
    own = LayerSource.of(layer, "NYX", 2)
    export = LabelExport(own, session.source)
    with pytest.raises(NucleateError, match="other sizes"):
        export.check()
    own = own.sized_as(session.source)
    LabelExport(own, session.source).check()
    assert [ref.shape for ref in own.stack.images(2)] == list(SHAPES.values())


def test_an_image_of_another_size_than_before_is_said(make_napari_viewer, session, images):
    session.annotate()
    paint(session, "a", TRUTH["a"])
    session.close()
    write_image(images / "c.tif", PIXELS["c"][:30], "YX", overwrite=True)
    with pytest.raises(NucleateError, match=r"c\.tif has the shape \(30, 80\) instead of \(40, 80"):
        open_project(make_napari_viewer(), session.store.folder)


def test_other_pixels_in_the_layer_are_read_as_before(session):
    layer = session.source.layer
    layer.data = np.asarray(layer.data) + 1
    np.testing.assert_array_equal(session.ref("a").read()[0], PIXELS["a"] + 1)
    layer.data = np.ones((3, 20, 30), np.uint16)
    again = LayerSource.of(layer, "NYX", 2)
    assert {ref.shape for ref in again.stack.images(2)} == {(20, 30)}


def test_where_nearly_all_would_be_padding_each_size_gets_a_layer(session, images, monkeypatch):
    stacks = read_images(images)
    assert [len(g) for g in files.alike(stacks)] == [3]
    monkeypatch.setattr(files, "LARGEST", 1)
    assert [len(g) for g in files.alike(stacks)] == [3]
    huge = stacks[0].__class__(np.zeros((2000, 2000), stacks[0].data.dtype), "YX", name="d")
    assert [len(g) for g in files.alike([*stacks * 3, huge])] == [3, 3, 3, 1]


def test_colours_of_several_sizes(make_napari_viewer, qtbot, tmp_path):
    rng = np.random.default_rng(0)
    folder = tmp_path / "images"
    folder.mkdir()
    pixels = [rng.integers(1, 255, (*shape, 3), np.uint8) for shape in SHAPES.values()]
    for key, image in zip(SHAPES, pixels, strict=True):
        Image.fromarray(image).save(folder / f"{key}.png")
    viewer = make_napari_viewer()
    fill(viewer, read_images(folder))
    (layer,) = viewer.layers
    assert layer.rgb
    session = session_of(viewer)
    for colour in ("channels", "grey"):
        session.choose_layer(layer, "NYX", 2, colour)
        assert [ref.shape for ref in session.refs().values()] == list(SHAPES.values())
    np.testing.assert_allclose(session.ref("c").read()[0], pixels[2].mean(-1))
    session.annotate()
    paint(session, "c", TRUTH["c"])
    session.close()
    again = make_napari_viewer()
    open_project(again, session.store.folder)
    np.testing.assert_array_equal(session_of(again).painted("c"), TRUTH["c"])


@pytest.mark.parametrize("ndim", [2, 3])
def test_volumes_of_several_sizes(make_napari_viewer, tmp_path, ndim):
    folder = tmp_path / "images"
    folder.mkdir()
    for key, depth in (("a", 3), ("b", 11)):
        write_image(folder / f"{key}.tif", np.ones((depth, 20 + depth, 30), np.uint16), "ZYX")
    viewer = make_napari_viewer()
    fill(viewer, read_images(folder))
    session = session_of(viewer)
    session.choose_layer(viewer.layers[0], "NZYX", ndim)
    keys = [ref.key for stack in read_images(folder) for ref in stack.images(ndim)]
    assert session.state.keys() == keys
    layer = session.annotate()
    layer.data_setitem((np.array([0, 0]), np.array([1, 7]), np.array([5, 5]), np.array([5, 5])), 2)
    assert np.argwhere(layer.data).tolist() == [[0, 1, 5, 5]]
    session.keeper.flush()
    (key,) = session.state.keys("labelled")
    assert session.store.load_annotation(key).shape == ((23, 30) if ndim == 2 else (3, 23, 30))
    session.source.show_at(viewer, {"N": 0, "Z": 9})
    assert session.current == keys[2 if ndim == 2 else 0]


def test_a_stroke_in_planes_that_a_volume_does_not_have_is_none(make_napari_viewer, tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    for key, depth in (("a", 3), ("b", 11)):
        write_image(folder / f"{key}.tif", np.ones((depth, 20, 30), np.uint16), "ZYX")
    viewer = make_napari_viewer()
    fill(viewer, read_images(folder))
    session = session_of(viewer)
    session.choose_layer(viewer.layers[0], "NZYX", 3)
    session.annotate().data_setitem(tuple(np.array([at]) for at in (0, 9, 5, 5)), 2)
    session.keeper.flush()
    assert not session.keeper.begun
    assert not session.store.exists


def test_label_layers_know_the_sizes_when_another_project_is_begun(session):
    layer, shapes = session.annotate(), list(SHAPES.values())
    predict(session, "a")
    prediction = session.prediction
    other = session.viewer.add_image(np.ones((2, 9, 9)), name="other")
    session.choose_layer(other, "NYX", 2)
    for former in (layer, prediction):
        refs = LayerSource.of(former, "NYX", 2).stack.images(2)
        assert [ref.shape for ref in refs] == shapes


def test_a_folder_of_very_many_files_is_left_to_napari(
    make_napari_viewer, qtbot, images, monkeypatch
):
    monkeypatch.setattr(dropping, "MOST", 2)
    assert dropping._several_sizes(images) == []
    monkeypatch.setattr(dropping, "MOST", 3)
    assert len(dropping._several_sizes(images)) == 3
