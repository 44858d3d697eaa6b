"""The whole loop from the command line: sample, train, predict, evaluate, split, export, again."""

import csv
import json
import runpy
import shutil
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_nucleate.cli import loop
from napari_nucleate.cli.projects import Found
from napari_nucleate.cli.tables import rounds_in_words
from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.images import ImageRef, Stack
from napari_nucleate.core.instances.tune import Tuned
from napari_nucleate.core.rounds import SelfTraining
from napari_nucleate.io.model import load_model
from napari_nucleate.io.read import read_images, read_stack
from napari_nucleate.project import tune as project_tune
from napari_nucleate.project.model import Item, RoundEntry, State
from napari_nucleate.project.store import Store

SHARED = Path(__file__).parents[3] / "shared"
KINDS = pytest.mark.parametrize("kind", ["2d", "3d", "time-lapse"])


def table(path):
    with path.open(newline="", encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))


def ndim(kind):
    return ["--ndim", "3"] if kind == "3d" else []


def names(folder):
    """What a person sees in a folder."""
    return sorted(p.name for p in folder.iterdir() if not p.name.startswith("."))


@KINDS
def test_a_sample_is_written_with_scale_units_and_truth(nucleate, tmp_path, kind):
    out = tmp_path / "größe 细胞"
    nucleate("sample", out, "--kind", kind, "--count", 2, "--size", 40, "--depth", 6, "--seed", 5)
    images, masks = (read_images(out / name) for name in ("images", "masks"))
    assert len(images) == len(masks) == (1 if kind == "time-lapse" else 2)
    for image, mask in zip(images, masks, strict=True):
        assert isinstance(image, Stack)
        assert image.axes == mask.axes == {"2d": "YX", "3d": "ZYX", "time-lapse": "TYX"}[kind]
        assert image.data.shape == mask.data.shape
        assert image.scale == mask.scale
        assert set(image.units[-2:]) == {"micrometer"}
        assert np.asarray(mask.data[...]).max() > 0
    assert "is not empty" in nucleate("sample", out, code=1).err


@KINDS
def test_train_predict_evaluate_split_and_export(nucleate, tmp_path, sample, tiny_options, kind):
    images, masks = sample(kind, 3)
    model, found = tmp_path / "model", tmp_path / "found"
    training = ["train", "--images", images, "--masks", masks, "--out", model, *ndim(kind)]
    trained = nucleate(*training, *tiny_options, "--patch-depth", 8, "--json").json
    assert trained["steps"] <= 3
    assert len(trained["human"]) == 3
    assert names(model) == ["model.json", "weights.safetensors"]
    card = json.loads((model / "model.json").read_text())
    assert card["units"] == ["micrometer"] * len(card["spacing"])
    assert len(card["spacing"]) == (3 if kind == "3d" else 2)

    predicted = nucleate("predict", model, "--images", images, "--out", found, "--json").json
    assert len(predicted["images"]) == 3
    assert all(0 <= row["confidence"] <= 1 for row in predicted["images"])
    assert [r["image"] for r in table(found / "confidence.csv")] == trained["human"]
    objects = table(found / "objects.csv")
    assert len(objects) == sum(row["objects"] for row in predicted["images"])
    assert all({"image", "label", "probability", "confidence"} == set(r) for r in objects)
    written = sorted(found.glob("*.tif"))
    assert [p.name for p in written] == names(images)
    for path in written:
        image, labels = read_stack(images / path.name), read_stack(path)
        assert (labels.axes, labels.scale, labels.units) == (image.axes, image.scale, image.units)
        assert labels.data.shape == image.data.shape

    scores = nucleate("evaluate", masks, masks, "--json").json
    assert scores["total"]["AP"]["0.5"] == 1
    scores = nucleate("evaluate", masks, found, "--json").json
    assert len(scores["images"]) == 3
    assert 0 <= scores["total"]["AP"]["0.5"] <= 1

    split = tmp_path / "split"
    done = nucleate("split", masks, "--out", split, *ndim(kind), "--table", "--json").json
    assert len(done["objects"]) == 3
    assert all(n > 0 for n in done["objects"].values())
    assert names(split) == sorted([*names(masks), "objects.csv"])
    nucleate("export", split, "--out", tmp_path / "scored", *ndim(kind))
    scored = table(tmp_path / "scored" / "measurements.csv")
    assert len(scored) == sum(done["objects"].values())
    assert {row["probability"] for row in scored} == {"1.0"}
    assert "confidence" not in scored[0]

    measured = tmp_path / "measured"
    done = nucleate(
        "export", masks, "--out", measured, "--images", images, *ndim(kind), "--json"
    ).json
    rows = table(measured / "measurements.csv")
    assert done["objects"] == len(rows)
    truths = [np.asarray(s.data[...]) for s in read_images(masks)]
    if kind == "time-lapse":
        truths = list(truths[0])
    assert len(rows) == sum(count(t) for t in truths)
    assert len(list((measured / "labels").glob("*.tif"))) == 3


@pytest.mark.parametrize("kind", ["2d", "3d"])
def test_maps_are_written_where_asked(nucleate, tmp_path, sample, tiny_options, kind):
    images, masks = sample(kind, 3)
    options = ["--images", images, "--masks", masks, *ndim(kind), *tiny_options]
    nucleate("train", *options, "--patch-depth", 8, "--out", tmp_path / "model")
    nucleate("predict", tmp_path / "model", "--images", images, "--out", tmp_path / "p", "--maps")
    files = sorted((tmp_path / "p" / "maps").glob("*.tif"))
    assert len(files) == 3
    stack = read_stack(files[0])
    assert set(stack.axes) == set("CYX" if kind == "2d" else "CZYX")
    assert stack.data.shape[stack.axes.index("C")] == 3
    assert np.asarray(stack.data[...]).sum(stack.axes.index("C")) == pytest.approx(1, abs=0.01)


def test_training_goes_on_from_a_model(nucleate, refused, tmp_path, sample, tiny_options):
    images, masks = sample()
    options = ["--images", images, "--masks", masks]
    first, second = tmp_path / "first", tmp_path / "second"
    nucleate("train", *options, *tiny_options, "--out", first)
    nucleate("train", *options, *tiny_options, "--out", second, "--from", first)
    sentence = refused(
        "train", *options, *tiny_options, "--width", 8, "--out", tmp_path / "x", "--from", first
    )
    assert "can't be trained further: its network" in sentence
    # What isn't said is as in that model, the network too.
    third = tmp_path / "third"
    given = ["--seed", 5, "--steps", 2, "--device", "cpu"]
    told = nucleate("train", *options, *given, "--out", third, "--from", first, "--json").json
    assert told["initial"] == "first"
    before, now = (load_model(folder).recipe for folder in (first, third))
    assert now.optimisation.seed == 5
    assert now.architecture == before.architecture


def test_a_recipe_file_gives_the_defaults_and_options_win(nucleate, tmp_path, sample, tiny):
    images, masks = sample()
    recipe = tiny(steps=2, seed=7)
    (tmp_path / "recipe.json").write_text(recipe.to_json())
    options = ["--images", images, "--masks", masks, "--recipe", tmp_path / "recipe.json"]
    nucleate(
        "train",
        *options,
        "--out",
        tmp_path / "a",
        "--seed",
        8,
        "--target",
        "semantic",
        "--known",
        "sparse",
        "--classes",
        200,
    )
    card = json.loads((tmp_path / "a" / "model.json").read_text())["recipe"]
    assert card["optimisation"]["seed"] == 8
    assert card["optimisation"]["budget"] == {"kind": "steps", "value": 2}
    assert card["target"]["classes"] == 200
    assert card["architecture"]["width"] == 4


def test_scores_are_printed_with_whole_names_on_a_narrow_terminal(nucleate, sample, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    masks = sample("2d", 6)[1]
    text = nucleate("evaluate", masks, masks).out
    assert "…" not in text
    for name in ("nuclei_0", "nuclei_5", "total", "accuracy", "precision", "recall", "F1"):
        assert name in text


ALL_GOOD = ("--least", 0, "--sure", 0, "--sizes", 1000)
"""Whatever a network draws after two steps is learned from."""


def some_masks(masks, folder, count):
    folder.mkdir()
    for path in sorted(masks.glob("*.tif"))[:count]:
        shutil.copy(path, folder)
    return folder


@pytest.mark.parametrize("kind", ["2d", "3d"])
def test_self_training_makes_a_project_that_can_be_read(
    nucleate, tmp_path, sample, tiny_options, kind
):
    images, masks = sample(kind, 4)
    few = some_masks(masks, tmp_path / "few", 1)
    out = tmp_path / "project"
    options = ["--images", images, "--masks", few, "--out", out, *ndim(kind), *tiny_options]
    done = nucleate(
        "self-train", *options, "--patch-depth", 8, "--rounds", 2, "--best", 1, *ALL_GOOD, "--json"
    ).json
    assert [(r["number"], r["human"], r["pseudo"]) for r in done["rounds"]] == [
        (0, 1, 0),
        (1, 1, 1),
        (2, 1, 2),
    ]
    made = {"annotations", "log.csv", "models", "nucleate.json", "predictions", "rounds"}
    assert set(names(out)) == made | {"nucleate.previous.json"}
    assert names(out / "models") == ["round-0", "round-1", "round-2"]
    assert Path(done["model"]) == out / "models" / "round-2"
    store = Store(out)
    state = store.load_state()
    assert len(state.keys("labelled")) == 1
    assert len(state.ranked()) == 3
    (key,) = state.keys("labelled")
    truth = np.asarray(read_stack(few / f"{key}.tif").data[...])
    np.testing.assert_array_equal(store.load_annotation(key), truth)
    for item in state.ranked():
        prediction = store.load_prediction(item.key)
        assert prediction.labels.shape == truth.shape
        assert prediction.maps.shape == (3, *truth.shape)
        assert prediction.scores.image == pytest.approx(item.confidence)


def test_the_pool_may_be_taught_while_the_network_learns(nucleate, tmp_path, sample, tiny_options):
    images, masks = sample("2d", 4)
    few = some_masks(masks, tmp_path / "few", 1)
    out = tmp_path / "project"
    options = ["--images", images, "--masks", few, "--out", out, *tiny_options, "--steps", 16]
    done = nucleate(
        "self-train", *options, "--form", "continuous", "--no-zooms", *ALL_GOOD, "--json"
    ).json
    assert [(r["number"], r["human"]) for r in done["rounds"]] == [(0, 1), (1, 1)]
    state = Store(out).load_state()
    assert (state.self_training.form, state.self_training.zooms) == ("continuous", False)
    # Predicted once, by the last model; nothing was accepted.
    assert [item.model for item in state.ranked()] == ["round-1"] * 3
    assert state.keys("accepted") == []


def test_images_are_predicted_in_several_sizes_when_asked_for(
    nucleate, tmp_path, sample, tiny_options, monkeypatch
):
    from napari_nucleate.core import predict

    images, masks = sample("2d", 2)
    nucleate("train", "--images", images, "--masks", masks, "--out", tmp_path / "m", *tiny_options)
    asked = []

    class Looking(predict.Looker):
        def __init__(self, network, model, device, tiling, confidence):
            asked.append(tiling.zooms)
            super().__init__(network, model, device, tiling, confidence)

    monkeypatch.setattr(predict, "Looker", Looking)
    for name, more in (("a", ()), ("b", ("--zooms",))):
        nucleate("predict", tmp_path / "m", "--images", images, "--out", tmp_path / name, *more)
    assert asked == [False, True]


def begun(nucleate, tmp_path, sample, tiny_options):
    """A project of four images, one labelled, that had its first training."""
    images, masks = sample("2d", 4)
    out = tmp_path / "project"
    options = ["--images", images, "--masks", some_masks(masks, tmp_path / "few", 1), "--out", out]
    nucleate("self-train", *options, *tiny_options, "--rounds", 0)
    return out


def weights_written(out):
    files = (out / "models").glob("*/weights.safetensors")
    return {path.parent.name: path.stat().st_mtime_ns for path in files}


@pytest.mark.parametrize("kind", ["2d", "time-lapse"])
def test_a_project_is_gone_on_with(nucleate, tmp_path, sample, tiny_options, kind, monkeypatch):
    images, masks = sample(kind, 4)
    few = some_masks(masks, tmp_path / "few", 1) if kind == "2d" else masks
    out = tmp_path / "project"
    if kind == "2d":
        options = ["--images", images, "--masks", few, "--out", out]
        nucleate("self-train", *options, *tiny_options, "--rounds", 0)
    else:
        # As the window leaves it: the layer has another name than the file, and no model yet.
        (file,) = images.iterdir()
        keys = [f"my layer_n{i}" for i in range(4)]
        items = [Item(key=key, source=str(file)) for key in keys]
        labels = np.asarray(read_stack(next(masks.iterdir())).data[2])
        Store(out).save_annotation(keys[2], labels)
        Store(out).save_state(State(items=tuple(items)).mark(keys[2], "labelled"))
    before = weights_written(out)
    monkeypatch.chdir(tmp_path)  # from wherever it is run
    options = [*tiny_options, "--rounds", 2, "--best", 2, *ALL_GOOD]
    done = nucleate("self-train", "project", *options, "--json").json
    assert [(r["number"], r["human"], r["pseudo"]) for r in done["rounds"]] == [
        (0, 1, 0),
        (1, 1, 2),
        (2, 1, 3),
    ]
    # The model that was there wasn't trained again, nor overwritten.
    assert before.items() <= weights_written(out).items()
    state = Store(out).load_state()
    assert state.self_training.best == 2
    assert [r.initial for r in state.rounds] == ["", "round-0", "round-1"]
    assert [r.human_objects > 0 for r in state.rounds] == [True] * 3
    again = nucleate("self-train", out, *tiny_options, "--rounds", 1, "--json").json
    assert [r["number"] for r in again["rounds"]] == [0, 1, 2, 3]


def test_an_image_confirmed_to_be_empty_is_learned_from(nucleate, tmp_path, sample, tiny_options):
    out = begun(nucleate, tmp_path, sample, tiny_options)
    store = Store(out)
    key = store.load_state().ranked()[0].key
    store.save_state(store.load_state().mark(key, "empty"))
    store.close()
    nucleate("self-train", out, *tiny_options, "--rounds", 1, *ALL_GOOD)
    state = store.load_state()
    assert state.item(key).status == "empty"
    assert key in store.load_card(state.used.model).record.human


def test_what_a_person_accepted_is_learned_from_as_it_is(nucleate, tmp_path, sample, tiny_options):
    out = begun(nucleate, tmp_path, sample, tiny_options)
    store = Store(out)
    state = store.load_state()
    item = state.ranked()[-1]
    # As an earlier version left it: it isn't said who accepted, and only a person could.
    taken = item.model_copy(update={"status": "accepted"})
    assert taken.judged is None
    store.save_state(state.replace(taken))
    store.close()
    before = store.load_prediction(item.key)
    nucleate("self-train", out, *tiny_options, "--rounds", 0)
    assert store.load_state().item(item.key) == taken
    nucleate("self-train", out, *tiny_options, "--rounds", 1, "--best", 1, *ALL_GOOD)
    after = store.load_state()
    assert after.item(item.key) == taken
    np.testing.assert_array_equal(store.load_prediction(item.key).labels, before.labels)
    pseudo = store.load_card(after.used.model).record.pseudo
    assert item.key in pseudo
    assert len(pseudo) == 2  # and the best one of the others


def test_images_are_never_taken_for_others(nucleate, refused, tmp_path, sample, tiny_options):
    """A stack of which one image has another size now, and a folder with one file replaced."""
    images, masks = sample("2d", 4)
    mine, out = tmp_path / "mine", tmp_path / "project"
    shutil.copytree(images, mine)
    options = ["--images", mine, "--masks", some_masks(masks, tmp_path / "few", 1), "--out", out]
    nucleate("self-train", *options, *tiny_options, "--rounds", 0)
    store = Store(out)
    state = store.load_state()
    (key,) = state.keys("labelled")
    # As napari's reader of folders leaves it: one source for all.
    store.save_state(
        state.replace(*(i.model_copy(update={"source": str(mine)}) for i in state.items))
    )
    store.close()
    first = min(mine.iterdir())
    first.rename(mine / "another.tif")
    assert f"{first.stem} isn't in {mine}" in refused("self-train", out)
    (mine / "another.tif").rename(first)
    tifffile.imwrite(mine / f"{key}.tif", np.zeros((32, 32), np.uint16))
    assert f"{key}: the image has shape (32, 32) but its labels" in refused("self-train", out)
    tifffile.imwrite(
        mine / f"{key}.tif", np.zeros((2, 64, 64), np.uint16), metadata={"axes": "CYX"}
    )
    assert "put images with other channels" in refused("self-train", out)


def test_what_was_rejected_is_not_learned_from(nucleate, tmp_path, sample, tiny_options):
    out = begun(nucleate, tmp_path, sample, tiny_options)
    store = Store(out)
    state = store.load_state()
    best = state.ranked()[0].key
    store.save_state(state.mark(best, "rejected"))
    store.close()
    nucleate("self-train", out, *tiny_options, "--rounds", 1, "--best", 9, *ALL_GOOD)
    after = store.load_state()
    assert after.item(best).status == "rejected"
    assert len(store.load_card(after.used.model).record.pseudo) == 2
    assert best not in store.load_card(after.used.model).record.pseudo


def test_a_project_that_can_not_be_gone_on_with(refused, nucleate, tmp_path, sample, tiny_options):
    images, masks = sample("2d", 4)
    mine, out = tmp_path / "mine", tmp_path / "project"
    shutil.copytree(images, mine)
    assert "Give a project to go on with" in refused("self-train", "--images", mine)
    options = ["--images", mine, "--masks", some_masks(masks, tmp_path / "few", 1), "--out", out]
    nucleate("self-train", *options, *tiny_options, "--rounds", 0)
    assert "leave out --images" in refused("self-train", out, "--images", mine)
    assert "made for no rounds; give --rounds" in refused("self-train", out)
    with Store(out):  # a window, say
        assert "is in use by a napari window" in refused("self-train", out)
    assert "--known" in refused("self-train", out, "--known", "sparse")
    assert "is a project in 2D, not 3D" in refused("self-train", out, "--ndim", 3)
    state = Store(out).load_state()
    wrong = refused("self-train", out, "--width", 8, "--rounds", 1)
    assert "can't be trained further: its network" in wrong
    assert Store(out).load_state() == state  # nothing was predicted anew
    store = Store(out)
    (key,) = store.load_state().keys("labelled")
    labels = out / "annotations" / f"{key}.tif"
    labels.rename(tmp_path / "labels.tif")
    assert f"{key} is labelled, but its labels are gone" in refused("self-train", out)
    (tmp_path / "labels.tif").rename(labels)
    gone = sorted(mine.iterdir())[3]
    gone.rename(tmp_path / "elsewhere.tif")
    assert "isn't there any more" in refused("self-train", out)
    assert "is not a project" in refused("self-train", tmp_path / "nothing")


def test_sparse_annotations_are_kept_as_they_were_painted(nucleate, tmp_path, sample, tiny_options):
    images, masks = sample("2d", 4)
    few = some_masks(masks, tmp_path / "few", 1)
    options = ["--images", images, "--masks", few, "--out", tmp_path / "p", *tiny_options]
    nucleate("self-train", *options, "--known", "sparse", "--rounds", 0)
    store = Store(tmp_path / "p")
    (key,) = store.load_state().keys("labelled")
    painted = np.asarray(read_stack(few / f"{key}.tif").data[...])
    np.testing.assert_array_equal(store.load_annotation(key), painted)
    assert store.load_state().known == "sparse"


def test_a_round_that_made_it_worse_is_told_and_its_model_not_named(
    nucleate, tmp_path, sample, tiny_options, monkeypatch
):
    from napari_nucleate.core import rounds

    monkeypatch.setattr(rounds, "lowered", lambda now, earlier: "Round 1 made it worse.")
    images, masks = sample("2d", 3)
    few, out = tmp_path / "few", tmp_path / "p"
    few.mkdir()
    shutil.copy(next(masks.iterdir()), few)
    options = ["--images", images, "--masks", few, "--out", out, *tiny_options]
    said = nucleate("self-train", *options, "--rounds", 2, *ALL_GOOD)
    assert "Round 1 made it worse." in said.err
    assert str(out / "models" / "round-0") in said.err.replace("\n", "")
    assert names(out / "models") == ["round-0", "round-1"]


def independent(truth, found):
    """The scores of the evaluator that shares no code with the package."""
    path = SHARED / "evaluate.py"
    if not path.is_file():
        pytest.skip("the independent evaluator ../shared/evaluate.py isn't here")
    score = runpy.run_path(str(path))["score"]  # an import would leave bytecode beside it
    files = sorted(found.glob("*.tif"))
    return score([(tifffile.imread(truth / p.name), tifffile.imread(p)) for p in files])


def count(labels):
    return np.count_nonzero(np.unique(labels))


def check_demo(out, labelled, images):
    assert {"labels", "measurements.csv", "demo.png", "scores.json"} <= set(names(out))
    scores = json.loads((out / "scores.json").read_text())
    assert len(scores["labelled"]) == labelled
    assert scores["pool"] == images - labelled
    assert set(scores["scores"]) == {"Otsu + watershed", "round 0", "round 1"}
    with Image.open(out / "demo.png") as picture:
        assert picture.size[0] > 1000
        assert len(np.unique(np.asarray(picture.convert("RGB")).reshape(-1, 3), axis=0)) > 50
    return scores


@pytest.fixture
def all_good(monkeypatch):
    """Whatever a network draws after a few steps is learned from."""
    options = SelfTraining(rounds=1, least=0, sure=0, sizes=1000)
    monkeypatch.setattr("napari_nucleate.cli.demo.SelfTraining", lambda rounds: options)


@pytest.mark.usefixtures("all_good")
def test_demo_runs_the_loop_on_given_images(nucleate, tmp_path, sample):
    images, masks = sample("2d", 6)
    out = tmp_path / "demo"
    done = nucleate(
        *("demo", "--images", images, "--masks", masks),
        *("--seconds", 4, "--labelled", 3, "--out", out),
    )
    scores = check_demo(out, 3, 6)
    assert len(names(out / "labels")) == 3
    total = scores["scores"]["round 1"]
    assert f"{total['AP']['0.5']:.3f}" in done.out
    rows = table(out / "measurements.csv")
    counted = sum(count(tifffile.imread(p)) for p in (out / "labels").glob("*.tif"))
    assert len(rows) == counted
    other = independent(masks, out / "labels")
    for threshold in ("0.5", "0.7", "0.9"):
        assert total["AP"][threshold] == pytest.approx(other["AP"][threshold], abs=0.005)
    assert total["mean_AP"] == pytest.approx(other["mean_AP"], abs=0.005)


@pytest.fixture
def quick(monkeypatch, tiny, all_good):
    """Demos train a tiny network for two steps."""
    monkeypatch.setattr("napari_nucleate.cli.demo._recipe", lambda seconds, seed: tiny(steps=2))


def test_demo_takes_a_single_stack_too(nucleate, tmp_path, sample, quick):
    images, masks = sample("time-lapse", 5)
    out = tmp_path / "demo"
    result = nucleate(
        *("demo", "--images", images, "--masks", masks / "nuclei.tif"),
        *("--seconds", 2, "--labelled", 2, "--out", out, "--json"),
    ).json
    assert result == check_demo(out, 2, 5)
    labels = tifffile.imread(out / "labels" / "nuclei.tif")
    assert labels.shape == (5, 64, 64)
    frames = {int(key.rpartition("t")[2]) for key in result["labelled"]}
    assert not labels[sorted(frames)].any()
    rows = table(out / "measurements.csv")
    for frame in set(range(5)) - frames:
        found = [r for r in rows if r["image"] == f"nuclei_t{frame}"]
        assert len(found) == count(labels[frame])


def test_demo_makes_its_own_sample_in_a_folder_of_its_own(nucleate, tmp_path, monkeypatch, quick):
    from napari_nucleate.core.samples import NucleiSample

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        "napari_nucleate.cli.demo.NucleiSample",
        lambda seed: NucleiSample(seed=seed, count=4, size=64, radius=6),
    )
    for expected in ("nucleate-demo", "nucleate-demo-2"):
        result = nucleate("demo", "--seconds", 2, "--labelled", 3, "--json").json
        assert result["out"] == expected
        check_demo(tmp_path / expected, 3, 4)


@pytest.mark.usefixtures("all_good")
@pytest.mark.skipif(
    not (SHARED / "data" / "dsb2018_fluo").is_dir(), reason="../shared/data isn't here"
)
def test_demo_on_real_nuclei(nucleate, tmp_path):
    source = SHARED / "data" / "dsb2018_fluo"
    rows = [r for r in table(source / "split.csv") if r["split"] == "val"]
    sizes = {}
    for row in rows:
        path = source / "images" / f"{row['name']}.tif"
        sizes[path] = tifffile.imread(path).size
    chosen = sorted(sizes, key=lambda p: (sizes[p], p.name))[:5]
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
        for path in chosen:
            shutil.copy(source / folder / path.name, tmp_path / folder)
    out = tmp_path / "out"
    result = nucleate(
        *("demo", "--images", tmp_path / "images", "--masks", tmp_path / "masks"),
        *("--seconds", 2, "--labelled", 3, "--out", out, "--json"),
    ).json
    assert result == check_demo(out, 3, 5)
    other = independent(tmp_path / "masks", out / "labels")
    total = result["scores"]["round 1"]
    assert total["AP"]["0.5"] == pytest.approx(other["AP"]["0.5"], abs=0.005)
    assert total["mean_AP"] == pytest.approx(other["mean_AP"], abs=0.005)


def test_thresholds_are_chosen_and_written_only_when_asked(
    nucleate, refused, tmp_path, sample, tiny_options, monkeypatch
):
    images, masks = sample("2d", 3)
    few = tmp_path / "few"
    few.mkdir()
    for path in sorted(masks.iterdir())[:2]:
        shutil.copy(path, few)
    project = tmp_path / "project"
    nucleate(
        *("self-train", "--images", images, "--masks", few, "--out", project),
        *(*tiny_options, "--rounds", 0),
    )
    store = Store(project)
    name = store.load_state().rounds[-1].model
    before = store.load_card(name)
    chosen = nucleate("tune", project, "--json").json
    assert chosen["AP"] >= chosen["begun_AP"]
    assert set(chosen["curves"]) == {"threshold", "seed_threshold", "border_separation"}
    assert chosen["objects"] >= 10
    assert not chosen["applied"]
    assert store.load_card(name) == before
    assert "← chosen" in nucleate("tune", project).out
    # So little training is no better for any threshold; these are.
    own = before.recipe.target.splitter
    better = Tuned(own.model_copy(update={"threshold": 0.35}), 0.6, own, 0.5, (), 2, 9, 3)
    same = Tuned(own, 0.5, own, 0.5, (), 2, 9, 3)
    found = [same]
    monkeypatch.setattr(project_tune, "tuning", lambda *_: (each for each in found))
    assert not nucleate("tune", project, "--apply", "--json").json["applied"]
    assert f"Model {name} keeps its values." in nucleate("tune", project, "--apply").err
    assert store.load_card(name) == before
    found[:] = [better]
    assert not nucleate("tune", project, "--json").json["applied"]
    assert f"Written into model {name}" in nucleate("tune", project, "--apply").err
    assert nucleate("tune", project, "--apply", "--json").json["applied"]
    after = store.load_card(name)
    assert after.recipe.target.splitter == better.splitter
    assert store.load_state().recipe.target.splitter == after.recipe.target.splitter
    assert after.record == before.record
    wrong = refused("tune", images)
    assert "is not a project" in wrong
    assert "made by `nucleate self-train` or the window" in wrong


def test_membranes_are_evaluated_as_in_their_challenge(nucleate, tmp_path):
    truth = np.zeros((22, 22), np.uint16)
    truth[:, :10], truth[:, 12:] = 1, 2
    merged = np.ones_like(truth)
    for name, labels in (("truth", truth), ("merged", merged)):
        (tmp_path / name).mkdir()
        tifffile.imwrite(tmp_path / name / "a.tif", labels)
    same = nucleate("evaluate", tmp_path / "truth", tmp_path / "truth", "--membranes", "--json")
    assert (same.json["rand_error"], same.json["warping_error"]) == (0, 0)
    wrong = nucleate("evaluate", tmp_path / "truth", tmp_path / "merged", "--membranes")
    assert "mean rand error: 0.33" in wrong.out
    assert "mean warping error: 0.0" in wrong.out
    assert "rand error" not in nucleate("evaluate", tmp_path / "truth", tmp_path / "merged").out


def test_images_to_annotate_next_are_proposed(nucleate, refused, tmp_path, sample, tiny_options):
    out = begun(nucleate, tmp_path, sample, tiny_options)
    found = nucleate("suggest", out, "--json").json["suggestions"]
    labelled = Store(out).load_state().keys("labelled")
    assert len({one["image"] for one in found} - set(labelled)) == len(found) == 3
    # A half of each side, wherever it is least sure.
    assert all(stop - start == 32 for one in found for start, stop in one["region"])
    assert found[0]["why"] in nucleate("suggest", out, "--count", 1).err
    assert "is not a project" in refused("suggest", sample("2d", 4)[0])


def write_boxes_of(masks, path, side=40):
    names_of = [p.stem for p in sorted(masks.glob("*.tif"))]
    path.write_text(json.dumps({name: [[[0, 0], [side, side]]] for name in names_of}))
    return path


def test_only_what_lies_in_boxes_counts(nucleate, tmp_path, sample, tiny_options):
    images, masks = sample("2d", 4)
    few = some_masks(masks, tmp_path / "few", 1)
    boxes = write_boxes_of(few, tmp_path / "boxes.json")
    known = ["--known", "boxes", "--boxes", boxes]
    whole, some = (
        nucleate(
            *("train", "--images", images, "--masks", few, "--out", tmp_path / out),
            *(*tiny_options, *options, "--json"),
        ).json
        for out, options in (("whole", []), ("some", known))
    )
    assert 0 < some["human_objects"] < whole["human_objects"]
    out = tmp_path / "project"
    options = ["--images", images, "--masks", few, "--out", out, *tiny_options, *known]
    nucleate("self-train", *options, "--rounds", 0)
    store = Store(out)
    (key,) = store.load_state().keys("labelled")
    assert store.load_state().known == "boxes"
    assert store.load_boxes() == {key: [[[0.0, 0.0], [40.0, 40.0]]]}
    # The project knows them from now on.
    nucleate("self-train", out, *tiny_options, "--rounds", 1, *ALL_GOOD)
    record = store.load_card(store.load_state().used.model).record
    assert record.human_objects == some["human_objects"]


def test_boxes_that_are_none(refused, tmp_path, sample):
    images, masks = sample("2d", 4)
    options = ["train", "--images", images, "--masks", masks, "--out", tmp_path / "o"]
    path = tmp_path / "boxes.json"
    assert "--boxes FILE belong together" in refused(*options, "--known", "boxes")
    assert "--boxes FILE belong together" in refused(*options, "--boxes", path)
    known = ["--known", "boxes", "--boxes", path]
    assert "can't be read" in refused(*options, *known)
    for wrong in ("[1, 2]", "{", '{"a": [[1, 2]]}', '{"a": [[[0, 0], [1, "x"]]]}', '{"a": 3}'):
        path.write_text(wrong)
        assert "doesn't hold boxes" in refused(*options, *known)
    path.write_text('{"nuclei_1": [[[0, 0], [40, 40]]]}')
    assert "nuclei_0 has a mask, but no box" in refused(*options, *known)
    path.write_text(json.dumps({f"nuclei_{i}": [[[0, 0, 0], [1, 40, 40]]] for i in range(4)}))
    assert "doesn't fit labels" in refused(*options, *known)


def test_the_history_is_told_and_that_another_model_was_better():
    def entry(number, ap, measured="x", **more):
        facts = {"number": number, "model": f"round-{number}", "human": 2, "seconds": 9.6} | more
        return RoundEntry(pseudo=number, validation_ap=ap, measured=measured, **facts)

    first = entry(0, 0.9, "others", human_objects=31)
    rounds = (first, entry(1, 0.6), entry(2, 0.5, human_objects=31, pseudo_objects=9))
    told = rounds_in_words(State(rounds=rounds)).splitlines()
    assert told[0] == "round-0: 2 image(s) of a person, 31 objects, 10 s, mean AP 0.900."
    assert told[2].startswith("round-2: 2 image(s) of a person, 2 predicted, 40 objects, 10 s")
    assert told[3].startswith("round-2 is in use; on what is held out round-1 was better")
    aside = rounds[2].model_copy(update={"set_aside": "worse"})
    told = rounds_in_words(State(rounds=(*rounds[:2], aside))).splitlines()
    assert len(told) == 3
    assert told[2].endswith(", set aside.")
    assert rounds_in_words(State()) == ""


def test_what_can_not_be_kept_at_the_stop_is_told(tmp_path, monkeypatch):
    def rounds(*args, **kwargs):
        try:
            yield "event"
        finally:
            raise NucleateError("w can't be written: it is full.")

    monkeypatch.setattr(loop.run, "self_training", rounds)
    ref = ImageRef(Stack(np.zeros((8, 8)), "YX"), 2, ())
    events = loop.Loop(Store(tmp_path), State(), [], [Found("a", ref)]).run()
    next(events)
    with pytest.raises(NucleateError, match="it is full"):
        events.close()
