"""Ctrl+Z steps back through all that a person did, in its order, and Ctrl+Shift+Z forward."""

import numpy as np
import pytest

from napari_nucleate.core.instances.edit import Edit
from napari_nucleate.gui.edits import Editor
from napari_nucleate.gui.session import session_of


@pytest.fixture
def undoing(project):
    return project.session.undoing


def stroke(project, at, label=3):
    layer = project.session.annotation
    layer.brush_size = 4
    with layer.block_history():
        layer.paint((at, 10, 10), label)


def press(viewer, key):
    """Press a key as it is bound where napari looks first: the active layer, then the viewer."""
    active = viewer.layers.selection.active
    keymaps = ([active.keymap] if active is not None else []) + [viewer.keymap]
    found = next(m[k] for m in keymaps for k in m if str(k) == key)
    found(viewer)


def test_strokes_and_judgements_are_undone_in_their_order(project, undoing):
    project.predict(n1=0.9, n2=0.8)
    start = project.session.annotation.data.copy()
    stroke(project, 3)
    project.session.judgements.judge(["nuclei_n1"], accept=True)
    stroke(project, 4)
    project.session.judgements.accept_best(5)
    assert undoing.undo() == "nuclei_n2 accepted"
    assert project.status("n2") == "predicted"
    assert undoing.undo() == "an edit of annotation, in nuclei_n4"
    assert undoing.undo() == "nuclei_n1 accepted"
    assert undoing.undo() == "an edit of annotation, in nuclei_n3"
    assert undoing.undo() == ""
    np.testing.assert_array_equal(project.session.annotation.data, start)
    assert [project.status(n) for n in ("n1", "n3", "n4")] == [
        "predicted",
        "unlabelled",
        "unlabelled",
    ]


def test_what_was_undone_is_done_again_in_order(project, undoing):
    project.predict(n1=0.9)
    stroke(project, 3)
    project.session.judgements.judge(["nuclei_n1"], accept=False)
    end = project.session.annotation.data.copy()
    while undoing.undo():
        pass
    assert undoing.redo() == "an edit of annotation, in nuclei_n3"
    assert undoing.redo() == "nuclei_n1 rejected"
    assert undoing.redo() == ""
    np.testing.assert_array_equal(project.session.annotation.data, end)
    assert project.status("n1") == "rejected"


def test_a_new_act_ends_what_can_be_done_again(project, undoing):
    stroke(project, 3)
    undoing.undo()
    stroke(project, 4)
    assert undoing.redo() == ""


def test_a_prediction_taken_over_is_one_act(project, undoing):
    project.predict(n1=0.9)
    project.session.judgements.take_over("nuclei_n1")
    assert project.status("n1") == "corrected"
    assert undoing.undo()
    assert project.status("n1") == "predicted"
    assert not project.session.annotation.data[1].any()
    assert undoing.redo()
    assert project.status("n1") == "corrected"


def test_corrections_of_other_layers_are_in_the_row(project, undoing):
    other = project.viewer.add_labels(np.ones((6, 64, 64), np.int32), name="mine")
    stroke(project, 3)
    editor = Editor(project.session, other, 2)
    editor.apply((2, 0, 0), lambda i: Edit((slice(0, 5), slice(0, 5)), np.zeros((5, 5), int), {}))
    assert not other.data[2, :5, :5].any()
    assert undoing.undo() == "an edit of mine"
    assert other.data.all()
    assert undoing.undo() == "an edit of annotation, in nuclei_n3"


def test_judgements_taken_back_in_the_review_dock_are_left_out(project, undoing):
    project.predict(n1=0.9)
    stroke(project, 3)
    project.session.judgements.judge(["nuclei_n1"], accept=True)
    project.session.judgements.undo()
    assert undoing.undo() == "an edit of annotation, in nuclei_n3"


def test_images_predicted_anew_keep_what_they_are(project, undoing):
    project.predict(n1=0.9)
    project.session.judgements.judge(["nuclei_n1"], accept=True)
    project.predict(n1=0.7)
    assert undoing.undo() == ""
    assert project.status("n1") == "predicted"


def test_what_napari_undid_itself_is_left_out(project, undoing):
    stroke(project, 3)
    stroke(project, 4)
    project.session.annotation.undo()
    assert undoing.undo() == "an edit of annotation, in nuclei_n3"


def test_edits_of_a_removed_layer_are_left_out(project, undoing):
    other = project.viewer.add_labels(np.ones((6, 64, 64), np.int32), name="mine")
    stroke(project, 3)
    with other.block_history():
        other.paint((0, 9, 9), 0)
    project.viewer.layers.remove(other)
    assert undoing.undo() == "an edit of annotation, in nuclei_n3"


def test_a_layer_that_was_made_goes_and_comes_back(project, undoing):
    made = project.viewer.add_labels(np.ones((6, 64, 64), np.int32), name="split")
    undoing.added(made)
    assert undoing.undo() == "the layer split"
    assert made not in project.viewer.layers
    assert undoing.redo() == "the layer split"
    assert made in project.viewer.layers


@pytest.mark.parametrize("layer", ["annotation", "nuclei"])
def test_keys_step_through_all_whichever_layer_is_active(project, layer):
    stroke(project, 3)
    project.viewer.layers.selection.active = project.viewer.layers[layer]
    press(project.viewer, "Ctrl+Z")
    assert project.viewer.status == "Undone: an edit of annotation, in nuclei_n3."
    assert not project.session.annotation.data[3].any()
    press(project.viewer, "Ctrl+Shift+Z")
    assert project.session.annotation.data[3].any()


def test_what_was_painted_before_anybody_watched_is_undone_too(make_napari_viewer):
    viewer = make_napari_viewer()
    mine = viewer.add_labels(np.zeros((32, 32), np.int32), name="mine")
    mine.data_setitem((np.array([3]), np.array([4])), 1)
    assert session_of(viewer).undoing.undo() == "an edit of mine"
    assert not mine.data.any()


def test_a_key_of_the_viewer_that_has_another_use_keeps_it(make_napari_viewer):
    viewer, pressed = make_napari_viewer(), []
    viewer.bind_key("Control-Z", pressed.append)
    session_of(viewer)
    press(viewer, "Ctrl+Z")
    assert pressed == [viewer]


def test_strokes_of_a_former_project_are_left_out(project, undoing):
    project.predict(n1=0.9)
    stroke(project, 3)
    project.session.judgements.judge(["nuclei_n1"], accept=True)
    other = project.viewer.add_image(np.zeros((64, 64)), name="next")
    project.session.choose_layer(other, "YX", 2)
    assert undoing.undo() == ""
