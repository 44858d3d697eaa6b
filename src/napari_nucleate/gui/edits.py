"""Edits of a Labels layer: which pixels of which image, and each as one step of its history."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.images import SPATIAL, NDim
from napari_nucleate.gui.axes import MADE, axes_of
from napari_nucleate.gui.live import NAME as LIVE
from napari_nucleate.gui.scores import ledger_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari import Viewer
    from napari.layers import Labels
    from numpy.typing import NDArray

    from napari_nucleate.core.instances.edit import Edit
    from napari_nucleate.gui.session import Session

    Pixel = tuple[int, ...]


def why_not(session: Session, layer: Labels | None) -> str:
    """Say why a layer can't be corrected; empty if it can."""
    if layer is None:
        return "Corrections need a Labels layer: paint one, split a mask, or predict first."
    name = repr(layer.name)
    if layer is session.prediction:
        return (
            f"The program draws {name} anew with every prediction, and corrections would be lost "
            "there; correct a copy."
        )
    if layer.multiscale:
        return f"{name} has several resolutions, napari can't edit it; correct a copy."
    if hasattr(layer.data, "dask"):
        return f"{name} is read from the disk as it is looked at; correct a copy in memory."
    if not layer.editable and layer.name == LIVE:
        return f"{name} is drawn anew whenever the view moves; correct a copy."
    if not layer.editable:
        return f"{name} is locked; correct a copy."
    if not set("YX") <= set(axes_of(session, layer)):
        return f"{name} has no Y and X axes; choose another layer."
    return ""


def copy_of(session: Session, layer: Labels, ndim: NDim) -> Labels:
    """Add a copy of a layer that can be corrected, with its objects' features."""
    viewer = session.viewer
    data = layer.data[0] if layer.multiscale else layer.data
    copy = viewer.add_labels(
        np.array(data),
        name=f"{layer.name} corrected",
        features=layer.features.copy(),
        metadata={**layer.metadata, MADE: {"axes": axes_of(session, layer), "ndim": ndim}},
        scale=layer.scale,
        translate=layer.translate,
        rotate=layer.rotate,
        shear=layer.shear,
        affine=layer.affine,
        units=layer.units,
        axis_labels=layer.axis_labels,
        opacity=layer.opacity,
    )
    copy.n_edit_dimensions = ndim
    layer.visible = False
    return copy


class Editor:
    """Changes a Labels layer image by image.

    Parameters
    ----------
    session : Session
    layer : napari.layers.Labels
        One that can be corrected, see `why_not`.
    ndim : 2 or 3
        Dimensions of an image; all other axes are walked along.
    """

    def __init__(self, session: Session, layer: Labels, ndim: NDim) -> None:
        self._viewer: Viewer = session.viewer
        self.layer = layer
        axes = axes_of(session, layer)
        self.spatial = [at for at, axis in enumerate(axes) if axis in SPATIAL[ndim]]
        """Axes of the layer that are an image's."""
        source, shape = session.source, tuple(layer.data.shape)
        ours = source is not None and (axes, shape) == (source.axes, source.shape)
        # Sizes of the project's images, where they have several.
        self.extents = source.stack.extents if source is not None and ours else ()

    @property
    def spacing(self) -> NDArray[np.float64]:
        """Pixel size along the axes of an image."""
        return np.abs(np.asarray(self.layer.scale, float))[self.spatial]

    @property
    def largest(self) -> int | None:
        """The largest label of all images, where it is in memory: numbers stay unique."""
        data = self.layer.data
        return int(data.max()) if isinstance(data, np.ndarray) else None

    # -- places ---------------------------------------------------------------------------

    def position(self, world: Sequence[float], direction: Any = None) -> NDArray[np.float64]:
        """Where in the layer's data a position in the world is; in 3D what the ray hits first.

        Raises
        ------
        NucleateError
            If the ray hits no object.
        """
        displayed = self._displayed()
        if len(displayed) == 2:
            return np.asarray(self.layer.world_to_data(np.asarray(world, float)), float)
        start, end = self.layer.get_ray_intersections(
            np.asarray(world)[-self.layer.ndim :],
            np.asarray(direction)[-self.layer.ndim :],
            displayed,
            world=True,
        )
        if start is not None and end is not None:
            steps = int(2 * np.abs(end - start).max()) + 2
            along = np.linspace(start, end, steps)
            pixels = np.clip(np.round(along).astype(int), 0, np.array(self.layer.data.shape) - 1)
            hits = np.flatnonzero(np.asarray(self.layer.data[tuple(pixels.T)]))
            if hits.size:
                return pixels[hits[0]].astype(float)
        raise NucleateError("There is no object under the pointer.")

    def pixel(self, position: Sequence[float] | NDArray[np.float64]) -> Pixel:
        """The pixel of the layer at a position in its data.

        Raises
        ------
        NucleateError
            If it lies outside.
        """
        at = tuple(int(p) for p in np.round(position))
        shape = self.shape_at(at)
        if not all(0 <= p < n for p, n in zip(at, shape, strict=True)):
            raise NucleateError(f"The pointer is outside {self.layer.name!r}; point at an object.")
        return at

    def pointed(self) -> Pixel:
        """The pixel under the pointer."""
        viewer = self._viewer
        ndim, displayed = viewer.dims.ndim, viewer.dims.displayed
        direction = viewer.scene.camera.calculate_nd_view_direction(ndim, displayed)
        return self.pixel(self.position(viewer.cursor.position, direction))

    def in_view(self) -> Pixel:
        """A pixel of the image that the sliders point at."""
        at = np.round(self.layer.world_to_data(np.asarray(self._viewer.dims.point, float)))
        return tuple(np.clip(at.astype(int), 0, np.array(self.shape_at(at)) - 1).tolist())

    def shape_at(self, position: Sequence[float] | NDArray[np.float64]) -> tuple[int, ...]:
        """Shape of the layer; without padding, if the images there have several sizes."""
        shape = tuple(int(n) for n in self.layer.data.shape)
        if not self.extents:
            return shape
        first = int(np.clip(np.round(position[0]), 0, shape[0] - 1))
        return (shape[0], *map(min, self.extents[first], shape[1:]))

    def place(self, pixel: Pixel) -> tuple[int | slice, ...]:
        """Index of the image that a pixel lies in."""
        sizes = self.shape_at(pixel) if self.extents else (None,) * len(pixel)
        return tuple(
            slice(sizes[at]) if at in self.spatial else position
            for at, position in enumerate(pixel)
        )

    def inside(self, positions: Any) -> NDArray[np.float64]:
        """Positions in the layer as positions in their image, (K, ndim)."""
        return np.asarray(positions, float)[:, self.spatial]

    def through(self) -> int:
        """The axis of an image along which one looks, for lines drawn on what is shown.

        Raises
        ------
        NucleateError
            If a line on the screen doesn't lie in one plane of an image.
        """
        displayed = self._displayed()
        if len(displayed) != 2:
            raise NucleateError("A line can't be drawn in the 3D view; go back to 2D with Ctrl+Y.")
        if not set(displayed) <= set(self.spatial):
            raise NucleateError("Turn the view so that Y and X are shown, with Ctrl+E.")
        hidden = [k for k, at in enumerate(self.spatial) if at not in displayed]
        return hidden[0] if hidden else 0

    def _displayed(self) -> list[int]:
        before = self._viewer.dims.ndim - self.layer.ndim
        return [axis - before for axis in self._viewer.dims.displayed]

    # -- changes --------------------------------------------------------------------------

    def apply(self, pixel: Pixel, make: Callable[[NDArray[Any]], Edit]) -> Edit:
        """Change the image of a pixel, in one step that Ctrl+Z undoes; its scores follow.

        Raises
        ------
        NucleateError
            If it can't be done; nothing is changed then.
        """
        place = self.place(pixel)
        image = np.asarray(self.layer.data[place])
        edit = make(image)
        inside, values = edit.changes(image)
        before = image[inside]
        found = iter(inside)
        where = tuple(
            next(found) if at in self.spatial else np.full(len(values), position)
            for at, position in enumerate(pixel)
        )
        ledger = ledger_of(self.layer)
        # napari can't edit what it doesn't draw, and nothing changes unseen.
        self.layer.visible = True
        with self.layer.block_history():
            self.layer.data_setitem(where, values)
        ledger.enter(edit, where, before, values)
        return edit
