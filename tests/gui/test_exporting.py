"""What the Export dock writes of labels that were painted by a rule."""

import csv

import numpy as np
import pytest
from qtpy.QtCore import Qt

from napari_nucleate.gui import exporting
from napari_nucleate.gui.export import ExportDock
from napari_nucleate.io.read import read_stack


@pytest.mark.parametrize("one_file", [True, False])
def test_labels_painted_sparsely_are_written_as_read(project, qtbot, tmp_path, one_file):
    painted = np.zeros((6, 64, 64), np.int32)
    painted[1, :8], painted[1, 20:30, 20:24], painted[1, 40:42, 40:42] = 1, 2, 5
    project.session.set_known("sparse")
    project.session.annotation.data = painted.copy()
    dock = ExportDock(project.viewer)
    project.viewer.window.add_dock_widget(dock)
    dock.labels.tick(
        project.viewer.add_labels(painted.copy(), name="other", axis_labels=("n", "y", "x"))
    )
    dock.files.setCurrentIndex(0 if one_file else 1)
    dock.folder.setText(str(tmp_path))
    dock.folder.textEdited.emit(str(tmp_path))
    with qtbot.waitSignal(dock.run.job.ended, timeout=20_000):
        qtbot.mouseClick(dock.run.button, Qt.MouseButton.LeftButton)

    def written(name):
        file = f"{name}.tif" if one_file else f"{name}/nuclei_n1.tif"
        pixels = np.asarray(read_stack(tmp_path / file).data[...])
        with (tmp_path / f"{name}.csv").open(newline="") as rows:
            objects = [(r["image"], r["label"]) for r in csv.DictReader(rows)]
        return pixels[1] if one_file else pixels, objects

    pixels, objects = written("annotation")
    np.testing.assert_array_equal(pixels, np.maximum(painted[1] - 1, 0))
    assert objects == [("nuclei_n1", "1"), ("nuclei_n1", "4")]
    np.testing.assert_array_equal(project.session.annotation.data, painted)
    # Who took a prediction over to correct it looked at all of the image: no stroke is background.
    (item,) = (i for i in project.session.state.items if i.key == "nuclei_n1")
    project.session.set_items(item.model_copy(update={"status": "corrected"}))
    np.testing.assert_array_equal(project.session.painting.objects()[1], painted[1])
    project.viewer.layers.remove(project.layer)
    np.testing.assert_array_equal(project.session.painting.objects()[1], painted[1])
    pixels, objects = written("other")  # the rule is that of the session's own layer
    np.testing.assert_array_equal(pixels, painted[1])
    assert [label for _, label in objects] == ["1", "2", "5"]


def test_a_table_is_of_one_moment(project, qtbot, tmp_path, monkeypatch):
    layer, measure = project.session.annotation, exporting.measure

    def painting(labels, *rest):
        layer.data[0, 60, 60] = 999  # the person paints on
        return measure(labels, *rest)

    monkeypatch.setattr(exporting, "measure", painting)
    dock = ExportDock(project.viewer)
    project.viewer.window.add_dock_widget(dock)
    dock.labels.tick(layer, on=False)
    dock.labels.tick(layer)
    dock.files.setCurrentIndex(1)
    dock.folder.setText(str(tmp_path))
    dock.folder.textEdited.emit(str(tmp_path))
    with qtbot.waitSignal(dock.run.job.ended, timeout=20_000):
        qtbot.mouseClick(dock.run.button, Qt.MouseButton.LeftButton)
    with (tmp_path / "annotation.csv").open(newline="") as rows:
        labels = {int(row["label"]) for row in csv.DictReader(rows) if row["image"] == "nuclei_n0"}
    pixels = np.asarray(read_stack(tmp_path / "annotation" / "nuclei_n0.tif").data[...])
    assert labels == set(np.unique(pixels)) - {0}
    assert 999 not in labels
