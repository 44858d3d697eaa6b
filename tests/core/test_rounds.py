"""Self-training: the person's labels stay, the best predictions join, doubtful pixels don't."""

import contextlib

import numpy as np
import pytest

from napari_nucleate.core.annotation import annotate
from napari_nucleate.core.confidence import Confidence, Scores
from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.events import (
    Accepted,
    Prediction,
    Ranked,
    RoundFinished,
    RoundStarted,
    SetAside,
    Started,
    Trained,
    Warned,
    Worsened,
)
from napari_nucleate.core.model import Card, Model, Record
from napari_nucleate.core.patches import Example
from napari_nucleate.core.pool import Pool, choose, rank, wanted
from napari_nucleate.core.rounds import SelfTraining, in_doubt, lowered, rounds

BOTH = pytest.mark.parametrize("ndim", [2, 3])
ORDER = [("a", 0.9), ("b", 0.8), ("c", 0.7), ("d", 0.65), ("e", 0.3)]


def of(kind, events):
    return [e for e in events if isinstance(e, kind)]


class TestRank:
    def test_the_best_come_first(self):
        assert rank({"x": 0.1, "y": 0.9, "z": 0.5}) == [("y", 0.9), ("z", 0.5), ("x", 0.1)]

    def test_equal_ones_come_by_name_whatever_the_order_they_came_in(self):
        assert [k for k, _ in rank({"b": 0.5, "ä": 0.5, "a": 0.5, "c": 0.7})] == [
            "c",
            "a",
            "b",
            "ä",
        ]
        assert rank({"b": 0.5, "a": 0.5}) == rank({"a": 0.5, "b": 0.5})

    def test_an_empty_pool_has_an_empty_ranking(self):
        assert rank({}) == []


class TestChoose:
    def test_as_many_as_are_given_join_and_as_many_again_each_round(self):
        assert wanted(SelfTraining(best=3), number=0) == 3
        assert wanted(SelfTraining(best=3), number=2) == 9

    def test_without_a_number_as_many_join_as_memory_has_room_for(self):
        assert wanted(SelfTraining(), number=0) == wanted(SelfTraining(), number=2) == 64

    def test_the_best_of_those_that_are_good_enough_join(self):
        assert choose(ORDER, "abcde", 2, 0).keys == ("a", "b")
        assert choose(ORDER, "bde", 2, 1) == Accepted(1, ("b", "d"), "2 of 5 predictions accepted.")

    def test_poor_ones_never_join_and_it_is_said(self):
        got = choose(ORDER, "abcd", 5, 0)
        assert got.keys == ("a", "b", "c", "d")
        assert got.note.startswith("Only 4 of 5 predictions are good enough to learn from, 5 were")

    def test_a_pool_smaller_than_wanted_is_no_complaint_about_confidence(self):
        got = choose(ORDER[:2], "ab", 9, 0)
        assert got.keys == ("a", "b")
        assert got.note == "All 2 predictions accepted; 9 were wanted, there are no more."
        assert choose(ORDER[:2], "ab", 2, 0).note == "2 of 2 predictions accepted."

    def test_an_empty_pool_gives_nothing(self):
        assert choose([], (), 3, 0).keys == ()


@pytest.fixture
def trainings(monkeypatch):
    """Notes what each round learns from, and lets the first training's model predict the truth."""
    from napari_nucleate.core.training import train as module

    seen = []
    true = module.train

    def train(examples, recipe, **options):
        seen.append((list(examples), recipe, options))
        return (yield from true(examples, recipe, **options))

    monkeypatch.setattr(module, "train", train)
    return seen


def options(**given):
    """Whatever a network draws after two steps is good enough."""
    few = {"rounds": 2, "best": 1, "least": 0, "sure": 0, "sizes": 1000}
    return SelfTraining(**few | {"confidence": Confidence(agreement=False)} | given)


@BOTH
def test_each_round_trains_predicts_ranks_and_accepts(nuclei, tiny, pool, trainings, ndim):
    human, others = nuclei(ndim, 1), pool(ndim, 3)
    events = list(rounds(human, others, tiny(ndim, steps=2), options()))
    started = of(RoundStarted, events)
    assert [(e.number, e.total, e.human, e.pseudo) for e in started] == [
        (0, 2, 1, 0),
        (1, 2, 1, 1),
        (2, 2, 1, 2),
    ]
    kinds = (RoundStarted, Started, Trained, Ranked, Accepted, RoundFinished)
    order = [type(e) for e in events if isinstance(e, kinds)]
    one = [RoundStarted, Started, Trained, Ranked, Accepted, RoundFinished]
    assert order == one * 2 + [k for k in one if k is not Accepted]
    assert len(of(Prediction, events)) == 9
    for ranked in of(Ranked, events):
        assert {k for k, _ in ranked.order} == {s.key for s in others}
        assert [c for _, c in ranked.order] == sorted((c for _, c in ranked.order), reverse=True)


@BOTH
def test_the_persons_examples_are_in_every_round_and_pseudo_labels_are_made_anew(
    nuclei, tiny, pool, trainings, ndim
):
    human = nuclei(ndim, 2)
    events = list(rounds(human, pool(ndim, 3), tiny(ndim, steps=2), options(best=1, weight=0.25)))
    accepted = of(Accepted, events)
    assert len(trainings) == 3
    for number, (examples, _, _) in enumerate(trainings):
        assert all(a is b for a, b in zip(examples[:2], human, strict=True))
        pseudo = examples[2:]
        assert len(pseudo) == number
        if number:
            assert tuple(e.key for e in pseudo) == accepted[number - 1].keys
        for example in pseudo:
            assert example.pseudo
            assert example.weight == 0.25
    # The same image, labelled by two models: not one annotation carried on.
    first = {e.key: e.annotation for e in trainings[1][0][2:]}
    again = {e.key: e.annotation for e in trainings[2][0][2:]}
    for key in first.keys() & again.keys():
        assert first[key] is not again[key]


def test_each_model_carries_its_round_and_where_its_labels_came_from(nuclei, tiny, pool, trainings):
    refine = tiny(steps=1, learning_rate=0.001)
    events = list(
        rounds(
            nuclei(count=1),
            pool(2, 2),
            tiny(steps=2),
            options(rounds=1),
            refine=refine,
            card=Card(recipe=tiny(), spacing=(0.5, 0.5)),
        )
    )
    zero, one = (e.model for e in of(RoundFinished, events))
    assert (zero.card.record.name, one.card.record.name) == ("round-0", "round-1")
    assert (zero.card.record.round, one.card.record.round) == (0, 1)
    assert zero.card.record.pseudo == ()
    assert one.card.record.pseudo == of(Accepted, events)[0].keys
    assert zero.card.record.human == one.card.record.human == (nuclei(count=1)[0].key,)
    assert one.card.spacing == (0.5, 0.5)
    assert zero.recipe.optimisation.budget.value == 2
    assert one.recipe == refine.model_copy(update={"diameter": zero.recipe.diameter})
    # A round goes on from the weights of the one before.
    assert trainings[0][2]["initial"] is None
    assert trainings[1][2]["initial"] is zero


def test_where_every_mask_is_poor_no_round_follows_and_it_is_said(nuclei, tiny, pool, trainings):
    events = list(rounds(nuclei(count=2), pool(2, 3), tiny(steps=1), options(rounds=2, least=1)))
    (accepted,) = of(Accepted, events)
    assert accepted.keys == ()
    assert accepted.note.startswith("None of 3 predictions is good enough to learn from: nothing")
    assert [len(examples) for examples, _, _ in trainings] == [2]
    assert [e.number for e in of(RoundFinished, events)] == [0]


@pytest.fixture
def judged(monkeypatch):
    """Trainings whose models have these mean AP, validated on so many objects."""
    from napari_nucleate.core.training import train as module

    true = module.train

    def give(aps, objects=400):
        left = list(aps)

        def train(examples, recipe, **options):
            model = yield from true(examples, recipe, **options)
            update = {"validation_ap": left.pop(0), "validated": objects, "held_out": ("a",)}
            record = model.card.record.model_copy(update=update)
            return Model(model.card.model_copy(update={"record": record}), model.weights)

        monkeypatch.setattr(module, "train", train)

    return give


def test_a_round_that_makes_it_worse_is_set_aside_and_the_last(nuclei, tiny, pool, judged):
    judged([0.6, 0.45, 0.9])
    events = list(rounds(nuclei(count=1), pool(2, 2), tiny(steps=1), options()))
    (aside,) = of(SetAside, events)
    assert events[-1] is aside
    assert aside.number == 1
    assert aside.model.card.record.round == 1
    assert aside.note.startswith("Round 1 made it worse: mean AP 0.450 on the validation images")
    assert [e.number for e in of(RoundFinished, events)] == [0]
    # What the worse model would predict, nobody sees.
    assert len(of(Ranked, events)) == 1


def test_small_drops_add_up(nuclei, tiny, pool, judged):
    judged([0.6, 0.54, 0.48])
    events = list(rounds(nuclei(count=1), pool(2, 2), tiny(steps=1), options()))
    (aside,) = of(SetAside, events)
    assert aside.number == 2
    assert "after 0.600 in round 0" in aside.note


def test_noise_is_no_reason_to_set_a_round_aside(nuclei, tiny, pool, judged):
    judged([0.6, 0.58, 0.575])
    events = list(rounds(nuclei(count=1), pool(2, 2), tiny(steps=1), options()))
    assert of(SetAside, events) == []
    assert [e.number for e in of(RoundFinished, events)] == [0, 1, 2]


def test_a_large_drop_that_may_be_chance_is_spoken_of():
    began = {"initial_ap": 0.46, "held_out": ("a",), "validated": 17, "round": 2}
    said = in_doubt(Record(validation_ap=0.32, **began))
    assert said.startswith("Round 2 ends with a mean AP of 0.320 after 0.460 on what was held out.")
    assert "so few objects (17) and images (1)" in said
    assert in_doubt(Record(validation_ap=0.42, **began)) == ""
    assert in_doubt(Record(validation_ap=0.32)) == ""


class TestLowered:
    before = Record(validation_ap=0.6, validated=400, held_out=("a",))

    @pytest.mark.parametrize(
        ("update", "worse"),
        [
            ({"validation_ap": 0.48}, True),
            ({"validation_ap": 0.52}, False),
            ({"validation_ap": 0.9}, False),
            ({"validation_ap": 0.5, "validated": 4}, False),
            ({"validation_ap": 0.2, "validated": 399}, False),
            ({"validation_ap": 0.2, "held_out": ("b",)}, False),
            ({"validation_ap": None}, False),
        ],
    )
    def test_only_beyond_noise_and_on_the_same_images(self, update, worse):
        now = self.before.model_copy(update={"round": 2} | update)
        assert bool(lowered(now, [self.before])) == worse

    def test_where_nothing_was_held_out_nothing_is_said(self):
        before = self.before.model_copy(update={"held_out": ()})
        now = before.model_copy(update={"validation_ap": 0.1})
        assert lowered(now, [before]) == ""
        regions = {"regions": {"a": ((0, 5), (0, 5))}}
        assert lowered(now.model_copy(update=regions), [before.model_copy(update=regions)])

    def test_the_best_that_can_be_compared_counts(self):
        others = self.before.model_copy(update={"validation_ap": 0.95, "held_out": ("b",)})
        worse = self.before.model_copy(update={"validation_ap": 0.4})
        now = self.before.model_copy(update={"round": 3, "validation_ap": 0.45})
        assert "after 0.600 in round 0" in lowered(now, [others, self.before, worse])
        assert lowered(now, [others, worse]) == ""

    def test_so_does_what_it_began_with(self):
        now = self.before.model_copy(update={"validation_ap": 0.5, "initial_ap": 0.7})
        assert "after 0.700 before it" in lowered(now, [])
        assert "after 0.700 before it" in lowered(now, [self.before])
        assert lowered(now.model_copy(update={"initial_ap": 0.51}), []) == ""
        # Object by object, less is seen.
        surer = now.model_copy(update={"validated": 40, "initial_ap": 0.61})
        assert lowered(surer, []) == ""
        surer = surer.model_copy(update={"initial_noise": 0.005})
        assert "after 0.610 before it" in lowered(surer, [])

    def test_of_more_images_less_is_seen(self):
        few, many = (
            self.before.model_copy(update={"held_out": tuple("abcdefghi"[:n])}) for n in (1, 9)
        )
        assert not lowered(few.model_copy(update={"validation_ap": 0.54}), [few])
        assert lowered(many.model_copy(update={"validation_ap": 0.54}), [many])


def test_no_rounds_is_one_training_and_a_prediction_of_the_pool(nuclei, tiny, pool):
    events = list(rounds(nuclei(count=1), pool(2, 2), tiny(steps=1), options(rounds=0)))
    assert len(of(RoundFinished, events)) == 1
    assert len(of(Prediction, events)) == 2
    assert of(Accepted, events) == []


def test_an_empty_pool_trains_on_the_persons_labels_alone(nuclei, tiny, trainings):
    events = list(rounds(nuclei(count=1), [], tiny(steps=1), options(rounds=1)))
    assert [r.order for r in of(Ranked, events)] == [()]
    assert of(Accepted, events)[0].keys == ()
    assert of(Accepted, events)[0].note.startswith("There is no image to predict")
    assert [len(examples) for examples, _, _ in trainings] == [1]


def test_an_image_both_labelled_and_in_the_pool_is_refused_by_name(nuclei, tiny, picture):
    example = nuclei(count=1)[0]
    both = [picture("other", example.image), picture(example.key, example.image)]
    with pytest.raises(NucleateError, match=f"^{example.key} is both labelled and in the pool"):
        next(rounds([example], both, tiny()))


def test_what_was_held_out_says_in_one_sentence_that_it_is_worse(nuclei, tiny, pool, monkeypatch):
    from napari_nucleate.core.training.run import Run

    def advice(self):
        yield Warned("Stopped early.")
        yield Worsened("What it was before was better.")

    monkeypatch.setattr(Run, "warned_at_end", advice)
    events = list(rounds(nuclei(count=1), pool(2, 2), tiny(steps=1), options(rounds=1)))
    said = [e.message for e in of(Warned, events)]
    assert said.count("Stopped early.") == 2
    assert "What it was before was better." not in said


def test_that_nothing_is_held_out_is_said_once(nuclei, tiny, pool):
    recipe = tiny(steps=1, validation=0)
    events = list(rounds(nuclei(count=1), pool(2, 2), recipe, options(rounds=2)))
    told = [e.message for e in of(Warned, events) if e.message.startswith("Nothing is held out")]
    assert len(told) == 1
    alone = list(rounds(nuclei(count=1), pool(2, 2), recipe, options(rounds=0)))
    assert not [e for e in of(Warned, alone) if e.message.startswith("Nothing is held out")]


def test_labels_that_were_erased_teach_nothing(nuclei, tiny, pool):
    erased = [
        Example(e.key, e.image, annotate(np.zeros_like(e.annotation.labels)))
        for e in nuclei(count=2)
    ]
    with pytest.raises(NucleateError, match="No object is painted in any of the labelled images"):
        list(rounds(erased, pool(2, 2), tiny(steps=1)))


def test_a_project_that_is_gone_on_with_learns_from_more(nuclei, tiny, pool, random_model):
    model = random_model(tiny())
    record = model.card.record.model_copy(update={"round": 2})
    model = Model(model.card.model_copy(update={"record": record}), model.weights)
    asked = []
    events = rounds(nuclei(count=1), pool(2, 4), tiny(steps=1), options(best=1), model=model)
    for event in events:
        if isinstance(event, Accepted):
            asked.append(event.note)
            break
    events.close()
    assert "3 were wanted" in asked[0] or "3 of 4" in asked[0]


def test_nothing_labelled_is_refused(tiny, pool):
    with pytest.raises(NucleateError, match="Nothing is labelled yet"):
        list(rounds([], pool(2, 1), tiny()))


def test_a_pool_with_other_channels_is_refused_by_name(nuclei, tiny, picture):
    wrong = [picture("wrong", np.zeros((2, 40, 40)))]
    with pytest.raises(NucleateError, match=r"wrong has 2 channel\(s\)"):
        list(rounds(nuclei(count=1), wrong, tiny(steps=1), options(rounds=0)))


def test_it_can_be_stopped_at_any_event(nuclei, tiny, pool):
    human, others = nuclei(count=1), pool(2, 2)
    total = len(list(rounds(human, others, tiny(steps=2), options(rounds=1))))
    for stop in (1, 3, total // 2, total - 2):
        events = rounds(human, others, tiny(steps=2), options(rounds=1))
        with contextlib.closing(events):
            for _ in range(stop):
                next(events)
        with pytest.raises(StopIteration):
            next(events)


def test_the_persons_labels_are_not_changed(nuclei, tiny, pool):
    example = nuclei(count=1)[0]
    before = annotate(example.annotation.labels.copy())
    list(rounds([example], pool(2, 2), tiny(steps=2), options(rounds=1)))
    np.testing.assert_array_equal(example.annotation.labels, before.labels)
    assert example.annotation.known.all()


def test_copies_of_an_easy_image_come_last(tiny, picture, monkeypatch):
    rng = np.random.default_rng(0)
    easy, others = rng.random((1, 64, 64)), rng.random((3, 1, 64, 64))
    pictures = [picture(f"easy{'abcd'[i]}", (i + 1) * easy) for i in range(4)]
    pictures += [picture(f"other{'abc'[i]}", image) for i, image in enumerate(others)]
    labels = np.zeros((64, 64), np.int32)
    labels[2:6, 2:6] = 1
    maps = np.stack([labels == 0, labels > 0, labels > 1]).astype(np.float16)

    def ranked(self, number, model, good):
        for i, source in enumerate(good.watched(pictures)):
            source.read()
            good.add(Prediction(source.key, maps, labels, Scores(0.9 - i / 100, {1: 0.9})))
        yield Ranked(number, ())
        return [(source.key, 0.9 - i / 100) for i, source in enumerate(pictures)]

    monkeypatch.setattr(Pool, "ranked", ranked)
    labelled = {"mine": 5 * easy + 2}
    for count, known, easy_ones in ((3, {}, 1), (5, {}, 2), (3, labelled, 0)):
        pool = Pool(pictures, options(best=count), 0.0, known, None)
        model = Model(Card(recipe=tiny(), record=Record(name="m")), {})
        (accepted,) = of(Accepted, pool.chosen(0, model, count))
        assert len(accepted.keys) == count
        assert sum(key.startswith("easy") for key in accepted.keys) == easy_ones
