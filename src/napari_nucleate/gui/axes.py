"""The axes of any layer: those of the project, those it was made with, or a guess."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.gui.layers import LayerSource, guess_axes

if TYPE_CHECKING:
    from napari.layers import Image, Labels

    from napari_nucleate.core.images import NDim
    from napari_nucleate.gui.session import Session

MADE = "nucleate"
"""Under this key a layer's metadata says its axes and the dimensions of its images."""


def source_of(session: Session, layer: Image | Labels, ndim: NDim) -> LayerSource:
    """Read any layer as a stack of images with `ndim` dimensions.

    Raises
    ------
    NucleateError
        If it is empty, a colour image, or has no third dimension for 3D.
    """
    shape = layer.data[0].shape if layer.multiscale else layer.data.shape
    if 0 in shape:
        raise NucleateError(f"{layer.name!r} is empty; choose another layer.")
    if getattr(layer, "rgb", False):
        raise NucleateError(f"{layer.name!r} is a colour image; choose labels or a mask.")
    source = LayerSource.of(layer, axes_of(session, layer), ndim)
    return source if session.source is None else source.sized_as(session.source)


def axes_of(session: Session, layer: Image | Labels) -> str:
    """Axes of a layer: the project's where it belongs to it, what it was made with, or a guess."""
    if session.source is not None and _of_project(session, layer):
        return session.source.axes
    made = layer.metadata.get(MADE, {})
    return str(made["axes"]) if made and len(made["axes"]) == layer.ndim else guess_axes(layer)


def usual_ndim(session: Session, layer: Image | Labels) -> NDim:
    """Dimensions that a layer's images most likely have: 3 where an axis is named Z."""
    if session.source is not None and _of_project(session, layer):
        return session.source.ndim
    made = layer.metadata.get(MADE, {})
    if made:
        return 3 if made["ndim"] == 3 else 2
    return 3 if any(label.lower().startswith("z") for label in layer.axis_labels) else 2


def _of_project(session: Session, layer: Any) -> bool:
    ours = (session.prediction, session.annotation, session.source and session.source.layer)
    return any(layer is other for other in ours)
