"""Going on from a model: what is kept, what is frozen, and how fast the rest learns."""

import numpy as np
import pytest
import torch

from napari_nucleate.core.annotation import annotate
from napari_nucleate.core.architectures import UNet
from napari_nucleate.core.events import Step, Validated, Warned
from napari_nucleate.core.model import Model, build
from napari_nucleate.core.optimise import AdamW
from napari_nucleate.core.patches import Example
from napari_nucleate.core.targets import Semantic, StarConvexTarget
from napari_nucleate.core.training.freezing import Freezing
from napari_nucleate.core.training.judge import Judge
from napari_nucleate.core.training.train import train

CPU = torch.device("cpu")
PARTS = {
    "encoder": ("stem.", "first.", "down."),
    "decoder": ("up.", "join.", "restore."),
    "head": ("head.",),
}


def of(kind, events):
    return [e for e in events if isinstance(e, kind)]


def moved(before, after):
    """The parts of which a tensor differs."""
    changed = {k for k in before if not np.array_equal(before[k], after[k])}
    assert changed <= {k for k in before if k.startswith(sum(PARTS.values(), ()))}
    return {part for part, names in PARTS.items() if any(k.startswith(names) for k in changed)}


@pytest.fixture
def keep_the_last(monkeypatch):
    """Networks of four steps find nothing: whichever weights are the best is chance."""
    monkeypatch.setattr(Judge, "prefers", lambda self, verdict, fraction: True)


@pytest.mark.parametrize("stem", [1, 2])
@pytest.mark.parametrize("ndim", [2, 3])
def test_every_parameter_of_a_network_is_in_one_part(ndim, stem):
    network = UNet(width=4, levels=3, stem=stem).build(ndim, 1, 3)
    parts = network.parts()
    found = [id(p) for modules in parts.values() for m in modules for p in m.parameters()]
    assert sorted(found) == sorted(id(p) for p in network.parameters())
    assert set(parts) == set(PARTS)


@pytest.mark.parametrize(
    ("options", "learning"),
    [
        ({}, {"encoder", "decoder", "head"}),
        ({"frozen": "encoder"}, {"decoder", "head"}),
        ({"frozen": "all-but-head"}, {"head"}),
        ({"frozen": "all-but-head", "thaw": 0.5}, {"encoder", "decoder", "head"}),
        ({"frozen": "encoder", "thaw": 0}, {"encoder", "decoder", "head"}),
    ],
    ids=str,
)
@pytest.mark.usefixtures("keep_the_last")
def test_frozen_parts_stay_as_they_are_with_their_statistics(
    nuclei, tiny, random_model, options, learning
):
    model = random_model(tiny())
    recipe = tiny(steps=4, averaging=0, **options)
    trained = list(train(nuclei(), recipe, initial=model))[-1].model
    assert moved(model.weights, trained.weights) == learning


@pytest.mark.usefixtures("keep_the_last")
def test_what_thaws_begins_to_learn_at_its_time_and_at_its_rate(nuclei, tiny, random_model):
    model = random_model(tiny())
    recipe = tiny(steps=4, averaging=0, frozen="encoder", thaw=0.5)
    events = list(train(nuclei(), recipe, initial=model))
    best = {e.step: e.model.weights for e in of(Validated, events) if e.model is not None}
    assert moved(model.weights, best[2]) == {"decoder", "head"}
    assert "encoder" in moved(model.weights, best[3])


def test_without_a_model_nothing_is_frozen_and_all_learns_alike(nuclei, tiny):
    plain, frozen = (
        list(train(nuclei(), tiny(steps=3, **options)))[-1].model
        for options in ({}, {"frozen": "all-but-head", "encoder_rate": 0.1})
    )
    assert all(np.array_equal(plain.weights[k], frozen.weights[k]) for k in plain.weights)


def test_the_encoder_may_learn_slower(tiny):
    network = build(tiny())
    options = tiny(encoder_rate=0.25).optimisation
    parameters = list(network.parameters())
    factors = Freezing(network, options, tuned=True).factors(parameters)
    names = [name for name, _ in network.named_parameters()]
    for name, factor in zip(names, factors, strict=True):
        assert factor == (0.25 if name.startswith(PARTS["encoder"]) else 1)
    assert set(Freezing(network, options, tuned=False).factors(parameters)) == {1.0}


@pytest.mark.parametrize("target", [Semantic(classes=2), StarConvexTarget(rays=8)])
def test_another_target_begins_with_a_new_head_and_it_is_said(nuclei, tiny, random_model, target):
    model = random_model(tiny(), name="old")
    examples = nuclei()
    if target.semantic:
        examples = [
            Example(e.key, e.image, annotate(np.minimum(e.annotation.labels, 1))) for e in examples
        ]
    recipe = tiny(target=target, steps=2, frozen="all-but-head", learning_rate=1e-6)
    events = list(train(examples, recipe, initial=model))
    (warning,) = of(Warned, events)
    assert warning.message.startswith("Model 'old' draws other maps (boundary, 3 of them)")
    assert warning.message.endswith("the head of the network begins anew, all else is kept.")
    weights = events[-1].model.weights
    kept = [k for k in weights if not k.startswith("head.")]
    assert all(np.array_equal(weights[k], model.weights[k]) for k in kept)
    assert len(weights["head.bias"]) == target.n_maps
    if target.n_maps == 3:
        assert not np.allclose(weights["head.weight"], model.weights["head.weight"], atol=1e-3)


class TestAdamW:
    def test_it_moves_as_the_paper_says(self):
        p = torch.tensor([[1.0, -2.0]], requires_grad=True)
        optimiser = AdamW([p], weight_decay=0.1)
        p.grad = torch.tensor([[0.5, -4.0]])
        optimiser.step(0.01)
        # The first step is the sign of the gradient, after the decay.
        expected = [[1 * (1 - 0.001) - 0.01, -2 * (1 - 0.001) + 0.01]]
        torch.testing.assert_close(p.detach(), torch.tensor(expected), rtol=0, atol=1e-6)

    def test_each_parameter_has_its_rate(self):
        one, other = (torch.zeros(2, requires_grad=True) for _ in range(2))
        optimiser = AdamW([one, other], 0, factors=[1.0, 0.1])
        one.grad = other.grad = torch.ones(2)
        optimiser.step(0.01)
        torch.testing.assert_close(other.detach() * 10, one.detach())

    def test_one_without_a_gradient_waits_and_begins_as_if_at_the_first_step(self):
        late, first = (torch.zeros(1, requires_grad=True) for _ in range(2))
        optimiser = AdamW([late, first], 0)
        for step in range(20):
            first.grad = torch.ones(1)
            late.grad = torch.ones(1) if step == 19 else None
            optimiser.step(0.01)
        assert [m.steps for m in optimiser.moments] == [1, 20]
        torch.testing.assert_close(late.detach(), torch.tensor([-0.01]), rtol=1e-4, atol=0)


def test_steps_tell_their_rate_and_validations_too(nuclei, tiny):
    events = list(train(nuclei(), tiny(steps=3)))
    rates = {e.step: e.learning_rate for e in of(Step, events)}
    assert all(e.learning_rate == rates[e.step] > 0 for e in of(Validated, events))


def test_the_weights_see_objects_as_large_as_before(nuclei, tiny, random_model):
    model = random_model(tiny(), name="old")
    for known in (0.0, 55.0):
        recipe = model.recipe.model_copy(update={"diameter": known})
        initial = Model(model.card.model_copy(update={"recipe": recipe}), model.weights)
        trained = list(train(nuclei(), tiny(steps=1), initial=initial))[-1].model
        assert trained.recipe.zoom == initial.recipe.zoom


@pytest.fixture(scope="module")
def learned(nuclei, tiny):
    """A model that finds objects; one of six images is held out."""
    recipe = tiny(steps=60, learning_rate=0.01, validation=0.2, tune=False)
    return list(train(nuclei(count=6), recipe))[-1].model


class TestBefore:
    """How good a model is before it goes on learning."""

    def test_it_is_measured_before_the_first_step_and_not_offered(self, learned, nuclei, tiny):
        recipe = tiny(steps=2, validation=0.2)
        events = list(train(nuclei(count=6), recipe, initial=learned))
        first = next(i for i, e in enumerate(events) if isinstance(e, Validated))
        assert not of(Step, events[:first])
        before = events[first]
        assert (before.step, before.fraction, before.model) == (0, 0.0, None)
        record = learned.card.record
        assert before.loss == pytest.approx(record.validation_loss, rel=1e-3)
        assert before.ap == pytest.approx(record.validation_ap, abs=1e-3)

    def test_that_it_was_better_before_is_said_and_on_record(self, learned, nuclei, tiny):
        assert learned.card.record.validation_ap > 0.3
        recipe = tiny(steps=8, learning_rate=1.0, averaging=0, validation=0.2, tune=False)
        events = list(train(nuclei(count=6), recipe, initial=learned))
        record = events[-1].model.card.record
        assert record.best_step > 0
        assert record.initial_ap == of(Validated, events)[0].ap
        assert 0 < record.initial_noise < 1
        assert record.validation_ap < record.initial_ap
        (warning,) = (w for w in of(Warned, events) if w.message.startswith("What it was before"))
        assert "Go on with the model 'model', label more" in warning.message

    def test_not_by_images_that_it_learned_from(self, learned, nuclei, tiny):
        record = learned.card.record.model_copy(update={"held_out": ()})
        model = Model(learned.card.model_copy(update={"record": record}), learned.weights)
        events = list(train(nuclei(count=6), tiny(steps=2, validation=0.2), initial=model))
        assert of(Validated, events)[0].step > 0
        assert events[-1].model.card.record.initial_ap is None

    def test_where_labels_held_out_change_meanwhile_it_says_nothing_any_more(
        self, learned, nuclei, tiny
    ):
        (key,) = learned.card.record.held_out
        held = next(e for e in nuclei(count=6) if e.key == key)
        erased = held.annotation.labels.copy()
        erased[:, :30] = 0
        waiting = [[Example(key, held.image, annotate(erased))]]
        recipe = tiny(steps=3, validation=0.2)
        for changes, known in (([], True), (waiting, False)):
            events = train(
                nuclei(count=6),
                recipe,
                initial=learned,
                changed=lambda changes=changes: changes.pop() if changes else (),
            )
            record = list(events)[-1].model.card.record
            assert (record.initial_ap is not None) is known
            assert set(record.images) == {e.key for e in nuclei(count=6)}

    def test_not_where_the_head_begins_anew(self, learned, nuclei, tiny):
        recipe = tiny(steps=2, validation=0.2, target=StarConvexTarget(rays=8))
        events = train(nuclei(count=6), recipe, initial=learned)
        assert next(e.step for e in of(Validated, events)) > 0

    def test_what_goes_on_is_not_measured_again(self, learned, nuclei, tiny):
        snapshots = []
        recipe = tiny(steps=4, validation=0.2)
        events = train(nuclei(count=6), recipe, initial=learned, keep=snapshots.append)
        while not isinstance(next(events), Step):
            pass
        events.close()
        again = of(Validated, train(nuclei(count=6), recipe, snapshot=snapshots[-1]))
        whole = of(Validated, train(nuclei(count=6), recipe, initial=learned))
        assert [(e.step, e.ap, e.loss) for e in whole[1:]] == [
            (e.step, e.ap, e.loss) for e in again
        ]


def test_frozen_parts_thaw_one_after_the_other_from_the_maps_to_the_image(tiny):
    network = build(tiny(network=UNet(width=4, levels=3)))
    freezing = Freezing(network, tiny(frozen="all-but-head", thaw=0.4).optimisation, tuned=True)
    parts = network.parts()
    modules = [*parts["encoder"], *parts["decoder"]]
    counts = []
    for fraction in (0, 0.39, 0.4, 0.5, 0.6, 0.69, 0.7, 0.99):
        freezing.apply(fraction)
        learning = [m.training for m in modules]
        # The ones that learn are those nearest to the maps.
        assert learning == sorted(learning)
        assert all(p.requires_grad == m.training for m in modules for p in m.parameters())
        assert all(m.training for m in parts["head"])
        counts.append(sum(learning))
    assert counts[:3] == [0, 0, 1]
    assert counts[2:] == sorted(counts[2:])
    assert counts[5] == len(modules) - 1
    assert counts[6:] == [len(modules)] * 2
    assert len(set(counts[2:7])) == 5
