"""Layers that come change nothing of what the person is at; a stroke is kept whatever comes."""

from types import SimpleNamespace

import numpy as np
import pytest
from napari.utils._proxies import ReadOnlyWrapper
from napari.utils.interactions import (
    mouse_move_callbacks,
    mouse_press_callbacks,
    mouse_release_callbacks,
)

from napari_nucleate.gui.active import staying


def mouse(kind, y, x):
    return ReadOnlyWrapper(
        SimpleNamespace(
            type=f"mouse_{kind}",
            is_dragging=kind == "move",
            button=1,
            modifiers=(),
            position=(1.0, float(y), float(x)),
            pos=(x, y),
            view_direction=None,
            dims_displayed=[1, 2],
            dims_point=[1.0, 0.0, 0.0],
        ),
        exceptions=("handled",),
    )


def layer_comes(project, layer):
    project.viewer.add_labels(np.zeros((2, 2), int))


def layer_goes(project, layer):
    project.viewer.layers.remove(layer)


def nothing_is_active(project, layer):
    project.viewer.layers.selection.active = None


@pytest.mark.parametrize("what", [layer_comes, layer_goes, nothing_is_active])
def test_a_stroke_is_kept_and_undone(project, what):
    session = project.session
    layer = session.annotate()
    project.viewer.dims.set_point(0, 1)
    layer.selected_label, layer.brush_size = 7, 3
    scale = layer.scale[1]
    mouse_press_callbacks(layer, mouse("press", 10 * scale, 10 * scale))
    mouse_move_callbacks(layer, mouse("move", 10 * scale, 20 * scale))
    count = len(layer._undo_history)
    assert layer.data[1, 10, 15] == 7
    what(project, layer)
    assert len(layer._undo_history) == count + 1
    assert not layer._block_history
    # The button is released, and the layer that is active now hears of it.
    mouse_release_callbacks(project.viewer.layers[-1], mouse("release", 10 * scale, 20 * scale))
    session.keeper.finish()
    assert session.store.load_annotation("nuclei_n1")[10, 15] == 7
    session.annotate()
    assert session.undoing.undo()
    assert not layer.data[1].any()


def test_who_paints_goes_on_painting_when_a_prediction_comes(project):
    session, viewer = project.session, project.viewer
    layer, heard = session.annotate(), []
    viewer.layers.selection.events.active.connect(lambda event: heard.append(event.value))
    before = len(layer._undo_history)
    mouse_press_callbacks(layer, mouse("press", 1, 1))
    project.predict(n1=0.9)
    assert session.prediction in viewer.layers
    assert viewer.layers.selection.active is layer
    assert set(viewer.layers.selection) == {layer}
    assert not heard
    assert len(layer._undo_history) == before
    mouse_release_callbacks(layer, mouse("release", 1, 1))
    assert len(layer._undo_history) == before + 1


def test_several_selected_layers_stay_selected(project):
    session, viewer = project.session, project.viewer
    selected = {project.layer, session.annotate()}
    viewer.layers.selection.update(selected)
    project.predict(n1=0.9)
    assert set(viewer.layers.selection) == selected
    assert viewer.layers.selection.active is None


def test_the_active_layer_stays_where_a_layer_can_not_be_added(project):
    session, viewer = project.session, project.viewer
    layer = session.annotate()

    def fails(event):
        raise RuntimeError("another plugin")

    viewer.layers.events.inserted.connect(fails, position="last")
    with pytest.raises(RuntimeError), staying(viewer):
        viewer.add_labels(np.zeros((2, 2), int))
    assert viewer.layers.selection.active is layer
