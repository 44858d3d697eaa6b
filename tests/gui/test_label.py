"""The Label dock: what it asks, what it shows of the state, and what its buttons do."""

import numpy as np
import pytest
from qtpy.QtCore import Qt

from napari_nucleate.core.events import Preview
from napari_nucleate.core.images import ImageRef
from napari_nucleate.core.model import Card, Model, Record
from napari_nucleate.gui.images_table import STATUS_COLOURS, ImagesModel, status_icon
from napari_nucleate.gui.label import LabelDock, count_in_words
from napari_nucleate.gui.layers import LayerSource
from napari_nucleate.gui.shown import show_preview
from napari_nucleate.project.model import STATUS_HELP, Item, State


@pytest.fixture
def viewer(make_napari_viewer):
    return make_napari_viewer()


@pytest.fixture
def dock(viewer):
    widget = LabelDock(viewer)
    viewer.window.add_dock_widget(widget)
    return widget


def click(qtbot, button):
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def statuses(dock):
    model = dock.table.images
    return [model.index(row, 1).data() for row in range(model.rowCount())]


def use(dock, qtbot, shape=(4, 32, 32), **options):
    layer = dock.session.viewer.add_image(np.zeros(shape), **options)
    dock.chooser.layers.choose(layer)
    click(qtbot, dock.chooser.use)
    return layer


def test_asks_for_an_image_first(dock):
    assert not dock.chooser.use.isEnabled()
    assert "Open an image first" in dock.chooser.summary.text()
    assert not dock.annotate.isEnabled()
    assert dock.reasons.text() == dock.annotate.toolTip()
    assert dock.table.isHidden()


def test_guesses_axes_and_takes_corrections(dock, viewer, qtbot):
    viewer.add_image(np.zeros((4, 32, 48)), name="cells", scale=(1, 0.5, 0.5))
    assert [c.raw() for c in dock.chooser.axes] == ["Z", "Y", "X"]
    assert dock.chooser.three.isEnabled()
    dock.chooser.axes[0].setCurrentText("T")
    assert not dock.chooser.three.isEnabled()
    assert "no axis Z" in dock.chooser.three.toolTip()
    assert "4 images of 32 × 48 pixels" in dock.chooser.summary.text()
    assert dock.chooser.use.isEnabled()
    dock.chooser.axes[1].setCurrentText("T")
    assert not dock.chooser.use.isEnabled()
    assert "at most once" in dock.chooser.summary.text()
    dock.chooser.axes[1].setCurrentText("Y")
    click(qtbot, dock.chooser.use)
    assert dock.session.source.axes == "TYX"
    assert statuses(dock) == ["unlabelled"] * 4
    assert dock.chooser.use.text() == "In use"


def test_three_dimensions(dock, viewer, qtbot):
    viewer.add_image(np.zeros((2, 8, 32, 32)))
    qtbot.mouseClick(dock.chooser.three, Qt.MouseButton.LeftButton)
    dock.chooser.three.setChecked(True)
    click(qtbot, dock.chooser.use)
    assert dock.session.state.recipe.ndim == 3
    assert len(statuses(dock)) == 2
    click(qtbot, dock.annotate)
    assert dock.session.annotation.n_edit_dimensions == 3


def test_colours_are_asked_and_never_guessed(dock, viewer, qtbot):
    viewer.add_image(np.zeros((32, 32, 3), np.uint8), rgb=True)
    assert not dock.chooser.channels.isChecked()
    assert not dock.chooser.grey.isChecked()
    assert not dock.chooser.use.isEnabled()
    assert "colour image" in dock.chooser.summary.text()
    dock.chooser.channels.setChecked(True)
    click(qtbot, dock.chooser.use)
    assert dock.session.state.recipe.channels == 3


def test_the_list_follows_layers(dock, viewer):
    first = viewer.add_image(np.zeros((8, 8)), name="first")
    viewer.add_image(np.zeros((3, 8, 8)), name="second")
    source = LayerSource.of(first, "YX", 2)
    preview = Preview(1, "first", (0, 0), np.zeros((8, 8), np.float32))
    show_preview(viewer, source, None, ImageRef(source.stack, 2, ()), preview)
    viewer.add_labels(np.zeros((8, 8), int))
    combo = dock.chooser.layers
    assert {combo.itemText(i) for i in range(combo.count())} == {"first", "second"}
    first.name = "renamed"
    assert combo.findText("renamed") >= 0
    viewer.layers.remove(first)
    assert [combo.itemText(i) for i in range(combo.count())] == ["second"]
    assert len(dock.chooser.axes) == 3


def test_annotates_where_the_image_lies(dock, qtbot):
    layer = use(dock, qtbot, scale=(1, 0.5, 0.25), units=("pixel", "um", "um"))
    assert dock.annotate.isEnabled()
    assert "Press Annotate first" in dock.empty.toolTip()
    click(qtbot, dock.annotate)
    annotation = dock.session.annotation
    np.testing.assert_array_equal(annotation.scale, layer.scale)
    assert annotation.units == layer.units
    assert annotation.mode == "paint"
    assert dock.empty.isEnabled()
    click(qtbot, dock.annotate)
    assert dock.session.annotation is annotation


def test_painting_marks_the_image(dock, viewer, qtbot):
    use(dock, qtbot)
    click(qtbot, dock.annotate)
    viewer.dims.set_point(0, 2)
    dock.session.annotation.paint((2, 10, 10), 1)
    assert statuses(dock) == ["unlabelled", "unlabelled", "labelled", "unlabelled"]
    assert dock.counts.text() == "1 labelled, 3 unlabelled"
    dock.session.annotation.undo()
    assert dock.counts.text() == "4 unlabelled"


def test_confirms_empty_and_refuses_where_something_is_painted(dock, viewer, qtbot):
    use(dock, qtbot)
    click(qtbot, dock.annotate)
    viewer.dims.set_point(0, 1)
    click(qtbot, dock.empty)
    assert statuses(dock)[1] == "empty"
    assert not dock.session.annotation_of(dock.session.current).labels.any()
    viewer.dims.set_point(0, 0)
    dock.session.annotation.paint((0, 10, 10), 1)
    said = []
    dock.session.notify = said.append
    click(qtbot, dock.empty)
    assert "erase" in str(said[0])
    assert statuses(dock)[0] == "labelled"


def test_goes_to_images_and_follows_the_slider(dock, viewer, qtbot):
    use(dock, qtbot)
    viewer.window._qt_window.show()
    model, table = dock.table.images, dock.table
    at = table.visualRect(model.index(3, 0)).center()
    qtbot.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=at)
    assert viewer.dims.current_step[0] == 3
    viewer.dims.set_point(0, 1)
    assert table.currentIndex().row() == 1
    click(qtbot, dock.annotate)
    dock.session.annotation.paint((1, 10, 10), 1)
    viewer.dims.set_point(0, 0)
    click(qtbot, dock.next)
    assert viewer.dims.current_step[0] == 2


def test_how_unpainted_pixels_count(dock, viewer, qtbot):
    use(dock, qtbot)
    assert "what is not painted is background" in dock.known_help.text()
    dock.known.setCurrentIndex(dock.known.findData("sparse"))
    assert dock.session.state.known == "sparse"
    click(qtbot, dock.annotate)
    assert dock.session.annotation.selected_label == 2
    dock.known.setCurrentIndex(dock.known.findData("boxes"))
    assert dock.session.boxes in viewer.layers
    assert "rectangles" in dock.known_help.text()
    dock.session.set_known("dense")
    assert dock.known.raw() == "dense"


def test_removing_the_image_in_use(dock, viewer, qtbot):
    layer = use(dock, qtbot)
    click(qtbot, dock.annotate)
    viewer.layers.remove(layer)
    assert not dock.chooser.use.isEnabled()
    assert "Annotate shows it again" in dock.reasons.text()
    click(qtbot, dock.annotate)
    assert list(viewer.layers) == [layer, dock.session.annotation]


def test_another_image_is_announced(dock, viewer, qtbot):
    use(dock, qtbot)
    click(qtbot, dock.annotate)
    viewer.dims.set_point(0, 0)
    dock.session.annotation.paint((0, 10, 10), 1)
    other = viewer.add_image(np.zeros((16, 16)))
    dock.chooser.layers.choose(other)
    assert "begins a new project" in dock.chooser.summary.text()


def test_thousands_of_images(qtbot):
    model = ImagesModel()
    state = State(items=tuple(Item(key=f"i{n}") for n in range(5000)))
    model.show_items(state.items)
    assert model.rowCount() == 5000
    changed = []
    model.dataChanged.connect(lambda a, b: changed.append((a.row(), b.row())))
    with qtbot.assertNotEmitted(model.modelReset):
        model.show_items(state.mark("i7", "empty").items)
    assert changed == [(7, 7)]
    assert "confirmed" in model.index(7, 0).data(Qt.ItemDataRole.ToolTipRole)
    assert count_in_words(state.mark("i7", "empty")) == "1 empty, 4999 unlabelled"


def test_every_status_has_a_colour(qtbot):
    assert set(STATUS_COLOURS) == set(STATUS_HELP)
    model = ImagesModel()
    model.show_items(
        (Item(key="a", status="accepted", model="round-1"), Item(key="b", status="labelled"))
    )
    tips = [model.index(row, 0).data(Qt.ItemDataRole.ToolTipRole) for row in range(2)]
    assert tips[0].endswith("Its labels were drawn by round-1.")
    assert tips[1] == f"b: {STATUS_HELP['labelled']}"
    assert not status_icon("accepted").isNull()


def test_the_next_image_is_suggested_with_the_place_in_it(project, qtbot, monkeypatch):
    monkeypatch.setattr("napari_nucleate.project.suggest.SIDE", 16)
    dock = LabelDock(project.viewer)
    project.viewer.window.add_dock_widget(dock)
    project.predict(n1=0.9, n2=0.9, n3=0.1, n4=0.9, n5=0.9)
    session = project.session
    # The truth is predicted with certainty: in one place it isn't.
    prediction = session.store.load_prediction("nuclei_n3")
    prediction.maps[:, 40:50, 8:18] = np.array([0.5, 0.5, 0])[:, np.newaxis, np.newaxis]
    session.store.save_prediction(prediction)
    record = Record(name="round-0")
    session.store.save_model(Model(Card(recipe=session.state.recipe, record=record), {}))
    items = session.state.items
    session.set_items(*(i.model_copy(update={"model": "round-0"}) for i in items))
    session.go_to("nuclei_n0")
    with qtbot.waitSignal(dock.suggester._job.ended, timeout=10_000):
        click(qtbot, dock.suggest)
    assert session.current == "nuclei_n3"
    assert "a confidence of 0.10" in dock.suggested.text()
    assert project.viewer.layers.selection.active is session.annotation
    y, x = project.viewer.scene.camera.center[-2:]
    assert (y, x) == pytest.approx(np.array([45, 13]) * project.layer.scale[1:], abs=4)
    # Who leaves it unlabelled gets another one.
    with qtbot.waitSignal(dock.suggester._job.ended, timeout=10_000):
        click(qtbot, dock.suggest)
    assert session.current not in ("nuclei_n0", "nuclei_n3")


def test_nothing_is_left_to_suggest(project, qtbot):
    dock = LabelDock(project.viewer)
    project.session.annotation.data[...] = project.sample.labels.data
    project.session.strokes.refresh()
    assert not dock.suggest.isEnabled()
    assert "No image is left" in dock.suggest.toolTip()
