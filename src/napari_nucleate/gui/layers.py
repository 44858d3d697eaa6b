"""Between napari's layers and stacks: axes, places, and layers that lie where the image lies."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from napari.layers import Image
from napari.utils.transforms import CompositeAffine

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.images import (
    AXES,
    SPATIAL,
    ImageRef,
    NDim,
    Stack,
    as_file_name,
    fit,
    within,
)
from napari_nucleate.project.model import View

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from napari import Viewer
    from napari.layers import Labels, Layer, Shapes
    from numpy.typing import NDArray

Colour = Literal["channels", "grey"]
FILES, NAMES, SHAPES = "nucleate files", "nucleate names", "nucleate shapes"
"""In a layer's metadata: the files it was made of, one an image along its first axis, or one for
all; what their images are called, whatever the layer's name; and, where images have several sizes,
the shape of each, colours included: it lies at the beginning of each axis, and the rest is padding.
"""


def guess_axes(layer: Image | Labels) -> str:
    """Guess what the axes of an image or label layer are, from its labels and its shape.

    For a person to correct: a third axis is Z, because most stacks are.

    Returns
    -------
    str
        One letter an axis of `layer.data` without colours.
    """
    named = [label.upper()[:1] for label in layer.axis_labels]
    if set("YX") <= set(named) <= set(AXES) and len(set(named)) == len(named):
        return "".join(named)
    return {2: "YX", 3: "ZYX", 4: "TZYX", 5: "TCZYX"}.get(layer.ndim, "NTCZYX"[-layer.ndim :])


@dataclass(frozen=True)
class LayerSource:
    """An image or label layer read as a stack, and where its images lie in other layers.

    Parameters
    ----------
    layer : napari.layers.Image or Labels
    stack : Stack
        Over the layer's data; for colour images with the colours as last axis C.
    ndim : 2 or 3
        Dimensions of an image.
    colours : bool
        Whether the stack's last axis is the layer's colours.
    """

    layer: Image | Labels
    stack: Stack
    ndim: NDim
    colours: bool = False

    @classmethod
    def of(
        cls, layer: Image | Labels, axes: str, ndim: NDim, colour: Colour | None = None
    ) -> LayerSource:
        """Read a layer.

        Parameters
        ----------
        layer : napari.layers.Image or Labels
        axes : str
            One letter an axis, without colours.
        ndim : 2 or 3
        colour : {"channels", "grey"}, optional
            How a colour image is read; needed for one.

        Raises
        ------
        NucleateError
            If the axes don't fit, or a colour image comes without `colour`.
        """
        spatial = [a for a in axes if a in "ZYX"]
        if spatial != sorted(spatial, reverse=True):
            raise NucleateError(
                f"Axes {axes} of {layer.name!r} are out of order; Z, Y and X must follow "
                "each other, transpose the layer."
            )
        data, all_axes, scale, units = _read(layer, axes, colour)
        colours, axes = all_axes != axes, all_axes
        name, names = _names(layer, axes, data.shape)
        extents = _extents(layer, data.shape)
        stack = Stack(data, axes, scale, units, name=name, names=names, extents=extents)
        stack.images(ndim)
        return cls(layer, stack, ndim, colours)

    @property
    def axes(self) -> str:
        """Axes of the layer, without colours; also those of layers made for it."""
        # The stack knows: the layer may get pixels of other dimensions.
        return self.stack.axes[:-1] if self.colours else self.stack.axes

    def again(self) -> LayerSource:
        """Read the layer anew, after it got other pixels or another scale; images keep their names.

        Raises
        ------
        NucleateError
            If its pixels have another shape now: they are other images.
        """
        layer = self.layer
        colour: Colour = "channels" if self.colours else "grey"
        data, _, scale, units = _read(layer, self.axes, colour)
        if tuple(data.shape) != tuple(self.stack.data.shape):
            raise NucleateError(
                f"The pixels of {layer.name!r} were replaced by others of the shape "
                f"{tuple(data.shape)}, and {tuple(self.stack.data.shape)} is worked on."
            )
        return replace(self, stack=replace(self.stack, data=data, scale=scale, units=units))

    def apart(self, geometry: Mapping[str, Any]) -> LayerSource:
        """The same images in a layer of their own, for when theirs shows others; in no viewer yet.

        Parameters
        ----------
        geometry : mapping
            Where the images lay, see `geometry_of`.
        """
        stack = self.stack
        layer = Image(
            stack.data,
            name=f"{stack.name} (before)",
            rgb=self.colours,
            metadata={SHAPES: list(stack.extents)} if stack.extents else {},
            **geometry,
        )
        return replace(self, layer=layer)

    def sized_as(self, other: LayerSource) -> LayerSource:
        """The same, with the sizes of another layer's images where it knows none and is as large.

        So are layers made for images of several sizes: label layers, and what others made of them.
        """
        extents, fits = other.stack.extents, (self.axes, self.shape) == (other.axes, other.shape)
        if self.stack.extents or not extents or not fits:
            return self
        own = within(extents, self.stack.data.shape)
        return replace(self, stack=replace(self.stack, extents=own))

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of a label layer for all images: the layer's, one long where channels are."""
        sizes = zip(self.axes, self.stack.data.shape, strict=False)
        return tuple(1 if a == "C" else int(n) for a, n in sizes)

    def view(self, colour: Colour | None) -> View:
        """How the layer was read, to read it so again."""
        layer = self.layer
        return View(
            name=self.stack.name,
            files=tuple(map(_whole, layer.metadata.get(FILES) or [layer.source.path or ""])),
            axes=self.axes,
            shape=tuple(int(n) for n in pixels_of(layer).shape),
            shapes=_shapes(layer, pixels_of(layer).shape),
            colour=(colour or "") if getattr(layer, "rgb", False) else "",
            scale=tuple(float(s) for s in layer.scale),
            units=tuple(str(u) for u in layer.units),
        )

    def sizes(self) -> dict[str, Any]:
        """Metadata by which a label layer of `shape` knows the sizes of its images later on."""
        extents = within(self.stack.extents, self.shape)
        return {SHAPES: list(extents)} if extents else {}

    def place(self, ref: ImageRef) -> tuple[int | slice, ...]:
        """Index of an image in a label layer of `shape`; gives an array (*spatial).

        Of images of several sizes without their padding, as all that is told of an image.
        """
        position = {**ref.position, "C": 0}
        if not self.stack.extents:
            return tuple(position.get(a, slice(None)) for a in self.axes)
        sizes = self.stack.sizes(ref.position)
        return tuple(position.get(a, slice(sizes[a])) for a in self.axes)

    def beyond(self, where: Sequence[Any]) -> list[tuple[slice, ...]]:
        """Parts of a label layer of `shape`, around these pixels, that lie in no image: padding.

        Parameters
        ----------
        where : sequence
            Indices of the pixels, see `images_at`.

        Returns
        -------
        list of tuple of slice
            None where all images are of one size.
        """
        if not self.stack.extents:
            return []
        spans = [np.arange(n)[at] for n, at in zip(self.shape, where, strict=True)]
        if any(span.size == 0 for span in spans):
            return []
        box = [slice(int(span.min()), int(span.max()) + 1) for span in spans]
        parts = []
        for at in range(box[0].start, box[0].stop):
            sizes = self.stack.extents[at]
            for axis, part in enumerate(box[1:], 1):
                if self.axes[axis] != "C" and part.stop > sizes[axis - 1]:
                    rest = slice(max(part.start, sizes[axis - 1]), part.stop)
                    parts.append((slice(at, at + 1), *box[1:axis], rest, *box[axis + 1 :]))
        return parts

    def images_at(self, where: Sequence[Any]) -> list[ImageRef]:
        """Images that pixels of a label layer of `shape` lie in.

        Parameters
        ----------
        where : sequence
            Indices of the pixels along each axis of the layer, as numpy takes them: arrays of one
            shape, numbers or slices. Where they are mixed, images between may be among those found.
        """
        walked = [at for at, axis in enumerate(self.axes) if axis not in "C" + SPATIAL[self.ndim]]
        if not walked:
            return self.stack.images(self.ndim)
        names = [self.axes[at] for at in walked]
        along = tuple(where[at] for at in walked)
        if not all(isinstance(index, np.ndarray) for index in along):
            spans = (np.arange(self.shape[at])[where[at]] for at in walked)
            along = np.ix_(*(np.atleast_1d(span).ravel() for span in spans))
        seen = np.zeros([self.shape[at] for at in walked], bool)
        seen[along] = True
        refs = (
            ImageRef(self.stack, self.ndim, tuple(zip(names, place, strict=True)))
            for place in np.argwhere(seen).tolist()
        )
        return [ref for ref in refs if ref.exists]

    def planes_at(self, where: Sequence[Any], ref: ImageRef) -> list[int]:
        """Planes of a volume that pixels of a label layer lie in, see `images_at`; 0 if flat."""
        if self.ndim == 2:
            return [0]
        at = self.axes.index("Z")
        seen = np.zeros(self.shape[at], bool)
        seen[where[at]] = True
        return [int(z) for z in np.flatnonzero(seen[: ref.shape[0]])]

    def geometry(self) -> dict[str, Any]:
        """Scale, translate, units and axis labels for a layer of `shape`.

        The one plane of the channel axis is made as thick as all channels, so that it shows
        whichever channel is looked at.
        """
        result = geometry_of(self.layer)
        if "C" in self.axes:
            at = self.axes.index("C")
            count = self.stack.n_channels
            result["translate"][at] += result["scale"][at] * (count - 1) / 2
            result["scale"][at] *= count
        return result

    def geometry_at(self, ref: ImageRef, offset: tuple[int, ...] = ()) -> dict[str, Any]:
        """Geometry of a layer that holds one image only, or a region of it from `offset` on.

        Such a layer has the shape of the image with axes of length one before and between.
        """
        result = self.geometry()
        starts = dict(zip(SPATIAL[self.ndim], offset, strict=False)) | ref.position
        start = np.array([starts.get(a, 0) for a in self.axes], float)
        # What `translate` must be for pixel 0 to lie where pixel `start` of the whole layer lies:
        # turn and shear act on the shift too, before it.
        whole = CompositeAffine(
            result["scale"],
            result["translate"],
            rotate=result["rotate"],
            shear=result["shear"],
            ndim=len(start),
        )
        result["translate"] = whole(start)
        return result

    def expand(self, values: NDArray[Any]) -> NDArray[Any]:
        """Give an image's array (*spatial) axes of length one, for a layer at `geometry_at`."""
        kept = SPATIAL[self.ndim]
        return values[tuple(slice(None) if a in kept else np.newaxis for a in self.axes)]

    def in_view(self, viewer: Viewer) -> ImageRef:
        """The image that the sliders point at."""
        point = np.zeros(self.layer.ndim)
        # Without the layer, the viewer may have fewer dimensions.
        shown = np.asarray(viewer.dims.point, float)[-self.layer.ndim :]
        point[self.layer.ndim - len(shown) :] = shown
        index = np.round(self.layer.world_to_data(point)).astype(int)
        first = int(np.clip(index[0], 0, self.shape[0] - 1))
        sizes = self.stack.sizes({self.axes[0]: first})
        wanted = []
        for at, axis in enumerate(self.axes):
            if axis not in "C" + SPATIAL[self.ndim]:
                wanted.append((axis, int(np.clip(index[at], 0, sizes[axis] - 1))))
        return ImageRef(self.stack, self.ndim, tuple(wanted))

    def show(self, viewer: Viewer, ref: ImageRef) -> None:
        """Move the sliders to an image."""
        self.show_at(viewer, ref.position)

    def show_at(self, viewer: Viewer, position: Mapping[str, int]) -> None:
        """Move the sliders of these axes to these pixels."""
        index = np.zeros(self.layer.ndim)
        for axis, at in position.items():
            index[self.axes.index(axis)] = at
        world = np.asarray(self.layer.data_to_world(index))
        before = viewer.dims.ndim - self.layer.ndim
        for axis in position:
            at = self.axes.index(axis)
            viewer.dims.set_point(before + at, float(world[at]))


def pixels_of(layer: Image | Labels) -> Any:
    """The pixels of a layer; of one with several resolutions, the finest."""
    return layer.data[0] if layer.multiscale else layer.data


def corners_of(layer: Image | Labels) -> NDArray[np.float64]:
    """The two corners of what is seen of a layer, in its finest pixels; shape (2, layer.ndim)."""
    corners = np.asarray(layer.corner_pixels, float)
    if layer.multiscale:  # napari tells them in pixels of the resolution that is shown
        corners = corners * np.asarray(layer.downsample_factors)[layer.data_level]
    return corners


def geometry_of(layer: Layer) -> dict[str, Any]:
    """Where the pixels of a layer lie: what another layer is made with, to lie there too."""
    return {
        "scale": np.array(layer.scale, float),
        "translate": np.array(layer.translate, float),
        "rotate": np.array(layer.rotate, float),
        "shear": np.array(layer.shear, float),
        "affine": np.array(layer.affine.affine_matrix, float),
        "units": layer.units,
        "axis_labels": layer.axis_labels,
    }


def lay(layer: Layer, geometry: Mapping[str, Any]) -> None:
    """Move a layer to where another one lies, see `geometry_of`; what is right stays untouched."""
    now = geometry_of(layer)
    for name, value in geometry.items():
        same = now[name] == value if isinstance(value, tuple) else np.array_equal(now[name], value)
        if not same:
            setattr(layer, name, value)


def _read(
    layer: Image | Labels, axes: str, colour: Colour | None
) -> tuple[Any, str, tuple[float, ...], tuple[str, ...]]:
    """Pixels of a layer, their axes, scale and units; colours become channels or grey."""
    data = pixels_of(layer)
    scale = tuple(float(s) for s in layer.scale)
    units = tuple(str(u) for u in layer.units)
    if not getattr(layer, "rgb", False):  # label layers have no such property
        return data, axes, scale, units
    if colour is None:
        raise NucleateError(
            f"{layer.name!r} is a colour image; say whether its colours are channels or "
            "it is read as grey."
        )
    data = _lazy(data)[..., :3]
    if colour == "grey":
        return data.mean(-1), axes, scale, units
    return data, axes + "C", (*scale, 1.0), (*units, "pixel")


def _names(layer: Image | Labels, axes: str, shape: Sequence[int]) -> tuple[str, tuple[str, ...]]:
    """What a layer's images are called: together, and one by one where names tell them apart."""
    given = tuple(layer.metadata.get(NAMES, ()))
    if len(given) == 1:  # napari may have added a number to the layer's
        return given[0], ()
    different = {as_file_name(name).lower() for name in given}
    count = shape[0] if axes[0] == "N" else 0
    return layer.name, given if count > 1 and len(different) == len(given) == count else ()


def _shapes(layer: Image | Labels, shape: Sequence[int]) -> tuple[tuple[int, ...], ...]:
    """Shapes of a layer's images, colours included; none where they are of one size."""
    shapes = tuple(tuple(int(n) for n in one) for one in layer.metadata.get(SHAPES, ()))
    # A layer may have got other pixels since.
    return shapes if shapes and fit(shapes, shape) else ()


def _extents(layer: Image | Labels, shape: Sequence[int]) -> tuple[tuple[int, ...], ...]:
    """Sizes of a layer's images, as a stack of this shape takes them: colours may be grey now."""
    return within(_shapes(layer, pixels_of(layer).shape), shape)


def file_of(layer: Image | Labels, ref: ImageRef) -> str:
    """Path of the file that an image of a layer came from; empty where it came from none."""
    files = layer.metadata.get(FILES) or [layer.source.path or ""]
    # Files lie along the first axis, whatever the person says that it is.
    at = ref.position.get(ref.stack.axes[0], 0) if len(files) > 1 else 0
    return _whole(files[at])


def _whole(path: str) -> str:
    return str(Path(path).resolve()) if path else ""


def add_annotation(viewer: Viewer, source: LayerSource, name: str = "annotation") -> Labels:
    """Add an empty label layer over all images, ready to paint."""
    empty = np.zeros(source.shape, np.int32)
    layer = viewer.add_labels(empty, name=name, metadata=source.sizes(), **source.geometry())
    layer.n_edit_dimensions = source.ndim
    layer.brush_size = 12
    return layer


def boxes_of(shapes: Shapes | None, source: LayerSource, ref: ImageRef) -> list[Any]:
    """Corners ((start, ...), (stop, ...)) of the rectangles drawn on one image, in pixels."""
    if shapes is None:
        return []
    position = ref.position
    walked = [source.axes.index(a) for a in position]
    kept = [source.axes.index(a) for a in SPATIAL[source.ndim]]
    boxes = []
    for vertices in shapes.data:
        corners = np.asarray(vertices)
        on = all(round(float(corners[0, at])) == position[source.axes[at]] for at in walked)
        if on:
            low, high = corners[:, kept].min(0), corners[:, kept].max(0)
            # A rectangle drawn on one plane of a volume knows that plane.
            high = np.where(high - low < 1, low + 1, high)
            beside = source.stack.extents and (low >= ref.shape).any()  # in padding only
            boxes += [] if beside else [(low.tolist(), high.tolist())]
    return boxes


def add_boxes(shapes: Shapes, source: LayerSource, ref: ImageRef, boxes: Iterable[Any]) -> None:
    """Draw rectangles on one image, in planes that it has: the inverse of `boxes_of`."""
    y, x = (source.axes.index(a) for a in "YX")
    depth = ref.shape[0] if source.ndim == 3 else 0
    for low, high in boxes:
        # A rectangle lies in one plane: of a box in a volume there is one in each of its planes.
        planes = range(max(0, int(low[0])), min(depth, math.ceil(high[0]))) if depth else (None,)
        for plane in planes:
            corners = np.zeros((4, len(source.axes)))
            for axis, at in ref.position.items():
                corners[:, source.axes.index(axis)] = at
            if plane is not None:
                corners[:, source.axes.index("Z")] = plane
            corners[:, y], corners[:, x] = low[-2], low[-1]
            corners[1:3, y] = high[-2]
            corners[2:, x] = high[-1]
            shapes.add_rectangles(corners)


def _lazy(data: Any) -> Any:
    """Slice without reading: numpy and dask do, other arrays are wrapped."""
    if isinstance(data, np.ndarray) or hasattr(data, "dask"):
        return data
    import dask.array

    return dask.array.from_array(data)
