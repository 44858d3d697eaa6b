"""Which images thresholds are chosen on: those that the model didn't learn from, or parts."""

import numpy as np
import pytest

from napari_nucleate.core.annotation import annotate
from napari_nucleate.core.model import Card, Model, Record
from napari_nucleate.project.model import Item, RoundEntry, State
from napari_nucleate.project.store import Store
from napari_nucleate.project.tune import Measuring, tuning


@pytest.mark.parametrize(
    ("record", "keys", "held_out"),
    [
        ({}, ("a", "b"), False),
        ({"held_out": ("b",)}, ("b",), True),
        ({"regions": {"a": ((0, 20), (0, 40))}}, ("a",), True),
        ({"regions": {"a": ((0, 10), (0, 40))}}, ("a", "b"), False),
    ],
    ids=["all learned", "one held out", "a part", "too small a part"],
)
def test_what_was_not_learned_is_used_where_it_is_enough(tmp_path, tiny, record, keys, held_out):
    store = Store(tmp_path / "project")
    store.save_model(Model(Card(recipe=tiny(), record=Record(name="m", **record)), {}))
    entry = RoundEntry(number=0, model="m", human=2, pseudo=0, seconds=1)
    items = tuple(Item(key=key, status="labelled") for key in "ab")
    state = State(items=items, rounds=(entry,))
    labels = np.zeros((40, 40), int)
    labels[1::5, 1::5] = np.arange(1, 65).reshape(8, 8)
    if record.get("regions") == {"a": ((0, 10), (0, 40))}:
        labels[:, 20:] = 0  # eight objects are left there
    steps = tuning(store, state, {k: annotate(labels) for k in "ab"}, lambda key: None)
    assert next(steps) == Measuring(keys, held_out)
    steps.close()
