"""Seeds that a person put into a Points or Labels layer, as pixels of the images that are split."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Labels, Points

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.images import SPATIAL
from napari_nucleate.core.instances.evidence import outside, seeds_at
from napari_nucleate.gui.widgets import follow
from napari_nucleate.io.scratch import scratch

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray
    from qtpy.QtCore import QObject

    from napari_nucleate.core.images import ImageRef
    from napari_nucleate.gui.layers import LayerSource

    Region = tuple[slice, ...]

EVENTS = ("data", "set_data", "paint", "labels_update", "scale", "translate", "affine")
"""What tells that seeds were changed or moved; layers have some of these each."""


class PointSeeds:
    """The points of a layer, each a seed; a copy, so that a thread can read it.

    Where the layer has fewer dimensions than what is split, as points on a plane have for a time
    series, its points are seeds in every image.

    Parameters
    ----------
    layer : napari.layers.Points
    source : LayerSource
        Of what is split.

    Raises
    ------
    NucleateError
        If points have no position along an axis of the images.
    """

    def __init__(self, layer: Points, source: LayerSource) -> None:
        self._source = source
        self._places = _in_pixels(layer, source)
        missing = source.layer.ndim - layer.ndim
        lacking = [a for a in source.axes[: max(missing, 0)] if a in SPATIAL[source.ndim]]
        if lacking:
            raise NucleateError(
                f"The points in {layer.name!r} have no {lacking[0]}; add a Points layer with "
                f"{source.layer.ndim} dimensions for seeds."
            )
        self.count = len(self._places)
        self.outside = self._count_outside()
        """So many lie in none of the images."""

    def keep(self, folder: Path | None = None) -> None:
        """Read no more from the layer; points are copies already."""

    def labels(self, ref: ImageRef, shape: tuple[int, ...], region: Region) -> NDArray[np.int32]:
        """Draw the seeds of a region of an image; `shape` is the region's."""
        places, axes = self._places, self._source.axes
        on = np.ones(len(places), bool)
        for axis, at in ref.index:
            along = places[:, axes.index(axis)]
            on &= np.isnan(along) | (np.round(np.nan_to_num(along)) == at)
        spatial = [axes.index(axis) for axis in SPATIAL[ref.ndim]]
        points = np.where(on[:, np.newaxis], places[:, spatial], np.nan)
        return seeds_at(points, shape, tuple(part.start or 0 for part in region))

    def _count_outside(self) -> int:
        axes, stack = self._source.axes, self._source.stack
        spatial = [axes.index(axis) for axis in SPATIAL[self._source.ndim]]
        others = set(range(self._source.layer.ndim)) - set(spatial)
        first = np.nan_to_num(np.round(self._places[:, 0])).clip(0, stack.data.shape[0] - 1)
        beyond = np.zeros(len(self._places), bool)
        for one in np.unique(first):  # images along the first axis may have several sizes
            here = first == one
            sizes = list(stack.sizes({axes[0]: int(one)}).values())
            places = self._places[here]
            astray = outside(places[:, spatial], tuple(sizes[at] for at in spatial))
            for at in others:
                along = np.round(places[:, at])
                astray |= (along < 0) | (along >= sizes[at])
            beyond[here] = astray
        return int(np.count_nonzero(beyond))


class LabelSeeds:
    """The labels of a layer, each a seed, whatever number of pixels it has.

    Parameters
    ----------
    layer : napari.layers.Labels
        Of the shape of what is split, or of one image of it.
    source : LayerSource
        Of what is split.

    Raises
    ------
    NucleateError
        If the shape is neither.
    """

    def __init__(self, layer: Labels, source: LayerSource) -> None:
        self._source = source
        self._data = layer.data[0] if layer.multiscale else layer.data
        shape, whole = tuple(self._data.shape), tuple(source.stack.data.shape)[: source.layer.ndim]
        one = tuple(n for a, n in zip(source.axes, whole, strict=True) if a in SPATIAL[source.ndim])
        if shape not in (whole, one):
            raise NucleateError(
                f"The seeds {layer.name!r} have shape {shape}, {source.layer.name!r} has {whole}; "
                "choose seeds of the same image."
            )
        self._whole = shape == whole
        self.count: int | None = None
        self.outside = 0

    def keep(self, folder: Path | None = None) -> None:
        """Read no more from the layer, whose pixels a person may change; only files are read on.

        Parameters
        ----------
        folder : Path, optional
            Where the copy lies if the memory may be too small.
        """
        if isinstance(self._data, np.ndarray) and self._data.flags.writeable:
            kept = scratch(self._data.shape, self._data.dtype, folder)
            kept[...] = self._data
            self._data = kept

    def labels(self, ref: ImageRef, shape: tuple[int, ...], region: Region) -> NDArray[Any]:
        """Read the seeds of a region of an image; `shape` is the region's."""
        del shape
        place = self._source.place(ref) if self._whole else tuple(map(slice, ref.shape))
        parts = iter(region)
        where = tuple(next(parts, p) if isinstance(p, slice) else p for p in place)
        return np.asarray(self._data[where])


Seeds = PointSeeds | LabelSeeds


def seeds_of(layer: Points | Labels | None, source: LayerSource) -> Seeds | None:
    """Take a layer as seeds; None without one.

    Raises
    ------
    NucleateError
        If it doesn't fit what is split.
    """
    if layer is None:
        return None
    return PointSeeds(layer, source) if isinstance(layer, Points) else LabelSeeds(layer, source)


def watch(owner: QObject, layer: Points | Labels, changed: Callable[..., Any]) -> None:
    """Call back when the seeds in a layer change, until the Qt object `owner` is destroyed."""
    for name in EVENTS:
        emitter = getattr(layer.events, name, None)
        if emitter is not None:
            follow(owner, emitter, changed)


def in_words(count: int) -> str:
    """Say how many seeds are no help; nothing for 0.

    Examples
    --------
    >>> in_words(1), in_words(2), in_words(0)
    (' 1 seed lies outside the mask.', ' 2 seeds lie outside the mask.', '')
    """
    if not count:
        return ""
    return f" {count} seed{'s' * (count != 1)} {'lie' if count != 1 else 'lies'} outside the mask."


def _in_pixels(layer: Points, source: LayerSource) -> NDArray[np.float64]:
    """Points (n, axes of what is split) in pixels of it; NaN along axes that the layer lacks."""
    ndim = source.layer.ndim
    world = np.asarray(layer._data_to_world(np.asarray(layer.data, float)))  # noqa: SLF001
    world = world.reshape(-1, layer.ndim)[:, -ndim:]
    missing = ndim - world.shape[1]
    padded = np.pad(world, ((0, 0), (missing, 0)))
    places = np.asarray(source.layer._data_to_world.inverse(padded), float)  # noqa: SLF001
    places = places.reshape(-1, ndim)
    places[:, :missing] = np.nan
    return places
