"""A project's folder: what was saved comes back; what is damaged is one sentence."""

import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from napari_nucleate.core.confidence import Scores
from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.events import Prediction
from napari_nucleate.core.instances import Instances
from napari_nucleate.core.recipe import Recipe
from napari_nucleate.core.rounds import SelfTraining
from napari_nucleate.core.targets import StarConvexTarget
from napari_nucleate.io.stars import save_stars
from napari_nucleate.io.write import write_labels
from napari_nucleate.project import store as module
from napari_nucleate.project.lock import LOCK
from napari_nucleate.project.model import Item, RoundEntry, State
from napari_nucleate.project.store import Store

SHAPES = [(20, 31), (4, 20, 31), (1, 30), (3, 1, 9)]
UNITS = ("micrometer",) * 3
KEY = "细胞 größe_t01"


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "new" / "project")


def labels(shape, top=5):
    return np.random.default_rng(0).integers(0, top + 1, shape).astype(np.int32)


def prediction(shape, n_maps=3, key=KEY):
    ids = labels(shape)
    maps = np.random.default_rng(1).random((n_maps, *shape)).astype(np.float16)
    objects = {int(i): 0.25 * (1 + i % 3) for i in np.unique(ids[ids > 0])}
    return Prediction(key, maps, ids, Scores(0.625, objects, "bright regions became no object"))


def known(made, stars, classes):
    """A prediction with what is known of its objects."""
    rng, n = np.random.default_rng(2), int(made.labels.max())
    points = rng.random((n, made.labels.ndim)).astype(np.float32) if stars else None
    rays = rng.random((n, 8)).astype(np.float32) if stars else None
    ids = rng.integers(1, 4, n).astype(np.int32) if classes else None
    found = Instances(made.labels, rng.random(n).astype(np.float32), points, rays, ids)
    return replace(made, instances=found)


class TestState:
    def test_it_comes_back_equal(self, store):
        state = State(
            name="Mäuse",
            known="sparse",
            recipe=Recipe(target=StarConvexTarget(), channels=3),
            self_training=SelfTraining(best=4),
            items=(
                Item(key=KEY, status="predicted", confidence=0.5, round=1, model="round-1"),
                Item(key="b", source="/data/b.tif"),
            ),
            rounds=(RoundEntry(number=0, model="round-0", human=1, pseudo=0, seconds=2.5),),
        )
        assert not store.exists
        store.save_state(state)
        assert store.exists
        assert store.load_state() == state
        assert "Mäuse" in (store.folder / "nucleate.json").read_text("utf-8")

    def test_saving_again_replaces_it_and_leaves_nothing_else(self, store):
        store.save_state(State(name="one"))
        store.save_state(State(name="two"))
        assert store.load_state().name == "two"
        store.close()
        kept = {p.name for p in store.folder.iterdir()} - {LOCK}
        assert kept == {"nucleate.json", "nucleate.previous.json", "log.csv"}

    def test_a_folder_without_a_project_is_said_to_be_none(self, store):
        with pytest.raises(NucleateError, match=r"is not a project: it has no nucleate\.json"):
            store.load_state()

    def test_a_newer_version_is_refused_with_advice(self, store):
        store.save_state(State())
        path = store.folder / "nucleate.json"
        path.write_text(json.dumps({"version": 9, "novelty": 1}))
        with pytest.raises(NucleateError, match=r"nucleate\.json has format 9 of a newer .*update"):
            store.load_state()

    @pytest.mark.parametrize("content", ["", "{", "[1, 2]", '{"items": 3}', '{"nome": "x"}'])
    def test_a_damaged_file_is_one_sentence_that_names_it(self, store, content):
        store.save_state(State())
        (store.folder / "nucleate.json").write_text(content)
        with pytest.raises(NucleateError, match=r"nucleate\.json") as caught:
            store.load_state()
        assert "\n" not in str(caught.value)

    def test_a_folder_that_can_not_be_made_is_told(self, tmp_path):
        (tmp_path / "file").write_text("in the way")
        with pytest.raises(NucleateError, match=r"can't be made: [^;]*; choose another folder\.$"):
            Store(tmp_path / "file" / "project").save_state(State())


@pytest.mark.skipif(os.name == "nt", reason="a folder with an open file stays where it is")
def test_where_the_drive_of_an_open_project_is_away_no_other_folder_takes_its_place(
    store, tmp_path, tiny, random_model
):
    model = random_model(tiny())
    store.save_model(model)
    away = store.folder.rename(tmp_path / "away")
    for write in (
        lambda: store.save_state(State()),
        lambda: store.save_model(model),
        lambda: store.save_annotation("a", labels((5, 6))),
        lambda: store.save_prediction(prediction((5, 6))),
    ):
        with pytest.raises(NucleateError) as caught:
            write()
        assert isinstance(caught.value.__cause__, FileNotFoundError)
    assert not store.folder.exists()
    away.rename(store.folder)
    store.save_model(model)


def test_leftovers_of_a_killed_writer_are_swept_by_the_next_that_may_write(store):
    store.save_state(State())
    store.save_annotation("a", labels((5, 6)))
    store.close()
    left = [store.folder / ".nucleate-01234567-nucleate.json"]
    left += [store.folder / "annotations" / ".nucleate-01234567-a.tif"]
    mine = store.folder / "images" / ".nucleate-01234567-mine.tif"
    mine.parent.mkdir()
    for path in (*left, mine):
        path.write_bytes(b"half")
        os.utime(path, (1, 1))
    with store:
        assert not any(path.exists() for path in left)
    assert mine.exists()


class TestAnnotation:
    @pytest.mark.parametrize("shape", SHAPES, ids=str)
    def test_it_comes_back_with_its_shape(self, store, shape):
        painted = labels(shape, top=300)
        path = store.save_annotation(
            KEY, painted, (2.0, 0.5, 0.5)[-len(shape) :], UNITS[: len(shape)]
        )
        got = store.load_annotation(KEY)
        np.testing.assert_array_equal(got, painted)
        assert got.dtype == np.int32
        assert path == store.folder / "annotations" / f"{KEY}.tif"

    def test_a_newer_one_takes_its_place(self, store):
        store.save_annotation("a", np.ones((5, 6), int))
        store.save_annotation("a", np.full((5, 6), 7))
        assert (store.load_annotation("a") == 7).all()

    def test_what_is_painted_meanwhile_is_not_written_over(self, store, monkeypatch):
        begun, go_on, newer = threading.Event(), threading.Event(), set()

        def slow(path, painted, *args, **kwargs):
            if (painted == 1).all():
                begun.set()
                go_on.wait(60)
            write_labels(path, painted, *args, **kwargs)

        monkeypatch.setattr(module, "write_labels", slow)
        older, painted = np.ones((5, 6), int), np.full((5, 6), 2)
        with ThreadPoolExecutor() as pool:
            first = pool.submit(store.save_annotation, "a", older, newer=newer)
            assert begun.wait(60)
            newer.add("a")
            second = pool.submit(store.save_annotation, "a", painted)
            go_on.set()
            first.result(60)
            second.result(60)
        assert (store.load_annotation("a") == 2).all()
        store.save_annotation("a", older, newer=newer)
        assert (store.load_annotation("a") == 2).all()

    def test_killed_before_planes_are_dropped_the_newer_volume_is_read(self, store, monkeypatch):
        volume = np.zeros((3, 8, 9), int)
        store.save_planes("a", {1: np.ones((8, 9), int)}, volume.shape)

        def killed(path):
            raise KeyboardInterrupt

        monkeypatch.setattr(module, "drop_planes", killed)
        with pytest.raises(KeyboardInterrupt):
            store.save_annotation("a", volume + 2)
        assert (store.load_annotation("a") == 2).all()

    def test_nothing_saved_is_none(self, store):
        assert store.load_annotation("a") is None

    def test_a_damaged_one_is_one_sentence_that_names_it(self, store):
        path = store.save_annotation("a", np.ones((50, 60), int))
        path.write_bytes(path.read_bytes()[:60])
        with pytest.raises(NucleateError, match=r"a\.tif"):
            store.load_annotation("a")

    def test_what_is_no_label_is_refused_and_the_old_one_kept(self, store):
        store.save_annotation("a", np.ones((5, 6), int))
        with pytest.raises(NucleateError, match="whole numbers"):
            store.save_annotation("a", np.full((5, 6), 0.5))
        assert (store.load_annotation("a") == 1).all()


class TestPrediction:
    @pytest.mark.parametrize("shape", [*SHAPES, (1, 20, 31)], ids=str)
    @pytest.mark.parametrize("n_maps", [1, 2, 3, 34])
    def test_it_comes_back_with_its_maps_and_scores(self, store, shape, n_maps):
        saved = prediction(shape, n_maps)
        store.save_prediction(saved, (2.0, 0.5, 0.5)[-len(shape) :], UNITS[: len(shape)])
        got = store.load_prediction(KEY)
        np.testing.assert_array_equal(got.labels, saved.labels)
        np.testing.assert_array_equal(got.maps, saved.maps)
        assert (got.labels.dtype, got.maps.dtype) == (np.int32, np.float16)
        assert got.scores == saved.scores
        assert got.key == KEY
        np.testing.assert_array_equal(store.load_predicted_labels(KEY), saved.labels)
        assert store.load_scores(KEY) == saved.scores

    def test_one_without_objects_comes_back(self, store):
        empty = Prediction(
            "a",
            np.zeros((3, 8, 9), np.float16),
            np.zeros((8, 9), np.int32),
            Scores(0.0, {}, "no object was found"),
        )
        store.save_prediction(empty)
        assert store.load_prediction("a").scores == empty.scores

    @pytest.mark.parametrize("stars", [False, True])
    @pytest.mark.parametrize("classes", [False, True])
    @pytest.mark.parametrize("shape", SHAPES, ids=str)
    def test_what_is_known_of_objects_comes_back(self, store, shape, stars, classes):
        saved = known(prediction(shape), stars, classes)
        store.save_prediction(saved)
        got, expected = store.load_prediction(KEY).instances, saved.instances
        np.testing.assert_allclose(got.probability, expected.probability, atol=1e-4)
        assert got.probability.dtype == np.float32
        np.testing.assert_array_equal(got.labels, expected.labels)
        for name in ("points", "rays", "classes"):
            one, other = getattr(got, name), getattr(expected, name)
            assert (one is None) == (other is None)
            if other is not None:
                np.testing.assert_array_equal(one, other)
                assert one.dtype == other.dtype
        table = store.load_table(KEY)
        assert table["confidence"] == saved.scores.objects
        assert table["probability"][1] == pytest.approx(expected.probability[0], abs=1e-4)
        assert ("class" in table) == classes

    def test_older_predictions_know_less(self, store):
        old = prediction((9, 8), key="a")
        store.save_prediction(old)
        assert store.load_prediction("a").instances is None
        assert store.load_table("a") == {"confidence": old.scores.objects}
        assert store.load_table("b") == {}

    def test_a_prediction_without_stars_takes_the_place_of_one_with(self, store):
        store.save_prediction(known(prediction((9, 8)), stars=True, classes=True))
        store.save_prediction(known(prediction((9, 8)), stars=False, classes=False))
        assert store.load_prediction(KEY).instances.rays is None

    def test_scores_of_other_objects_are_one_sentence(self, store):
        store.save_prediction(known(prediction((50, 60), key="a"), stars=True, classes=True))
        folder = store.folder / "predictions"
        stars = folder / "stars" / "a.safetensors"
        whole = stars.read_bytes()
        for broken in (whole[:50], b""):
            stars.write_bytes(broken)
            with pytest.raises(NucleateError, match=r"a\.safetensors is damaged .*predict"):
                store.load_prediction("a")
        stars.unlink()
        with pytest.raises(NucleateError, match=r"a\.safetensors is damaged .*predict"):
            store.load_prediction("a")
        save_stars(stars, np.zeros((2, 2), np.float32), np.zeros((2, 8), np.float32))
        with pytest.raises(NucleateError, match="for 5 objects; predict the image again"):
            store.load_prediction("a")
        raw = json.loads((folder / "a.json").read_text())
        raw["instances"]["probability"].pop()
        (folder / "a.json").write_text(json.dumps(raw))
        with pytest.raises(NucleateError, match=r"tells of 4 objects, .* have 5; predict"):
            store.load_prediction("a")
        raw["instances"] = {"probability": ["x"], "stars": False}
        (folder / "a.json").write_text(json.dumps(raw))
        with pytest.raises(NucleateError, match=r"a\.json is damaged"):
            store.load_prediction("a")

    def test_nothing_saved_is_none(self, store):
        assert store.load_prediction("a") is None
        assert store.load_scores("a") is None
        assert store.load_predicted_labels("a") is None

    def test_a_name_that_ends_like_the_maps_of_another_does_not_mix_with_it(self, store):
        first, second = prediction((9, 8), key="a"), prediction((7, 6), key="a.maps")
        store.save_prediction(second)
        store.save_prediction(first)
        np.testing.assert_array_equal(store.load_prediction("a").maps, first.maps)
        np.testing.assert_array_equal(store.load_prediction("a.maps").labels, second.labels)

    @pytest.mark.parametrize(
        "content",
        [
            "",
            "{",
            "[]",
            "3",
            '{"image": "x"}',
            '{"image": 1, "reason": "", "objects": [1], "shape": [2, 2]}',
        ],
    )
    def test_damaged_scores_are_one_sentence_with_advice(self, store, content):
        store.save_prediction(prediction((9, 8), key="a"))
        (store.folder / "predictions" / "a.json").write_text(content)
        with pytest.raises(
            NucleateError, match=r"a\.json is damaged .*predict the image again"
        ) as caught:
            store.load_prediction("a")
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize("renamed", range(9))
    def test_killed_while_it_is_replaced_it_is_the_old_or_the_new_one(
        self, store, monkeypatch, renamed
    ):
        old, new = (known(prediction(shape), stars=True, classes=True) for shape in SHAPES[:2])
        store.save_prediction(old)
        left, rename = iter([True] * renamed), Path.replace

        def killed(self, target):
            if not next(left, False):
                raise KeyboardInterrupt
            return rename(self, target)

        monkeypatch.setattr(Path, "replace", killed)
        with suppress(KeyboardInterrupt):
            store.save_prediction(new)
        monkeypatch.undo()
        # Three files beside, then the scores, then the three take their names.
        wanted = new if renamed > 3 else old
        for _ in ("read as it was left", "read after somebody may write again"):
            got = store.load_prediction(KEY)
            np.testing.assert_array_equal(got.labels, wanted.labels)
            np.testing.assert_array_equal(got.maps, wanted.maps)
            np.testing.assert_array_equal(got.instances.rays, wanted.instances.rays)
            assert got.scores == wanted.scores
            store.close()
            store.claim()
        assert not list((store.folder / "predictions" / ".waiting").iterdir())

    def test_old_files_of_no_save_that_counts_are_dropped(self, store):
        store.save_prediction(prediction((9, 8)))
        waiting = store.folder / "predictions" / ".waiting"
        for name in ("0" * 16 + ".maps.tif", "1" * 16 + ".maps.tif", "mine.tif"):
            (waiting / name).write_bytes(b"half")
        os.utime(waiting / ("0" * 16 + ".maps.tif"), (1, 1))
        store.close()
        store.claim()
        assert sorted(p.name[:4] for p in waiting.iterdir()) == ["1111", "mine"]

    def test_a_name_of_a_save_that_leads_elsewhere_is_refused(self, store):
        store.save_prediction(prediction((9, 8), key="a"))
        path = store.folder / "predictions" / "a.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"save": "../../secret"}))
        with pytest.raises(NucleateError, match=r"a\.json is damaged"):
            store.load_prediction("a")

    def test_missing_or_damaged_files_beside_the_scores_are_named(self, store):
        store.save_prediction(prediction((50, 60), key="a"))
        files = [p for p in (store.folder / "predictions").rglob("*.tif") if p.is_file()]
        assert len(files) == 2
        for path in files:
            whole = path.read_bytes()
            path.write_bytes(whole[: len(whole) // 3])
            with pytest.raises(NucleateError, match=path.name.replace(".", r"\.")):
                store.load_prediction("a")
            path.unlink()
            with pytest.raises(NucleateError, match="does not exist"):
                store.load_prediction("a")
            path.write_bytes(whole)
        other = prediction((9, 8), key="b")
        store.save_prediction(other)
        (store.folder / "predictions" / "b.tif").replace(store.folder / "predictions" / "a.tif")
        with pytest.raises(NucleateError, match=r"a\.tif has shape .* predict the image again"):
            store.load_prediction("a")
        store.save_prediction(prediction((50, 60), key="a"))
        assert store.load_prediction("a") is not None


class TestModels:
    def test_a_model_comes_back_by_its_name(self, store, tiny, random_model):
        model = random_model(tiny(), name="round-0")
        folder = store.save_model(model)
        assert folder == store.folder / "models" / "round-0"
        assert store.load_model("round-0").card == model.card
        assert store.load_card("round-0") == model.card

    def test_a_better_state_of_the_same_training_replaces_it(self, store, tiny, random_model):
        store.save_model(random_model(tiny(), seed=1, name="round-0"))
        later = random_model(tiny(), seed=2, name="round-0")
        store.save_model(later)
        got = store.load_model("round-0").weights
        assert all(np.array_equal(got[k], later.weights[k]) for k in got)

    def test_a_new_name_is_one_that_no_model_has(self, store, tiny, random_model):
        assert store.new_model_name(0) == "round-0"
        for expected in ("round-0", "round-0-2", "round-0-3"):
            name = store.new_model_name(0)
            assert name == expected
            store.save_model(random_model(tiny(), name=name))
        assert store.new_model_name(1) == "round-1"

    def test_a_model_that_is_not_there_is_said_so(self, store):
        with pytest.raises(NucleateError, match="nowhere is not a model"):
            store.load_model("nowhere")
        with pytest.raises(NucleateError, match="nowhere is not a model"):
            store.load_card("nowhere")
