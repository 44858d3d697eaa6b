"""The Split dock: what it takes, what it shows live, and the layer that it makes."""

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QWidget

from napari_nucleate.core.instances import (
    Blocks,
    Components,
    LinkedPlanes,
    StarConvex,
    Watershed,
    from_mask_like,
)
from napari_nucleate.gui import evidence
from napari_nucleate.gui.live import LARGEST, NAME, visible_region
from napari_nucleate.gui.split import SplitDock
from napari_nucleate.io import scratch

TIMEOUT = 20_000


def discs(*shape):
    """A mask of two discs that touch, in every plane."""
    y, x = np.indices(shape[-2:])
    mask = ((y - 20) ** 2 + (x - 14) ** 2 < 90) | ((y - 20) ** 2 + (x - 31) ** 2 < 90)
    return np.broadcast_to(mask, shape).astype(np.uint8)


@pytest.fixture
def viewer(make_napari_viewer):
    made = make_napari_viewer()
    made.window._qt_window.show()  # live is only what can be seen
    return made


@pytest.fixture
def dock(viewer):
    widget = SplitDock(viewer)
    viewer.window.add_dock_widget(widget)
    return widget


def count(labels):
    return np.unique(labels[labels > 0]).size


def apply_all(dock, qtbot):
    with qtbot.waitSignal(dock._session.ended, timeout=TIMEOUT):
        qtbot.mouseClick(dock.everything.button, Qt.MouseButton.LeftButton)


def wait_live(dock, qtbot):
    with qtbot.waitSignal(dock.live.shown, timeout=TIMEOUT) as shown:
        pass
    return shown.args[0]


def test_says_that_a_layer_is_needed(dock):
    assert not dock.everything.button.isEnabled()
    assert "Choose a mask" in dock.everything.button.toolTip()


def test_splits_a_mask_live_and_then_all_of_it(viewer, dock, qtbot):
    mask = discs(3, 40, 48)
    where = {"scale": (1, 0.5, 0.25), "translate": (0, 3, 4), "units": ("pixel", "um", "um")}
    layer = viewer.add_labels(mask, name="mask", **where)
    assert wait_live(dock, qtbot) == 2
    assert dock.live_count.text() == "2 objects in view"
    assert NAME in viewer.layers
    assert viewer.layers.selection.active is layer
    np.testing.assert_allclose(dock.live.layer.translate, (viewer.dims.point[0], 3, 4))
    apply_all(dock, qtbot)
    result = viewer.layers["split"]
    assert result.data.shape == mask.shape
    assert result.data.dtype == np.int32
    # Labels are unique in the layer: so its features can tell of all objects.
    assert [np.unique(plane).tolist() for plane in result.data] == [[0, 1, 2], [0, 3, 4], [0, 5, 6]]
    assert result.features["index"].tolist() == [1, 2, 3, 4, 5, 6]
    assert (result.features["probability"] == 1).all()
    np.testing.assert_allclose(result.scale, layer.scale)
    np.testing.assert_allclose(result.translate, layer.translate)
    assert result.units == layer.units
    assert dock.everything.outcome.text() == "Layer 'split': 6 objects in 3 images."
    assert NAME not in viewer.layers
    np.testing.assert_array_equal(layer.data, mask)


def test_a_parameter_acts_live(viewer, dock, qtbot):
    viewer.add_labels(discs(40, 48))
    assert wait_live(dock, qtbot) == 2
    editor = dock.form.editor("separation")
    editor.setFocus()
    with qtbot.waitSignal(dock.live.shown, timeout=TIMEOUT) as shown:
        editor.setValue(1.0)
    assert shown.args == [1]
    assert dock.form.value == Watershed(separation=1.0)


def test_the_newest_request_wins(viewer, dock, qtbot):
    viewer.add_labels(discs(40, 48))
    wait_live(dock, qtbot)
    counts = []
    dock.live.shown.connect(counts.append)
    for separation in (0.9, 0.5, 0.2, 1.0):
        dock.form.editor("separation").setValue(separation)
    qtbot.waitUntil(lambda: bool(counts), timeout=TIMEOUT)
    assert counts == [1]


@pytest.mark.parametrize("splitter", [Components(), Watershed(), StarConvex()])
def test_every_splitter(viewer, dock, qtbot, splitter):
    viewer.add_image(discs(40, 48) * np.float32(0.9), name="probability")
    dock.form.value = splitter
    apply_all(dock, qtbot)
    expected = 1 if isinstance(splitter, Components) else 2
    assert viewer.layers["split"].data.max() == expected


def test_3d_and_2d_of_a_volume(viewer, dock, qtbot):
    viewer.add_labels(discs(6, 40, 48), axis_labels=("z", "y", "x"), scale=(2, 1, 1))
    assert dock.dimensions.raw() == 3
    assert dock.form.value.anisotropy == 2
    assert wait_live(dock, qtbot) == 2
    apply_all(dock, qtbot)
    assert dock.everything.outcome.text() == "Layer 'split': 2 objects in 1 image."
    dock.dimensions.setCurrentIndex(0)
    dock.dimensions.edited.emit()
    apply_all(dock, qtbot)
    assert "12 objects in 6 images" in dock.everything.outcome.text()


def test_planes_are_split_and_linked(viewer, dock, qtbot):
    mask = discs(7, 40, 48).copy()
    mask[3] = 0
    viewer.add_labels(mask, axis_labels=("z", "y", "x"), scale=(5, 1, 1))
    choice = dock.form._body.choice
    choice.setCurrentIndex(choice.findText("Each plane by itself, linked"))
    assert dock.form.value == LinkedPlanes()
    inner = dock.form.editor("splitter.anisotropy")
    assert not inner.isVisibleTo(dock.form.editor("splitter"))
    assert not dock.form.editor("splitter.border_separation").isVisibleTo(dock)
    apply_all(dock, qtbot)
    assert dock.everything.outcome.text() == "Layer 'split': 4 objects in 1 image."
    dock.form.editor("gap").setValue(1)
    apply_all(dock, qtbot)
    assert dock.everything.outcome.text() == "Layer 'split [1]': 2 objects in 1 image."


def test_a_flat_layer_has_no_third_dimension(viewer, dock):
    viewer.add_labels(discs(3, 40, 48), axis_labels=("t", "y", "x"))
    assert not dock.dimensions.isEnabled()
    assert "no Z axis" in dock.dimensions.toolTip()


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (np.full((16, 16), 1.5, np.float32), "must lie in [0, 1]"),
        (np.full((16, 16), -0.5, np.float32), "must lie in [0, 1]"),
        (np.arange(256, dtype=np.uint16).reshape(16, 16), "looks like a raw image"),
    ],
)
def test_bad_pixels_give_a_sentence(viewer, dock, qtbot, data, sentence):
    viewer.add_image(data, name="odd")
    with qtbot.waitSignal(dock.live.failed, timeout=TIMEOUT):
        pass
    assert sentence in dock.live_count.text()
    apply_all(dock, qtbot)
    assert sentence in dock.everything.outcome.text()
    assert "'odd'" in dock.everything.outcome.text()
    assert "split" not in viewer.layers


def test_bad_layers_give_a_sentence(viewer, dock):
    viewer.add_image(np.zeros((4, 3, 16, 16)), name="channels", axis_labels=("t", "c", "y", "x"))
    assert "3 channels" in dock.note.text()
    assert dock.everything.button.toolTip() == dock.note.text()
    viewer.add_image(np.zeros((16, 16, 3), np.uint8), name="colour", rgb=True)
    assert dock.layers.layer.name == "channels"


def test_a_prediction_is_split_from_its_maps(project, qtbot):
    dock = SplitDock(project.viewer)
    project.viewer.window.add_dock_widget(dock)
    project.predict(n1=0.9, n2=0.8)
    session = project.session
    assert dock.layers.layer is session.prediction
    assert "network's maps" in dock.note.text()
    # Even where the layer was painted over: the maps are what is split.
    session.prediction.data[:] = 0
    apply_all(dock, qtbot)
    truth = project.sample.labels.data
    for i in (1, 2):
        assert count(project.viewer.layers["split"].data[i]) == count(truth[i])
    features = project.viewer.layers["split"].features
    assert len(features) == count(truth[1]) + count(truth[2])
    assert features["probability"].between(0.5, 1).all()
    assert "4 without a prediction stay empty" in dock.everything.outcome.text()
    assert not session.prediction.visible
    # Only parameters that act are shown.
    assert dock.form.editor("border_separation").isVisibleTo(dock)
    assert not dock.form.editor("separation").isVisibleTo(dock)


def test_stop_makes_no_layer(viewer, dock, qtbot):
    viewer.add_labels(discs(60, 40, 48), axis_labels=("t", "y", "x"))
    with qtbot.waitSignal(dock._session.ended, timeout=TIMEOUT):
        qtbot.mouseClick(dock.everything.button, Qt.MouseButton.LeftButton)
        assert dock.everything.stop.isEnabled()
        qtbot.mouseClick(dock.everything.stop, Qt.MouseButton.LeftButton)
    assert "split" not in viewer.layers
    assert dock.everything.outcome.text() == "Stopped; no layer was made."
    assert not dock.everything.stop.isEnabled()


def test_the_live_layer_goes_with_the_dock_and_with_the_person(viewer, dock, qtbot):
    layer = viewer.add_labels(discs(40, 48))
    wait_live(dock, qtbot)
    dock.hide()
    assert NAME not in viewer.layers
    dock.show()
    wait_live(dock, qtbot)
    viewer.layers.remove(NAME)
    assert not dock.live_on.isChecked()
    dock.live_on.setChecked(True)
    wait_live(dock, qtbot)
    viewer.layers.remove(layer)
    assert len(viewer.layers) == 0
    assert not dock.everything.button.isEnabled()


def test_nothing_is_live_behind_another_tab(viewer, dock, qtbot):
    frame = dock.parent()
    other = viewer.window.add_dock_widget(QWidget(), name="other", tabify=True)
    other.raise_()
    viewer.add_labels(discs(40, 48))
    qtbot.wait(400)
    assert NAME not in viewer.layers
    frame.raise_()
    wait_live(dock, qtbot)
    other.raise_()
    qtbot.waitUntil(lambda: NAME not in viewer.layers)


def test_the_region_in_view_is_limited(viewer, dock):
    layer = viewer.add_labels(np.zeros((2, 2500, 3000), np.uint8), axis_labels=("t", "y", "x"))
    dock.live_on.setChecked(False)
    region = visible_region(dock._evidence.source, viewer)
    assert [part.stop - part.start for part in region] == list(LARGEST[2])
    layer.corner_pixels = np.array([[0, 100, 200], [0, 299, 499]])
    assert visible_region(dock._evidence.source, viewer) == (slice(98, 302), slice(198, 502))


class Reads:
    """An array that counts what is read, as dask and zarr can be indexed."""

    def __init__(self, data):
        self.data, self.largest, self.count = data, 0, 0
        self.shape, self.dtype, self.ndim = data.shape, data.dtype, data.ndim

    def __getitem__(self, key):
        part = self.data[key]
        self.largest, self.count = max(self.largest, part.size), self.count + 1
        return part


@pytest.fixture
def blocks_of_64(monkeypatch):
    """Have every image split in blocks, into a file."""
    monkeypatch.setattr(evidence, "LARGE", 100)
    monkeypatch.setattr(scratch, "LARGE", 100)
    in_blocks = evidence.find_in_blocks

    def small(splitter, read, shape, out):
        return in_blocks(splitter, read, shape, out, Blocks(side=64, halo=24))

    monkeypatch.setattr(evidence, "find_in_blocks", small)


def many_discs(*shape):
    y, x = np.indices(shape[-2:])
    mask = ((y % 40 - 20) ** 2 + (x % 18 - 9) ** 2) < 90
    return np.broadcast_to(mask, shape).astype(np.uint8)


def test_large_layers_go_by_blocks(viewer, dock, qtbot, blocks_of_64):
    dask = pytest.importorskip("dask.array")
    mask = many_discs(2, 240, 270)
    expected = [Watershed().split(from_mask_like(plane)).max() for plane in mask]
    dock.live_on.setChecked(False)
    reads = Reads(mask)
    lazy = dask.from_array(reads, chunks=(1, 32, 32), asarray=False, meta=np.empty(0, np.uint8))
    for data in (lazy, [lazy, lazy[:, ::2, ::2]]):
        viewer.layers.clear()
        viewer.add_labels(data, axis_labels=("t", "y", "x"), name="m")
        reads.count = 0
        apply_all(dock, qtbot)
        assert reads.count > 64
        assert reads.largest <= 32 * 32
        result = viewer.layers["split"].data
        assert isinstance(result, np.memmap)
        assert [count(plane) for plane in result] == expected
        assert result.max() == sum(expected) == len(viewer.layers["split"].features)
        total = sum(expected)
        assert dock.everything.outcome.text() == f"Layer 'split': {total} objects in 2 images."


def test_stop_acts_between_blocks(viewer, dock, qtbot, blocks_of_64):
    viewer.add_labels(many_discs(640, 700))
    dock.live_on.setChecked(False)
    seen = []
    dock._session.happened.connect(seen.append)
    with qtbot.waitSignal(dock._session.ended, timeout=TIMEOUT):
        qtbot.mouseClick(dock.everything.button, Qt.MouseButton.LeftButton)
        qtbot.waitUntil(lambda: any(isinstance(e, evidence.SplitPart) for e in seen))
        assert dock.everything.bar.maximum() > 0
        qtbot.mouseClick(dock.everything.stop, Qt.MouseButton.LeftButton)
    assert dock.everything.outcome.text() == "Stopped; no layer was made."
    parts = [e.images for e in seen if isinstance(e, evidence.SplitPart)]
    assert 0 < parts[-1] < 1
    assert "split" not in viewer.layers
