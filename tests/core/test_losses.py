"""Losses against numbers worked out by hand, and blind to what is not known."""

import math

import numpy as np
import pytest
import torch

from napari_nucleate.core.annotation import Annotation
from napari_nucleate.core.losses import CrossEntropy, Dice, Jaccard, Mixture, binary
from napari_nucleate.core.targets import Boundary, Semantic, StarConvexTarget

LOSSES = [CrossEntropy(), Dice(), Jaccard(), Mixture(cross_entropy=0.3, dice=0.7, jaccard=1.1)]
CASES = [
    (target(loss_function=loss), ndim)
    for target, ndims in ((Boundary, (2, 3)), (Semantic, (2, 3)), (StarConvexTarget, (2,)))
    for loss in LOSSES
    for ndim in ndims
]
BOTH = pytest.mark.parametrize("ndim", [2, 3])


def two_pixels():
    """Two pixels, two classes: P(yes) is 3/4 and 1/2; the truth is yes and no."""
    logits = torch.tensor([[[[0.0, 0.0]], [[math.log(3), 0.0]]]])
    target = torch.tensor([[[[0.0, 1.0]], [[1.0, 0.0]]]])
    return logits, target


def test_cross_entropy_is_the_mean_of_the_known_pixels():
    logits, target = two_pixels()
    one, two = -math.log(0.75), -math.log(0.5)
    for weight, expected in [
        ([1.0, 1.0], (one + two) / 2),
        ([1.0, 0.0], one),
        ([0.5, 1.5], (0.5 * one + 1.5 * two) / 2),
    ]:
        got = CrossEntropy()(logits, target, torch.tensor([[[weight]]]))
        assert float(got) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("weight", "both", "predicted", "wanted"),
    [([1.0, 1.0], 0.75, 1.25, 1.0), ([1.0, 0.0], 0.75, 0.75, 1.0), ([0.5, 1.0], 0.375, 0.875, 0.5)],
)
def test_dice_and_jaccard_are_their_soft_formulas_with_one_added(weight, both, predicted, wanted):
    logits, target = two_pixels()
    weights = torch.tensor([[[weight]]])
    total = predicted + wanted
    dice = 1 - (2 * both + 1) / (total + 1)
    jaccard = 1 - (both + 1) / (total - both + 1)
    assert float(Dice()(logits, target, weights)) == pytest.approx(dice, rel=1e-5)
    assert float(Jaccard()(logits, target, weights)) == pytest.approx(jaccard, rel=1e-5)


@BOTH
def test_a_mixture_is_the_weighted_sum(ndim):
    rng = torch.Generator().manual_seed(0)
    shape = (5,) * ndim
    logits = torch.randn(2, 3, *shape, generator=rng)
    target = torch.randn(2, 3, *shape, generator=rng).softmax(1)
    weight = torch.rand(2, 1, *shape, generator=rng)
    parts = [float(loss(logits, target, weight)) for loss in LOSSES[:3]]
    got = float(Mixture(cross_entropy=0.5, dice=2, jaccard=3)(logits, target, weight))
    assert got == pytest.approx(0.5 * parts[0] + 2 * parts[1] + 3 * parts[2], rel=1e-5)
    for loss, share in zip(LOSSES, ((1, 0, 0), (0, 1, 0), (0, 0, 1)), strict=False):
        names = ("cross_entropy", "dice", "jaccard")
        alone = Mixture(**dict(zip(names, share, strict=True)))
        assert float(alone(logits, target, weight)) == pytest.approx(
            float(loss(logits, target, weight))
        )
    assert float(Mixture(cross_entropy=0, dice=0, jaccard=0)(logits, target, weight)) == 0


@pytest.mark.parametrize("loss", LOSSES, ids=lambda x: x.kind)
@BOTH
def test_a_sure_right_answer_costs_nothing_and_a_wrong_one_much(loss, ndim):
    labels = torch.zeros((1, 1, *[6] * ndim))
    labels[..., 2:5] = 1
    target = torch.cat([1 - labels, labels], 1)
    weight = torch.ones_like(labels)
    assert float(loss(20 * target, target, weight)) < 1e-3
    assert float(loss(20 * (1 - target), target, weight)) > 0.5


@BOTH
def test_binary_writes_a_sigmoid_as_a_softmax(ndim):
    logits = torch.linspace(-4, 4, 4**ndim).reshape(1, 1, *[4] * ndim)
    target = (logits > 1).float()
    two, wanted = binary(logits, target)
    torch.testing.assert_close(two.softmax(1)[:, 1:], logits.sigmoid())
    torch.testing.assert_close(wanted.sum(1, keepdim=True), torch.ones_like(target))
    torch.testing.assert_close(wanted[:, 1:], target)
    got = CrossEntropy()(two, wanted, torch.ones_like(target))
    expected = torch.nn.functional.binary_cross_entropy_with_logits(logits, target)
    torch.testing.assert_close(got, expected)


def setting(target, ndim):
    """Logits, encoded labels and weights of two images of which the right half is unknown."""
    shape = (12,) * ndim
    labels = np.zeros(shape, np.int32)
    labels[..., 2:5] = labels[..., 7:10] = 1
    known = np.zeros(shape, bool)
    known[..., :6] = True
    one = torch.from_numpy(target.encode(Annotation(labels, known)))
    wanted = torch.stack([one, one.flip(-1)])
    seen = torch.from_numpy(known)[None, None].float()
    weight = torch.cat([seen, 0.5 * seen])
    rng = torch.Generator().manual_seed(1)
    logits = torch.randn(2, target.n_maps, *shape, generator=rng)
    return logits, wanted, weight


@pytest.mark.parametrize(
    ("target", "ndim"), CASES, ids=[f"{t.kind}, {t.loss_function.kind}, {n}D" for t, n in CASES]
)
class TestEveryTargetWithEveryLoss:
    def test_labels_of_unknown_pixels_do_not_matter(self, target, ndim):
        logits, wanted, weight = setting(target, ndim)
        garbled = torch.where(weight > 0, wanted, 1 - wanted)
        assert not torch.equal(garbled, wanted)
        results = []
        for truth in (wanted, garbled):
            leaf = logits.clone().requires_grad_()
            loss = target.loss(leaf, truth, weight)
            loss.backward()
            results.append((loss.detach(), leaf.grad))
        torch.testing.assert_close(results[0], results[1])
        assert float(results[0][0]) > 0.01

    def test_predictions_of_unknown_pixels_neither_matter_nor_learn(self, target, ndim):
        logits, wanted, weight = setting(target, ndim)
        results = []
        for seen in (logits, torch.where(weight > 0, logits, logits.flip(-1) * 3)):
            leaf = seen.clone().requires_grad_()
            loss = target.loss(leaf, wanted, weight)
            loss.backward()
            results.append((loss.detach(), leaf.grad))
            unknown = (weight == 0).expand_as(leaf)
            assert not leaf.grad[unknown].any()
            assert leaf.grad[~unknown].any()
        torch.testing.assert_close(results[0], results[1])

    def test_with_nothing_known_the_loss_is_0_and_teaches_nothing(self, target, ndim):
        logits, wanted, weight = setting(target, ndim)
        leaf = logits.requires_grad_()
        loss = target.loss(leaf, wanted, torch.zeros_like(weight))
        loss.backward()
        assert float(loss.detach()) == 0
        assert not leaf.grad.any()

    def test_following_the_gradient_lowers_the_loss(self, target, ndim):
        logits, wanted, weight = setting(target, ndim)
        losses = []
        for _ in range(25):
            leaf = logits.clone().requires_grad_()
            loss = target.loss(leaf, wanted, weight)
            loss.backward()
            losses.append(float(loss.detach()))
            logits = logits - 0.2 * leaf.grad.sign()
        assert losses[-1] < 0.8 * losses[0]


@BOTH
def test_border_pixels_weigh_more(ndim):
    labels = np.ones((10,) * ndim, np.int32)
    labels[..., 5:] = 2
    light, heavy = (Boundary(border_weight=w, loss_function=CrossEntropy()) for w in (1, 9))
    wanted = torch.from_numpy(light.encode(Annotation(labels, labels > 0)))[None]
    sure_of_inside = torch.zeros_like(wanted)
    sure_of_inside[:, 1] = 4
    weight = torch.ones_like(wanted[:, :1])
    assert wanted[:, 2].any()
    assert float(heavy.loss(sure_of_inside, wanted, weight)) > 1.5 * float(
        light.loss(sure_of_inside, wanted, weight)
    )
