"""Thresholds that a training chooses by the images it held out."""

import numpy as np

from napari_nucleate.core.annotation import annotate
from napari_nucleate.core.instances import Maps
from napari_nucleate.core.model import Card, Model
from napari_nucleate.core.patches import Example
from napari_nucleate.core.recipe import Recipe
from napari_nucleate.core.targets import Semantic
from napari_nucleate.core.training.tuning import MOST_PIXELS, learned_cases, tuned


def cases(images, objects=25):
    """Images with the same objects, drawn so faintly that a threshold of 0.5 finds none."""
    side = int(np.ceil(np.sqrt(objects)))
    grid = np.where(np.arange(side * side) < objects, np.arange(1, side * side + 1), 0)
    labels = np.kron(grid.reshape(side, side), np.pad(np.ones((8, 8), int), 3))
    faint = np.where(labels > 0, 0.4, 0.05).astype(np.float32)
    return [(Maps(faint), annotate(labels))] * images


def model(**options):
    return Model(Card(recipe=Recipe(**options)), {})


def test_faint_maps_get_a_lower_threshold():
    before = model()
    after = tuned(before, cases(5))
    splitter = after.recipe.target.splitter
    assert splitter.threshold < 0.4 < before.recipe.target.splitter.threshold
    assert after.card.record.thresholds == "AP 0.00 → 1.00 on 5 labelled images"
    # Only the splitter is another.
    restored = after.recipe.target.model_copy(update={"splitter": before.recipe.target.splitter})
    assert after.recipe.model_copy(update={"target": restored}) == before.recipe


def test_few_images_or_objects_choose_nothing():
    before = model()
    assert tuned(before, cases(4, 100)) is before
    assert tuned(before, cases(5, 19)) is before


def test_classes_have_no_thresholds():
    before = model(target=Semantic())
    assert tuned(before, cases(5)) is before


def test_a_persons_labels_are_chosen_by_as_many_as_there_is_time_for():
    labels = np.zeros((1000, 1000), np.int32)
    image = np.zeros((1, 1000, 1000), np.uint8)
    known = [Example(f"n{i}", image, annotate(labels)) for i in range(20)]
    unknown = Example("unknown", image, annotate(labels, "sparse"))
    pseudo = Example("pseudo", image, annotate(labels), pseudo=True)
    assert learned_cases([unknown, pseudo]) == []
    assert learned_cases([unknown, known[0], pseudo]) == known[:1]
    chosen = learned_cases(known)
    assert len(chosen) == len({e.key for e in chosen}) == MOST_PIXELS / 1e6
    assert chosen != known[: len(chosen)]  # of all, not of the first
