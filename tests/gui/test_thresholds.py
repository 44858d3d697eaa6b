"""Choose for me: it finds the values that labels agree with, shows them, and says why it can't."""

import numpy as np
import pytest
from qtpy.QtCore import Qt

from napari_nucleate.core.instances import Watershed
from napari_nucleate.gui.split import SplitDock
from napari_nucleate.project.run import entered

TIMEOUT = 60_000


@pytest.fixture
def dock(project):
    project.viewer.window._qt_window.show()
    widget = SplitDock(project.viewer)
    project.viewer.window.add_dock_widget(widget)
    return widget


def label(project, count=2):
    """Paint the truth on the first images."""
    project.session.annotation.data[:count] = project.sample.labels.data[:count]
    project.session.strokes.refresh()


def add_faint(project, **options):
    """Probabilities that are never above one half."""
    faint = np.where(project.sample.labels.data > 0, 0.4, 0.1).astype(np.float32)
    return project.viewer.add_image(faint, name="faint", **options)


def choose(dock, qtbot):
    with qtbot.waitSignal(dock._session.ended, timeout=TIMEOUT):
        qtbot.mouseClick(dock.thresholds.button, Qt.MouseButton.LeftButton)


def test_the_form_gets_what_the_labels_agree_with(project, dock, qtbot):
    label(project)
    dock.layers.choose(add_faint(project))
    assert dock.form.value == Watershed()
    choose(dock, qtbot)
    assert 0.1 < dock.form.value.threshold < 0.4
    assert dock.form.editor("threshold").raw() == dock.form.value.threshold
    text = dock.thresholds.outcome.text()
    assert text.startswith("AP 0.00 → ")
    assert "on 2 labelled images (" in text
    assert len(dock.thresholds.curves.plots) == 2
    assert not dock.thresholds.curves.isHidden()
    assert dock.thresholds.stop.isHidden()
    dock._choose()  # as after a prediction: what was chosen stays
    assert dock.form.value.threshold < 0.4


def test_axes_may_have_other_names(project, dock, qtbot):
    label(project)
    dock.layers.choose(add_faint(project, axis_labels=("t", "y", "x")))
    choose(dock, qtbot)
    assert dock.form.value.threshold < 0.4


def test_with_a_prediction_the_newest_model_s_maps_are_used(
    project, dock, qtbot, tiny, random_model
):
    label(project)
    session = project.session
    model = random_model(tiny(), name="round-0")
    session.store.save_model(model)
    session.state = entered(session.state, model)
    project.predict(n3=0.9)
    assert dock.layers.layer is session.prediction
    choose(dock, qtbot)
    text = dock.thresholds.outcome.text()
    assert "AP" in text
    assert "on 2 labelled images (" in text
    assert text.endswith("The model learned from them: elsewhere AP is likely lower.")
    assert len(dock.thresholds.curves.plots) == 3
    assert session.state.item("nuclei_n0").status == "labelled"
    assert session.store.load_prediction("nuclei_n0") is None


def test_says_why_not(project, dock):
    button = dock.thresholds.button
    labels = project.session.annotation
    dock.layers.choose(labels)
    assert "your labels themselves" in button.toolTip()
    dock.layers.choose(add_faint(project))
    assert button.isEnabled()
    assert button.toolTip() == "Chooses what gives the highest AP on your labelled images."
    labels.data[:] = 0
    project.session.strokes.refresh()
    assert not button.isEnabled()
    assert button.toolTip() == "Paint a few objects first: they tell what is right."
    project.viewer.layers.remove(labels)
    assert (
        button.toolTip() == "Label a few objects in the Label dock first: they tell what is right."
    )


def test_too_few_labels_and_other_shapes_are_a_sentence(project, dock, qtbot):
    labels = project.session.annotation
    labels.data[0] = np.where(labels.data[0] <= 3, labels.data[0], 0)
    dock.layers.choose(add_faint(project))
    choose(dock, qtbot)
    text = dock.thresholds.outcome.text()
    assert text == "Only 3 objects labelled in 1 image; label at least 10 to choose thresholds."
    assert dock.form.value == Watershed()
    small = project.viewer.add_image(np.zeros((6, 20, 20), np.float32), name="small")
    dock.layers.choose(small)
    notes = []
    dock._session.notify = lambda error: notes.append(str(error))
    qtbot.mouseClick(dock.thresholds.button, Qt.MouseButton.LeftButton)
    assert notes == [
        "'small' has no image as nuclei_n0 is; choose a layer with the shape of your labels."
    ]
    assert not dock._session.job.running


def test_stop_leaves_the_values(project, dock, qtbot):
    label(project, 6)
    dock.layers.choose(add_faint(project))
    with qtbot.waitSignal(dock._session.ended, timeout=TIMEOUT):
        qtbot.mouseClick(dock.thresholds.button, Qt.MouseButton.LeftButton)
        assert not dock.thresholds.stop.isHidden()
        qtbot.mouseClick(dock.thresholds.stop, Qt.MouseButton.LeftButton)
    assert dock.thresholds.outcome.text() == "Stopped; the values are as they were."
    assert dock.form.value == Watershed()


def test_curves_follow_the_theme(project, dock, qtbot):
    label(project)
    dock.layers.choose(add_faint(project))
    choose(dock, qtbot)
    project.viewer.theme = "light"
    plot = dock.thresholds.curves.plots[0]
    assert plot.backgroundBrush().color().lightness() > 128
    choose(dock, qtbot)
    assert len(dock.thresholds.curves.plots) == 2
