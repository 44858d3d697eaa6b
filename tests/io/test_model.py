"""Models on disk: what was saved comes back, what is damaged is one sentence, no code runs."""

import json
import pickle
import struct
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_nucleate.core.errors import NucleateError, NucleateWarning
from napari_nucleate.core.model import Card, Model, Record
from napari_nucleate.core.predict import predict_maps
from napari_nucleate.core.targets import Semantic, StarConvexTarget
from napari_nucleate.io.model import CARD, PREVIOUS, WEIGHTS, load_card, load_model, save_model

CPU = torch.device("cpu")


@pytest.fixture
def model(tiny, random_model):
    return random_model(tiny(), name="nuclei 细胞")


@pytest.fixture
def saved(model, tmp_path):
    return save_model(model, tmp_path / "größe 细胞")


@pytest.mark.parametrize("ndim", [2, 3])
def test_a_loaded_model_draws_equal_maps(tiny, random_model, tmp_path, ndim):
    model = random_model(tiny(ndim))
    loaded = load_model(save_model(model, tmp_path / "model"))
    assert loaded.card == model.card
    assert loaded.weights.keys() == model.weights.keys()
    for key, value in model.weights.items():
        assert loaded.weights[key].dtype == value.dtype
        np.testing.assert_array_equal(loaded.weights[key], value, strict=True)
    image = np.random.default_rng(0).random((1, *[24] * ndim), np.float32)
    one, other = (predict_maps(m.network(CPU), m.recipe, image, CPU) for m in (model, loaded))
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    "target", [Semantic(classes=3), StarConvexTarget(rays=16)], ids=lambda t: t.kind
)
def test_the_card_keeps_everything_said_about_the_model(tiny, random_model, tmp_path, target):
    card = Card(
        recipe=tiny(2, target, channels=2),
        channels=("DAPI", "アクチン"),
        classes=("a", "b", "c"),
        spacing=(0.25, 0.5),
        units=("micrometer", "micrometer"),
        record=Record(name="x", round=2, validation_ap=0.5, human=("ä",), pseudo=("b",)),
    )
    model = Model(card, random_model(card.recipe).weights)
    assert load_model(save_model(model, tmp_path / "m")).card == card


def test_a_person_can_read_the_card(saved):
    text = (saved / CARD).read_text("utf-8")
    card = json.loads(text)
    assert card["format"] == 1
    assert card["record"]["name"] == "nuclei 细胞"
    assert card["recipe"]["architecture"] == {"kind": "unet", "width": 4, "levels": 2, "stem": 2}
    assert "nuclei 细胞" in text
    assert text.count("\n") > 20


def test_the_folder_holds_two_files_and_nothing_to_run(saved):
    assert sorted(p.name for p in saved.iterdir()) == [CARD, WEIGHTS]
    raw = (saved / WEIGHTS).read_bytes()
    size = struct.unpack("<Q", raw[:8])[0]
    assert json.loads(raw[8 : 8 + size])


def test_a_pickle_in_the_place_of_weights_is_refused_and_not_run(saved):
    class Bomb:
        def __reduce__(self):
            return (open, (str(saved / "ran"), "w"))

    (saved / WEIGHTS).write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(NucleateError, match=WEIGHTS):
        load_model(saved)
    assert not (saved / "ran").exists()


def test_a_model_is_not_overwritten_unless_asked(model, saved):
    before = (saved / WEIGHTS).read_bytes()
    other = Model(model.card, {k: v + 1 for k, v in model.weights.items()})
    with pytest.raises(NucleateError, match="exists already"):
        save_model(other, saved)
    assert (saved / WEIGHTS).read_bytes() == before
    save_model(other, saved, overwrite=True)
    key = next(iter(model.weights))
    np.testing.assert_array_equal(load_model(saved).weights[key], model.weights[key] + 1)


def test_a_folder_that_can_not_be_made_is_told(model, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(NucleateError, match=r"file.*can't be made"):
        save_model(model, tmp_path / "file" / "model")


def sentence(error):
    text = str(error.value)
    assert "\n" not in text
    assert len(text) < 500
    return text


@pytest.mark.parametrize("share", [0, 0.001, 0.3, 0.9, 0.999])
def test_cut_weights_are_one_sentence(saved, share):
    raw = (saved / WEIGHTS).read_bytes()
    (saved / WEIGHTS).write_bytes(raw[: int(share * len(raw))])
    with pytest.raises(NucleateError) as caught:
        load_model(saved).network(CPU)
    assert WEIGHTS in sentence(caught)


def header(values, payload=b""):
    raw = json.dumps(values).encode()
    return struct.pack("<Q", len(raw)) + raw + payload


@pytest.mark.parametrize(
    "raw",
    [
        b"not weights at all, but some text that is long enough",
        b"\xff" * 200,
        struct.pack("<Q", 2**60) + b"{}",
        header({"a": {"dtype": "F32", "shape": [9], "data_offsets": [0, 4]}}, b"\0" * 4),
        header({"a": {"dtype": "BF16", "shape": [2], "data_offsets": [0, 4]}}, b"\0" * 4),
        header({"a": {"dtype": "F8_E4M3", "shape": [2], "data_offsets": [0, 2]}}, b"\0" * 2),
        header({"a": {"dtype": "Q7", "shape": [2], "data_offsets": [0, 4]}}, b"\0" * 4),
        header({"a": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}}, b"\0" * 4),
        header([]),
        header({}),
    ],
    ids=["text", "ones", "huge", "short", "bf16", "f8", "unknown", "negative", "list", "none"],
)
def test_garbage_weights_are_one_sentence(saved, raw):
    (saved / WEIGHTS).write_bytes(raw)
    with pytest.raises(NucleateError) as caught:
        load_model(saved).network(CPU)
    sentence(caught)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "can't be read as JSON"),
        ("{", "can't be read as JSON"),
        ("[]", "holds list"),
        ("{}", "recipe"),
        ('{"recipe": {"architecture": {"kind": "resnet"}}}', "resnet"),
        ('{"recipe": {}, "secret": 1}', "secret"),
    ],
)
def test_a_damaged_card_is_one_sentence_that_names_it(saved, content, said):
    (saved / CARD).write_text(content)
    with pytest.raises(NucleateError, match=said) as caught:
        load_model(saved)
    assert CARD in sentence(caught)


def test_a_model_of_a_newer_version_is_refused_with_advice(saved):
    card = json.loads((saved / CARD).read_text("utf-8"))
    card["format"], card["new_field"] = 2, "?"
    (saved / CARD).write_text(json.dumps(card))
    with pytest.raises(NucleateError, match=r"format 2 of a newer napari-nucleate.*update"):
        load_model(saved)


def test_what_is_missing_is_said(saved, tmp_path):
    (saved / WEIGHTS).unlink()
    with pytest.raises(NucleateError, match=f"has no {WEIGHTS}; copy the whole folder"):
        load_model(saved)
    with pytest.raises(NucleateError, match=f"is not a model: it has no {CARD}"):
        load_model(tmp_path)
    with pytest.raises(NucleateError, match="is not a model"):
        load_model(tmp_path / "nowhere")


def test_weights_of_another_recipe_are_refused(saved, model):
    card = json.loads((saved / CARD).read_text("utf-8"))
    card["recipe"]["architecture"]["width"] = 8
    (saved / CARD).write_text(json.dumps(card))
    with pytest.raises(NucleateError, match="don't fit its recipe"):
        load_model(saved).network(CPU)


def other(model, step):
    record = model.card.record.model_copy(update={"best_step": step})
    card = model.card.model_copy(update={"record": record})
    return Model(card, {k: v + step for k, v in model.weights.items()})


def equal(one, two):
    same = all(np.array_equal(one.weights[k], two.weights[k]) for k in two.weights)
    return same and one.card == two.card and one.weights.keys() == two.weights.keys()


@pytest.mark.parametrize("renamed", [0, 1, 2, 3])
def test_killed_while_it_is_replaced_it_is_the_old_or_the_new_one(
    model, saved, monkeypatch, renamed
):
    save_model(other(model, 1), saved, overwrite=True)
    left, rename = iter([True] * renamed), Path.replace

    def killed(self, target):
        if not next(left, False):
            raise KeyboardInterrupt
        return rename(self, target)

    monkeypatch.setattr(Path, "replace", killed)
    with suppress(KeyboardInterrupt):
        save_model(other(model, 2), saved, overwrite=True)
    assert equal(load_model(saved), other(model, 2 if renamed > 1 else 1))
    assert load_card(saved) == load_model(saved).card


def test_killed_before_there_is_a_card_it_is_a_model(model, saved):
    (saved / CARD).unlink()
    assert equal(load_model(saved), model)


def test_what_a_person_changes_in_the_card_counts(model, saved):
    save_model(other(model, 1), saved, overwrite=True)
    changed = model.card.model_copy(update={"channels": ("mine",)})
    (saved / CARD).write_text(changed.to_json(), "utf-8")
    assert load_card(saved) == changed


def test_where_the_weights_are_damaged_those_before_are_used_and_it_is_said(model, saved):
    save_model(other(model, 4), saved, overwrite=True)
    save_model(other(model, 5), saved, overwrite=True)
    for broken in ((saved / WEIGHTS).read_bytes()[:-9] + b"different", b""):
        (saved / WEIGHTS).write_bytes(broken)
        with pytest.warns(NucleateWarning, match=rf"{WEIGHTS} is damaged; .* of step 4, are used"):
            assert equal(load_model(saved), other(model, 4))
    (saved / PREVIOUS).unlink()
    with pytest.raises(NucleateError, match=f"{WEIGHTS} is damaged"):
        load_model(saved)


def test_a_model_of_an_earlier_version_loads_and_is_kept_as_the_one_before(model, saved):
    from safetensors.numpy import save_file

    save_file({k: np.asarray(v, order="C") for k, v in model.weights.items()}, saved / WEIGHTS)
    assert equal(load_model(saved), model)
    save_model(other(model, 1), saved, overwrite=True)
    assert equal(load_model(saved), other(model, 1))
    (saved / WEIGHTS).unlink()
    assert load_model(saved).weights.keys() == model.weights.keys()
