"""Which image to annotate next, and where in it."""

import numpy as np
import pytest

from napari_nucleate.core.annotation import annotate
from napari_nucleate.core.confidence import Scores
from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.events import Described, Prediction
from napari_nucleate.core.model import Card, Model, Record
from napari_nucleate.core.recipe import Recipe
from napari_nucleate.project.model import Item, State
from napari_nucleate.project.store import Store
from napari_nucleate.project.suggest import Suggestion, as_dict, needs, suggesting


@pytest.fixture
def pictures(picture):
    """Six images of fine grain and three of coarse waves."""
    rng = np.random.default_rng(0)
    y, x = np.indices((96, 96))
    fine = [rng.random((1, 96, 96)) for _ in range(6)]
    coarse = [(np.sin(x / 9 + i) * np.sin(y / 9))[np.newaxis] for i in range(3)]
    return [picture(f"{'fffffcfcc'[i]}{i}", p) for i, p in enumerate([*fine[:5], *coarse[:1]])] + [
        picture("f6", fine[5]),
        picture("c7", coarse[1]),
        picture("c8", coarse[2]),
    ]


def state_of(pictures, **items):
    made = [Item(key=p.key, **items.get(p.key, {})) for p in pictures]
    return State(items=tuple(made))


def ask(state, store, pictures, count=1, **more):
    events = list(suggesting(state, store, pictures, count, **more))
    told = [e for e in events if isinstance(e, Described)]
    assert [e.done for e in told] == list(range(1, len(pictures) + 1))
    return [e for e in events if isinstance(e, Suggestion)]


def test_the_first_is_typical_and_the_next_of_the_other_kind(pictures, tmp_path):
    first, second = ask(state_of(pictures), Store(tmp_path), pictures, 2)
    assert first.key.startswith("f")
    assert second.key.startswith("c")
    assert first.region == ()
    assert first.why == f"{first.key} is the most typical of all images."
    (next_one,) = ask(state_of(pictures, f0={"status": "labelled"}), Store(tmp_path), pictures)
    assert next_one.key.startswith("c")
    assert "looks like 2 other images" in next_one.why


def test_bad_predictions_ask_for_labels_and_good_ones_do_not(pictures, tmp_path):
    confidence = {p.key: 0.95 if p.key.startswith("f") else 0.3 for p in pictures}
    items = {k: {"status": "predicted", "confidence": c} for k, c in confidence.items()}
    (found,) = ask(state_of(pictures, **items), Store(tmp_path), pictures)
    assert found.key.startswith("c")
    assert "a confidence of 0.30" in found.why
    # A rejected one is wrong, however sure the network was.
    items |= {
        p.key: {"status": "rejected", "confidence": 0.95} for p in pictures if p.key[0] == "f"
    }
    (found,) = ask(state_of(pictures, **items), Store(tmp_path), pictures)
    assert found.key.startswith("f")
    assert "was rejected" in found.why


def test_where_more_objects_are_wrong_a_label_helps_more(pictures, tmp_path):
    # Three coarse images with many objects ask for more than six fine ones with few.
    items = {
        p.key: {
            "status": "predicted",
            "confidence": 0.6 if p.key.startswith("c") else 0.3,
            "objects": 90 if p.key.startswith("c") else 4,
        }
        for p in pictures
    }
    (found,) = ask(state_of(pictures, **items), Store(tmp_path), pictures)
    assert found.key.startswith("c")
    assert "Its prediction of 90 objects has a confidence of 0.60." in found.why


def test_the_one_bad_prediction_of_the_usual_kind_is_proposed(pictures, tmp_path):
    items = {p.key: {"status": "predicted", "confidence": 0.95, "objects": 30} for p in pictures}
    for bad in ("f2", "c7"):
        one = items | {bad: {"status": "predicted", "confidence": 0.1, "objects": 30}}
        (found,) = ask(state_of(pictures, **one), Store(tmp_path), pictures)
        assert found.key == bad


def test_an_image_of_noise_alone_is_not_what_to_label(pictures, picture, tmp_path):
    # A network finds hundreds of specks in it, all doubtful; but it is like no other image.
    noise = picture("noise", np.random.default_rng(9).normal(size=(1, 96, 96)) ** 9)
    items = {p.key: {"status": "predicted", "confidence": 0.6, "objects": 30} for p in pictures} | {
        "noise": {"status": "predicted", "confidence": 0.0, "objects": 900}
    }
    every = [*pictures, noise]
    found = ask(state_of(every, **items), Store(tmp_path), every, 2)
    assert "noise" not in [one.key for one in found]


def test_where_nothing_is_found_as_much_may_be_missing_as_is_usual():
    def item(key, **more):
        return Item(key=key, status="predicted", confidence=0.5, **more)

    known = [item("a", objects=9), item("b", objects=23)]
    empty = Item(key="c", status="predicted", confidence=0.0, objects=0)
    rejected = Item(key="d", status="rejected", confidence=0.9, objects=4)
    older = item("e")
    new = Item(key="f")
    assert needs([known[0], empty, rejected, older, new, known[1]]).tolist() == pytest.approx(
        [0.5 * 3, 1 * 3, 1 * 2, 0.5 * 3, 1 * 3, 0.5 * 23**0.5]
    )
    assert needs([older, new]).tolist() == [0.5, 1]


def test_the_part_is_where_the_model_is_least_sure(pictures, tmp_path, monkeypatch):
    monkeypatch.setattr("napari_nucleate.project.suggest.SIDE", 32)
    store, recipe = Store(tmp_path), Recipe()
    store.save_model(Model(Card(recipe=recipe, record=Record(name="round-0")), {}))
    labels = np.zeros((96, 96), np.int32)
    labels[4:20, 4:20] = 1
    maps = recipe.target.encode(annotate(labels)).astype(np.float16)
    # Background as likely as an object.
    maps[:, 60:70, 70:80] = np.array([0.5, 0.5, 0])[:, np.newaxis, np.newaxis]
    predicted = {"status": "predicted", "confidence": 0.2, "model": "round-0"}
    items = {p.key: dict(predicted) for p in pictures}
    for p in pictures:
        store.save_prediction(Prediction(p.key, maps, labels, Scores(0.2, {1: 0.2}, "")))
    (found,) = ask(state_of(pictures, **items), store, pictures)
    (top, bottom), (left, right) = as_dict(found)["region"]
    assert top <= 60
    assert bottom >= 70
    assert left <= 70
    assert right >= 80
    (tmp_path / "predictions" / f"{found.key}.tif").write_bytes(b"broken")
    (again,) = ask(state_of(pictures, **items), store, pictures)
    assert again.region == ()


def test_images_are_read_once(pictures, tmp_path, monkeypatch):
    known = {}
    ask(state_of(pictures), Store(tmp_path), pictures, known=known)
    assert set(known) == {p.key for p in pictures}
    monkeypatch.setattr(type(pictures[0]), "read", lambda self: pytest.fail("it was read again"))
    ask(state_of(pictures), Store(tmp_path), pictures, known=known)


def test_nothing_is_left(pictures, tmp_path):
    items = {p.key: {"status": "labelled"} for p in pictures}
    with pytest.raises(NucleateError, match="none to propose"):
        list(suggesting(state_of(pictures, **items), Store(tmp_path), pictures))
