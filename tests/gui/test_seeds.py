"""The Split dock takes seeds from Points and Labels layers, borders and distances."""

from threading import Event

import numpy as np
import pytest
from qtpy.QtCore import Qt

from napari_nucleate.core.instances import Components, StarConvex, Watershed, from_mask_like
from napari_nucleate.core.instances.distance import distance_to_boundary
from napari_nucleate.core.instances.maps import Maps
from napari_nucleate.gui import evidence
from napari_nucleate.gui.split import SplitDock

TIMEOUT = 20_000


@pytest.fixture
def viewer(make_napari_viewer):
    made = make_napari_viewer()
    made.window._qt_window.show()
    return made


@pytest.fixture
def dock(viewer):
    widget = SplitDock(viewer)
    viewer.window.add_dock_widget(widget)
    return widget


def apply_all(dock, qtbot):
    with qtbot.waitSignal(dock._session.ended, timeout=TIMEOUT):
        qtbot.mouseClick(dock.everything.button, Qt.MouseButton.LeftButton)


def live(dock, qtbot):
    with qtbot.waitSignal(dock.live.shown, timeout=TIMEOUT) as shown:
        pass
    return shown.args[0]


def bar(*shape):
    """A bar without a neck, in every plane."""
    mask = np.zeros(shape, np.uint8)
    mask[..., 10:20, 5:55] = 1
    return mask


def split(viewer):
    """The newest result."""
    return [layer for layer in viewer.layers if layer.name.startswith("split")][-1].data


def choose(combo, value):
    combo.setCurrentIndex(combo.findData(value))


def test_each_point_is_an_object(viewer, dock, qtbot):
    where = {"scale": (0.5, 0.5), "translate": (3, 4)}
    layer = viewer.add_labels(bar(30, 60), name="mask", **where)
    assert live(dock, qtbot) == 1
    points = viewer.add_points([layer.data_to_world((15, 10))], name="seeds")
    dock.seeds.choose(points)
    assert live(dock, qtbot) == 1
    drawn = dock.live.layer
    with qtbot.waitSignal(dock.live.shown, timeout=TIMEOUT) as shown:
        points.add([layer.data_to_world((15, x)) for x in (30, 50)])
    assert shown.args == [3]
    assert dock.live.layer is drawn  # no other layer blinks in its place
    assert dock.live_count.text() == "3 objects in view"
    with qtbot.waitSignal(dock.live.shown, timeout=TIMEOUT):
        points.add([layer.data_to_world((3, 3)), layer.data_to_world((-30, 3))])
    assert dock.live_count.text() == "3 objects in view. 2 seeds lie outside the mask."
    apply_all(dock, qtbot)
    assert "3 objects in 1 image. 2 seeds lie outside the mask." in dock.everything.outcome.text()
    assert [split(viewer)[15, x] for x in (10, 30, 50)] == [1, 2, 3]
    dock.seeds.choose(None)
    dock.live_on.setChecked(True)
    assert live(dock, qtbot) == 1


def test_points_belong_to_the_image_that_they_are_on(viewer, dock, qtbot):
    viewer.add_labels(bar(3, 30, 60), axis_labels=("t", "y", "x"), scale=(5, 1, 1), name="mask")
    points = viewer.add_points([[5, 15, 10], [5, 15, 40], [10, 15, 30]], ndim=3, name="seeds")
    dock.seeds.choose(points)
    apply_all(dock, qtbot)
    assert [np.unique(plane).size - 1 for plane in split(viewer)] == [0, 2, 1]


def test_points_on_a_plane_are_seeds_in_every_image(viewer, dock, qtbot):
    viewer.add_labels(bar(3, 30, 60), axis_labels=("t", "y", "x"), name="mask")
    dock.seeds.choose(viewer.add_points([[15, 10], [15, 40]], name="seeds"))
    apply_all(dock, qtbot)
    assert "6 objects in 3 images" in dock.everything.outcome.text()


def test_points_in_a_volume(viewer, dock, qtbot):
    viewer.add_labels(bar(8, 30, 60), axis_labels=("z", "y", "x"), scale=(2, 1, 1), name="mask")
    flat = viewer.add_points([[15, 10]], name="flat")
    dock.seeds.choose(flat)
    assert "have no Z; add a Points layer with 3 dimensions" in dock.note.text()
    assert not dock.everything.button.isEnabled()
    deep = viewer.add_points([[8, 15, 10], [8, 15, 40]], ndim=3, name="deep")
    dock.seeds.choose(deep)
    apply_all(dock, qtbot)
    assert split(viewer).max() == 2
    dock.dimensions.setCurrentIndex(0)
    dock.dimensions.edited.emit()
    apply_all(dock, qtbot)
    assert [np.unique(plane).size - 1 for plane in split(viewer)] == [0, 0, 0, 0, 2, 0, 0, 0]


@pytest.mark.parametrize("one_image", [False, True])
def test_labels_are_seeds(viewer, dock, qtbot, one_image):
    spots = np.zeros((2, 30, 60), np.int32)
    spots[:, 15, 10:14], spots[:, 12, 45], spots[:, 18, 50] = 7, 3, 3
    viewer.add_labels(bar(2, 30, 60), axis_labels=("t", "y", "x"), name="mask")
    layer = viewer.add_labels(spots[0] if one_image else spots, name="spots")
    dock.layers.choose(viewer.layers["mask"])
    dock.seeds.choose(layer)
    assert live(dock, qtbot) == 2
    before = () if one_image else (np.array([0, 1]),)
    n = 1 if one_image else 2
    layer.data_setitem((*before, np.full(n, 15), np.full(n, 30)), 9)
    assert live(dock, qtbot) == 3
    apply_all(dock, qtbot)
    assert split(viewer).max() == 6


def test_seeds_of_another_shape_are_refused(viewer, dock):
    mask = viewer.add_labels(bar(30, 60), name="mask")
    other = viewer.add_labels(np.ones((30, 50), np.int32), name="other")
    dock.layers.choose(mask)
    dock.seeds.choose(other)
    assert "'other' have shape (30, 50), 'mask' has (30, 60)" in dock.note.text()
    assert dock.everything.button.toolTip() == dock.note.text()


@pytest.mark.parametrize("kind", ["labels", "points"])
def test_seeds_may_change_while_everything_is_split(viewer, dock, qtbot, kind, monkeypatch):
    mask = viewer.add_labels(bar(3, 30, 60), axis_labels=("t", "y", "x"), name="mask")
    spots = np.zeros((3, 30, 60), np.int32)
    spots[:, 15, 10], spots[:, 15, 45] = 1, 2
    points = np.argwhere(spots)
    seeds = viewer.add_points(points) if kind == "points" else viewer.add_labels(spots)
    dock.layers.choose(mask)
    dock.seeds.choose(seeds)
    dock.live_on.setChecked(False)
    begun, go_on = Event(), Event()
    read = evidence.OfLayer.maps

    def slowly(self, ref, region=()):
        begun.set()
        assert go_on.wait(TIMEOUT / 1000)
        return read(self, ref, region)

    monkeypatch.setattr(evidence.OfLayer, "maps", slowly)
    with qtbot.waitSignal(dock._session.ended, timeout=TIMEOUT):
        qtbot.mouseClick(dock.everything.button, Qt.MouseButton.LeftButton)
        qtbot.waitUntil(begun.is_set, timeout=TIMEOUT)
        if kind == "points":
            seeds.data = points[points[:, 2] == 10]
        else:
            seeds.data_setitem((np.arange(3), np.full(3, 15), np.full(3, 45)), 0)
        go_on.set()
    assert [np.unique(plane).size - 1 for plane in split(viewer)] == [2, 2, 2]


def test_seeds_that_stop_fitting_give_a_sentence(viewer, dock):
    mask = viewer.add_labels(bar(30, 60), name="mask")
    seeds = viewer.add_labels(np.ones((30, 60), np.int32), name="seeds")
    dock.layers.choose(mask)
    dock.seeds.choose(seeds)
    assert dock.everything.button.isEnabled()
    seeds.data = np.zeros((5, 5), int)
    assert "'seeds' have shape (5, 5), 'mask' has (30, 60)" in dock.note.text()
    assert not dock.everything.button.isEnabled()
    seeds.data = np.ones((30, 60), int)
    assert dock.note.text() == "Splits the mask 'mask'."
    assert dock.everything.button.isEnabled()


def test_points_outside_the_images_are_counted(viewer, dock, qtbot):
    viewer.add_labels(bar(3, 30, 60), axis_labels=("t", "y", "x"), name="mask")
    places = [[1, 15, 10], [1, -5, 900], [9, 15, 10], [-1, 15, 10], [2, 15, 59.8]]
    dock.seeds.choose(viewer.add_points(places, ndim=3, name="seeds"))
    assert dock._evidence.seeds.outside == 3
    apply_all(dock, qtbot)
    assert "1 object in 3 images. 4 seeds lie outside the mask" in dock.everything.outcome.text()


@pytest.mark.parametrize("first", [0, 1])
def test_only_some_images_have_classes(viewer, dock, monkeypatch, first):
    """As where a project's model came to draw classes between two predictions."""
    mask = viewer.add_labels(bar(2, 30, 60), axis_labels=("t", "y", "x"), name="mask")
    both = bar(30, 60).astype(np.float32)

    def maps(self, ref, region=()):
        classes = None if ref.index[0][1] == first else np.stack([0 * both, both])
        return Maps(from_mask_like(both).foreground, classes=classes)

    monkeypatch.setattr(evidence.OfLayer, "maps", maps)
    dock.layers.choose(mask)
    *_, last = evidence.split_all(dock._evidence, Components())
    expected = [2, np.nan] if first else [np.nan, 2]
    np.testing.assert_array_equal(last.table["class"], expected)
    assert last.objects == 2


def test_seeds_act_in_a_watershed(viewer, dock):
    viewer.add_labels(bar(30, 60), name="mask")
    dock.seeds.choose(viewer.add_points([[15, 10]], name="seeds"))
    assert dock.note.text() == "Splits the mask 'mask'."
    for splitter in (Components(), StarConvex()):
        dock.form.choose(splitter)
        dock._on_edited(splitter)
        assert dock.note.text().endswith("Seeds act in the watershed only.")


def test_distances_are_recognised(viewer, dock, qtbot):
    labels = np.zeros((30, 60), np.int32)
    labels[5:25, 5:30], labels[5:25, 30:55] = 1, 2
    viewer.add_image(distance_to_boundary(labels), name="distances")
    assert dock.kind.raw() == "distances"
    assert "by its distances to the boundary" in dock.note.text()
    assert live(dock, qtbot) == 2
    choose(dock.kind, "mask")
    with qtbot.waitSignal(dock.live.failed, timeout=TIMEOUT):
        pass
    assert "must lie in [0, 1]" in dock.live_count.text()
    dock.layers.choose(viewer.add_image(-distance_to_boundary(labels), name="negative"))
    choose(dock.kind, "distances")
    with qtbot.waitSignal(dock.live.failed, timeout=TIMEOUT):
        pass
    assert "Distances go down to -" in dock.live_count.text()


def test_borders_are_lines(viewer, dock, qtbot):
    lines = np.zeros((30, 60), np.uint8)
    lines[:, 19:21] = lines[:, 39:41] = lines[14:16] = 230
    viewer.add_image(lines, name="membranes")
    assert dock.kind.raw() == "mask"
    choose(dock.kind, "borders")
    assert "along its bright lines" in dock.note.text()
    assert live(dock, qtbot) == 6
    assert dock.form.editor("seed_threshold").isVisibleTo(dock)
    assert not dock.form.editor("separation").isVisibleTo(dock)


def test_labels_and_predictions_are_what_they_are(project):
    dock = SplitDock(project.viewer)
    project.viewer.window.add_dock_widget(dock)
    dock.layers.choose(project.session.annotation)
    assert not dock.kind.isEnabled()
    project.predict(n1=0.9)
    assert dock.layers.layer is project.session.prediction
    assert not dock.kind.isEnabled()
    assert "network's own maps" in dock.kind.toolTip()


def test_a_prediction_takes_seeds(project, qtbot):
    dock = SplitDock(project.viewer)
    project.viewer.window.add_dock_widget(dock)
    project.predict(n1=0.9)
    labels = project.sample.labels.data[1]
    at = np.argwhere(labels == 1).mean(0)
    scale = project.layer.scale
    points = project.viewer.add_points([[scale[0], *at * scale[1:]]], ndim=3, name="one")
    dock.seeds.choose(points)
    apply_all(dock, qtbot)
    assert split(project.viewer).max() == 1


def test_anisotropy_follows_the_layer_in_every_splitter(viewer, dock, qtbot):
    for z in (2, 4):
        layer = viewer.add_labels(
            bar(4, 30, 60), axis_labels=("z", "y", "x"), scale=(z, 1, 1), name=f"z{z}"
        )
        dock.layers.choose(layer)
        assert dock.form.value == Watershed(anisotropy=z)
        assert [e.raw() for e in dock.form.editors("anisotropy")] == [z, z]
    dock.form.editor("anisotropy").setValue(3)
    assert dock.form.value.anisotropy == 3
    dock.layers.choose(viewer.layers["z2"])
    assert dock.form.value.anisotropy == 3
    assert dock.form.editors("anisotropy")[1].raw() == 2
    dock.dimensions.setCurrentIndex(0)
    dock.dimensions.edited.emit()
    assert dock.form.value.anisotropy == 3
