"""Where one looks from: kept with the project, to look at the same again, and told to napari."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_nucleate.core.images import SPATIAL

if TYPE_CHECKING:
    from napari import Viewer

    from napari_nucleate.core.images import ImageRef
    from napari_nucleate.gui.layers import LayerSource
    from napari_nucleate.project.model import State, View


def noted(viewer: Viewer, state: State) -> State:
    """The state with what the viewer shows now; without an image layer it is the same."""
    if state.view is None:
        return state
    camera = viewer.scene.camera
    seen = {
        "point": tuple(float(p) for p in viewer.dims.point[-len(state.view.axes) :]),
        "center": tuple(float(c) for c in camera.center),
        "zoom": float(camera.zoom),
    }
    return state.model_copy(update={"view": state.view.model_copy(update=seen)})


def look_again(viewer: Viewer, view: View | None) -> None:
    """Show what was looked at last; nothing where nobody knows, or it can't be shown."""
    if view is None or view.zoom is None:
        return
    if not np.isfinite([*view.point, *view.center, view.zoom]).all():
        return
    if len(view.point) == viewer.dims.ndim:
        viewer.dims.set_point(range(viewer.dims.ndim), view.point)
    if len(view.center) == len(viewer.scene.camera.center):
        viewer.scene.camera.center, viewer.scene.camera.zoom = view.center, view.zoom


def frame(
    viewer: Viewer, source: LayerSource, ref: ImageRef, region: tuple[slice, ...] = ()
) -> None:
    """Move the camera to an image, or a part of it.

    Parameters
    ----------
    viewer : napari.Viewer
    source : LayerSource
    ref : ImageRef
        One of its images; the sliders point at it.
    region : tuple of slice, optional
        Along (Z,) Y, X; all of the image without it.
    """
    region = region or tuple(slice(0, n) for n in ref.shape)
    part, position = dict(zip(SPATIAL[source.ndim], region, strict=True)), ref.position
    corners = [
        [
            float(getattr(part[axis], end)) if axis in part else float(position.get(axis, 0))
            for axis in source.axes
        ]
        for end in ("start", "stop")
    ]
    low, high = (np.asarray(source.layer.data_to_world(corner)) for corner in corners)
    shown = [axis - viewer.dims.ndim for axis in viewer.dims.displayed]
    if len(shown) != 2:
        return
    middle, size = ((low + high) / 2)[shown], np.abs(high - low)[shown]
    camera = viewer.scene.camera
    camera.center = (0.0, *middle.tolist())
    # Some of what lies around it is seen, too.
    camera.zoom = 0.9 * min(np.array(_canvas(viewer)) / np.maximum(size, 1e-9))


def _canvas(viewer: Any) -> tuple[int, int]:
    """Height and width of the canvas in pixels of the screen."""
    native = viewer.window._qt_viewer.canvas.native  # noqa: SLF001
    return native.height(), native.width()


def face(viewer: Viewer) -> None:
    """Tell napari which way one looks in 3D, until the pointer does.

    Before the pointer moved over a 3D view, napari 0.9 doesn't know, and raises where it should
    tell the features of the object under the pointer, such as its confidence.
    """
    dims = viewer.dims
    if dims.ndisplay == 3 and viewer.cursor._view_direction is None:  # noqa: SLF001
        viewer.cursor._view_direction = (  # noqa: SLF001
            viewer.scene.camera.calculate_nd_view_direction(dims.ndim, dims.displayed)
        )
