"""How far a model's objects can be trusted, learned from images that it hasn't seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_nucleate.core.confidence.traits import NAMES, Traits
from napari_nucleate.core.metrics import agreement
from napari_nucleate.core.model import Model

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_nucleate.core.annotation import Annotation
    from napari_nucleate.core.predict import Compared


def trusted(
    model: Model,
    seen: Iterable[tuple[Compared, Annotation]],
) -> Model:
    """Give a model the confidence that fits to images it didn't learn from. Pure.

    Parameters
    ----------
    model : Model
        Its labels are objects.
    seen : iterable of (Compared, Annotation)
        What it draws of these images, and a person's labels of them. Objects that reach into
        pixels of which nothing is known don't count.

    Returns
    -------
    Model
        The same where there are too few objects.
    """
    target = model.recipe.target
    tables, right = [np.empty((0, len(NAMES)))], [np.empty(0, np.bool_)]
    compared = False
    for (maps, labels, alone), annotation in seen:
        traits = Traits.of(target.maps(maps), labels, alone)
        known = np.isin(traits.ids, labels[~annotation.known], invert=True)
        iou = agreement(labels, np.where(annotation.known, annotation.labels, 0))
        tables.append(traits.table[known])
        right.append(np.array([iou[int(i)] > 0.5 for i in traits.ids[known]], np.bool_))
        compared = traits.compared
    trust = model.card.trust.fitted(np.concatenate(tables), np.concatenate(right), compared)
    return Model(model.card.model_copy(update={"trust": trust}), model.weights)
