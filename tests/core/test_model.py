"""A model in memory: weights that fit their recipe, or a sentence."""

import numpy as np
import psutil
import pytest
import torch

from napari_nucleate.core.architectures import UNet
from napari_nucleate.core.device import autocast, choose_device
from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.model import Card, Model, Record

CPU = torch.device("cpu")


@pytest.mark.parametrize("ndim", [2, 3])
def test_the_network_has_the_models_weights_and_predicts(tiny, random_model, ndim):
    model = random_model(tiny(ndim))
    network = model.network(CPU)
    assert not network.training
    for key, value in network.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), model.weights[key])


def test_using_a_network_does_not_change_the_model(tiny, random_model):
    model = random_model(tiny())
    before = {k: v.copy() for k, v in model.weights.items()}
    network = model.network(CPU).train()
    network(torch.rand(2, 1, 32, 32)).sum().backward()
    with torch.no_grad():
        for p in network.parameters():
            p.add_(1)
    assert all(np.array_equal(before[k], model.weights[k]) for k in before)


def test_weights_of_another_recipe_are_refused_in_one_sentence(tiny, random_model):
    from napari_nucleate.core.architectures import UNet

    weights = random_model(tiny()).weights
    other = tiny(network=UNet(width=8, levels=2))
    for wrong in (weights, {}, {**weights, "extra": np.zeros(3, np.float32)}):
        recipe = other if wrong is weights else tiny()
        model = Model(Card(recipe=recipe, record=Record(name="old")), wrong)
        with pytest.raises(NucleateError, match="weights of model 'old' don't fit") as caught:
            model.network(CPU)
        assert "\n" not in str(caught.value)


def test_devices_that_are_not_there_are_refused_with_advice():
    assert choose_device("cpu") == CPU
    assert choose_device("auto").type in ("cpu", "cuda", "mps")
    with pytest.raises(NucleateError, match=r"'cuda:99' (isn't there|can't be used).*cpu"):
        choose_device("cuda:99")


@pytest.mark.parametrize("grad", [True, False])
def test_the_precision_can_be_probed_with_and_without_gradients(grad):
    from napari_nucleate.core import device

    device.half_precision_pays.cache_clear()
    with torch.inference_mode(not grad), autocast(CPU):
        layer = torch.nn.Conv2d(1, 2, 3)
        assert torch.isfinite(layer(torch.ones(1, 1, 8, 8)).float()).all()


def test_a_recipe_takes_no_memory_for_a_network_that_the_weights_arent_of(tiny, random_model):
    small = random_model(tiny(), name="mine")
    huge = tiny(ndim=3, network=UNet(width=256, levels=6))  # 20 GB of weights
    model = Model(Card(recipe=huge, record=Record(name="mine")), small.weights)
    before = psutil.Process().memory_info().rss
    with pytest.raises(NucleateError, match="'mine' don't fit its recipe"):
        model.network(CPU)
    assert psutil.Process().memory_info().rss - before < 2**28
