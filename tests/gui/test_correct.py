"""The Correct dock: each correction by button and by key, one undo, 2D, 3D, scaled, over time."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from napari.utils._proxies import ReadOnlyWrapper
from napari.utils.interactions import (
    mouse_move_callbacks,
    mouse_press_callbacks,
    mouse_release_callbacks,
)
from napari.utils.key_bindings import coerce_keybinding
from napari.utils.shortcuts import default_shortcuts
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QWidget

from napari_nucleate.core.instances.edit import Edit
from napari_nucleate.gui import corrections, scores, undoing
from napari_nucleate.gui.axes import MADE
from napari_nucleate.gui.correct import CorrectDock
from napari_nucleate.gui.corrections import ALL, TOOLS, shown_key
from napari_nucleate.gui.gestures import MARKS
from napari_nucleate.gui.live import NAME as LIVE
from napari_nucleate.gui.scores import followed
from napari_nucleate.gui.session import session_of

PLACES = ["2d", "scaled", "time", "3d", "planes", "3d over time"]
SCALED = {"scale": (0.5, 0.25), "translate": (3, 40)}


def picture(ndim):
    """5: two balls that are one object; 7: one with a hole and a far part; 9 at the border."""
    grid = np.indices((20, 24, 60)[-ndim:])
    y, x = grid[-2:]
    z = grid[0] if ndim == 3 else 10
    image = np.zeros(grid.shape[1:], np.int32)
    for label, centre, square in ((5, 12, 64), (5, 25, 64), (7, 48, 36)):
        image[(z - 10) ** 2 + (y - 12) ** 2 + (x - centre) ** 2 <= square] = label
    image[at(ndim, 12, 48)] = 0
    image[at(ndim, 2, 56)] = 7
    image[at(ndim, 2, 0)] = 9
    return image


def at(ndim, y, x, z=10):
    return (z, y, x)[-ndim:]


def tools_of(layer):
    """Keys bound on a layer, but for those that step through all that was done."""
    return set(layer.keymap) - {coerce_keybinding(key) for key in undoing.KEYS}


class Bench:
    """A dock on a layer in some place: images of `ndim` dimensions, one of them in view."""

    def __init__(self, viewer, qtbot, place):
        self.viewer, self.qtbot = viewer, qtbot
        self.ndim = 3 if place.startswith("3d") else 2
        image = picture(self.ndim)
        where, axes = {}, None
        if place == "scaled":
            where = SCALED
        elif place == "time":
            image, axes = np.stack([image] * 3), ("t", "y", "x")
        elif place == "planes":
            image, axes = np.stack([image] * 3), ("z", "y", "x")
        elif place == "3d":
            axes, where = ("z", "y", "x"), {"scale": (1, 0.5, 0.5)}
        elif place == "3d over time":
            image, axes = np.stack([image] * 3), ("t", "z", "y", "x")
        self.layer = viewer.add_labels(image, name="labels", axis_labels=axes, **where)
        self.dock = CorrectDock(viewer)
        viewer.window.add_dock_widget(self.dock)
        qtbot.waitUntil(lambda: self.dock._front.seen)
        # napari 0.9.2 may end the process where software draws, and the canvas becomes another
        # size after a Labels layer was removed: it has its size first.
        qtbot.wait(100)
        self.dock.dimensions.show_value(self.ndim)
        self.dock.refresh()
        self.walked = self.layer.ndim - self.ndim
        if self.walked:
            viewer.dims.set_current_step(0, 1)
        if self.ndim == 3:
            viewer.dims.set_current_step(self.walked, 10)
        self.before = self.layer.data.copy()

    @property
    def image(self):
        return self.layer.data[(1,) * self.walked]

    def world(self, y, x):
        return self.layer.data_to_world((*(1,) * self.walked, *at(self.ndim, y, x)))

    def event(self, kind, y, x):
        event = SimpleNamespace(
            type=kind,
            button=1,
            pos=(x * 9, y * 9),
            position=self.world(y, x),
            view_direction=None,
            dims_displayed=list(self.viewer.dims.displayed),
            is_dragging=True,
            handled=False,
        )
        return ReadOnlyWrapper(event)

    def drag(self, *corners):
        mouse_press_callbacks(self.layer, self.event("mouse_press", *corners[0]))
        for corner in corners[1:]:
            mouse_move_callbacks(self.layer, self.event("mouse_move", *corner))
        mouse_release_callbacks(self.layer, self.event("mouse_release", *corners[-1]))

    def click(self, y, x):
        self.drag((y, x))

    def press(self, button):
        self.qtbot.mouseClick(button, Qt.MouseButton.LeftButton)

    def take(self, name):
        self.press(self.dock.buttons[name])

    def key(self, key):
        return self.viewer.window._qt_viewer._key_map_handler.press_key(key)

    def point(self, y, x):
        self.viewer.cursor.position = self.world(y, x)

    def wait_for_no_marks(self):
        layers = self.viewer.layers
        self.qtbot.waitUntil(lambda: not any(x.name.startswith(MARKS) for x in layers))

    def check_one_step(self):
        """One undo gives the exact labels of before, one redo the correction again."""
        after = self.layer.data.copy()
        assert (after != self.before).any()
        if self.walked:  # other images are as they were
            np.testing.assert_array_equal(after[[0, 2]], self.before[[0, 2]])
        assert "Ctrl+Z undoes it." in self.dock.said.text()
        self.key("Control-Z")
        np.testing.assert_array_equal(self.layer.data, self.before)
        self.key("Control-Shift-Z")
        np.testing.assert_array_equal(self.layer.data, after)
        self.key("Control-Z")
        np.testing.assert_array_equal(self.layer.data, self.before)


@pytest.fixture
def viewer(make_napari_viewer):
    made = make_napari_viewer()
    made.window._qt_window.show()
    return made


@pytest.fixture
def bench(viewer, qtbot, request):
    return Bench(viewer, qtbot, getattr(request, "param", "2d"))


CLICKS = {
    "Delete": ((12, 12), "Object 5 was deleted;"),
    "Keep this part": ((14, 48), "Object 7 was reduced to the part clicked;"),
    "Fill holes": ((14, 48), "Object 7 was filled;"),
    "Smooth": ((14, 48), "Object 7 was smoothed;"),
    "Re-draw as star": ((14, 48), "Object 7 was re-drawn;"),
    "Grow": ((12, 12), "Object 5 was grown;"),
    "Shrink": ((12, 12), "Object 5 was shrunk;"),
}
CHECKS = {
    "Fill all holes": lambda b: b.image[at(b.ndim, 12, 48)] == 7,
    "Smooth all": lambda b: "smoothed" in b.dock.said.text(),
    "Clear border": lambda b: np.unique(b.image).tolist() == [0, 5, 7],
    "Remove small": lambda b: np.unique(b.image).tolist() == [0, 5, 7],
}


@pytest.mark.parametrize("bench", PLACES, indirect=True)
class TestEverywhere:
    # One viewer for all tools: a viewer takes longer to open than all of them together.
    def test_tools_that_draw(self, bench):
        self.split_at_points(bench)
        self.split_by_a_line(bench)
        self.merge(bench)

    def split_at_points(self, bench):
        bench.take("Split at points")
        assert "Click two or more points" in bench.dock.hint.text()
        assert not bench.dock.cut.isEnabled()
        bench.click(12, 12)
        bench.click(12, 25)
        bench.press(bench.dock.cut)
        assert np.unique(bench.image).tolist() == [0, 5, 7, 9, 10]
        assert bench.dock.said.text().startswith("Object 5 was split into 5 and 10;")
        assert bench.image[at(bench.ndim, 12, 12)] == 5
        bench.check_one_step()
        # the tool stays in the hand, for the next one
        assert bench.dock.tool is corrections.SPLIT
        assert not bench.dock.gesture.points
        bench.click(12, 25)
        bench.click(12, 12)
        bench.key("Enter")
        assert bench.image[at(bench.ndim, 12, 25)] == 5
        bench.check_one_step()

    def split_by_a_line(self, bench):
        bench.take("Split by a line")
        assert not bench.layer.mouse_pan
        bench.drag((1, 18), (12, 18), (23, 18))
        assert np.unique(bench.image).tolist() == [0, 5, 7, 9, 10]
        if bench.ndim == 3:  # through all planes
            assert all(set(np.unique(plane)) >= {5, 10} for plane in bench.image[4:17])
        bench.check_one_step()

    def merge(self, bench):
        bench.take("Merge")
        bench.drag((14, 48), (14, 25))
        assert np.unique(bench.image).tolist() == [0, 7, 9]
        assert bench.dock.said.text().startswith("Objects 5 and 7 were merged into 7;")
        bench.check_one_step()

    def test_clicks_keys_and_all(self, bench):
        for name, (spot, said) in CLICKS.items():
            bench.take(name)
            bench.click(*spot)
            by_click = bench.layer.data.copy()
            assert bench.dock.said.text().startswith(said)
            bench.check_one_step()
            bench.key("Escape")
            assert bench.dock.tool is None
            bench.point(*spot)
            assert bench.key(next(c.key for c in TOOLS if c.name == name))
            np.testing.assert_array_equal(bench.layer.data, by_click)
            bench.check_one_step()
        for name, check in CHECKS.items():
            bench.take(name)
            assert check(bench)
            by_button = bench.layer.data.copy()
            bench.check_one_step()
            assert bench.key(next(c.key for c in ALL if c.name == name))
            np.testing.assert_array_equal(bench.layer.data, by_button)
            bench.check_one_step()


class TestNumbers:
    @pytest.mark.parametrize("bench", ["3d"], indirect=True)
    def test_ends_of_a_volume_count_if_wanted(self, bench):
        bench.layer.data[0, 12, 40] = 11
        bench.take("Clear border")
        assert 11 in bench.image
        assert bench.dock.ends.isEnabled()
        bench.dock.ends.setChecked(True)
        bench.take("Clear border")
        assert 11 not in bench.image

    def test_sizes_are_the_persons_and_undo_has_buttons(self, bench):
        assert not bench.dock.ends.isEnabled()
        bench.dock.size.setValue(150)
        bench.take("Remove small")
        assert np.unique(bench.image).tolist() == [0, 5]
        assert bench.dock.said.text() == "2 objects were deleted; Ctrl+Z undoes it."
        bench.press(bench.dock.undo)
        np.testing.assert_array_equal(bench.layer.data, bench.before)
        bench.press(bench.dock.redo)
        assert np.unique(bench.image).tolist() == [0, 5]
        bench.dock.pixels.setValue(3)
        wide = np.ptp(np.nonzero(bench.image)[1])
        bench.take("Grow")
        bench.click(12, 12)
        assert np.ptp(np.nonzero(bench.image)[1]) == wide + 6


class TestHand:
    def test_the_layer_is_as_before_once_the_tool_is_left(self, bench):
        bench.layer.mode = "paint"
        bench.take("Split by a line")
        assert bench.layer.mode == "pan_zoom"
        assert MARKS in bench.viewer.layers
        assert bench.viewer.layers.selection.active is bench.layer
        bench.key("Escape")
        assert bench.layer.mode == "paint"
        assert not bench.layer.mouse_pan
        bench.wait_for_no_marks()
        assert not bench.layer.mouse_drag_callbacks or all(
            "Gesture" not in repr(c) for c in bench.layer.mouse_drag_callbacks
        )
        assert bench.viewer.layers.selection.active is bench.layer
        assert not bench.dock.hint.text()

    def test_a_tool_of_naparis_takes_over(self, bench):
        bench.take("Delete")
        bench.layer.mode = "paint"
        assert bench.dock.tool is None
        assert bench.layer.mode == "paint"

    def test_another_layer_or_none_takes_the_tool_away(self, bench):
        bench.take("Split at points")
        image = bench.viewer.add_image(np.zeros((9, 9)))
        assert bench.dock.tool is None
        assert bench.viewer.layers.selection.active is image
        bench.take("Split at points")
        bench.viewer.layers.remove(bench.layer)
        assert bench.dock.tool is None
        bench.wait_for_no_marks()
        assert not bench.dock.buttons["Delete"].isEnabled()
        assert "need a Labels layer" in bench.dock.note.text()

    def test_keys_take_and_leave_the_tools_that_draw(self, bench):
        for key, name in (("S", "Split at points"), ("K", "Split by a line"), ("J", "Merge")):
            assert bench.key(key)
            assert bench.dock.tool.name == name
            assert bench.dock.buttons[name].isChecked()
            assert bench.key(key)
            assert bench.dock.tool is None
            assert not bench.dock.buttons[name].isChecked()

    def test_points_and_lines_show_while_they_are_drawn(self, bench):
        bench.take("Split at points")
        bench.click(12, 12)
        np.testing.assert_array_equal(bench.viewer.layers[MARKS].data, [[12, 12]])
        assert bench.dock.hint.text().startswith("1 point: click the next part.")
        bench.viewer.layers.remove(MARKS)  # a person may
        bench.click(12, 25)
        bench.key("Enter")
        assert 10 in bench.image
        bench.take("Merge")
        press = bench.event("mouse_press", 14, 48)
        mouse_press_callbacks(bench.layer, press)
        mouse_move_callbacks(bench.layer, bench.event("mouse_move", 14, 40))
        assert len(bench.viewer.layers[MARKS].data) == 1
        mouse_release_callbacks(bench.layer, bench.event("mouse_release", 14, 40))
        assert len(bench.viewer.layers[MARKS].data) == 0
        bench.layer.undo()
        bench.take("Delete")
        bench.drag((12, 12), (12, 15))  # the view is dragged
        np.testing.assert_array_equal(bench.layer.data, bench.before)

    def test_keys_are_bound_while_the_dock_is_in_front(self, bench):
        frame = bench.dock.parent()
        bench.point(12, 12)
        other = bench.viewer.window.add_dock_widget(QWidget(), name="other", tabify=True)
        other.raise_()
        bench.qtbot.waitUntil(lambda: not bench.dock._front.seen)
        assert not bench.key("D")
        np.testing.assert_array_equal(bench.layer.data, bench.before)
        frame.raise_()
        bench.qtbot.waitUntil(lambda: bench.dock._front.seen)
        assert bench.key("D")
        bench.take("Split by a line")
        bench.viewer.window.remove_dock_widget(frame)
        assert not tools_of(bench.layer)
        bench.wait_for_no_marks()

    def test_no_key_of_naparis_is_taken(self, bench):
        theirs = {
            coerce_keybinding(key)
            for action, keys in default_shortcuts.items()
            for key in keys
            if "labels" in action
            or action.split(":")[1] in ("new_label", "toggle_preserve_labels")
            or action in VIEWER
        }
        ours = {coerce_keybinding(c.key) for c in (*TOOLS, *ALL)}
        assert len(ours) == len(TOOLS) + len(ALL)
        assert not ours & theirs
        used = set(type(bench.layer).class_keymap) | set(type(bench.viewer).class_keymap)
        assert not ours & used
        assert tools_of(bench.layer) == ours

    def test_a_key_the_person_gave_another_use_stays_theirs(self, viewer, qtbot):
        pressed = []
        viewer.bind_key("D", lambda _: pressed.append("D"))
        bench = Bench(viewer, qtbot, "2d")
        bench.point(12, 12)
        bench.key("D")
        assert pressed == ["D"]
        np.testing.assert_array_equal(bench.layer.data, bench.before)

    def test_buttons_show_their_keys(self, bench):
        for correction in (*TOOLS, *ALL):
            button = bench.dock.buttons[correction.name]
            assert f"({shown_key(correction.key)})" in button.text()
            assert correction.tip in button.toolTip()


VIEWER = [
    f"napari:{name}"
    for name in (
        *("increment_dims_left", "increment_dims_right", "toggle_selected_visibility"),
        *("toggle_unselected_visibility", "hold_for_pan_zoom", "decrease_brush_size"),
        *("increase_brush_size", "swap_selected_and_background_labels", "reset_polygon"),
    )
]


class TestRefusals:
    def test_a_sentence_and_no_step(self, bench):
        for tool, spot, says in (
            ("Delete", (0, 30), "no object at pixel (0, 30)"),
            ("Fill holes", (12, 12), "no hole to fill in object 5"),
            ("Keep this part", (12, 12), "only one part in object 5"),
            ("Split at points", (0, 30), "no object there"),
            ("Split by a line", (12, 12), "Hold the mouse button down"),
        ):
            bench.take(tool)
            bench.click(*spot)
            assert says in bench.dock.said.text()
        bench.viewer.cursor.position = (-50, 3)
        bench.key("D")
        assert "outside 'labels'" in bench.dock.said.text()
        bench.take("Split at points")
        bench.click(12, 12)
        bench.key("Enter")
        assert "two or more points" in bench.dock.said.text()
        bench.click(14, 48)
        assert "This is object 7, the first point lies in 5" in bench.dock.said.text()
        assert len(bench.dock.gesture.points) == 1
        bench.layer.undo()
        np.testing.assert_array_equal(bench.layer.data, bench.before)

    @pytest.mark.parametrize("bench", ["time"], indirect=True)
    def test_points_in_two_images(self, bench):
        bench.take("Split at points")
        bench.click(12, 12)
        bench.walked, world = 1, bench.layer.data_to_world((2, 12, 25))
        bench.world = lambda y, x: world
        bench.click(12, 25)
        assert "another image" in bench.dock.said.text()

    def test_planes_are_not_cut_from_the_side(self, viewer, qtbot):
        bench = Bench(viewer, qtbot, "planes")
        viewer.dims.order = (1, 0, 2)
        bench.take("Split by a line")
        assert "so that Y and X are shown" in bench.dock.said.text()

    def test_a_volume_from_the_side_and_in_the_3d_view(self, viewer, qtbot):
        bench = Bench(viewer, qtbot, "3d")
        viewer.dims.order = (1, 0, 2)
        world, bench.world = bench.world, lambda z, x: bench.layer.data_to_world((z, 12, x))
        bench.take("Split by a line")
        bench.drag((-3, 18), (22, 18))  # it may begin outside
        assert np.unique(bench.image).tolist() == [0, 5, 7, 9, 10]
        bench.key("Escape")
        viewer.dims.order = (0, 1, 2)
        viewer.dims.ndisplay = 3
        bench.world = world
        bench.take("Split by a line")
        assert "3D view" in bench.dock.said.text()
        assert bench.dock.tool is None
        bench.take("Delete")
        event = bench.event("mouse_press", 12, 48).__wrapped__
        event.position = bench.layer.data_to_world((0, 15, 48))
        event.view_direction = np.array([1.0, 0, 0])
        mouse_press_callbacks(bench.layer, ReadOnlyWrapper(event))
        event.type = "mouse_release"
        mouse_release_callbacks(bench.layer, ReadOnlyWrapper(event))
        assert 7 not in bench.image

    def test_a_full_dtype(self, viewer, qtbot):
        layer = viewer.add_labels(np.full((9, 9), 255, np.uint8))
        bench = Bench(viewer, qtbot, "2d")
        viewer.layers.selection.active = bench.layer = layer
        bench.take("Split by a line")
        bench.drag((-2, 4), (12, 4))
        assert "convert the layer to uint32" in bench.dock.said.text()


class TestWhichLayer:
    def test_follows_the_active_labels_layer(self, bench):
        other = bench.viewer.add_labels(np.ones((9, 9), int))
        assert bench.dock.layers.layer is other
        assert not tools_of(bench.layer)
        bench.viewer.layers.selection.active = bench.layer
        assert bench.dock.layers.layer is bench.layer
        assert tools_of(bench.layer)
        bench.viewer.add_image(np.zeros((9, 9)))
        assert bench.dock.layers.layer is bench.layer

    def test_predictions_are_corrected_in_a_copy(self, project, qtbot):
        project.predict(n1=0.9)
        viewer, session = project.viewer, project.session
        session.prediction.features = pd.DataFrame({"index": [1], "score": [0.5]})
        dock = CorrectDock(viewer)
        viewer.window.add_dock_widget(dock)
        viewer.layers.selection.active = session.prediction
        assert "correct a copy" in dock.note.text()
        assert not dock.buttons["Delete"].isEnabled()
        assert not tools_of(session.prediction)
        qtbot.mouseClick(dock.copy, Qt.MouseButton.LeftButton)
        copy = dock.layers.layer
        assert copy.name == "prediction corrected"
        np.testing.assert_array_equal(copy.data, session.prediction.data)
        assert copy.data is not session.prediction.data
        assert copy.features["score"].tolist() == [0.5]
        assert copy.metadata[MADE] == {"axes": "NYX", "ndim": 2}
        assert not dock.note.text()
        assert dock.buttons["Delete"].isEnabled()
        assert not session.prediction.visible

    def test_the_persons_annotation_is_kept_after_a_correction(self, project, qtbot):
        viewer, session = project.viewer, project.session
        dock = CorrectDock(viewer)
        viewer.window.add_dock_widget(dock)
        viewer.layers.selection.active = session.annotation
        viewer.dims.set_current_step(0, 0)
        dock.size.setValue(10_000)
        qtbot.mouseClick(dock.buttons["Remove small"], Qt.MouseButton.LeftButton)
        assert not session.annotation.data[0].any()
        assert project.status("n0") == "unlabelled"
        session.annotation.undo()
        assert session.annotation.data[0].any()

    def test_live_locked_and_multiscale_layers(self, viewer, qtbot):
        dock = CorrectDock(viewer)
        viewer.window.add_dock_widget(dock)
        live = viewer.add_labels(np.ones((9, 9), int), name=LIVE)
        live.editable = False
        assert "drawn anew whenever the view moves" in dock.note.text()
        live.name = "mine"
        dock.refresh()
        assert "'mine' is locked" in dock.note.text()
        live.editable = True
        assert not dock.note.text()
        viewer.add_labels([np.ones((64, 64), int), np.ones((32, 32), int)], multiscale=True)
        assert "several resolutions" in dock.note.text()
        qtbot.mouseClick(dock.copy, Qt.MouseButton.LeftButton)
        assert dock.layers.layer.data.shape == (64, 64)

    def test_lazy_layers_are_corrected_in_a_copy(self, viewer, qtbot):
        array = pytest.importorskip("dask.array")
        dock = CorrectDock(viewer)
        viewer.window.add_dock_widget(dock)
        viewer.add_labels(array.ones((9, 9), dtype=int))
        assert "copy in memory" in dock.note.text()
        qtbot.mouseClick(dock.copy, Qt.MouseButton.LeftButton)
        assert isinstance(dock.layers.layer.data, np.ndarray)

    def test_planes_are_images_of_their_own_where_the_project_says_so(self, viewer):
        dock = CorrectDock(viewer)
        image = viewer.add_image(np.zeros((3, 9, 9)), axis_labels=("z", "y", "x"))
        session = session_of(viewer)
        for ndim in (2, 3):
            session.choose_layer(image, "ZYX", ndim)
            layer = session.annotate()
            assert dock.layers.layer is layer
            assert dock.dimensions.raw() == ndim
        session.choose_layer(image, "ZYX", 2)
        layer = session.annotate()
        dock.dimensions.show_value(3)
        dock.dimensions.edited.emit()
        session.changed.emit()
        assert dock.dimensions.raw() == 3  # the person knows better

    def test_the_dimensions_follow_the_layer(self, viewer):
        dock = CorrectDock(viewer)
        viewer.window.add_dock_widget(dock)
        layer = viewer.add_labels(np.ones((4, 9, 9), int))
        assert dock.dimensions.raw() == 2
        layer.n_edit_dimensions = 3
        assert dock.dimensions.raw() == 3
        viewer.add_labels(np.ones((4, 9, 9), int), axis_labels=("t", "y", "x"))
        assert not dock.dimensions.isEnabled()
        assert dock.dimensions.raw() == 2


class TestScores:
    TABLE = pd.DataFrame(
        {"index": [5, 7, 9], "probability": [0.9, 0.6, 0.3], "class": ["a", "b", "c"]}
    )

    @pytest.fixture
    def scored(self, bench):
        bench.layer.features = self.TABLE.copy()
        return bench

    def rows(self, bench):
        return bench.layer.features.values.tolist()

    def test_pieces_inherit(self, scored):
        scored.take("Split by a line")
        scored.drag((1, 18), (23, 18))
        after = [
            [5, 0.9, "a", True],
            [7, 0.6, "b", False],
            [9, 0.3, "c", False],
            [10, 0.9, "a", True],
        ]
        assert self.rows(scored) == after
        scored.key("Control-Z")
        pd.testing.assert_frame_equal(scored.layer.features, self.TABLE)
        scored.key("Control-Shift-Z")
        assert self.rows(scored) == after
        assert "probability: 0.9" in str(scored.layer._get_properties((12, 12)))

    def test_merged_objects_have_the_mean_by_size_and_the_first_class(self, scored):
        sizes = {label: int((scored.image == label).sum()) for label in (5, 7)}
        scored.dock.gap.setValue(0)
        scored.take("Merge")
        scored.drag((14, 48), (14, 25))
        mean = (0.9 * sizes[5] + 0.6 * sizes[7]) / (sizes[5] + sizes[7])
        assert self.rows(scored) == [
            [7, pytest.approx(mean), "b", True],
            [9, 0.3, "c", False],
        ]

    def test_several_steps_back_and_forth(self, scored):
        tables = [scored.layer.features.copy()]
        for spot in ((12, 12), (14, 48), (2, 0)):
            scored.point(*spot)
            scored.key("D")
            tables.append(scored.layer.features.copy())
        assert [len(table) for table in tables] == [3, 2, 1, 0]
        for table in reversed(tables[:-1]):
            scored.key("Control-Z")
            pd.testing.assert_frame_equal(scored.layer.features, table)
        for table in tables[1:]:
            scored.key("Control-Shift-Z")
            pd.testing.assert_frame_equal(scored.layer.features, table)
        scored.key("Control-Z")
        scored.point(12, 12)  # nothing is there: no step
        scored.key("D")
        scored.point(2, 0)
        scored.key("G")
        assert self.rows(scored) == [[9, 0.3, "c", True]]
        scored.key("Control-Z")
        assert self.rows(scored) == [[9, 0.3, "c"]]

    def test_an_edit_that_restores_what_was_before_another(self, scored):
        tables = [scored.layer.features.copy()]
        scored.take("Split by a line")
        scored.drag((1, 18), (23, 18))
        tables.append(scored.layer.features.copy())
        scored.take("Merge")
        scored.dock.gap.setValue(0)
        scored.drag((12, 25), (12, 12))
        np.testing.assert_array_equal(scored.layer.data, scored.before)
        tables.append(scored.layer.features.copy())
        assert tables[-1]["edited"].tolist() == [True, False, False]
        for moves in ("zzyy", "zy", "zzyzyy"):
            at = 2
            for move in moves:
                scored.key("Control-Z" if move == "z" else "Control-Shift-Z")
                at += -1 if move == "z" else 1
                pd.testing.assert_frame_equal(scored.layer.features, tables[at])
        scored.point(2, 0)
        scored.key("D")
        for table in reversed(tables):
            scored.key("Control-Z")
            pd.testing.assert_frame_equal(scored.layer.features, table)

    def test_the_same_edit_again_after_it_was_undone(self, scored):
        for _ in range(2):
            scored.point(12, 12)
            scored.key("D")
            assert len(scored.layer.features) == 2
            scored.key("Control-Z")
            pd.testing.assert_frame_equal(scored.layer.features, self.TABLE)
        scored.key("Control-Shift-Z")
        assert len(scored.layer.features) == 2

    def test_steps_that_napari_forgot_are_told_by_their_pixels(self, scored, monkeypatch):
        monkeypatch.setattr(scores, "UNDO", "no_such_history")
        monkeypatch.setattr(scores, "REDO", "no_such_history")
        self.test_several_steps_back_and_forth(scored)

    def test_strokes_of_the_person_in_between(self, scored):
        scored.point(12, 12)
        scored.key("D")
        scored.layer.paint((5, 50), 3)
        scored.key("Control-Z")
        assert len(scored.layer.features) == 2
        scored.key("Control-Z")
        pd.testing.assert_frame_equal(scored.layer.features, self.TABLE)

    @pytest.mark.parametrize("bench", ["time"], indirect=True)
    def test_objects_of_other_images_keep_their_row(self, scored):
        scored.point(12, 12)
        scored.key("D")
        assert 5 in scored.layer.features["index"].tolist()
        assert "edited" not in scored.layer.features

    def test_the_table_is_right_after_the_dock_was_closed(self, scored):
        scored.point(12, 12)
        scored.key("D")
        scored.viewer.window.remove_dock_widget(scored.dock.parent())
        scored.layer.undo()
        pd.testing.assert_frame_equal(scored.layer.features, self.TABLE)

    def test_tables_without_labels_or_rows_are_left_alone(self, bench):
        table = pd.DataFrame({"area": np.arange(11)})
        bench.layer.features = table.copy()
        bench.point(12, 12)
        bench.key("D")
        pd.testing.assert_frame_equal(bench.layer.features, table)

    def test_unknown_scores_have_no_vote(self):
        rows = pd.DataFrame({"index": [3, 5], "score": [np.nan, 0.5], "class": [1, 2]})
        edit = Edit((), np.zeros(0, int), {3: {3: 20, 5: 10}}, gone=(5,))
        made = followed(rows, edit)
        assert made.values.tolist() == [[3, 0.5, 1, True]]
        assert made["class"].dtype == rows["class"].dtype
        unknown = followed(rows.assign(score=np.nan), edit)
        assert np.isnan(unknown["score"][0])
