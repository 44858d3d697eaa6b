"""An interrupted training that goes on ends as if nothing had happened."""

import contextlib
from dataclasses import replace

import numpy as np
import pytest

from napari_nucleate.core.annotation import Annotation
from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.events import (
    Corrected,
    Finishing,
    Started,
    Step,
    Trained,
    Validated,
    Warned,
)
from napari_nucleate.core.patches import Example
from napari_nucleate.core.recipe import Epochs, Seconds
from napari_nucleate.core.targets import Boundary
from napari_nucleate.core.training import run as run_module
from napari_nucleate.core.training.run import Run
from napari_nucleate.core.training.snapshot import Draws, difference
from napari_nucleate.core.training.train import train


def of(kind, events):
    return [e for e in events if isinstance(e, kind)]


def interrupted(examples, recipe, at, kind=Step, **options):
    """Train up to an event of this kind at this step; what was kept, and the events."""
    kept, seen = [], []
    with contextlib.closing(train(examples, recipe, keep=kept.append, **options)) as events:
        for event in events:
            seen.append(event)
            if isinstance(event, kind) and event.step == at:
                break
    return kept[-1], seen


def same(one, other):
    return one.keys() == other.keys() and all(np.array_equal(one[k], other[k]) for k in one)


@pytest.fixture(scope="module")
def whole(nuclei, tiny):
    """A training that nothing interrupted."""
    return list(train(nuclei(), tiny(steps=12)))


@pytest.mark.parametrize(
    ("at", "kind"), [(1, Step), (3, Step), (3, Validated), (7, Step), (12, Step), (12, Validated)]
)
def test_it_ends_bit_for_bit_the_same(nuclei, tiny, whole, at, kind):
    snapshot, seen = interrupted(nuclei(), tiny(steps=12), at, kind)
    rest = list(train(nuclei()[::-1], tiny(steps=12), snapshot=snapshot))
    assert same(rest[-1].model.weights, whole[-1].model.weights)
    assert rest[0].note.startswith(f"Goes on at step {at}, {at / 12:.0%}. Validated on")
    assert not of(Warned, rest)
    for measured in (lambda e: (e.step, e.loss), lambda e: (e.step, e.learning_rate)):
        both = [measured(e) for e in of(Step, [*seen, *rest])]
        assert both == [measured(e) for e in of(Step, whole)]
    scores = [(e.step, e.loss, e.ap, e.dice, e.model is None) for e in of(Validated, seen + rest)]
    assert scores == [(e.step, e.loss, e.ap, e.dice, e.model is None) for e in of(Validated, whole)]
    ours, theirs = rest[-1].model.card.record, whole[-1].model.card.record
    assert ours.model_dump(exclude={"started", "seconds"}) == theirs.model_dump(
        exclude={"started", "seconds"}
    )
    assert ours.seconds >= snapshot.progress.seconds > 0


def test_it_may_be_interrupted_again_and_again(nuclei, tiny, whole):
    snapshot, _ = interrupted(nuclei(), tiny(steps=12), 2)
    for at in (3, 6, 11):
        snapshot, _ = interrupted(nuclei(), tiny(steps=12), at, snapshot=snapshot)
    last = list(train(nuclei(), tiny(steps=12), snapshot=snapshot))[-1]
    assert same(last.model.weights, whole[-1].model.weights)


@pytest.mark.parametrize("what", ["3d", "epochs", "held out", "tuned"])
def test_all_kinds_of_trainings_go_on_the_same(nuclei, tiny, random_model, what):
    examples, options, recipe = nuclei(), {}, tiny(steps=6)
    if what == "3d":
        examples, recipe = nuclei(3, 2), tiny(3, steps=6)
    elif what == "epochs":
        recipe = tiny(budget=Epochs(value=1))
    elif what == "held out":
        examples, recipe = nuclei(count=6), tiny(steps=6, validation=0.3)
    else:
        recipe = tiny(steps=6, frozen="encoder", thaw=0.5, encoder_rate=0.1)
        options = {"initial": random_model(tiny())}
    last = list(train(examples, recipe, **options))[-1]
    snapshot, _ = interrupted(examples, recipe, 2, **options)
    rest = list(train(examples, recipe, snapshot=snapshot))
    assert same(rest[-1].model.weights, last.model.weights)
    assert rest[-1].model.card.record.held_out == last.model.card.record.held_out
    assert rest[-1].model.card.record.regions == last.model.card.record.regions


def test_what_went_wrong_before_is_remembered(nuclei, tiny, monkeypatch):
    recipe = tiny(steps=9, batch=4)
    true = Boundary.loss
    calls = []

    def loss(self, logits, target, weight):
        calls.append(len(logits))
        if len(calls) == 2:
            raise MemoryError
        return true(self, logits, target, weight) * (np.nan if len(calls) == 3 else 1)

    monkeypatch.setattr(Boundary, "loss", loss)
    last = list(train(nuclei(), recipe))[-1]
    calls.clear()
    snapshot, _ = interrupted(nuclei(), recipe, 5)
    learned = snapshot.progress.learned
    assert (learned.batch, learned.failures, learned.half) == (2, 1, False)
    assert same(
        list(train(nuclei(), recipe, snapshot=snapshot))[-1].model.weights, last.model.weights
    )


def test_stopped_at_the_very_end_it_goes_on_there(nuclei, tiny, monkeypatch):
    examples, recipe = nuclei(count=6), tiny(steps=6, validation=0.3)
    last = list(train(examples, recipe))[-1]
    kept = []
    with contextlib.closing(train(examples, recipe, keep=kept.append)) as events:
        next(e for e in events if isinstance(e, Finishing))
    rest = list(train(examples, recipe, snapshot=kept[-1]))
    assert not of(Step, rest)
    assert same(rest[-1].model.weights, last.model.weights)
    assert rest[-1].model.card.trust == last.model.card.trust


def test_elsewhere_it_computes_as_is_fast_there(nuclei, tiny, monkeypatch):
    snapshot, _ = interrupted(nuclei(), tiny(steps=6), 2)

    def began(device, half, failures=0):
        record = snapshot.card.record.model_copy(update={"device": device})
        learned = snapshot.progress.learned.model_copy(update={"half": half, "failures": failures})
        return replace(
            snapshot,
            card=snapshot.card.model_copy(update={"record": record}),
            progress=snapshot.progress.model_copy(update={"learned": learned}),
        )

    for pays in (True, False):
        monkeypatch.setattr(run_module, "half_precision_pays", lambda kind, pays=pays: pays)
        for device, failures, expected in (
            ("cpu", 0, True),
            ("cuda:1", 0, pays),
            ("mps", 1, False),
        ):
            run = Run(nuclei(), tiny(steps=6), snapshot=began(device, True, failures))
            run.close()
            assert run.learner.learned.half is expected


def test_the_time_used_before_counts(nuclei, tiny):
    recipe = tiny(budget=Seconds(value=3600))
    snapshot, _ = interrupted(nuclei(), recipe, 2)
    late = snapshot.progress.model_copy(update={"seconds": 3599.9, "fraction": 0.999})
    events = list(
        train(nuclei(), recipe, snapshot=type(snapshot)(snapshot.card, late, snapshot.arrays))
    )
    assert isinstance(events[-1], Trained)
    assert of(Step, events)[0].seconds > 3599.9
    assert len(of(Step, events)) < 50


def test_taking_snapshots_changes_nothing(nuclei, tiny, whole, monkeypatch):
    monkeypatch.setattr(run_module, "KEEP_EVERY", 0)
    kept = []
    events = list(train(nuclei(), tiny(steps=12), keep=kept.append))
    assert same(events[-1].model.weights, whole[-1].model.weights)
    # Also between validations, which lie far apart in a long training.
    assert {s.progress.step for s in kept} == {e.step for e in of(Step, events)}
    first, last = kept[0], kept[-1]
    assert not same(first.arrays, last.arrays)
    assert same(
        list(train(nuclei(), tiny(steps=12), snapshot=first))[-1].model.weights,
        whole[-1].model.weights,
    )


def test_snapshots_are_not_taken_more_often_than_once_a_minute(nuclei, tiny):
    kept = []
    list(train(nuclei(), tiny(steps=4), keep=kept.append))
    assert kept == []


def test_a_full_disk_is_told_and_does_not_end_the_training(nuclei, tiny, monkeypatch):
    monkeypatch.setattr(run_module, "KEEP_EVERY", 0)

    def keep(snapshot):
        raise NucleateError("No space left.")

    events = list(train(nuclei(), tiny(steps=2), keep=keep))
    assert isinstance(events[-1], Trained)
    assert (
        "couldn't go on after an interruption now: No space left." in of(Warned, events)[0].message
    )


def test_nothing_is_kept_before_the_first_step(nuclei, tiny):
    kept = []
    events = train(nuclei(), tiny(), keep=kept.append)
    assert isinstance(next(events), Started)
    events.close()
    assert kept == []


def test_corrections_made_meanwhile_are_part_of_what_goes_on(nuclei, tiny):
    examples, recipe = nuclei(count=2), tiny(steps=8)
    labels = examples[0].annotation.labels.copy()
    labels[labels == labels.max()] = 0
    new = Example(
        examples[0].key, examples[0].image, Annotation(labels, examples[0].annotation.known)
    )
    waiting = [[], [new]]
    snapshot, seen = interrupted(
        examples, recipe, 4, changed=lambda: waiting.pop() if waiting else []
    )
    assert of(Corrected, seen)
    with pytest.raises(NucleateError, match=r"The labels of .* changed since"):
        list(train(examples, recipe, snapshot=snapshot))
    assert isinstance(list(train([new, examples[1]], recipe, snapshot=snapshot))[-1], Trained)


@pytest.mark.parametrize("given", [False, True], ids=["gone", "given"])
def test_an_image_erased_meanwhile_does_not_count(nuclei, tiny, given):
    examples, recipe = nuclei(count=2), tiny(steps=8)
    first, other = examples
    nothing = Annotation(
        np.zeros_like(first.annotation.labels), np.zeros(first.image.shape[1:], bool)
    )
    erased = Example(first.key, first.image, nothing)
    waiting = [[], [erased]]
    snapshot, _ = interrupted(examples, recipe, 4, changed=lambda: waiting.pop() if waiting else [])
    assert not waiting
    now = [erased, other] if given else [other]
    assert isinstance(list(train(now, recipe, snapshot=snapshot))[-1], Trained)


@pytest.fixture(scope="module")
def snapshot(nuclei, tiny):
    """A training interrupted at its first step."""
    return interrupted(nuclei(), tiny(), 1)[0]


class TestWhatChanged:
    def refused(self, snapshot, examples, recipe):
        with pytest.raises(NucleateError) as caught:
            list(train(examples, recipe, snapshot=snapshot))
        sentence = str(caught.value)
        assert sentence.endswith(
            " since the training was interrupted; undo that to go on with it, or start another."
        )
        return sentence

    def test_the_recipe(self, snapshot, nuclei, tiny):
        sentence = self.refused(snapshot, nuclei(), tiny(batch=3))
        assert "The recipe changed (optimisation.batch was 2 and is 3)" in sentence

    def test_an_image_more_or_less(self, snapshot, nuclei, tiny):
        first, *others = nuclei()
        assert f"{first.key} is gone" in self.refused(snapshot, others, tiny())
        more = Example("more", first.image, first.annotation)
        assert "more is new" in self.refused(snapshot, [*nuclei(), more], tiny())

    def test_pixels(self, snapshot, nuclei, tiny):
        first, *others = nuclei()
        image = first.image.copy()
        image[0, 0, 0] += 1
        changed = Example(first.key, image, first.annotation)
        sentence = self.refused(snapshot, [changed, *others], tiny())
        assert f"The pixels of {first.key} changed" in sentence

    @pytest.mark.parametrize("what", ["labels", "known", "weight"])
    def test_labels(self, snapshot, nuclei, tiny, what):
        examples = nuclei()
        first = examples[-1]
        labels, known = first.annotation.labels.copy(), first.annotation.known.copy()
        if what == "labels":
            labels[0, 0] = 77
        elif what == "known":
            known[0, 0] = False
        weight = 0.5 if what == "weight" else 1.0
        changed = Example(first.key, first.image, Annotation(labels, known), weight)
        # The measured diameter of objects may change with them; it is the training's that counts.
        sentence = self.refused(snapshot, [*examples[:-1], changed], tiny())
        assert f"The labels of {first.key} changed" in sentence

    def test_weights_of_another_network(self, snapshot, nuclei, tiny):
        arrays = dict(snapshot.arrays)
        name = next(n for n in arrays if n.startswith("mean/"))
        arrays[name] = arrays[name][:1]
        broken = type(snapshot)(snapshot.card, snapshot.progress, arrays)
        with pytest.raises(NucleateError, match="doesn't fit the network of its recipe"):
            list(train(nuclei(), tiny(), snapshot=broken))
        del arrays[name]
        with pytest.raises(NucleateError, match="doesn't fit the network of its recipe"):
            list(train(nuclei(), tiny(), snapshot=broken))

    def test_another_torch_is_told(self, snapshot, nuclei, tiny):
        record = snapshot.card.record.model_copy(update={"versions": {"torch": "1.0"}})
        card = snapshot.card.model_copy(update={"record": record})
        older = type(snapshot)(card, snapshot.progress, snapshot.arrays)
        (warning,) = of(Warned, train(nuclei(), tiny(), snapshot=older))
        assert "began with torch 1.0 on cpu" in warning.message


def test_a_generators_state_goes_through_plain_values():
    rng = np.random.default_rng(4)
    rng.integers(10, dtype=np.uint32)
    other = np.random.default_rng(0)
    Draws.parse(Draws.of(rng).model_dump()).put(other)
    assert other.integers(1000, size=9).tolist() == rng.integers(1000, size=9).tolist()


def test_differences_are_found_in_depth():
    assert difference({"a": {"b": 1}}, {"a": {"b": 1}}) == ""
    assert difference({"a": {"b": 1}}, {"a": {"b": 2}, "c": 3}) == "a.b was 1 and is 2"
    assert difference({}, {"c": 3}) == "c was None and is 3"
