"""What is known of objects is at their labels: in every image, for hovering and for tables."""

import csv

import numpy as np
import pandas as pd
import pytest
from napari.layers import Labels

from napari_nucleate.core.confidence import Scores
from napari_nucleate.core.events import Prediction
from napari_nucleate.core.instances import Instances
from napari_nucleate.gui.export import ExportDock
from napari_nucleate.gui.features import ImageTables, by_label, features_of, joined, raised

TIMEOUT = 20_000


def found(*probability, classes=None):
    labels = np.arange(1, len(probability) + 1, dtype=np.int32)[np.newaxis]
    classes = None if classes is None else np.array(classes, np.int32)
    return Instances(labels, np.array(probability, np.float32), classes=classes)


def hovered(layer, label):
    """What napari shows when the pointer is on an object."""
    at = np.argwhere(np.asarray(layer.data) == label)[0]
    return layer.get_status(at, world=False)["value"]


def test_a_table_has_what_is_known():
    table = features_of(found(0.9, 0.123456, classes=[3, 1]), 5, {1: 0.25})
    assert table["index"].tolist() == [5, 6]
    assert table["probability"].tolist() == [0.9, 0.1235]
    assert table["class"].tolist() == [3, 1]
    assert table["confidence"].isna().tolist() == [False, True]
    assert list(features_of(found())) == ["index", "probability"]
    assert len(joined([])) == len(joined([features_of(found())])) == 0


def test_labels_are_raised_but_for_the_background():
    labels = np.array([[0, 1], [2, 0]], np.int32)
    assert raised(labels, 7).tolist() == [[0, 8], [9, 0]]
    assert raised(labels, 0) is labels
    assert raised(labels, 7).dtype == np.int32


def test_each_image_has_labels_of_its_own(qtbot):
    layer = Labels(np.zeros((3, 1, 3), np.int32))
    tables = ImageTables(layer)
    assert tables.put("a", found(0.5, 0.6)) == 0
    assert tables.put("b", found(0.7)) == 2
    assert tables.put("a", found(0.1, 0.2, 0.3)) == 3
    assert tables.put("c", None) == 0
    assert tables.put("d", found()) == 6
    qtbot.waitUntil(lambda: len(layer.features) == 4, timeout=TIMEOUT)
    assert layer.features["index"].tolist() == [3, 4, 5, 6]
    assert layer.features["probability"].tolist() == [0.7, 0.1, 0.2, 0.3]


def test_large_tables_are_not_set_all_the_time(qtbot):
    layer = Labels(np.zeros((1, 3), np.int32))
    tables, times = ImageTables(layer), []
    layer.events.features.connect(lambda: times.append(len(layer.features)))
    for i in range(50):
        tables.put(str(i), found(*[0.5] * 400))
        qtbot.wait(1)
    qtbot.waitUntil(lambda: len(layer.features) == 20_000, timeout=TIMEOUT)
    assert len(times) < 25


def test_predictions_of_all_images_can_be_hovered(project, qtbot):
    project.predict(n1=0.9, n2=0.25)
    layer = project.session.prediction
    qtbot.waitUntil(lambda: "confidence" in layer.features, timeout=TIMEOUT)
    n = [np.unique(project.sample.labels.data[i]).size - 1 for i in (1, 2)]
    assert layer.features["index"].tolist() == list(range(1, sum(n) + 1))
    assert np.unique(layer.data[1])[1:].tolist() == list(range(1, n[0] + 1))
    assert np.unique(layer.data[2])[1:].tolist() == list(range(n[0] + 1, sum(n) + 1))
    project.session.go_to("nuclei_n1")
    assert hovered(layer, 1) == "1; probability: 1, confidence: 0.9"
    project.session.go_to("nuclei_n2")
    assert hovered(layer, n[0] + 1) == f"{n[0] + 1}; probability: 1, confidence: 0.25"


def test_classes_keep_their_numbers(project, qtbot):
    labels = np.zeros((64, 64), np.int32)
    labels[:10] = 2
    maps = np.zeros((3, 64, 64), np.float16)
    for name in ("n1", "n2"):
        event = Prediction(f"nuclei_{name}", maps, labels, Scores(0.5, {2: 0.5}))
        project.session.store.save_prediction(event)
        project.session.job.happened.emit(event)
    layer = project.session.prediction
    qtbot.wait(50)
    assert np.unique(layer.data[1:3]).tolist() == [0, 2]
    assert by_label(layer) == {}


@pytest.mark.parametrize(
    ("features", "expected"),
    [
        ({"index": [9, 3], "probability": [0.5, 0.75]}, {3: "0.75", 9: "0.5"}),
        ({"index": [3], "probability": [0.75]}, {3: "0.75", 9: ""}),
        ({"probability": np.arange(10) / 10}, {3: "0.3", 9: "0.9"}),
    ],
)
def test_features_are_in_the_table_of_measurements(
    make_napari_viewer, qtbot, tmp_path, features, expected
):
    viewer = make_napari_viewer()
    labels = np.zeros((16, 16), np.int32)
    labels[2:6, 2:6], labels[10:13, 8:14] = 3, 9
    dock = ExportDock(viewer)
    viewer.window.add_dock_widget(dock)
    viewer.add_labels(labels, name="split", features=pd.DataFrame(features))
    dock.folder.setText(str(tmp_path))
    dock.folder.textEdited.emit(str(tmp_path))
    with qtbot.waitSignal(dock.run.job.ended, timeout=TIMEOUT):
        dock.run.button.click()
    with (tmp_path / "split.csv").open(newline="") as file:
        rows = {int(row["label"]): row["probability"] for row in csv.DictReader(file)}
    assert rows == expected
