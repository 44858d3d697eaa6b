"""The Review dock: what it shows of the state, and what its buttons and keys do to it."""

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt

from napari_nucleate.gui.gallery import ITEM
from napari_nucleate.gui.review import ReviewDock
from napari_nucleate.gui.thumbnails import OUTLINE, SIDE, draw


@pytest.fixture
def dock(project):
    widget = ReviewDock(project.viewer)
    project.viewer.window.add_dock_widget(widget)
    return widget


def shown(dock):
    return [dock.ranking.index(row, 0).data() for row in range(dock.ranking.rowCount())]


def select(dock, name):
    for row, key in enumerate(shown(dock)):
        if key == f"nuclei_{name}":
            dock.gallery.setCurrentIndex(dock.ranking.index(row, 0))


def click(qtbot, button):
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def test_shows_predictions_best_first_as_they_come(project, dock):
    assert dock.counts.text() == "0 predicted, 0 accepted, 0 rejected"
    project.predict(n1=0.5, n2=0.9)
    assert shown(dock) == ["nuclei_n2", "nuclei_n1"]
    project.predict(n3=0.7)
    assert shown(dock) == ["nuclei_n2", "nuclei_n3", "nuclei_n1"]
    project.predict(n1=0.95)
    assert shown(dock)[0] == "nuclei_n1"
    assert dock.counts.text() == "3 predicted, 0 accepted, 0 rejected"
    assert "it is a test" in dock.ranking.index(0, 0).data(Qt.ItemDataRole.ToolTipRole)


def test_a_persons_images_are_not_listed(project, dock):
    project.predict(n0=0.9, n1=0.5)
    assert shown(dock) == ["nuclei_n1"]


def test_the_state_closes_buttons_and_says_why(project, dock):
    assert not dock.accept.isEnabled()
    assert "Predict first" in dock.accept.toolTip()
    assert dock.reason.text() == dock.accept.toolTip()
    project.predict(n1=0.5)
    assert "Select images" in dock.accept.toolTip()
    select(dock, "n1")
    assert dock.accept.isEnabled()
    assert "no model" in dock.train_again.toolTip()


def test_buttons_judge_what_is_selected(project, dock, qtbot):
    project.predict(n1=0.9, n2=0.8, n3=0.7)
    before = project.session.annotation.data.copy()
    select(dock, "n1")
    click(qtbot, dock.accept)
    # The next one is selected, so that a person goes through the list.
    assert dock.gallery.selected == ["nuclei_n2"]
    click(qtbot, dock.reject)
    assert [project.status(n) for n in ("n1", "n2", "n3")] == ["accepted", "rejected", "predicted"]
    assert dock.counts.text() == "3 predicted, 1 accepted, 1 rejected"
    assert dock.train_again.text() == "Train again with 1 accepted"
    np.testing.assert_array_equal(project.session.annotation.data, before)


def test_keys_judge_and_open(project, dock, qtbot):
    project.predict(n1=0.9, n2=0.8, n3=0.7)
    select(dock, "n2")
    qtbot.keyClick(dock.gallery, Qt.Key.Key_A)
    qtbot.keyClick(dock.gallery, Qt.Key.Key_R)
    assert [project.status(n) for n in ("n2", "n3")] == ["accepted", "rejected"]
    qtbot.keyClick(dock.gallery, Qt.Key.Key_Return)
    assert project.session.current == "nuclei_n3"


def test_a_selection_of_many_is_judged_as_one(project, dock, qtbot):
    project.predict(n1=0.9, n2=0.8, n3=0.7)
    dock.gallery.selectAll()
    click(qtbot, dock.accept)
    assert project.session.state.keys("accepted") == ["nuclei_n1", "nuclei_n2", "nuclei_n3"]
    assert len(dock.gallery.selected) == 3


def test_accepts_the_best_that_wait(project, dock, qtbot):
    project.predict(n1=0.5, n2=0.9, n3=0.8, n4=0.7)
    assert dock.count.value() == 1  # as many as are labelled
    project.session.review(["nuclei_n2"], accept=False)
    dock.count.setValue(2)
    click(qtbot, dock.accept_best)
    assert project.session.state.keys("accepted") == ["nuclei_n3", "nuclei_n4"]
    assert dock.count.value() == 2


def test_double_click_opens_in_the_viewer(project, dock, qtbot):
    project.predict(n1=0.9, n4=0.8)
    project.session.prediction.visible = False
    dock.gallery.resize(400, 600)
    select(dock, "n4")
    at = dock.gallery.visualRect(dock.gallery.currentIndex()).topLeft() + QPoint(20, 20)
    qtbot.mouseClick(dock.gallery.viewport(), Qt.MouseButton.LeftButton, pos=at)
    qtbot.mouseDClick(dock.gallery.viewport(), Qt.MouseButton.LeftButton, pos=at)
    assert project.session.current == "nuclei_n4"
    assert project.session.prediction.visible


def test_filter_and_order(project, dock):
    project.predict(n1=0.9, n2=0.8, n3=0.7)
    project.session.review(["nuclei_n2"], accept=True)
    dock.order.setCurrentIndex(1)
    assert shown(dock) == ["nuclei_n3", "nuclei_n2", "nuclei_n1"]
    dock.show_only.setCurrentText("To review")
    assert shown(dock) == ["nuclei_n3", "nuclei_n1"]
    project.session.review(["nuclei_n3"], accept=True)
    assert shown(dock) == ["nuclei_n1"]
    dock.show_only.setCurrentText("Rejected")
    assert shown(dock) == []
    assert dock.gallery.hint == "Nothing is rejected."


def test_another_layer_empties_the_gallery(project, dock):
    project.predict(n1=0.9)
    other = project.viewer.add_image(np.zeros((2, 32, 32)), name="other")
    project.session.choose_layer(other, "NYX", 2)
    assert shown(dock) == []


def test_train_again_is_refused_with_a_sentence(project, dock, qtbot, monkeypatch):
    said = []
    monkeypatch.setattr(project.session, "notify", said.append)
    dock._train_again()
    assert "no model" in str(said[0])


def test_thumbnails_are_drawn_beside_the_window(project, dock, qtbot):
    project.predict(n1=0.9)
    first = dock.thumbnails.get("nuclei_n1")
    assert first is None
    qtbot.waitUntil(lambda: dock.thumbnails.get("nuclei_n1") is not None, timeout=5000)
    assert dock.thumbnails.get("nuclei_n1").width() == SIDE
    project.predict(n1=0.8)  # another prediction, another picture
    assert dock.thumbnails.get("nuclei_n1") is None
    qtbot.waitUntil(lambda: dock.thumbnails.get("nuclei_n1") is not None, timeout=5000)


def test_a_damaged_prediction_is_an_empty_frame(project, dock, qtbot):
    project.predict(n1=0.9)
    (project.session.store.folder / "predictions" / "nuclei_n1.tif").write_bytes(b"broken")
    with qtbot.waitSignal(dock.thumbnails.ready, timeout=5000):
        dock.thumbnails.get("nuclei_n1")
    qtbot.wait(100)
    assert dock.thumbnails.get("nuclei_n1") is None
    assert dock.ranking.index(0, 0).data(ITEM).key == "nuclei_n1"


@pytest.mark.parametrize("shape", [(1, 50, 80), (2, 300, 20), (3, 4, 64, 64), (5, 1000, 700)])
def test_draws_images_of_any_size(shape):
    labels = np.zeros(shape[1:], np.int32)
    labels[..., 5:-15, 5:-5] = 1
    picture = draw(np.random.default_rng(0).random(shape), labels)
    assert picture.dtype == np.uint8
    assert max(picture.shape) == SIDE
    assert (picture == OUTLINE).all(-1).any()
