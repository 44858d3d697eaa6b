"""Labels that a person has already are taken over, and never over what is painted."""

import numpy as np
import pytest
from qtpy.QtCore import Qt

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.gui.label import LabelDock
from napari_nucleate.gui.session import session_of
from napari_nucleate.gui.taking import fitting, take_labels


def existing(project, name="mine", dtype=np.uint16):
    """Labels of all six images but the last, as of another program."""
    labels = project.sample.labels.data.astype(dtype)
    labels[-1] = 0
    return project.viewer.add_labels(labels, name=name)


@pytest.fixture
def dock(project):
    widget = LabelDock(project.viewer)
    project.viewer.window.add_dock_widget(widget)
    return widget


def test_images_that_nobody_labelled_get_them_in_one_step(project):
    session, before = project.session, project.session.annotation.data.copy()
    project.predict(n4=0.9)
    layer = existing(project)
    layer.data[0] = 9  # this image was painted already
    said = take_labels(session, layer)
    assert said == (
        "4 image(s) have the labels of 'mine' now; 1 labelled already stay(s) as they are."
    )
    np.testing.assert_array_equal(session.annotation.data[0], before[0])
    np.testing.assert_array_equal(session.annotation.data[1:5], layer.data[1:5])
    assert [project.status(f"n{n}") for n in range(6)] == ["labelled"] * 5 + ["unlabelled"]
    annotation = session.annotation_of("nuclei_n2")
    assert annotation.n_objects == len(np.unique(layer.data[2])) - 1
    session.keeper.flush()
    assert session.store.load_annotation("nuclei_n3").any()
    session.annotation.undo()
    np.testing.assert_array_equal(session.annotation.data, before)
    assert [project.status(f"n{n}") for n in (0, 1, 4)] == ["labelled", "unlabelled", "predicted"]


def test_where_label_1_is_background_objects_begin_at_2(project):
    session = project.session
    layer = existing(project)
    session.set_known("sparse")
    take_labels(session, layer)
    annotation = session.annotation_of("nuclei_n2")
    assert annotation.n_objects == len(np.unique(layer.data[2])) - 1
    np.testing.assert_array_equal(annotation.known, layer.data[2] > 0)


def test_labels_have_no_channels(make_napari_viewer):
    viewer = make_napari_viewer()
    image = viewer.add_image(np.zeros((3, 2, 40, 40)), name="two")
    session = session_of(viewer)
    session.choose_layer(image, "TCYX", 2)
    labels = np.zeros((3, 40, 40), np.int64)
    labels[1, 3:9, 3:9] = 7
    layer = viewer.add_labels(labels)
    assert fitting(session) == [layer]
    take_labels(session, layer)
    np.testing.assert_array_equal(session.annotation.data[:, 0], labels)
    assert session.state.item("two_t1").status == "labelled"


def test_what_can_not_be_taken_is_said(project):
    session, data = project.session, np.zeros((6, 64, 64), np.int64)
    empty = project.viewer.add_labels(data, name="empty")
    with pytest.raises(NucleateError, match=r"There is nothing to take over from 'empty'\."):
        take_labels(session, empty)
    data = data.copy()
    data[2, 0, 0], data[3, 0, 0] = 5, 2**31
    large = project.viewer.add_labels(data, name="large")
    with pytest.raises(NucleateError, match="'large' has the label 2147483648, and 2147483646"):
        take_labels(session, large)
    data[3, 0, 0] = -1
    below = project.viewer.add_labels(data, name="below")
    with pytest.raises(NucleateError, match="'below' has the label -1; 0 is background"):
        take_labels(session, below)
    other = project.viewer.add_labels(data[:2], name="other")
    with pytest.raises(NucleateError, match="'other' isn't of the images' size"):
        take_labels(session, other)
    assert not session.annotation.data[1:].any()


def test_the_dock_offers_the_layers_that_fit(dock, project, qtbot):
    project.predict(n4=0.9)
    assert not dock.take.isEnabled()
    assert "Open a label layer of the images' size" in dock.take.toolTip()
    project.viewer.add_labels(np.zeros((2, 5, 5), int), name="small")
    assert not dock.take.isEnabled()
    layers = [existing(project, name) for name in ("one", "two")]
    assert dock.take.isEnabled()
    qtbot.mouseClick(dock.take, Qt.MouseButton.LeftButton)
    assert [action.text() for action in dock.offered.actions()] == ["two", "one"][::-1]
    dock.offered.actions()[1].trigger()
    assert "labels of 'two'" in dock.suggested.text()
    assert project.status("n1") == "labelled"
    dock.offered.hide()
    for layer in layers:
        project.viewer.layers.remove(layer)
    assert not dock.take.isEnabled()
