"""Pseudo-labels: what of a prediction is sure enough to be learned from."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from napari_nucleate.core.annotation import Annotation
from napari_nucleate.core.instances.found import DIGITS
from napari_nucleate.core.patches import Example
from napari_nucleate.core.zoom import diameters, measured_diameter

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from napari_nucleate.core.events import Prediction
    from napari_nucleate.core.recipe import Recipe
    from napari_nucleate.core.rounds import SelfTraining
    from napari_nucleate.core.targets.base import TargetBase

SURROUNDINGS = 2
"""So many pixels around an object that isn't learned are unknown as well; at the network's size."""

MOST = 64
"""So many predicted images are learned from at once, where nobody says how many: memory has to
hold them. More than a person labelled help more: of 60 images 57 brought a network of four
labelled ones (dsb2018_fluo) from a mean AP of 0.596 to 0.611, the best four of them to 0.593."""

MOST_PIXELS = 5e7
"""So many of their pixels: labels, normalised image and where objects are take some 2 GB."""

SURE_SHARE = 1 / 4
"""Where a smaller share of the objects is sure, the rest of an image teaches to find nothing."""

LEAST_OF_CLASSES = 0.4
"""Of classes no single object can be doubted: below this confidence of the image none are
learned."""


class PseudoLabel(NamedTuple):
    """Labels to learn from.

    Parameters
    ----------
    annotation : Annotation
        The sure objects. Unknown is what may be another object, or part of one.
    ignored : ndarray of bool, shape (*spatial)
        Pixels about which nobody is sure on which side of an edge they lie. They are known, so that
        it is known where the object ends, but nothing is learned from them.
    """

    annotation: Annotation
    ignored: NDArray[np.bool_]

    @property
    def objects(self) -> int:
        """How many objects are sure; where labels are classes, how many of these there are."""
        return self.annotation.n_objects


def usual_diameter(recipe: Recipe, labelled: Iterable[Example]) -> float:
    """Median diameter of a person's objects in pixels, to compare predicted ones with. Pure.

    0 where that says nothing: of volumes, and where labels are classes.
    """
    if not recipe.flat_objects:
        return 0.0
    return measured_diameter([example.annotation for example in labelled])


def pseudo_label(
    prediction: Prediction, recipe: Recipe, options: SelfTraining, diameter: float = 0.0
) -> PseudoLabel:
    """Turn a prediction into labels to learn from; everything doubtful becomes unknown. Pure.

    Doubtful are objects of low confidence, and those much wider or narrower than a person's. In
    them, in their surroundings, and in bright pixels that became no object, nothing is known. At
    edges nothing is learned: what a network draws there is noise (Wang et al. 2022).

    Parameters
    ----------
    prediction : Prediction
    recipe : Recipe
        Of the model that predicted.
    options : SelfTraining
    diameter : float
        Median of a person's objects in pixels, see `usual_diameter`; 0 where it isn't known.
    """
    maps, target = prediction.maps.astype(np.float32), recipe.target
    labels = prediction.labels.astype(np.int32)
    if target.semantic:
        # A class isn't found or missed as an object is: pixels alone are sure or doubtful.
        likely = np.sort(maps, axis=0)
        known = likely[-1] - likely[-2] >= options.margin
        return PseudoLabel(Annotation(labels, known), np.zeros(labels.shape, bool))
    foreground = target.maps(maps).foreground
    doubtful = np.isin(labels, _doubtful(prediction, options, diameter))
    bright = (labels == 0) & (foreground >= 0.5)
    # Thresholds lie above one half: what is bright beside an object is its soft edge.
    around = math.ceil(SURROUNDINGS / recipe.zoom)
    edge = bright & _dilated(labels > 0, around)
    lost = bright & ~edge
    labels = np.where(doubtful, 0, labels)
    unknown = lost | (_dilated(doubtful, around) & (labels == 0))
    ignored = edge | (np.abs(2 * foreground - 1) < options.margin)
    return PseudoLabel(Annotation(labels, ~unknown), ignored & ~unknown)


def label_worth_learning(
    prediction: Prediction, recipe: Recipe, options: SelfTraining, diameter: float = 0.0
) -> PseudoLabel | None:
    """The label of a prediction, see `pseudo_label`; None where too little of it is sure. Pure."""
    least = max(options.least, LEAST_OF_CLASSES if recipe.target.semantic else 0)
    if prediction.scores.image < least:
        return None
    label = pseudo_label(prediction, recipe, options, diameter)
    return label if worth_learning(prediction, label, recipe.target) else None


def worth_learning(prediction: Prediction, label: PseudoLabel, target: TargetBase) -> bool:
    """Whether enough of a prediction is sure. Pure."""
    if target.semantic:
        return bool(label.annotation.known.any())
    return label.objects >= max(1, SURE_SHARE * len(prediction.scores.objects))


def pseudo_example(
    key: str, image: NDArray[np.generic], label: PseudoLabel, options: SelfTraining
) -> Example:
    """An image with its pseudo-label, as training data. Pure."""
    return Example(key, image, label.annotation, options.weight, pseudo=True, ignored=label.ignored)


def _doubtful(prediction: Prediction, options: SelfTraining, diameter: float) -> list[int]:
    """The objects that aren't to be learned."""
    # As it is written: read again, the same prediction makes the same labels.
    unsure = {i for i, c in prediction.scores.objects.items() if round(c, DIGITS) < options.sure}
    if diameter and prediction.labels.ndim == 2:
        sizes = np.bincount(prediction.labels.ravel())
        relative = diameters(sizes) / diameter
        odd = (relative > options.sizes) | (relative < 1 / options.sizes)
        unsure |= {int(i) for i in np.flatnonzero(odd & (sizes > 0)) if i}
    return sorted(unsure)


def _dilated(where: NDArray[np.bool_], pixels: int) -> NDArray[np.bool_]:
    """All pixels in a square around those."""
    from scipy.ndimage import maximum_filter

    return np.asarray(maximum_filter(where, 2 * pixels + 1)) if where.any() else where
