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
def test_frozen_parts_stay_as_they_are_with_their_statistics(
    nuclei, tiny, random_model, options, learning
):
    model = random_model(tiny())
    recipe = tiny(steps=4, averaging=0, **options)
    trained = list(train(nuclei(), recipe, initial=model))[-1].model
    assert moved(model.weights, trained.weights) == learning


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
