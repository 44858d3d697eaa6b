"""The Export dock: what it writes, what it refuses, and what it offers."""

import csv

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QFileDialog

from napari_nucleate.gui.export import ExportDock
from napari_nucleate.io.read import read_stack

TIMEOUT = 20_000


@pytest.fixture
def viewer(make_napari_viewer):
    return make_napari_viewer()


@pytest.fixture
def dock(viewer):
    widget = ExportDock(viewer)
    viewer.window.add_dock_widget(widget)
    return widget


def click(qtbot, button):
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def write_to(dock, folder):
    dock.folder.setText(str(folder))
    dock.folder.textEdited.emit(str(folder))


def export(dock, qtbot):
    with qtbot.waitSignal(dock.run.job.ended, timeout=TIMEOUT):
        click(qtbot, dock.run.button)
    qtbot.waitUntil(lambda: not dock.run.job.running)


def table(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def squares(*shape):
    labels = np.zeros(shape, np.int32)
    labels[..., 2:6, 2:6] = 3
    labels[..., 10:13, 8:14] = 9
    return labels


def test_the_state_closes_the_button_and_says_why(viewer, dock, tmp_path):
    assert "Choose a label layer" in dock.run.button.toolTip()
    viewer.add_labels(squares(16, 16), name="split")
    assert "Choose a folder" in dock.run.button.toolTip()
    write_to(dock, tmp_path)
    assert dock.run.button.isEnabled()
    dock.labels.tick(viewer.layers["split"], on=False)
    assert not dock.run.button.isEnabled()


def test_writes_scale_units_and_measurements(viewer, dock, qtbot, tmp_path):
    labels = squares(2, 16, 16)
    where = {"scale": (2, 0.5, 0.5), "units": ("second", "um", "um"), "axis_labels": "tyx"}
    viewer.add_labels(labels, name="split", **where)
    image = viewer.add_image(labels.astype(np.float32) * 10, name="signal", **where)
    dock.image.choose(image)
    write_to(dock, tmp_path / "new")
    export(dock, qtbot)
    assert dock.run.outcome.text() == "2 files written: split.tif, split.csv."
    stack = read_stack(tmp_path / "new" / "split.tif")
    np.testing.assert_array_equal(np.asarray(stack.data[...]).reshape(labels.shape), labels)
    assert stack.axes == "TYX"
    np.testing.assert_allclose(stack.scale, (2, 0.5, 0.5))
    assert stack.units == ("second", "micrometer", "micrometer")
    rows = table(tmp_path / "new" / "split.csv")
    assert [(r["image"], r["t"], r["label"]) for r in rows] == [
        ("signal_t0", "0", "3"),
        ("signal_t0", "0", "9"),
        ("signal_t1", "1", "3"),
        ("signal_t1", "1", "9"),
    ]
    assert float(rows[0]["area_um2"]) == 4
    assert float(rows[1]["intensity_mean_signal"]) == 90


def test_one_file_an_image(viewer, dock, qtbot, tmp_path):
    viewer.add_labels(squares(3, 16, 16), name="split", axis_labels=("n", "y", "x"))
    dock.files.setCurrentIndex(1)
    dock.table.setChecked(False)
    write_to(dock, tmp_path)
    export(dock, qtbot)
    names = sorted(p.name for p in (tmp_path / "split").iterdir())
    assert names == ["split_n0.tif", "split_n1.tif", "split_n2.tif"]
    assert read_stack(tmp_path / "split" / "split_n1.tif").axes == "YX"
    assert not list(tmp_path.glob("*.csv"))


def test_volumes_are_measured_as_such(viewer, dock, qtbot, tmp_path):
    where = {"axis_labels": ("z", "y", "x"), "scale": (2, 1, 1), "units": ("um",) * 3}
    viewer.add_labels(squares(4, 16, 16), name="split", **where)
    assert dock.dimensions.raw() == 3
    write_to(dock, tmp_path)
    export(dock, qtbot)
    rows = table(tmp_path / "split.csv")
    assert float(rows[0]["volume_um3"]) == 4 * 4 * 4 * 2
    assert read_stack(tmp_path / "split.tif").axes == "ZYX"


def test_never_replaces_a_file_unasked(viewer, dock, qtbot, tmp_path):
    layer = viewer.add_labels(squares(16, 16), name="split")
    write_to(dock, tmp_path)
    export(dock, qtbot)
    before = (tmp_path / "split.tif").read_bytes()
    layer.data = np.zeros((16, 16), np.int32)
    click(qtbot, dock.run.button)
    assert dock.run.outcome.text().startswith("split.tif and 1 more exist already in")
    assert not dock.run.job.running
    assert (tmp_path / "split.tif").read_bytes() == before
    dock.overwrite.setChecked(True)
    export(dock, qtbot)
    assert (tmp_path / "split.tif").read_bytes() != before


def test_scores_of_a_prediction_are_in_the_table(project, qtbot, tmp_path):
    dock = ExportDock(project.viewer)
    project.viewer.window.add_dock_widget(dock)
    project.predict(n1=0.9, n2=0.25)
    assert {x.name for x in dock.labels.ticked} == {"prediction", "annotation"}
    assert dock.image.layer is project.layer
    assert str(project.session.store.folder) in dock.folder.text()
    dock.labels.tick(project.session.annotation, on=False)
    write_to(dock, tmp_path)
    export(dock, qtbot)
    rows = table(tmp_path / "prediction.csv")
    assert {(r["image"], r["confidence"]) for r in rows} == {
        ("nuclei_n1", "0.9"),
        ("nuclei_n2", "0.25"),
    }


def test_an_image_that_does_not_fit_gives_a_sentence(viewer, dock, qtbot, tmp_path):
    viewer.add_labels(squares(3, 16, 16), name="split", axis_labels=("t", "y", "x"))
    dock.image.choose(viewer.add_image(np.zeros((2, 16, 16)), name="short"))
    write_to(dock, tmp_path)
    click(qtbot, dock.run.button)
    assert "T 3, Y 16, X 16 and 'short' has T 2, Y 16, X 16" in dock.run.outcome.text()


def test_a_folder_that_cannot_be_made_gives_a_sentence(viewer, dock, qtbot, tmp_path):
    viewer.add_labels(squares(16, 16), name="split")
    (tmp_path / "file").write_text("in the way")
    write_to(dock, tmp_path / "file" / "below")
    export(dock, qtbot)
    assert "can't be made" in dock.run.outcome.text()


def test_choosing_and_opening_the_folder(viewer, dock, qtbot, tmp_path, monkeypatch):
    viewer.add_labels(squares(16, 16), name="split")
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(tmp_path))
    click(qtbot, dock.browse)
    assert dock.folder.text() == str(tmp_path)
    export(dock, qtbot)
    opened = []
    monkeypatch.setattr(QDesktopServices, "openUrl", opened.append)
    click(qtbot, dock.run.open)
    assert opened[0].toLocalFile() == str(tmp_path)


def test_the_list_follows_the_viewer(viewer, dock):
    mine = viewer.add_labels(squares(16, 16), name="mine")
    assert dock.labels.count() == 1
    assert dock.labels.ticked == []
    dock.labels.tick(mine)
    other = viewer.add_labels(squares(16, 16), name="split")
    assert dock.labels.ticked == [other, mine]
    mine.name = "renamed"
    assert dock.labels.item(1).text() == "renamed"
    assert dock.labels.ticked == [other, mine]
    viewer.layers.remove(mine)
    assert dock.labels.ticked == [other]
