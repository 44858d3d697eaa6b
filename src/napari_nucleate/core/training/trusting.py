"""How far a model's objects can be trusted, by images that it didn't learn from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_nucleate.core.confidence.traits import ALMOST, NAMES, Traits, unevenness
from napari_nucleate.core.metrics import agreement
from napari_nucleate.core.model import Model

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_nucleate.core.annotation import Annotation
    from napari_nucleate.core.patches import Example
    from napari_nucleate.core.predict import Compared
    from napari_nucleate.core.recipe import Recipe

    Known = tuple[NDArray[np.float64], NDArray[np.float64]]


def known_objects(model: Model, compared: Compared, annotation: Annotation) -> Known:
    """What is known of a model's objects in an image that it didn't learn from. Pure.

    Parameters
    ----------
    model : Model
        Its labels are objects.
    compared : Compared
        What it makes of the image.
    annotation : Annotation
        A person's labels of it. Objects that reach into pixels of which nothing is known are left
        out.

    Returns
    -------
    ndarray of float, shape (n, len(NAMES)), and ndarray of float, shape (n,)
        `Traits.table`, and the IoU with the true object that each matches best.
    """
    maps, labels, alone, pixels = compared
    traits = Traits.of(model.recipe.target.maps(maps), labels, alone, pixels)
    known = np.isin(traits.ids, labels[~annotation.known], invert=True)
    best = agreement(labels, np.where(annotation.known, annotation.labels, 0))
    return traits.table[known], np.array([best[int(i)] for i in traits.ids[known]], np.float64)


def usual_unevenness(recipe: Recipe, examples: Sequence[Example]) -> float | None:
    """How uneven half of a person's own objects are at most, see `Traits`. Pure.

    Parameters
    ----------
    recipe : Recipe
        Whose normalisation images have.
    examples : sequence of Example
        A person's, of objects.

    Returns
    -------
    float or None
        None where there is no object.
    """
    found = [np.empty(0)]
    for example in examples:
        labels, known = example.annotation.labels, example.annotation.known
        ids = np.unique(labels[labels > 0])
        # What isn't known is neither an object nor its surroundings.
        unknown = np.int32(labels.max(initial=0) + 1)
        drawn = np.where(known, labels, unknown).astype(np.int32)
        pixels = recipe.normalisation.apply(example.image)
        found.append(unevenness(pixels, drawn, ids[np.isin(ids, drawn)]))
    every = np.concatenate(found)
    return float(np.clip(np.median(every), ALMOST, 1)) if every.size else None


def trusted(model: Model, images: Sequence[Known]) -> Model:
    """Give a model the confidence that fits to images it didn't learn from. Pure.

    Parameters
    ----------
    model : Model
    images : sequence
        By `known_objects`.

    Returns
    -------
    Model
        The same where there are too few objects.
    """
    tables = [np.empty((0, len(NAMES))), *(table for table, _ in images)]
    ious = [np.empty(0), *(iou for _, iou in images)]
    trust = model.card.trust.fitted(np.concatenate(tables), np.concatenate(ious))
    return Model(model.card.model_copy(update={"trust": trust}), model.weights)
