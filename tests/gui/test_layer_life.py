"""What a person does to layers while a network learns, predicts, or they paint."""

import time

import numpy as np
import pytest
from napari.layers import Image, Labels

from napari_nucleate.core.augment import Augmentation
from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.events import Preview, Validated
from napari_nucleate.core.recipe import Epochs, Optimisation, Recipe, Steps, UNet
from napari_nucleate.gui.correct import CorrectDock
from napari_nucleate.gui.edits import why_not
from napari_nucleate.gui.job import Failed
from napari_nucleate.gui.label import LabelDock
from napari_nucleate.gui.launch import open_docks
from napari_nucleate.gui.layers import boxes_of
from napari_nucleate.gui.session import session_of
from napari_nucleate.gui.split import SplitDock

TINY = Recipe(
    architecture=UNet(width=4, levels=2),
    optimisation=Optimisation(budget=Steps(value=6), patch=32, batch=2, device="cpu"),
    augmentation=Augmentation(elastic=0),
)
TURNED = [[1, 0, 0, 0], [0, 0.8, 0.6, 3], [0, -0.6, 0.8, 5], [0, 0, 0, 1]]
MOVES = {
    "scale": (1, 2, 3),
    "translate": (0, 7, -4),
    "rotate": 30,
    "shear": (0, 0, 0.3),
    "affine": TURNED,
}


@pytest.fixture
def said(monkeypatch):
    """Sentences that the person was shown."""
    sentences = []
    for where in ("life", "session", "keeping", "trainings"):
        monkeypatch.setattr(f"napari_nucleate.gui.{where}.show_warning", sentences.append)
    return sentences


@pytest.fixture
def work(project, qtbot, said):
    """A project with all of our layers, two predictions among them."""
    session = project.session
    session.set_recipe(TINY)
    session.set_known("boxes")
    session.boxes.add_rectangles(np.array([[0, 0, 0], [0, 0, 60], [0, 60, 60], [0, 60, 0]]))
    session.set_known("dense")
    project.predict(n1=0.9, n2=0.8)
    values = np.full((16, 16), 0.5, np.float32)
    session.job.happened.emit(Preview(1, project.keys[0], (8, 4), values))
    yield project
    session.stop()
    qtbot.waitUntil(lambda: not session.job.running, timeout=60_000)


def stroke(project, at, value=7):
    """Paint a dab on an image, as the mouse does."""
    layer = project.session.annotation
    project.session.go_to(project.keys[at])
    layer.brush_size = 5
    with layer.block_history():
        layer.paint((at, 40, 40), value)


def run(project, qtbot, what):
    """Train or predict to the end; returns how it ended."""
    session = project.session
    with qtbot.waitSignal(session.ended, timeout=60_000) as ended:
        (session.trainings.train if what == "training" else session.predict)()
    return ended.args[0]


def endless(events=()):
    yield from events
    while True:
        time.sleep(0.002)
        yield None


def lies(layer, image, offset=(0, 0, 0)):
    """Whether a layer's pixels lie where the image's do."""
    ours = [layer.data_to_world(at) for at in ((0, 0, 0), (0, 9, 5))]
    its = [image.data_to_world(np.add(at, offset)) for at in ((0, 0, 0), (0, 9, 5))]
    return np.allclose(ours, its)


# -- removed -----------------------------------------------------------------------------------


@pytest.mark.parametrize("gone", ["image", "annotation", "boxes"])
def test_what_was_removed_is_the_same_again_with_annotate(work, gone):
    session, viewer = work.session, work.viewer
    stroke(work, 3)
    painted = session.annotation.data.copy()
    layer = work.layer if gone == "image" else getattr(session, gone)
    viewer.layers.remove(layer)
    session.set_known("boxes")
    session.annotate()
    assert layer in viewer.layers
    assert session.annotation.mode == "paint"
    np.testing.assert_array_equal(session.annotation.data, painted)
    session.annotation.undo()
    assert not (session.annotation.data[3] == 7).any()


@pytest.mark.parametrize("gone", ["image", "annotation", "boxes", "prediction", "preview", "all"])
def test_a_training_goes_on_without_a_layer(work, qtbot, gone):
    session, viewer = work.session, work.viewer
    with qtbot.waitSignal(session.happened, timeout=60_000):
        session.trainings.train()
    with qtbot.waitSignal(session.ended, timeout=60_000) as ended:
        if gone == "all":
            viewer.layers.clear()
        else:
            viewer.layers.remove(work.layer if gone == "image" else getattr(session, gone))
    assert not isinstance(ended.args[0], Failed), ended.args[0]
    assert session.state.rounds


def test_strokes_are_kept_while_the_image_is_removed(work):
    session = work.session
    work.viewer.layers.remove(work.layer)
    stroke_layer = session.annotation
    work.viewer.dims.set_current_step(0, 3)
    stroke_layer.paint((3, 40, 40), 7)
    session.keeper.flush()
    assert (session.store.load_annotation("nuclei_n3") == 7).any()
    assert session.state.item("nuclei_n3").status == "labelled"


def test_what_could_not_be_written_comes_back_too(work, monkeypatch):
    session = work.session

    def full(*args, **kwargs):
        raise NucleateError("The disk is full.")

    monkeypatch.setattr(session.store, "save_annotation", full)
    stroke(work, 3)
    work.viewer.layers.remove(session.annotation)
    assert (session.annotate().data[3] == 7).any()


def test_removed_predictions_come_back_with_the_next_one(work):
    session = work.session
    work.viewer.layers.remove(session.prediction)
    assert session.prediction is None
    work.predict(n3=0.7)
    assert session.prediction in work.viewer.layers
    assert all(session.prediction.data[i].any() for i in (1, 2, 3))
    objects = [np.unique(session.prediction.data[i])[1:] for i in (1, 2, 3)]
    assert len(np.unique(np.concatenate(objects))) == sum(map(len, objects))


def test_a_removed_preview_stays_away_until_the_next_training(work, qtbot):
    session = work.session
    event = Preview(2, work.keys[0], (8, 4), np.ones((16, 16), np.float32))
    work.viewer.layers.remove(session.preview)
    session.job.happened.emit(event)
    assert session.preview is None
    assert session.eye() is None
    session.results.watch_training()
    assert session.preview in work.viewer.layers


def test_without_any_layer_docks_go_on(work, qtbot):
    docks = open_docks(work.viewer)
    work.viewer.layers.clear()
    assert work.session.current
    docks["Label"].table.picked.emit("nuclei_n4")
    assert work.session.current == "nuclei_n4"
    assert list(work.viewer.layers) == [work.layer]


def test_strokes_on_the_layer_of_a_former_project_concern_nobody(work):
    session = work.session
    former = session.annotation
    with former.block_history():
        former.data_setitem((np.array([5]), np.array([3]), np.array([3])), 4)
    other = work.viewer.add_image(np.zeros((2, 64, 64)), name="other")
    session.choose_layer(other, "NYX", 2)
    layer = session.annotate()
    former.paint((5, 40, 40), 3)
    assert not session.state.keys("labelled")
    layer.paint((int(session.current[-1]), 40, 40), 3)
    assert session.state.keys("labelled") == [session.current]


def test_nobody_paints_on_the_layer_of_a_former_project(work):
    session, former = work.session, work.session.annotation
    drawn = session.boxes
    other = work.viewer.add_image(np.zeros((2, 64, 64)), name="other")
    session.choose_layer(other, "NYX", 2)
    assert not former.editable
    assert not drawn.editable
    assert former.name == "annotation of nuclei"
    assert "locked" in why_not(session, former)
    assert session.annotate().name == "annotation"
    session.choose_layer(work.layer, "NYX", 2)  # the same image, in a project of its own
    again = session.annotate()
    assert again is not former
    assert again.editable
    assert again.mode == "paint"


# -- moved -------------------------------------------------------------------------------------


@pytest.mark.parametrize("move", MOVES)
def test_our_layers_follow_the_image(work, move):
    session = work.session
    setattr(work.layer, move, MOVES[move])
    for layer in (session.annotation, session.boxes, session.prediction):
        assert lies(layer, work.layer), layer
    assert lies(session.preview, work.layer, (0, 8, 4))


@pytest.mark.parametrize("move", MOVES)
@pytest.mark.parametrize("what", ["training", "prediction"])
def test_the_image_may_move_meanwhile(work, qtbot, move, what):
    session = work.session
    if what == "prediction":
        run(work, qtbot, "training")
    with qtbot.waitSignal(session.happened, timeout=60_000):
        (session.trainings.train if what == "training" else session.predict)()
    with qtbot.waitSignal(session.ended, timeout=60_000) as ended:
        setattr(work.layer, move, MOVES[move])
        stroke(work, 3)
    assert not isinstance(ended.args[0], Failed), ended.args[0]
    assert (session.annotation.data[3, 40, 40]) == 7
    for layer in (session.annotation, session.prediction):
        assert lies(layer, work.layer)


def test_a_new_pixel_size_is_that_of_the_project(work):
    work.layer.scale = (1, 0.25, 0.25)
    assert work.session.ref("nuclei_n1").spacing == (0.25, 0.25)
    assert work.session.state.view.scale == (1, 0.25, 0.25)
    assert work.session.state.item("nuclei_n0").status == "labelled"


def test_one_goes_to_an_image_of_a_turned_layer(work):
    work.layer.affine = TURNED
    work.layer.translate = (50, 1, 1)
    for key in work.keys:
        work.session.go_to(key)
        assert work.session.current == key


def test_units_may_change(work):
    work.layer.units = ("pixel", "nm", "nm")
    assert work.session.annotation.units == work.layer.units
    assert [str(u) for u in work.session.ref("nuclei_n1").units] == ["nanometer", "nanometer"]


# -- other pixels ------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_other_pixels_of_the_same_shape_are_looked_at(work, said, dtype):
    other = np.full(work.layer.data.shape, 3, dtype)
    before = work.session.annotation.data.copy()
    work.layer.data = other
    assert (work.session.ref("nuclei_n1").read() == 3).all()
    np.testing.assert_array_equal(work.session.annotation.data, before)
    assert "were replaced" in said[-1]
    said.clear()
    work.layer.data = other  # as napari's own tools do, to redraw
    assert not said


def test_a_training_on_pixels_that_are_replaced_is_stopped(work, said, qtbot):
    with qtbot.waitSignal(work.session.ended, timeout=60_000):
        work.session.start("training", endless)
        work.layer.data = np.ones_like(work.layer.data)
    assert "The training was stopped" in said[-1]


@pytest.mark.parametrize("shape", [(6, 32, 32), (64, 64), (2, 6, 64, 64)])
@pytest.mark.parametrize("what", ["nothing", "training"])
def test_pixels_of_another_shape_are_another_image(work, said, qtbot, shape, what):
    session, viewer = work.session, work.viewer
    docks = open_docks(viewer)
    stroke(work, 3)
    if what == "training":
        session.trainings.train()
    work.layer.data = np.zeros(shape)
    assert "They are other images" in said[-1]
    if what == "training":
        with qtbot.waitSignal(session.ended, timeout=60_000) as ended:
            pass
        assert not isinstance(ended.args[0], Failed), ended.args[0]
    # What is worked on are the former ones, which come back.
    stroke(work, 4)
    before = next(x for x in viewer.layers if isinstance(x, Image) and "before" in x.name)
    np.testing.assert_array_equal(before.data, work.sample.images.data)
    assert lies(session.annotation, before)
    session.keeper.flush()
    assert (session.store.load_annotation("nuclei_n4") == 7).any()
    # Or the new ones.
    docks["Label"].chooser.layers.choose(work.layer)
    assert docks["Label"].chooser.use.isEnabled()
    docks["Label"].chooser.use.click()
    assert session.source.layer is work.layer
    session.annotate()


@pytest.mark.parametrize("what", ["nothing", "training", "prediction"])
def test_an_annotation_of_another_shape_is_left_to_the_person(work, said, qtbot, what):
    session = work.session
    if what == "prediction":
        run(work, qtbot, "training")
    stroke(work, 3)
    if what != "nothing":
        (session.trainings.train if what == "training" else session.predict)()
    layer, painted = session.annotation, session.annotation.data.copy()
    layer.data = np.zeros((9, 9), int)
    assert "layer is yours now" in said[-1]
    layer.paint((4, 4), 2)
    assert (session.store.load_annotation("nuclei_n3") == 7).any()
    assert session.annotate() is not layer
    np.testing.assert_array_equal(session.annotation.data, painted)
    stroke(work, 4)
    assert session.state.item("nuclei_n4").status == "labelled"
    if what != "nothing":
        qtbot.waitUntil(lambda: not session.job.running, timeout=60_000)


@pytest.mark.parametrize("dtype", [np.uint8, np.int64])
def test_an_annotation_replaced_whole_is_what_is_painted(work, dtype):
    session = work.session
    other = np.zeros(session.annotation.data.shape, dtype)
    other[4, :9, :9] = 200
    stroke(work, 3)
    session.annotation.data = other
    assert session.state.keys("labelled") == ["nuclei_n4"]
    session.annotation.undo()  # the stroke was on what was replaced
    assert not other[3].any()
    session.keeper.flush()
    assert (session.store.load_annotation("nuclei_n4") == 200).any()
    assert not session.store.load_annotation("nuclei_n3").any()


def test_labels_too_large_for_the_annotation_are_refused(work):
    session = work.session
    session.annotation.data = np.zeros(session.annotation.data.shape, np.uint8)
    labels = session.store.load_predicted_labels("nuclei_n1")
    labels[labels > 0] += 300
    session.store.load_predicted_labels = lambda key: labels
    with pytest.raises(NucleateError, match="255"):
        session.judgements.take_over("nuclei_n1")
    assert not session.annotation.data[1].any()


@pytest.mark.parametrize("shape", [(6, 64, 64), (9, 9)])
def test_predictions_never_write_into_what_a_person_gave(work, shape):
    session = work.session
    layer, mine = session.prediction, np.full(shape, 5)
    layer.data = mine
    work.predict(n3=0.7)
    assert (mine == 5).all()
    assert session.prediction is not layer
    assert all(session.prediction.data[i].any() for i in (1, 2, 3))
    assert not session.prediction.editable


def test_boxes_that_lie_in_no_image_are_left_to_the_person(work, said):
    session = work.session
    session.keeper.flush()
    session.boxes.data = [np.array([[0, 0], [0, 9], [9, 9], [9, 0]])]
    assert "layer is yours now" in said[-1]
    stroke(work, 3)
    session.keeper.flush()
    session.set_known("boxes")
    (box,) = boxes_of(session.boxes, session.source, session.ref("nuclei_n0"))
    assert box == ([0, 0], [60, 60])


def test_a_preview_given_other_pixels_is_redrawn(work):
    session = work.session
    session.preview.data = np.zeros((5, 5))
    values = np.ones((16, 16), np.float32)
    session.job.happened.emit(Preview(2, work.keys[2], (3, 4), values))
    assert session.preview.data.shape == (1, 16, 16)
    assert lies(session.preview, work.layer, (2, 3, 4))


# -- renamed, hidden, reordered ----------------------------------------------------------------


@pytest.mark.parametrize("what", ["training", "prediction"])
def test_names_order_and_visibility_do_not_matter(work, qtbot, what):
    session, viewer = work.session, work.viewer
    if what == "prediction":
        run(work, qtbot, "training")
    ours = [session.annotation, session.boxes, session.prediction, session.preview, work.layer]
    with qtbot.waitSignal(session.ended, timeout=60_000) as ended:
        (session.trainings.train if what == "training" else session.predict)()
        for number, layer in enumerate(ours):
            layer.name = f"layer {number}"
            layer.visible = False
        viewer.layers.reverse()
        stroke(work, 3)
    assert not isinstance(ended.args[0], Failed), ended.args[0]
    assert [session.annotation, session.boxes, session.prediction] == ours[:3]
    session.keeper.flush()
    assert (session.store.load_annotation("nuclei_n3") == 7).any()
    assert session.state.keys()[0] == "nuclei_n0"


# -- kinds of images ---------------------------------------------------------------------------


def _kinds():
    rng = np.random.default_rng(0)
    flat = rng.random((64, 64)).astype(np.float32)
    yield "multiscale", {"data": [flat, flat[::2, ::2]], "multiscale": True}, "YX", 2, None
    colours = (rng.random((3, 64, 64, 3)) * 255).astype(np.uint8)
    yield "rgb", {"data": colours, "rgb": True}, "TYX", 2, "channels"
    yield "grey", {"data": colours, "rgb": True}, "TYX", 2, "grey"
    yield (
        "turned",
        {"data": rng.random((3, 64, 64)), "affine": TURNED, "scale": (2, 1, 1)},
        "TYX",
        2,
        None,
    )
    yield (
        "volume",
        {"data": rng.random((12, 32, 32)), "rotate": 20, "scale": (3, 1, 1)},
        "ZYX",
        3,
        None,
    )
    yield "channels", {"data": rng.random((2, 64, 64)), "shear": (0, 0, 0.2)}, "CYX", 2, None


@pytest.mark.parametrize(
    ("options", "axes", "ndim", "colour"), [k[1:] for k in _kinds()], ids=[k[0] for k in _kinds()]
)
def test_all_kinds_of_images_are_learned_and_predicted(
    make_napari_viewer, qtbot, said, options, axes, ndim, colour
):
    viewer = make_napari_viewer()
    layer = viewer.add_image(name="kind", **options)
    session = session_of(viewer)
    session.choose_layer(layer, axes, ndim, colour)
    recipe = session.state.recipe
    session.set_recipe(
        recipe.model_copy(
            update={
                "architecture": TINY.architecture,
                "optimisation": TINY.optimisation.model_copy(
                    update={"patch": 16 if ndim == 3 else 32, "patch_depth": 8}
                ),
            }
        )
    )
    annotation = session.annotate()
    place = session.source.place(session.ref(session.current))
    annotation.data[place][..., 4:14, 6:16] = 1
    annotation.data[place][..., 20:28, 6:16] = 2
    session.strokes.refresh()
    for act in (session.trainings.train, lambda: session.predict(session.state.keys())):
        with qtbot.waitSignal(session.ended, timeout=60_000) as ended:
            act()
        assert not isinstance(ended.args[0], Failed), ended.args[0]
    corner, middle = np.zeros(annotation.ndim), np.array(annotation.data.shape) // 2
    if "C" not in axes:
        for ours in (annotation, session.prediction):
            for at in (corner, middle):
                np.testing.assert_allclose(ours.data_to_world(at), layer.data_to_world(at))
    viewer.layers.remove(layer)
    session.annotate()
    assert layer in viewer.layers


def test_previews_of_large_pyramids_show_what_is_seen(make_napari_viewer):
    viewer = make_napari_viewer()
    full = np.zeros((4096, 4096), np.uint8)
    layer = viewer.add_image([full, full[::4, ::4], full[::16, ::16]], multiscale=True)
    session = session_of(viewer)
    session.choose_layer(layer, "YX", 2)
    layer._data_level = 2
    layer.corner_pixels = np.array([[192, 192], [255, 255]])  # the last quarter, of 256 pixels
    rows, columns = session.eye._visible(session.source, session.ref(session.current))
    assert min(rows.stop, columns.stop) > 4000


# -- the other docks ---------------------------------------------------------------------------


def test_what_is_split_follows_its_layer(make_napari_viewer):
    viewer = make_napari_viewer()
    mask = np.zeros((32, 32), np.uint8)
    mask[4:12, 4:12] = 1
    layer = viewer.add_labels(mask)
    dock = SplitDock(viewer)
    layer.data = np.zeros((48, 40), np.uint8)
    assert dock._evidence.source.shape == (48, 40)
    layer.scale = (2, 2)
    assert dock._evidence.source.stack.scale == (2, 2)
    layer.data = np.zeros((3, 48, 40), np.uint8)
    assert dock._evidence.source.shape == (3, 48, 40)
    dock.close()


def test_undo_after_pixels_were_replaced_does_nothing(make_napari_viewer):
    viewer = make_napari_viewer()
    layer = viewer.add_labels(np.zeros((32, 32), int))
    dock = CorrectDock(viewer)
    layer.paint((30, 30), 2)
    layer.data = np.zeros((8, 8), int)
    dock.undo.click()
    assert not dock.said.text()
    assert not layer.data.any()


def test_a_hidden_layer_is_shown_when_it_is_corrected(work):
    dock = CorrectDock(work.viewer)
    work.viewer.window.add_dock_widget(dock)
    layer = work.session.annotation
    dock.layers.choose(layer)
    layer.visible = False
    work.session.go_to(work.keys[1])
    work.session.go_to(work.keys[0])
    dock.buttons["Clear border"].click()
    assert layer.visible
    assert "deleted" in dock.said.text()


def test_what_is_undone_on_a_hidden_layer_is_kept_too(work):
    session = work.session
    stroke(work, 3)
    session.keeper.flush()
    session.annotation.visible = False
    session.annotation.undo()
    session.annotation.paint((4, 40, 40), 3)
    session.keeper.flush()
    assert not session.store.load_annotation("nuclei_n3").any()
    assert session.store.load_annotation("nuclei_n4").any()


@pytest.mark.parametrize("change", ["removed", "renamed", "replaced", "moved"])
def test_a_tool_in_the_hand_survives_its_layer(work, qtbot, change):
    dock = CorrectDock(work.viewer)
    work.viewer.window.add_dock_widget(dock)
    layer = work.session.annotation
    dock.layers.choose(layer)
    dock.buttons["Split at points"].click()
    assert dock.tool is not None
    if change == "removed":
        work.viewer.layers.remove(layer)
    elif change == "renamed":
        layer.name = "other"
    elif change == "replaced":
        layer.data = np.zeros((9, 9), int)
    else:
        work.layer.translate = (0, 5, 5)
    work.session.annotate()
    dock.layers.choose(work.session.annotation)
    assert dock.buttons["Split at points"].isEnabled()
    qtbot.wait(1)  # marks go a moment later
    assert isinstance(work.session.annotation, Labels)


def test_a_split_of_a_layer_that_went_is_a_new_layer(work, qtbot):
    docks = open_docks(work.viewer)
    split = docks["Split"]
    work.viewer.layers.selection.active = work.session.annotation
    split.layers.choose(work.session.annotation)
    split._picked = True
    with qtbot.waitSignal(work.session.ended, timeout=60_000):
        split.everything.button.click()
        work.viewer.layers.remove(work.session.annotation)
    assert work.viewer.layers["split"].data.shape == work.layer.data.shape
    assert lies(work.viewer.layers["split"], work.layer)
    split.live.end()


def test_a_validated_model_is_kept_when_its_image_is_replaced(work, qtbot, said):
    session = work.session
    long = TINY.optimisation.model_copy(update={"budget": Epochs(value=900)})
    session.set_recipe(TINY.model_copy(update={"optimisation": long}))
    validated = []
    session.happened.connect(lambda e: validated.append(e) if isinstance(e, Validated) else None)
    session.trainings.train()
    qtbot.waitUntil(lambda: bool(validated), timeout=60_000)
    with qtbot.waitSignal(session.ended, timeout=60_000):
        work.layer.data = np.ones_like(work.layer.data)
    assert session.state.model


def test_pixels_of_other_dimensions_are_told_with_the_label_dock_open(work, qtbot):
    dock = LabelDock(work.viewer)
    qtbot.addWidget(dock)
    work.layer.data = np.zeros((30, 30), np.float32)
    assert [choice.raw() for choice in dock.chooser.axes] == ["Y", "X"]
    work.session.set_known("boxes")
    assert work.session.boxes.ndim == 3
