"""The Review dock: what it shows of the state, and what its buttons and keys do to it."""

import threading

import numpy as np
import pytest
from qtpy.QtCore import QPoint, QRect, Qt
from qtpy.QtGui import QColor, QPainter, QPixmap

from napari_nucleate.core.annotation import annotate
from napari_nucleate.core.candidates import most_telling
from napari_nucleate.core.confidence import Scores
from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.events import Prediction
from napari_nucleate.core.rounds import SelfTraining
from napari_nucleate.gui.gallery import ITEM
from napari_nucleate.gui.review import ReviewDock
from napari_nucleate.gui.session import session_of
from napari_nucleate.gui.thumbnails import OUTLINE, SIDE, draw
from napari_nucleate.project import run
from napari_nucleate.project.model import RoundEntry


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


def test_accepts_down_to_here_whichever_way_they_are_shown(project, dock, qtbot):
    project.predict(n1=0.9, n2=0.8, n3=0.7, n4=0.6)
    project.session.judgements.judge(["nuclei_n1"], accept=False)
    dock.order.setCurrentIndex(1)  # the worst first
    select(dock, "n3")
    qtbot.keyClick(dock.gallery, Qt.Key.Key_A, Qt.KeyboardModifier.ShiftModifier)
    found = [project.status(n) for n in ("n1", "n2", "n3", "n4")]
    assert found == ["rejected", "accepted", "accepted", "predicted"]


def test_undo_takes_judgements_back_one_by_one(project, dock, qtbot):
    project.predict(n1=0.9, n2=0.8, n3=0.7)
    assert "No judgement" in dock.undo.toolTip()
    select(dock, "n1")
    qtbot.keyClick(dock.gallery, Qt.Key.Key_R)
    dock.gallery.selectAll()
    click(qtbot, dock.accept)
    assert project.session.state.keys("accepted") == ["nuclei_n1", "nuclei_n2", "nuclei_n3"]
    qtbot.keyClick(dock.gallery, Qt.Key.Key_U)
    assert [project.status(n) for n in ("n1", "n2", "n3")] == ["rejected", "predicted", "predicted"]
    assert len(dock.gallery.selected) == 3
    click(qtbot, dock.undo)
    assert project.status("n1") == "predicted"
    assert dock.gallery.selected == ["nuclei_n1"]
    assert not dock.undo.isEnabled()


def test_a_new_prediction_is_not_judged_by_undo(project, dock, qtbot):
    project.predict(n1=0.9, n2=0.8)
    project.session.judgements.judge(["nuclei_n1"], accept=True)
    project.session.judgements.judge(["nuclei_n2"], accept=True)
    project.predict(n2=0.7)
    assert project.session.judgements.undo() == ["nuclei_n1"]


def painted(project, name):
    return np.array(project.session.painted(f"nuclei_{name}"))


def test_correct_takes_a_prediction_over_as_labels(project, dock, qtbot):
    project.predict(n1=0.9, n2=0.8)
    project.session.judgements.judge(["nuclei_n1"], accept=True)
    select(dock, "n2")
    qtbot.keyClick(dock.gallery, Qt.Key.Key_E)
    session = project.session
    assert session.current == "nuclei_n2"
    assert project.viewer.layers.selection.active is session.annotation
    assert not session.prediction.visible
    np.testing.assert_array_equal(painted(project, "n2"), project.sample.labels.data[2])
    assert project.status("n2") == "corrected"
    assert session.state.item("nuclei_n2").model == session.state.item("nuclei_n1").model
    assert shown(dock) == ["nuclei_n1"]
    # A stroke of the person's is a correction still, and it trains as theirs.
    session.annotation.data_setitem((np.array([2]), np.array([0]), np.array([0])), 99)
    assert project.status("n2") == "corrected"
    assert session.annotation_of("nuclei_n2").known.all()
    # What a person corrected is theirs: it isn't taken back.
    said = []
    session.notify = said.append
    click(qtbot, dock.undo)
    assert "corrected since" in str(said[0])
    assert painted(project, "n2").any()
    # That judgement is done with; those before it can still be taken back.
    click(qtbot, dock.undo)
    assert project.status("n1") == "predicted"


def test_a_prediction_taken_over_can_be_given_back(project, dock, qtbot):
    project.predict(n1=0.9)
    select(dock, "n1")
    click(qtbot, dock.correct)
    click(qtbot, dock.undo)
    assert not painted(project, "n1").any()
    assert project.status("n1") == "predicted"
    assert dock.gallery.selected == ["nuclei_n1"]


def test_napari_undoes_what_was_taken_over(project, dock, qtbot):
    project.predict(n1=0.9)
    select(dock, "n1")
    click(qtbot, dock.correct)
    project.session.annotation.undo()
    assert not painted(project, "n1").any()
    assert project.status("n1") == "predicted"
    assert painted(project, "n0").any()
    project.session.annotation.redo()
    assert project.status("n1") == "corrected"
    project.session.annotation.undo()
    # There is nothing to take back any more.
    said = []
    project.session.notify = said.append
    click(qtbot, dock.undo)
    assert "No judgement is left" in str(said[0])


def test_what_was_rejected_stays_so_when_its_labels_are_undone(project, dock):
    project.predict(n1=0.9, n2=0.8)
    project.session.judgements.judge(["nuclei_n1"], accept=False)
    project.session.judgements.take_over("nuclei_n1")
    assert project.status("n1") == "corrected"
    project.session.annotation.undo()
    assert project.status("n1") == "rejected"


def test_what_a_person_paints_after_undoing_is_theirs(project, dock):
    project.session.set_known("sparse")
    project.predict(n1=0.9)
    project.session.judgements.take_over("nuclei_n1")
    layer = project.session.annotation
    layer.undo()
    layer.data_setitem((np.array([1]), np.array([3]), np.array([3])), 1)
    assert project.status("n1") == "labelled"
    assert project.session.annotation_of("nuclei_n1").known.sum() == 1


def test_a_prediction_given_back_is_a_corrected_one_again_when_redone(project, dock):
    project.predict(n1=0.9)
    project.session.judgements.judge(["nuclei_n1"], accept=False)
    project.session.judgements.take_over("nuclei_n1")
    project.session.judgements.undo()
    assert project.status("n1") == "rejected"
    project.session.annotation.undo()  # of the erasing
    assert project.status("n1") == "corrected"


def test_every_undoing_is_seen_also_of_images_out_of_view(project, dock):
    project.predict(n1=0.9, n2=0.8)
    layer, session = project.session.annotation, project.session
    for _ in range(2):
        session.judgements.take_over("nuclei_n1")
        layer.undo()
        assert project.status("n1") == "predicted"
    session.judgements.take_over("nuclei_n1")
    session.go_to("nuclei_n2")
    layer.undo()
    assert project.status("n1") == "predicted"
    assert project.status("n2") == "predicted"
    session.keeper.flush()
    assert not (session.store.folder / "annotations" / "nuclei_n2.tif").exists()
    assert not session.store.load_annotation("nuclei_n1").any()


def test_undo_waits_for_the_annotation_layer(project, dock, qtbot):
    project.predict(n1=0.9, n2=0.8)
    project.session.judgements.judge(["nuclei_n2"], accept=True)
    project.session.judgements.take_over("nuclei_n1")
    project.viewer.layers.remove(project.session.annotation)
    with pytest.raises(NucleateError, match="press Annotate first"):
        project.session.judgements.undo()
    project.session.annotate()
    assert project.session.judgements.undo() == ["nuclei_n1"]
    assert project.session.judgements.undo() == ["nuclei_n2"]


def test_a_person_s_word_is_on_record(project, dock, qtbot):
    project.predict(n1=0.9)
    select(dock, "n1")
    click(qtbot, dock.accept)
    assert project.session.state.item("nuclei_n1").judged
    click(qtbot, dock.reject)
    assert not project.session.state.item("nuclei_n1").judged


@pytest.mark.parametrize("rule", ["boxes", "sparse"])
def test_all_of_a_corrected_image_is_known(project, rule):
    project.session.set_known(rule)
    project.predict(n1=0.9)
    project.session.judgements.take_over("nuclei_n1")
    annotation = project.session.annotation_of("nuclei_n1")
    assert annotation.known.all()
    np.testing.assert_array_equal(annotation.labels, project.sample.labels.data[1])


def test_nothing_is_painted_over(project, dock):
    project.predict(n0=0.9, n1=0.9)
    judgements = project.session.judgements
    with pytest.raises(NucleateError, match="labelled by a person"):
        judgements.take_over("nuclei_n0")
    with pytest.raises(NucleateError, match="no prediction"):
        judgements.take_over("nuclei_n3")
    project.session.annotation.data[1, 0, 0] = 5  # behind the program's back
    with pytest.raises(NucleateError, match="labelled by a person"):
        judgements.take_over("nuclei_n1")


@pytest.mark.parametrize(
    ("axes", "shape", "ndim"), [("TCYX", (3, 2, 20, 24), 2), ("TZYX", (3, 5, 20, 24), 3)]
)
def test_taking_over_finds_its_place(make_napari_viewer, axes, shape, ndim):
    viewer = make_napari_viewer()
    layer = viewer.add_image(np.zeros(shape), name="cells", axis_labels=tuple(axes.lower()))
    session = session_of(viewer)
    session.choose_layer(layer, axes, ndim)
    key = session.state.keys()[1]
    labels = np.zeros(session.ref(key).shape, np.int32)
    labels[..., 3:9, 4:11] = 1
    labels[..., 12:18, 4:11] = 2
    maps = session.state.recipe.target.encode(annotate(labels)).astype(np.float16)
    event = Prediction(key, maps, labels, Scores(0.9, {1: 0.9, 2: 0.9}, ""))
    session.store.save_prediction(event)
    session.job.happened.emit(event)
    session.judgements.take_over(key)
    np.testing.assert_array_equal(session.painted(key), labels)
    keys = session.state.keys()
    others = [k for k in keys if k != key]
    assert not any(session.painted(k).any() for k in others)
    assert session.current == key
    session.judgements.undo()
    assert not session.annotation.data.any()


def test_a_selection_of_many_is_judged_as_one(project, dock, qtbot):
    project.predict(n1=0.9, n2=0.8, n3=0.7)
    dock.gallery.selectAll()
    click(qtbot, dock.accept)
    assert project.session.state.keys("accepted") == ["nuclei_n1", "nuclei_n2", "nuclei_n3"]
    assert len(dock.gallery.selected) == 3


def test_accepts_the_best_that_wait(project, dock, qtbot):
    project.predict(n1=0.5, n2=0.9, n3=0.8, n4=0.7)
    assert dock.count.value() == 1  # as many as are labelled
    project.session.judgements.judge(["nuclei_n2"], accept=False)
    dock.count.setValue(2)
    click(qtbot, dock.accept_best)
    assert project.session.state.keys("accepted") == ["nuclei_n3", "nuclei_n4"]
    assert dock.count.value() == 2


def test_of_more_than_are_wanted_some_are_taken_that_look_like_all(project, dock, qtbot):
    confidence = {"n1": 0.9, "n2": 0.85, "n3": 0.8, "n4": 0.75}
    project.predict(**confidence)
    session = project.session
    dock.count.setValue(1)
    with qtbot.waitSignal(dock.accepter._job.ended, timeout=10_000):
        click(qtbot, dock.accept_best)
    good = [f"nuclei_{name}" for name in confidence]
    expected = most_telling(good, 1, session.descriptions, session.state.keys("labelled"))[0]
    assert expected in good[:2]
    assert session.state.keys("accepted") == [expected]
    assert dock.looking.text().startswith(f"Accepted: {expected}, sure ones")
    assert dock.gallery.selected == [expected]


@pytest.fixture
def held(project, monkeypatch):
    """No image is read before this is set."""
    may_go, kind = threading.Event(), type(project.session.ref("nuclei_n1"))
    read = kind.read

    def reading(ref):
        assert may_go.wait(30)
        return read(ref)

    monkeypatch.setattr(kind, "read", reading)
    yield may_go
    may_go.set()


def test_looking_at_the_images_is_stopped_by_another_click(project, dock, qtbot, held):
    project.predict(n1=0.9, n2=0.85, n3=0.8, n4=0.75)
    dock.count.setValue(1)
    with qtbot.waitSignal(dock.accepter._job.ended, timeout=10_000):
        click(qtbot, dock.accept_best)
        click(qtbot, dock.accept_best)
        held.set()
    assert project.session.state.keys("accepted") == []
    assert dock.looking.text() == "Stopped looking at the images: nothing was accepted."
    with qtbot.waitSignal(dock.accepter._job.ended, timeout=10_000):
        click(qtbot, dock.accept_best)
    assert len(project.session.state.keys("accepted")) == 1


def test_predictions_by_another_model_are_not_accepted_unseen(project, dock, qtbot, held):
    project.predict(n1=0.9, n2=0.85, n3=0.8, n4=0.75)
    dock.count.setValue(1)
    session = project.session
    with qtbot.waitSignal(dock.accepter._job.ended, timeout=10_000):
        click(qtbot, dock.accept_best)
        entry = RoundEntry(number=7, model="round-7", human=1, pseudo=0, seconds=1.0)
        session.set_state(session.state.model_copy(update={"rounds": (entry,), "chosen": ""}))
        held.set()
    assert session.state.keys("accepted") == []
    assert "nothing was accepted" in dock.looking.text()


def test_who_judged_them_all_meanwhile_is_told(project, dock, qtbot, held, monkeypatch):
    project.predict(n1=0.9, n2=0.85, n3=0.8, n4=0.75)
    told = []
    monkeypatch.setattr(project.session, "notify", told.append)
    dock.count.setValue(1)
    with qtbot.waitSignal(dock.accepter._job.ended, timeout=10_000):
        click(qtbot, dock.accept_best)
        project.session.judgements.judge(project.session.state.keys("predicted"), accept=False)
        held.set()
    assert "none is good enough" in str(told[0])
    assert dock.looking.text() == ""
    assert project.session.state.keys("accepted") == []


def test_an_image_that_cannot_be_read_comes_later(project, dock, qtbot, monkeypatch):
    project.predict(n1=0.9, n2=0.85, n3=0.8, n4=0.75)
    read = type(project.session.ref("nuclei_n1")).read

    def reading(ref):
        if ref.key == "nuclei_n1":
            raise OSError("damaged")
        return read(ref)

    monkeypatch.setattr(type(project.session.ref("nuclei_n1")), "read", reading)
    dock.count.setValue(1)
    with qtbot.waitSignal(dock.accepter._job.ended, timeout=10_000):
        click(qtbot, dock.accept_best)
    assert project.session.state.keys("accepted") == ["nuclei_n2"]


def test_among_many_nothing_poor_is_accepted_and_unsure_objects_are_not_learned(
    project, dock, qtbot
):
    project.predict(n1=0.9, n2=0.3, n3=0.2)
    dock.count.setValue(3)
    click(qtbot, dock.accept_best)
    state = project.session.state
    assert state.keys("accepted") == ["nuclei_n1"]
    assert state.item("nuclei_n1").judged is False
    with pytest.raises(NucleateError, match=r"No prediction has a confidence of 0\.4"):
        project.session.judgements.accept_best(3)
    # One by one, a person may accept anything.
    project.session.judgements.judge(["nuclei_n3"], accept=True)
    assert project.session.state.item("nuclei_n3").judged is True
    examples = run.accepted_examples(
        project.session.state,
        project.session.store,
        project.session.refs(),
        ["nuclei_n1", "nuclei_n3"],
    )
    assert [e.annotation.n_objects > 0 for e in examples] == [True, True]
    project.session.state = project.session.state.model_copy(
        update={"self_training": SelfTraining(sure=0.95)}
    )
    again = run.accepted_examples(
        project.session.state, project.session.store, project.session.refs(), ["nuclei_n1"]
    )
    assert again == []  # too little of it is sure


def test_a_filter_that_hides_what_was_selected_closes_the_buttons(project, dock, qtbot):
    project.predict(n1=0.9, n2=0.8)
    dock.gallery.setCurrentIndex(dock.ranking.index(0, 0))
    assert dock.correct.isEnabled()
    dock.show_only.setCurrentText("Rejected")
    for button in (dock.accept, dock.reject, dock.correct, dock.open, dock.accept_down):
        assert not button.isEnabled()


def test_after_a_correction_the_next_card_is_selected(project, dock, qtbot):
    project.predict(n1=0.9, n2=0.8, n3=0.7)
    dock.gallery.setCurrentIndex(dock.ranking.index(0, 0))
    click(qtbot, dock.correct)
    assert dock.gallery.selected == ["nuclei_n2"]


def test_that_predictions_are_of_an_earlier_model_is_said(project, dock):
    project.predict(n1=0.9, n2=0.8)
    project.session.judgements.judge(["nuclei_n1"], accept=True)
    assert "of them" not in dock.reason.text()
    entry = RoundEntry(number=1, model="round-1", human=1, pseudo=0, seconds=1)
    project.session.state = project.session.state.model_copy(update={"rounds": (entry,)})
    project.session.changed.emit()
    assert "1 of them is by another, not by round-1" in dock.reason.text()


def test_of_a_stack_planes_are_accepted_that_lie_apart(make_napari_viewer, home, qtbot):
    viewer = make_napari_viewer()
    layer = viewer.add_image(np.zeros((9, 16, 16)), name="cells", axis_labels=("z", "y", "x"))
    session = session_of(viewer)
    session.choose_layer(layer, "ZYX", 2)
    keys = session.state.keys()
    best = [0.5, 0.6, 0.7, 0.8, 0.9, 0.85, 0.75, 0.65, 0.55]
    items = [
        session.state.item(key).model_copy(update={"status": "predicted", "confidence": c})
        for key, c in zip(keys, best, strict=True)
    ]
    session.set_items(*items)
    assert session.judgements.accept_best(2) == [keys[4], keys[7]]
    # Those accepted before count as well.
    assert session.judgements.accept_best(1) == [keys[2]]


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
    project.session.judgements.judge(["nuclei_n2"], accept=True)
    dock.order.setCurrentIndex(1)
    assert shown(dock) == ["nuclei_n3", "nuclei_n2", "nuclei_n1"]
    dock.show_only.setCurrentText("To review")
    assert shown(dock) == ["nuclei_n3", "nuclei_n1"]
    project.session.judgements.judge(["nuclei_n3"], accept=True)
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
    dock.train_again.clicked.emit()  # closed, it can't be clicked
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


def test_the_reason_shades_its_own_picture_alone(qtbot, project):
    project.predict(n1=0.2)
    dock = ReviewDock(project.viewer)
    project.viewer.window.add_dock_widget(dock)
    pixmap = QPixmap(150, 400)
    pixmap.fill(QColor("white"))
    painter = QPainter(pixmap)
    painter.setPen(Qt.PenStyle.NoPen)
    item = project.session.state.item("nuclei_n1")
    dock.gallery.itemDelegate()._paint_reason(painter, QRect(0, 250, 150, 120), item)
    painter.end()
    image = pixmap.toImage()
    assert image.pixelColor(75, 100) == QColor("white")
    assert image.pixelColor(2, 368) != QColor("white")
