"""Thresholds for a network that has learned, chosen by a person's labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_nucleate.core.instances.tune import CAUTION, choose
from napari_nucleate.core.model import Model
from napari_nucleate.core.training.held_out import MOST_VALIDATED

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_nucleate.core.annotation import Annotation
    from napari_nucleate.core.instances.tune import Case
    from napari_nucleate.core.patches import Example
    from napari_nucleate.core.targets import Target

FEWEST_IMAGES = 5
"""Fewer images mislead: chosen on two that were held out of 16, thresholds cost 0.005 and 0.036 of
mean AP (dsb2018_fluo, two trainings), on all of four labelled ones 0.016 at worst."""

FEWEST_OBJECTS = 100
"""With fewer objects, chance decides as much as thresholds do."""


MOST_PIXELS = 8e6
"""Of images learned from, no more pixels are looked at, nor more images than of those held out:
that takes some seconds."""


def learned_cases(learned: Sequence[Example]) -> list[Example]:
    """The images learned from that thresholds are chosen by, besides those held out. Pure.

    A network draws what it learned better than what it didn't. Yet thresholds lose little by that,
    and two images held out of sixteen are too few: chosen by both, a model of 16 images of
    dsb2018_fluo has a mean AP of 0.604 on others instead of 0.582, one of all 431 0.636 instead of
    the 0.605 of thresholds chosen by the 16 held out alone (the best there are: 0.606 and 0.640).

    Examples
    --------
    >>> learned_cases([])
    []
    """
    human = [e for e in learned if not e.pseudo and e.annotation.known.any()]
    chosen: list[Example] = []
    pixels = 0
    for i in np.random.default_rng(0).permutation(len(human)):
        size = human[i].annotation.labels.size
        if len(chosen) < MOST_VALIDATED and pixels + size <= MOST_PIXELS:
            chosen.append(human[i])
            pixels += size
    return chosen


class Cases(Sequence["Case"]):
    """Maps in half precision, named when they are asked for: rays take much memory.

    Parameters
    ----------
    target : Target
    items : sequence of (ndarray of float16, Annotation)
    """

    def __init__(
        self, target: Target, items: Sequence[tuple[NDArray[np.float16], Annotation]]
    ) -> None:
        self._target, self._items = target, items

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, i: Any) -> Any:
        maps, annotation = self._items[i]
        return self._target.maps(maps.astype(np.float32)), annotation


def tuned(model: Model, cases: Sequence[Case]) -> Model:
    """Give a model the thresholds that agree best with a person's labels, with caution. Pure.

    Parameters
    ----------
    model : Model
        Its target tells objects apart.
    cases : sequence of (Maps, Annotation)
        What it draws of these images, and a person's labels of them.

    Returns
    -------
    Model
        The same where there are too few images or objects, or nothing is better. Its record says
        what was chosen by.
    """
    target = model.recipe.target
    splitter = getattr(target, "splitter", None)
    objects = sum(annotation.n_objects for _, annotation in cases)
    if splitter is None or len(cases) < FEWEST_IMAGES or objects < FEWEST_OBJECTS:
        return model
    result = choose(splitter, cases, CAUTION)
    if result.splitter == splitter:
        return model
    chosen = target.model_copy(update={"splitter": result.splitter})
    note = f"AP {result.begun_ap:.2f} → {result.ap:.2f} on {len(cases)} labelled images"
    card = model.card.model_copy(
        update={
            "recipe": model.recipe.model_copy(update={"target": chosen}),
            "record": model.card.record.model_copy(update={"thresholds": note}),
        }
    )
    return Model(card, model.weights)
