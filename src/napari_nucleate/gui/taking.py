"""Label layers that a person has already, taken over as labels to learn from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Labels

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.gui.live import NAME as LIVE
from napari_nucleate.project.model import HUMAN

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_nucleate.gui.layers import LayerSource
    from napari_nucleate.gui.session import Session


def fitting(session: Session) -> list[Labels]:
    """Label layers with a pixel for each of the images', but those that the program draws."""
    source = session.source
    if source is None:
        return []
    ours = (session.annotation, session.prediction)
    return [
        layer
        for layer in session.viewer.layers
        if isinstance(layer, Labels)
        and not any(layer is other for other in ours)
        and not layer.multiscale
        and layer.name != LIVE
        and tuple(layer.data.shape) in _shapes(source)
    ]


def take_labels(session: Session, layer: Labels) -> str:
    """Paint the labels of a layer on the annotation layer, in one step of its history.

    Images that a person labelled already stay as they are. Where only painted pixels count, objects
    get labels from 2 on: 1 is background there.

    Returns
    -------
    str
        What was done, for the person.

    Raises
    ------
    NucleateError
        If there is nothing to take over, or labels are too large.
    """
    source, annotation = session.source, session.annotate()
    if source is None or tuple(layer.data.shape) not in _shapes(source):
        raise NucleateError(f"{layer.name!r} isn't of the images' size; choose another layer.")
    session.strokes.refresh()
    data, first = layer.data.reshape(source.shape), int(session.state.known == "sparse")
    taken, kept = {}, 0
    for item in session.state.items:
        place = source.place(session.ref(item.key))
        labels = np.asarray(data[place])
        if not labels.any():
            continue
        if item.status in HUMAN:
            kept += 1
            continue
        _check(layer, labels, annotation)
        taken[item.key] = place
    already = f"; {kept} labelled already stay(s) as they are." if kept else "."
    if not taken:
        raise NucleateError(f"There is nothing to take over from {layer.name!r}{already}")
    # Every image was looked at before the first is painted: what can't be taken changes nothing.
    with annotation.block_history():
        for place in taken.values():
            labels = np.asarray(data[place])
            where = iter(np.nonzero(labels))
            index = tuple(next(where) if isinstance(at, slice) else at for at in place)
            values = labels[labels != 0].astype(annotation.data.dtype) + first
            annotation.data_setitem(tuple(np.broadcast_arrays(*index)), values, refresh=False)
    annotation.refresh()
    for key in taken:
        session.strokes.note(key)
    session.strokes.refresh(*taken)
    return f"{len(taken)} image(s) have the labels of {layer.name!r} now{already}"


def _shapes(source: LayerSource) -> list[tuple[int, ...]]:
    """Shapes of label layers that fit: with one plane where the image has channels, or without."""
    shape = source.shape
    flat = tuple(n for n, axis in zip(shape, source.axes, strict=True) if axis != "C")
    return [shape, flat]


def _check(layer: Labels, labels: NDArray[Any], annotation: Labels) -> None:
    largest = np.iinfo(annotation.data.dtype).max - 1
    if labels.min() < 0:
        raise NucleateError(
            f"{layer.name!r} has the label {labels.min()}; 0 is background, objects are above."
        )
    if labels.max() > largest:
        raise NucleateError(
            f"{layer.name!r} has the label {labels.max()}, and {largest} is the largest that can "
            "be painted; number its objects anew."
        )
