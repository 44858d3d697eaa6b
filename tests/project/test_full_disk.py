"""A full disk: what was there before stays, it is said, and work goes on once there is room."""

from contextlib import contextmanager

import numpy as np
import pytest

from napari_nucleate.core.confidence import Scores
from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.events import Prediction
from napari_nucleate.core.model import Card, Model, Record
from napari_nucleate.project.model import State
from napari_nucleate.project.store import Store

resource = pytest.importorskip("resource", reason="the system can't end files early")


@contextmanager
def files_end_at(size):
    """No file can have more bytes: the system refuses to write on, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def predicted(n):
    labels = np.random.default_rng(n).integers(0, 90, (60, 70)).astype(np.int32)
    maps = np.full((3, 60, 70), n, np.float16)
    return Prediction("a", maps, labels, Scores(n / 8, {1: 0.5}, "why" * 99))


WRITES = {
    "state": (
        lambda store, n, weights: store.save_state(State(name=f"{n}")),
        lambda store: int(store.load_state().name),
    ),
    "annotation": (
        lambda store, n, weights: store.save_annotation("a", np.full((60, 70), n)),
        lambda store: int(store.load_annotation("a")[9, 9]),
    ),
    "prediction": (
        lambda store, n, weights: store.save_prediction(predicted(n)),
        lambda store: int(store.load_prediction("a").maps[0, 5, 5]),
    ),
    "model": (
        lambda store, n, weights: store.save_model(
            Model(
                Card(recipe=weights.recipe, record=Record(name="m", best_step=n)), weights.weights
            )
        ),
        lambda store: store.load_model("m").card.record.best_step,
    ),
}


@pytest.mark.parametrize("size", [0, 99, 300])
@pytest.mark.parametrize("what", WRITES)
def test_what_can_not_be_written_leaves_what_was_there(tmp_path, tiny, random_model, what, size):
    write, read = WRITES[what]
    weights = random_model(tiny())
    with Store(tmp_path) as store:
        store.save_state(State(name="0"))
        write(store, 1, weights)
        with files_end_at(size), pytest.raises(NucleateError, match="can't be written") as caught:
            write(store, 2, weights)
        assert "\n" not in str(caught.value)
        assert read(store) == 1
        assert not [p for p in tmp_path.rglob(".nucleate-*") if p.is_file()]
        assert not list(tmp_path.rglob(".waiting/*"))
        write(store, 3, weights)
        assert read(store) == 3


def test_a_full_disk_just_before_the_card_leaves_the_new_model_whole(
    tmp_path, tiny, random_model, monkeypatch
):
    from napari_nucleate.io import model as module

    def full(path, text, overwrite):
        raise NucleateError(f"{path} can't be written: the disk is full.")

    write, read = WRITES["model"]
    weights = random_model(tiny())
    with Store(tmp_path) as store:
        write(store, 1, weights)
        monkeypatch.setattr(module, "write_text", full)
        with pytest.raises(NucleateError, match="full"):
            write(store, 2, weights)
        assert read(store) == 2
