"""What of a pool is good enough, and which of that is taken."""

import numpy as np
import pytest

from napari_nucleate.core.candidates import Candidates, most_telling
from napari_nucleate.core.confidence import Scores
from napari_nucleate.core.events import Prediction
from napari_nucleate.core.pseudo import pseudo_label
from napari_nucleate.core.rounds import SelfTraining

SHAPE = (64, 64)


def image(kind, seed):
    """Fine grain, waves, or a ramp."""
    rng = np.random.default_rng(seed)
    y, x = np.indices(SHAPE)
    grain = rng.random(SHAPE)
    return {
        "grain": grain,
        "waves": np.sin(x / 5 + seed) * np.sin(y / 5) + 0.05 * grain,
        "ramp": x + y + grain,
    }[kind][np.newaxis]


def prediction(tiny, key, confidence, labels=None, sure=0.9):
    if labels is None:
        labels = np.zeros(SHAPE, np.int32)
        labels[8:20, 8:20] = 1
    maps = np.stack([labels == 0, labels > 0, np.zeros(labels.shape)]).astype(np.float16)
    ids = np.unique(labels[labels > 0]).tolist()
    return Prediction(key, maps, labels, Scores(confidence, dict.fromkeys(ids, sure)))


@pytest.fixture
def filled(tiny, picture):
    """Candidates of images by name and kind, the first the surest."""

    def fill(kinds, known=None, **options):
        found = Candidates(SelfTraining(**options), tiny(), 0.0, known)
        sources = [picture(key, image(kind, i)) for i, (key, kind) in enumerate(kinds.items())]
        for i, source in enumerate(found.watched(sources)):
            source.read()
            found.add(prediction(tiny, source.key, 0.9 - i / 1000))
        return found

    return fill


def test_the_easiest_kind_does_not_take_all_places(filled):
    kinds = {f"e{i:02d}": "grain" for i in range(15)} | {"w0": "waves", "r0": "ramp"}
    kinds |= {f"p{i:02d}": "waves" for i in range(17)}  # they are the poorer half
    found = filled(kinds, best=3)
    three = found.order(list(kinds), 3)[:3]
    assert {key[0] for key in three} == {"e", "w", "r"}


def test_what_looks_like_a_labelled_image_waits(filled):
    kinds = {"e0": "grain", "w0": "waves", "e1": "grain", "w1": "waves", "e2": "grain"}
    found = filled(kinds, known={"mine": image("grain", 99)}, best=1)
    assert found.order(list(kinds), 1)[0] in ("w0", "w1")
    assert sorted(found.order(list(kinds), 1)) == sorted(kinds)


def test_where_as_many_are_wanted_as_there_are_the_surest_come_first(filled):
    kinds = {"a": "grain", "b": "waves", "c": "grain"}
    found = filled(kinds, best=3)
    assert found.order(["a", "b", "c"], 3) == ["a", "b", "c"]


def test_poor_ones_are_none(filled, tiny):
    found = filled({"a": "grain"})
    found.add(prediction(tiny, "b", 0.01))
    found.add(prediction(tiny, "c", 0.9, sure=0.3))
    assert len(found) == 1
    assert found.order(["a", "b", "c"], 5) == ["a"]


@pytest.mark.parametrize("shape", [(7, 9), (3, 5, 11)])
def test_labels_come_back_as_they_were(tiny, shape):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 70_000, shape).astype(np.int32)
    options, recipe = SelfTraining(), tiny(len(shape))
    one = prediction(tiny, "a", 0.9, labels)
    one.maps[1] = rng.random(shape)
    found = Candidates(options, recipe, 0.0)
    found.add(one)
    expected, got = pseudo_label(one, recipe, options), found.label("a")
    assert expected.ignored.any()
    np.testing.assert_array_equal(got.annotation.labels, expected.annotation.labels)
    np.testing.assert_array_equal(got.annotation.known, expected.annotation.known)
    np.testing.assert_array_equal(got.ignored, expected.ignored)


def test_of_more_than_memory_holds_the_surest_stay(filled, monkeypatch):
    monkeypatch.setattr("napari_nucleate.core.candidates.MOST_BYTES", 500)
    found = filled({f"{i:02d}": "grain" for i in range(40)})
    assert 1 < len(found) < 20
    keys = [f"{i:02d}" for i in range(40)]
    assert found.order(keys, 40) == keys[: len(found)]


def test_of_large_images_fewer_are_taken_where_nobody_says_how_many(filled, monkeypatch):
    kinds = {f"e{i:02d}": "grain" for i in range(12)} | {"w0": "waves", "r0": "ramp"}
    kinds |= {f"p{i:02d}": "waves" for i in range(14)}
    monkeypatch.setattr("napari_nucleate.core.candidates.MOST_PIXELS", 3 * 64 * 64)
    found = filled(kinds)
    assert found.room(64) == 3
    assert {key[0] for key in found.order(list(kinds), 3)[:3]} == {"e", "w", "r"}
    assert filled(kinds, best=64).room(64) == 64
    monkeypatch.setattr("napari_nucleate.core.candidates.MOST_PIXELS", 7)
    assert found.room(64) == 1
    assert filled(dict.fromkeys("ab", "grain")).room(64) <= 2


def test_of_what_is_alike_the_surest_is_taken():
    looks = {key: np.array([float(key > "e")]) for key in "hgfedcba"}
    assert sorted(most_telling("cahbfdeg", 2, looks)[:2]) == ["c", "h"]


def test_what_nothing_is_known_of_comes_later():
    looks = {key: np.array([float(i)]) for i, key in enumerate("bcdefgh")}
    order = most_telling("abcdefgh", 2, looks)
    assert "a" not in order[:2]
    assert sorted(order) == list("abcdefgh")
