"""Of the files of a prediction no mixture is read, and none that counts is dropped."""

import os
import time
from pathlib import Path

import numpy as np
import pytest

from napari_nucleate.core.confidence import Scores
from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.events import Prediction
from napari_nucleate.project import predictions
from napari_nucleate.project.predictions import Predictions


def prediction(value):
    labels = np.full((6, 8), value, np.int32)
    maps = np.full((1, 6, 8), value, np.float16)
    return Prediction("a", maps, labels, Scores(value / 10, {value: value / 10}, "a test"))


@pytest.fixture
def kept(tmp_path):
    """Predictions with one of an image."""
    kept = Predictions(tmp_path)
    kept.save(prediction(1))
    return kept


def is_whole(kept, value):
    found = kept.load("a")
    return (
        (found.labels == value).all()
        and (found.maps == value).all()
        and (found.scores.image == value / 10)
    )


@pytest.fixture
def blocked(monkeypatch):
    """Files can't take their names, as those that are open in another program on Windows."""
    real = Path.replace

    def replace(path, target):
        if path.parent.name == ".waiting" != Path(target).parent.name:
            raise PermissionError(13, "in use")
        return real(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", replace)
        yield


def age(folder):
    for path in (folder / ".waiting").iterdir():
        os.utime(path, (time.time() - 10_000,) * 2)


def test_a_save_whose_place_is_taken_waits_however_long(kept, tmp_path, blocked):
    kept.save(prediction(2))
    age(tmp_path)
    kept.settle()
    assert is_whole(kept, 2)


def test_nothing_is_dropped_while_scores_can_not_be_read(kept, tmp_path, blocked):
    kept.save(prediction(2))
    age(tmp_path)
    good = (tmp_path / "a.json").read_bytes()
    (tmp_path / "a.json").write_bytes(b"{")
    kept.settle()
    (tmp_path / "a.json").write_bytes(good)
    assert is_whole(kept, 2)


@pytest.mark.parametrize("at", [predictions.LABELS, predictions.MAPS])
def test_what_is_replaced_while_it_is_read_is_read_anew(kept, monkeypatch, at):
    real, waiting = Predictions._file, [prediction(2)]

    def file(self, key, save, kind):
        if kind == at and waiting:
            other = waiting.pop()
            self.save(other)
        return real(self, key, save, kind)

    monkeypatch.setattr(Predictions, "_file", file)
    assert is_whole(kept, 2)


def test_a_damaged_one_is_said(kept, tmp_path):
    (tmp_path / "maps" / "a.tif").write_bytes(b"nothing")
    with pytest.raises(NucleateError, match=r"a\.tif"):
        kept.load("a")
