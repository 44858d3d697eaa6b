"""Networks in two and three dimensions: shapes, reach, and repeatable random weights."""

import itertools

import numpy as np
import pytest
import torch

from napari_nucleate.core.architectures import UNet
from napari_nucleate.core.model import build, weights_of

BOTH = pytest.mark.parametrize("ndim", [2, 3])
NETWORKS = [UNet(width=4, levels=n, stem=s) for n, s in itertools.product((2, 3), (1, 2))]


@pytest.mark.parametrize("network", NETWORKS, ids=lambda n: f"{n.levels} levels, stem {n.stem}")
@BOTH
def test_the_output_is_as_large_as_the_image_for_any_multiple(network, ndim):
    module = network.build(ndim, 2, 5).eval()
    n = network.multiple
    assert n == network.stem * 2 ** (network.levels - 1)
    for factor in (1, 3):
        shape = (n, *[factor * n] * (ndim - 1))
        with torch.inference_mode():
            assert module(torch.zeros(2, 2, *shape)).shape == (2, 5, *shape)


@pytest.mark.parametrize("network", NETWORKS, ids=lambda n: f"{n.levels} levels, stem {n.stem}")
def test_the_halo_is_a_multiple_and_reaches_no_further_than_needed_twice(network):
    n, halo = network.multiple, network.halo
    assert halo % n == 0
    # What an output pixel truly sees, by changing one input pixel far and near.
    torch.manual_seed(0)
    module = network.build(2, 1, 1).eval()
    side = 4 * halo
    image = torch.rand(1, 1, side, side)
    with torch.inference_mode():
        before = module(image)
        changed = image.clone()
        changed[..., side // 2, side // 2] += 50
        moved = (module(changed) - before).abs()[0, 0] > 1e-7
    rows = np.flatnonzero(moved.any(1).numpy())
    reach = max(side // 2 - rows.min(), rows.max() - side // 2)
    assert reach <= halo
    assert reach > halo // 4


@BOTH
def test_the_same_seed_gives_the_same_weights_and_leaves_torchs_own_draws_alone(tiny, ndim):
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    one, same, other = (weights_of(build(tiny(ndim, seed=s))) for s in (1, 1, 2))
    torch.testing.assert_close(torch.rand(4), expected)
    assert one.keys() == same.keys() == other.keys()
    assert all(np.array_equal(one[k], same[k]) for k in one)
    assert not all(np.array_equal(one[k], other[k]) for k in one)


def test_weights_are_copies():
    network = UNet(width=4, levels=2).build(2, 1, 1)
    weights = weights_of(network)
    key = next(k for k in weights if k.endswith("weight"))
    weights[key][:] = 99
    assert not (network.state_dict()[key] == 99).any()


@BOTH
def test_all_weights_learn(ndim):
    for stem in (1, 2):
        network = UNet(width=4, levels=3, stem=stem).build(ndim, 1, 2)
        network(torch.rand(2, 1, *[32] * ndim)).square().mean().backward()
        assert all(p.grad is not None and p.grad.any() for p in network.parameters())
