"""Long work on a project: what matters is on disk before it is said."""

import contextlib
import shutil

import numpy as np
import pytest

from napari_nucleate.core.annotation import annotate
from napari_nucleate.core.confidence import Confidence, Scores
from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.events import (
    Accepted,
    Prediction,
    RoundFinished,
    Step,
    Tile,
    Trained,
    Validated,
    Warned,
)
from napari_nucleate.core.model import Card, Model, Record
from napari_nucleate.core.rounds import SelfTraining
from napari_nucleate.core.training.snapshot import Snapshot
from napari_nucleate.core.training.train import train
from napari_nucleate.project import run
from napari_nucleate.project.model import Item, RoundEntry, State
from napari_nucleate.project.run import (
    after,
    entered,
    gather,
    predicting,
    self_training,
    training,
)
from napari_nucleate.project.store import Store

ONCE = Confidence(agreement=False)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "project")


def said(key, confidence=0.7, reason="because"):
    shape = (16, 16)
    ids = np.zeros(shape, np.int32)
    ids[2:7, 2:7], ids[9:14, 9:14] = 1, 2
    maps = np.stack([ids == 0, ids > 0, np.zeros(shape)]).astype(np.float16)
    return Prediction(key, maps, ids, Scores(confidence, {1: 0.9, 2: 0.1}, reason))


def state(**statuses):
    items = []
    for key, status in statuses.items():
        predicted = status in ("predicted", "accepted", "rejected")
        items.append(
            Item(key=key, status=status, confidence=0.5 if predicted else None, source="s")
        )
    return State(items=tuple(items))


class TestAfter:
    def test_a_prediction_is_entered_with_its_model_and_round(self, tiny):
        record = Record(name="round-3", round=3)
        known = entered(state(a="unlabelled"), Model(Card(recipe=tiny(), record=record), {}))
        item = after(known, said("a")).item("a")
        assert item == Item(
            key="a",
            source="s",
            status="predicted",
            model="round-3",
            round=3,
            confidence=0.7,
            reason="because",
            objects=2,
        )

    @pytest.mark.parametrize("status", ["labelled", "empty"])
    def test_a_persons_image_stays_as_it_is(self, status):
        before = state(a=status, b="predicted")
        assert after(before, said("a")) == before
        assert after(before, Accepted(0, ("a",), "")) == before

    def test_a_rejected_image_stays_rejected_with_its_new_confidence(self):
        before = state(a="rejected")
        got = after(before, said("a")).item("a")
        assert (got.status, got.confidence) == ("rejected", 0.7)
        assert after(before, Accepted(0, ("a",), "")).item("a").status == "rejected"

    def test_but_not_the_mask_of_another_model(self):
        entry = RoundEntry(number=1, model="round-1", human=1, pseudo=0, seconds=1)
        before = state(a="rejected").model_copy(update={"rounds": (entry,)})
        got = after(before, said("a"))
        assert (got.item("a").status, got.item("a").model) == ("predicted", "round-1")

    def test_an_accepted_prediction_waits_again_when_a_newer_one_takes_its_place(self):
        assert after(state(a="accepted"), said("a")).item("a").status == "predicted"

    def test_what_a_round_accepts_is_marked(self):
        got = after(state(a="predicted", b="predicted"), Accepted(0, ("b",), ""))
        assert [i.status for i in got.items] == ["predicted", "accepted"]

    def test_other_events_and_strange_images_change_nothing(self):
        before = state(a="predicted")
        for event in (said("stranger"), Step(1, 0.5, 0.1, 0.2, 3.0), Tile("a", 1, 2), "anything"):
            assert after(before, event) is before

    def test_it_is_pure(self):
        before = state(a="unlabelled", b="predicted")
        copy = before.model_copy(deep=True)
        after(before, said("a"))
        after(before, Accepted(0, ("b",), ""))
        assert before == copy

    def test_a_finished_training_joins_the_history(self, tiny):
        record = Record(
            name="round-1", round=1, human=("a", "b"), pseudo=("c",), seconds=4, validation_ap=0.5
        )
        before = state(a="labelled")
        got = entered(before, Model(Card(recipe=tiny(), record=record), {}))
        (entry,) = got.rounds
        assert (entry.number, entry.model, entry.human, entry.pseudo) == (1, "round-1", 2, 1)
        assert (entry.seconds, entry.validation_ap) == (4, 0.5)
        assert before.rounds == ()


class TestGather:
    def test_labelled_empty_and_accepted_images_are_learned_from(self, store, picture):
        for key in ("c", "d", "e"):
            store.save_prediction(said(key))
        sources = {k: picture(k, np.ones((1, 16, 16))) for k in "abcdef"}
        known = state(
            a="labelled", b="empty", c="accepted", d="predicted", e="rejected", f="unlabelled"
        )
        painted = np.zeros((16, 16), int)
        examples = gather(known, store, sources, lambda key: annotate(painted))
        assert [(e.key, e.pseudo, e.weight) for e in examples] == [
            ("a", False, 1.0),
            ("b", False, 1.0),
            ("c", True, known.self_training.weight),
        ]
        # Object 2 has little confidence, but a person accepted it.
        assert examples[2].annotation.n_objects == 2

    def test_an_accepted_image_whose_prediction_is_gone_is_left_out(self, store, picture):
        sources = {"a": picture("a", np.ones((1, 16, 16)))}
        assert gather(state(a="accepted"), store, sources, annotate) == []


class TestInterrupted:
    def stopped(self, store, examples, recipe, name, at):
        card = Card(recipe=recipe, record=Record(name=name))
        with contextlib.closing(training(store, examples, recipe, card)) as steps:
            for event in steps:
                if isinstance(event, Step) and event.step == at:
                    return

    def test_what_is_stopped_can_go_on_and_what_ended_can_not(self, store, nuclei, tiny):
        recipe = tiny(steps=6)
        assert store.interrupted() == ""
        self.stopped(store, nuclei(), recipe, "mine", 3)
        assert store.interrupted() == "mine"
        snapshot = store.load_snapshot("mine")
        assert snapshot.progress.step == 3
        events = training(store, nuclei(), recipe, snapshot.card, snapshot=snapshot)
        last = [e for e in events if isinstance(e, Step)][-1]
        assert last.step == 6
        assert store.interrupted() == ""
        with pytest.raises(NucleateError, match="no interrupted training"):
            store.load_snapshot("mine")

    def test_before_the_first_validation_there_is_no_model_but_it_can_go_on(
        self, store, nuclei, tiny
    ):
        self.stopped(store, nuclei(), tiny(steps=900), "early", 2)
        assert not (store.folder / "models" / "early" / "model.json").exists()
        assert store.interrupted() == "early"
        assert store.new_model_name(0) == "round-0"

    def test_a_best_model_that_nobody_heard_of_is_kept(self, store, nuclei, tiny, monkeypatch):
        def ahead(*args, keep, **kwargs):
            # As beside the window, where events after Stop are not read any more.
            steps = train(*args, keep=keep, **kwargs)
            yield next(e for e in steps if isinstance(e, Step))
            while not isinstance(next(steps), Validated):
                pass
            steps.close()

        monkeypatch.setattr(run, "_trained_here", ahead)
        recipe = tiny(steps=6)
        card = Card(recipe=recipe, record=Record(name="mine"))
        events = list(training(store, nuclei(), recipe, card))
        assert not any(isinstance(e, Validated) for e in events)
        assert store.interrupted() == "mine"
        best = store.load_snapshot("mine").best
        assert store.load_model("mine").card == best.card

    @pytest.mark.parametrize("beside", [False, True], ids=["here", "process"])
    def test_a_full_disk_at_stop_is_one_sentence(self, store, nuclei, tiny, monkeypatch, beside):
        def full(name, snapshot):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(store, "save_snapshot", full)
        recipe = tiny(steps=900)
        card = Card(recipe=recipe, record=Record(name="mine"))
        steps = training(store, nuclei(), recipe, card, beside=beside)
        next(e for e in steps if isinstance(e, Step))
        with pytest.raises(
            NucleateError, match=r"mine is can't be kept: the disk is full; make space .*\.$"
        ):
            steps.close()

    def test_only_the_training_begun_last_counts(self, store, nuclei, tiny):
        recipe = tiny(steps=3)
        self.stopped(store, nuclei(), recipe, "old", 2)
        snapshot = store.load_snapshot("old")
        older = snapshot.card.record.model_copy(update={"started": "2020-01-01T00:00:00+00:00"})
        card = snapshot.card.model_copy(update={"record": older})
        store.save_snapshot("old", Snapshot(card, snapshot.progress, snapshot.arrays))
        list(training(store, nuclei(), recipe, Card(recipe=recipe, record=Record(name="new"))))
        assert store.interrupted() == ""
        assert store.load_snapshot("old").progress.step == 2

    def test_a_damaged_one_is_not_offered(self, store, nuclei, tiny):
        self.stopped(store, nuclei(), tiny(steps=3), "mine", 2)
        (store.folder / "models" / "mine" / "resume.safetensors").write_bytes(b"?")
        assert store.interrupted() == ""

    def test_a_training_that_went_on_is_in_the_history_once(self, tiny):
        model = Model(Card(recipe=tiny(), record=Record(name="round-0", seconds=3)), {})
        longer = Model(Card(recipe=tiny(), record=Record(name="round-0", seconds=9)), {})
        other = Model(Card(recipe=tiny(), record=Record(name="round-0-2")), {})
        got = entered(entered(entered(State(), other), model), longer)
        assert [(r.model, r.seconds) for r in got.rounds] == [("round-0-2", 0), ("round-0", 9)]


class TestTraining:
    def test_the_best_weights_are_on_disk_when_they_are_announced(self, store, nuclei, tiny):
        card = Card(recipe=tiny(), record=Record(name="mine"))
        steps = training(store, nuclei(), tiny(steps=30), card)
        with contextlib.closing(steps):
            for event in steps:
                if isinstance(event, Validated) and event.model is not None:
                    saved = store.load_model("mine")
                    assert saved.card == event.model.card
                if isinstance(event, Step) and event.step == 3:
                    break
        assert store.load_model("mine").card.record.best_step <= 3

    def test_predictions_are_on_disk_when_they_are_announced(
        self, store, nuclei, tiny, picture, random_model
    ):
        sources = [picture(e.key, e.image) for e in nuclei()]
        steps = predicting(store, random_model(tiny()), sources, SelfTraining(confidence=ONCE))
        found = []
        for event in steps:
            if isinstance(event, Prediction):
                saved = store.load_prediction(event.key)
                np.testing.assert_array_equal(saved.labels, event.labels)
                np.testing.assert_array_equal(saved.maps, event.maps)
                found.append(event.key)
        assert found == [s.key for s in sources]


class TestSelfTraining:
    def project(self, nuclei, tiny, rounds=1):
        human, others = nuclei(count=1), nuclei(count=2, seed=7)
        items = [Item(key=e.key, status="labelled") for e in human]
        items += [Item(key=f"pool {i}") for i in range(2)]
        all_good = {"best": 1, "least": 0, "sure": 0, "sizes": 1000}
        options = SelfTraining(rounds=rounds, confidence=ONCE, **all_good)
        known = State(recipe=tiny(steps=2), self_training=options, items=tuple(items))
        return known, human, others

    def test_models_predictions_and_the_state_are_written(self, store, nuclei, tiny, picture):
        known, human, others = self.project(nuclei, tiny)
        pool = [picture(f"pool {i}", e.image) for i, e in enumerate(others)]
        for event in self_training(store, human, pool, known):
            if isinstance(event, RoundFinished):
                got = store.load_state()
                assert got.rounds[-1].number == event.number
        got = store.load_state()
        assert [r.model for r in got.rounds] == ["round-0", "round-1"]
        assert [r.pseudo for r in got.rounds] == [0, 1]
        assert got.item(human[0].key).status == "labelled"
        for item in got.ranked():
            assert (item.status, item.model, item.round) == ("predicted", "round-1", 1)
            assert store.load_scores(item.key).image == pytest.approx(item.confidence)
        assert len(got.ranked()) == 2
        for name in ("round-0", "round-1"):
            assert store.load_model(name).card.record.name == name

    def test_a_model_is_in_the_history_on_disk_before_the_pool_is_predicted(
        self, store, nuclei, tiny, picture
    ):
        known, human, others = self.project(nuclei, tiny)
        pool = [picture(f"pool {i}", e.image) for i, e in enumerate(others)]
        with contextlib.closing(self_training(store, human, pool, known)) as steps:
            next(event for event in steps if isinstance(event, Trained))
            assert [r.model for r in store.load_state().rounds] == ["round-0"]

    def test_a_round_that_made_it_worse_stays_in_the_history_and_out_of_use(
        self, store, nuclei, tiny, picture, monkeypatch
    ):
        from napari_nucleate.core import rounds

        monkeypatch.setattr(rounds, "lowered", lambda now, earlier: "It is worse.")
        known, human, others = self.project(nuclei, tiny, rounds=2)
        pool = [picture(f"pool {i}", e.image) for i, e in enumerate(others)]
        list(self_training(store, human, pool, known))
        got = store.load_state()
        assert [(r.model, r.set_aside) for r in got.rounds] == [
            ("round-0", ""),
            ("round-1", "It is worse."),
        ]
        assert got.used.model == "round-0"
        assert store.load_model("round-1").card.record.round == 1
        assert {(i.model, i.round) for i in got.ranked()} == {("round-0", 0)}

    def test_a_model_is_compared_with_those_it_goes_back_to(self, store, random_model, tiny):
        def learned(state, number, ap, initial=""):
            facts = {"validation_ap": ap, "validated": 100, "held_out": ("a",)}
            record = Record(name=f"m{number}", round=number, initial=initial, **facts)
            card = Card(recipe=tiny(), record=record)
            store.save_model(Model(card, random_model(tiny()).weights))
            after = run.entered(state, Model(card, {}))
            return after, run.worse(after, store)

        state, why = learned(State(), 0, 0.7)
        assert why == ""
        state, why = learned(state, 1, 0.4, "m0")
        assert why.startswith("Round 1 made it worse: mean AP 0.400")
        state = state.set_aside("m1", why)
        assert state.used.model == "m0"
        state, why = learned(state, 2, 0.9, "m0")
        assert why == ""
        # Nobody went back to the second: whoever chose the first again isn't held to it.
        state, why = learned(state.use("m0"), 3, 0.72, "m0")
        assert why == ""
        state, why = learned(state.use("m2"), 4, 0.72, "m2")
        assert "after 0.900 in round 2" in why
        assert state.set_aside("m4", why).used.model == "m2"
        # Of two steps that are each within noise, the first model is the measure still.
        state, why = learned(state, 5, 0.85, "m2")
        assert why == ""
        state, why = learned(state, 6, 0.77, "m5")
        assert "after 0.900 in round 2" in why
        # Where the record of one is gone, the others count.
        shutil.rmtree(store.folder / "models" / "m2")
        assert "after 0.850 in round 5" in learned(state, 7, 0.1, "m5")[1]

    def test_a_training_that_is_stopped_is_in_the_history(self, store, nuclei, tiny, picture):
        known, human, others = self.project(nuclei, tiny)
        pool = [picture(f"pool {i}", e.image) for i, e in enumerate(others)]
        events = self_training(store, human, pool, known)
        with contextlib.closing(events):
            next(e for e in events if isinstance(e, Validated) and e.model is not None)
        first = store.load_state()
        # There is no other: it is used, and gone on from.
        assert first.used.model == "round-0"
        assert not first.used.set_aside
        model = store.load_model("round-0")
        events = self_training(store, human, pool, first, model=model)
        with contextlib.closing(events):
            for event in events:
                if isinstance(event, Validated) and event.step and event.model is not None:
                    break
        state = store.load_state()
        assert [entry.model for entry in state.rounds] == ["round-0", "round-1"]
        assert state.rounds[1].set_aside.startswith("Stopped; these are its weights of step ")
        assert state.used.model == "round-0"

    def test_what_can_not_be_kept_at_the_stop_is_told(
        self, store, nuclei, tiny, picture, monkeypatch
    ):
        def full(model):
            raise NucleateError("w can't be written: it is full.") from OSError(28, "No space")

        monkeypatch.setattr(store, "save_model", full)
        known, human, others = self.project(nuclei, tiny)
        pool = [picture(f"pool {i}", e.image) for i, e in enumerate(others)]
        events = self_training(store, human, pool, known)
        next(event for event in events if isinstance(event, Warned))
        with pytest.raises(NucleateError, match="it is full"):
            events.close()
        assert store.load_state().rounds == ()

    def test_weights_that_are_written_at_the_stop_are_in_the_history(
        self, store, nuclei, tiny, picture, monkeypatch
    ):
        save, full = store.save_model, [True]

        def saved(model):
            if full:
                raise NucleateError("w can't be written: it is full.") from OSError(28, "No space")
            return save(model)

        monkeypatch.setattr(store, "save_model", saved)
        known, human, others = self.project(nuclei, tiny)
        pool = [picture(f"pool {i}", e.image) for i, e in enumerate(others)]
        events = self_training(store, human, pool, known)
        next(event for event in events if isinstance(event, Warned))
        full.clear()
        events.close()
        assert store.load_state().used.model == "round-0"
        assert store.load_model("round-0").card.record.best_step

    def test_stopped_early_the_state_is_written_as_it_was_then(self, store, nuclei, tiny, picture):
        known, human, others = self.project(nuclei, tiny)
        pool = [picture(f"pool {i}", e.image) for i, e in enumerate(others)]
        steps = self_training(store, human, pool, known)
        with contextlib.closing(steps):
            next(e for e in steps if isinstance(e, Prediction))
        got = store.load_state()
        assert [i.key for i in got.ranked()] == ["pool 0"]
        assert len(got.rounds) == 1
        assert store.load_prediction("pool 0") is not None


class TestRecovered:
    def saved(self, store, random_model, tiny, name, **record):
        card = Card(recipe=tiny(), record=Record(name=name, best_step=7, **record))
        return store.save_model(Model(card, random_model(tiny()).weights))

    def test_a_model_that_a_kill_left_out_is_in_the_history(self, store, random_model, tiny):
        self.saved(store, random_model, tiny, "round-0", started="2026-01-01")
        before = run.entered(State(), store.load_model("round-0"))
        self.saved(store, random_model, tiny, "round-1", started="2026-01-02", round=1)
        after = run.recovered(before, store)
        assert [entry.model for entry in after.rounds] == ["round-0", "round-1"]
        assert after.rounds[1].set_aside == "Cut off; these are its weights of step 7."
        assert after.model == "round-0"
        assert after.use("round-1").model == "round-1"
        assert run.recovered(after, store) == after

    def test_one_that_can_go_on_or_has_another_name_is_left_out(
        self, store, random_model, tiny, nuclei
    ):
        folder = self.saved(store, random_model, tiny, "round-0")
        shutil.copytree(folder, folder.with_name("a copy"))
        (folder / "resume.safetensors").write_bytes(b"")
        assert run.recovered(State(), store) == State()
