"""Interrupted trainings on disk: whole or not at all, and checked when they are read."""

import json
import pickle
import struct

import numpy as np
import pytest

from napari_nucleate.core.errors import NucleateError, NucleateWarning
from napari_nucleate.core.model import Card, Record
from napari_nucleate.core.training.snapshot import (
    Draws,
    Judged,
    Learned,
    Progress,
    Seen,
    Snapshot,
    Timed,
)
from napari_nucleate.io import atomic
from napari_nucleate.io.snapshot import (
    PREVIOUS,
    RESUME,
    drop_snapshot,
    has_snapshot,
    load_snapshot,
    save_snapshot,
    snapshot_card,
)
from napari_nucleate.io.tensors import pack, unpack


@pytest.fixture
def snapshot(tiny):
    progress = Progress(
        step=3,
        fraction=0.25,
        seconds=1.5,
        draws=Draws.of(np.random.default_rng(9)),
        learned=Learned(batch=2, patch=32, patch_depth=8, half=False, tuned=False),
        judged=Judged(highest=0.5, settled=0.4, lowest=0.1),
        timed=Timed(done=0.2, spent=0.1),
        best=Record(name="mine", best_step=2),
        seen=(Seen(key="nuclei 细胞", image="00", labels="11"),),
    )
    arrays = {
        "network/a": np.arange(6, dtype=np.float32).reshape(2, 3).T,
        "average/a": np.ones((2, 0), np.float32),
        "steps/a": np.array(7, np.int64),
        "best/a": np.full(3, np.pi, np.float32),
    }
    return Snapshot(Card(recipe=tiny(), record=Record(name="mine")), progress, arrays)


@pytest.fixture
def folder(snapshot, tmp_path):
    save_snapshot(snapshot, tmp_path / "model")
    return tmp_path / "model"


def same(one, other):
    return (
        one.card == other.card
        and one.progress == other.progress
        and one.arrays.keys() == other.arrays.keys()
        and all(np.array_equal(one.arrays[k], other.arrays[k]) for k in one.arrays)
        and all(one.arrays[k].dtype == other.arrays[k].dtype for k in one.arrays)
    )


def sentence(folder):
    with pytest.raises(NucleateError) as caught:
        load_snapshot(folder)
    text = str(caught.value)
    assert "\n" not in text
    assert len(text) < 500
    assert text.endswith(".")
    return text


def test_what_is_read_is_what_was_written(snapshot, folder):
    found = load_snapshot(folder)
    assert same(found, snapshot)
    assert found.best.card.record.best_step == 2
    assert list(found.best.weights) == ["a"]
    assert snapshot_card(folder) == snapshot.card
    assert [p.name for p in folder.iterdir()] == [RESUME]


def test_a_newer_one_takes_the_place_of_the_older(snapshot, folder):
    newer = Snapshot(
        snapshot.card, snapshot.progress.model_copy(update={"step": 4}), snapshot.arrays
    )
    save_snapshot(newer, folder)
    assert load_snapshot(folder).progress.step == 4
    assert sorted(p.name for p in folder.iterdir()) == [PREVIOUS, RESUME]


def test_where_writing_fails_the_older_stays(snapshot, folder, monkeypatch):
    def full(path):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(atomic, "flush", full)
    with pytest.raises(NucleateError, match="the disk is full"):
        save_snapshot(snapshot, folder)
    monkeypatch.undo()
    assert same(load_snapshot(folder), snapshot)
    assert [p.name for p in folder.iterdir()] == [RESUME]


def step(snapshot, number):
    progress = snapshot.progress.model_copy(update={"step": number})
    return Snapshot(snapshot.card, progress, snapshot.arrays)


def test_where_the_newer_is_damaged_it_goes_on_from_the_one_before(snapshot, folder):
    save_snapshot(step(snapshot, 4), folder)
    save_snapshot(step(snapshot, 5), folder)
    raw = bytearray((folder / RESUME).read_bytes())
    raw[-1] ^= 1
    (folder / RESUME).write_bytes(raw)
    with pytest.warns(NucleateWarning, match=rf"{RESUME} is damaged; .* at step 4\."):
        assert load_snapshot(folder).progress.step == 4
    (folder / RESUME).write_bytes(b"")
    assert snapshot_card(folder) == snapshot.card
    (folder / PREVIOUS).write_bytes(b"")
    assert f"{RESUME} is damaged" in sentence(folder)


def test_killed_between_two_names_it_goes_on_from_the_one_before(snapshot, folder):
    save_snapshot(step(snapshot, 4), folder)
    (folder / RESUME).unlink()
    assert has_snapshot(folder)
    assert snapshot_card(folder) == snapshot.card
    assert load_snapshot(folder).progress.step == 3
    drop_snapshot(folder)
    assert not has_snapshot(folder)


def test_a_finished_training_leaves_none(folder):
    drop_snapshot(folder)
    drop_snapshot(folder)
    assert snapshot_card(folder) is None
    assert "has no interrupted training to go on with" in sentence(folder)


@pytest.mark.parametrize("share", [0, 0.001, 0.3, 0.9, 0.999])
def test_a_cut_file_is_one_sentence(folder, share):
    raw = (folder / RESUME).read_bytes()
    (folder / RESUME).write_bytes(raw[: int(share * len(raw))])
    assert f"{RESUME} is damaged" in sentence(folder)


def test_any_changed_byte_is_noticed(folder):
    raw = (folder / RESUME).read_bytes()
    rng = np.random.default_rng(0)
    for at in [*rng.integers(0, len(raw), 60), len(raw) - 1]:
        changed = bytearray(raw)
        changed[at] ^= 1
        (folder / RESUME).write_bytes(bytes(changed))
        try:
            found = load_snapshot(folder)
        except NucleateError as error:
            assert "\n" not in str(error)
        else:
            # Spaces of the header, and such; nothing that says anything.
            (folder / RESUME).write_bytes(raw)
            assert same(found, load_snapshot(folder))


def test_a_pickle_is_refused_and_not_run(folder):
    class Bomb:
        def __reduce__(self):
            return (open, (str(folder / "ran"), "w"))

    (folder / RESUME).write_bytes(pickle.dumps(Bomb()))
    assert "is damaged" in sentence(folder)
    assert not (folder / "ran").exists()


def rewritten(folder, **changes):
    """Change the header, with a digest that fits."""
    arrays, texts = unpack(folder / RESUME)
    (folder / RESUME).write_bytes(pack(arrays, texts | changes))


@pytest.mark.parametrize("part", ["card", "progress"])
def test_one_of_a_newer_version_is_refused_with_advice(snapshot, folder, part):
    values = json.loads(getattr(snapshot, part).to_json())
    rewritten(folder, **{part: json.dumps(values | {"format": 2, "new": 1})})
    assert "format 2 of a newer napari-nucleate" in sentence(folder)
    assert "update" in sentence(folder)


@pytest.mark.parametrize(
    ("part", "text"),
    [
        ("progress", "[]"),
        ("progress", "{"),
        ("progress", "{}"),
        ("progress", "null"),
        ("card", '{"recipe": {"architecture": {"kind": "resnet"}}}'),
        ("progress", "[" * 100_000),
    ],
)
def test_values_that_make_no_sense_are_one_sentence(folder, part, text):
    rewritten(folder, **{part: text})
    sentence(folder)


def test_a_file_of_weights_is_none(folder):
    from safetensors.numpy import save_file

    save_file({"a": np.ones(3)}, folder / RESUME)
    assert "is damaged" in sentence(folder)
    assert snapshot_card(folder) is None
    (folder / RESUME).write_bytes(struct.pack("<Q", 2**60) + b"{}")
    assert "is damaged" in sentence(folder)
