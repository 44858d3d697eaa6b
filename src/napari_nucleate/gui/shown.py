"""Layers that the program makes and redraws; the person's own are never among them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_nucleate.gui.active import staying
from napari_nucleate.gui.axes import MADE
from napari_nucleate.gui.features import raised, tables_of
from napari_nucleate.gui.layers import lay

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Image, Labels

    from napari_nucleate.core.events import Prediction, Preview
    from napari_nucleate.core.images import ImageRef
    from napari_nucleate.gui.layers import LayerSource


def show_prediction(
    viewer: Viewer, source: LayerSource, layer: Labels | None, ref: ImageRef, event: Prediction
) -> Labels:
    """Write predicted labels into the layer of predictions, made where there is none.

    Its features tell of all objects; therefore labels are unique in the layer, unless they are
    classes.

    Returns
    -------
    napari.layers.Labels
        The layer.
    """
    if layer is None:
        empty = np.zeros(source.shape, np.int32)
        with staying(viewer):
            layer = viewer.add_labels(
                empty,
                name="prediction",
                opacity=0.5,
                metadata=source.sizes(),
                **source.geometry(),
            )
        # The next prediction redraws it: nobody's painting may be lost there.
        layer.editable = False
    by = tables_of(layer).put(event.key, event.instances, event.scores.objects)
    layer.data[source.place(ref)] = raised(event.labels, by)
    if source.in_view(viewer).key == ref.key:
        layer.refresh()
    return layer


def show_preview(
    viewer: Viewer, source: LayerSource, layer: Image | None, ref: ImageRef, event: Preview
) -> Image:
    """Draw what a learning network makes of the region in view, over that region.

    Returns
    -------
    napari.layers.Image
        The layer.
    """
    values = source.expand(event.foreground)
    geometry = source.geometry_at(ref, event.offset)
    if layer is None:
        with staying(viewer):
            layer = viewer.add_image(
                values,
                name="preview",
                colormap="green",
                blending="additive",
                opacity=0.5,
                # What the network doesn't believe in stays clear, so that the cells can be seen.
                contrast_limits=(0.3, 1),
                # From the start on: docks list the layer before anybody else knows of it.
                metadata={MADE: {"axes": source.axes, "ndim": source.ndim}},
                **geometry,
            )
    else:
        layer.data = values
        lay(layer, geometry)
    return layer
