"""What all tests share: small networks, small samples, and one thread for the arithmetic."""

import functools
import os
from shutil import rmtree

# Tiny networks are slowed by a second thread, on a busy machine several times.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from napari_nucleate.core.annotation import annotate
from napari_nucleate.core.architectures import UNet
from napari_nucleate.core.model import Card, Model, Record, build, weights_of
from napari_nucleate.core.patches import Example
from napari_nucleate.core.recipe import Optimisation, Recipe, Steps
from napari_nucleate.core.samples import NucleiSample
from napari_nucleate.core.targets import Boundary
from napari_nucleate.io import error_log

# On a busy machine an example may take long once; that says nothing about the code.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


@pytest.fixture(autouse=True)
def errors_are_kept_apart(monkeypatch, tmp_path_factory):
    """What fails in tests isn't entered in the log of who runs them."""
    folder = tmp_path_factory.getbasetemp() / "log"
    rmtree(folder, ignore_errors=True)
    monkeypatch.setattr(error_log, "user_log_path", lambda *args, **kwargs: folder)


class Picture:
    """An image in memory with a name: what is predicted."""

    def __init__(self, key, pixels):
        self.key = key
        self._pixels = pixels
        self.spacing = (0.5,) * (np.ndim(pixels) - 1)
        self.units = ("micrometer",) * (np.ndim(pixels) - 1)

    def read(self):
        return self._pixels


@functools.cache
def _sample(ndim, count, seed):
    if ndim == 2:
        return NucleiSample(count=count, size=64, radius=6, seed=seed).make()
    return NucleiSample(kind="3d", count=count, size=32, depth=12, radius=6, seed=seed).make()


def _nuclei(ndim=2, count=3, seed=1):
    sample = _sample(ndim, count, seed)
    refs = zip(sample.images.images(ndim), sample.labels.images(ndim), strict=True)
    return [Example(i.key, i.read(), annotate(m.read()[0])) for i, m in refs]


@pytest.fixture(scope="session")
def nuclei():
    """Gives labelled examples of synthetic nuclei, 64 x 64 or 12 x 32 x 32."""
    return _nuclei


def _recipe(ndim=2, target=None, steps=4, network=None, channels=1, **optimisation):
    options = {"patch": 32 if ndim == 2 else 16, "patch_depth": 8, "batch": 2, "device": "cpu"}
    options |= {"budget": Steps(value=steps)} | optimisation
    return Recipe(
        ndim=ndim,
        channels=channels,
        target=target or Boundary(),
        architecture=network or UNet(width=4, levels=2),
        optimisation=Optimisation(**options),
    )


@pytest.fixture(scope="session")
def tiny():
    """Gives recipes of tiny networks that train for a few steps on the processor."""
    return _recipe


@pytest.fixture(scope="session")
def random_model():
    """Gives untrained models whose weights and running statistics are random, but repeatable."""

    def make(recipe, seed=0, name="random"):
        rng = np.random.default_rng(seed)
        weights = {}
        for key, value in weights_of(build(recipe)).items():
            if key.endswith("running_var"):
                new = rng.uniform(0.3, 2, value.shape)
            elif key.endswith(("running_mean", "bias")):
                new = rng.normal(0, 0.3, value.shape)
            elif value.ndim == 1:
                new = rng.uniform(0.7, 1.5, value.shape)
            elif value.ndim > 1:
                new = rng.normal(0, 1.4 / np.sqrt(value[0].size), value.shape)
            else:
                new = value
            weights[key] = np.asarray(new, value.dtype)
        return Model(Card(recipe=recipe, record=Record(name=name)), weights)

    return make


@pytest.fixture(scope="session")
def picture():
    """Gives an image in memory, by its name and pixels."""
    return Picture


@pytest.fixture(scope="session")
def pool(nuclei, picture):
    """Gives images without labels: others than `nuclei` has by default."""

    def make(ndim, count, key="pool {}"):
        examples = nuclei(ndim, count, seed=7)
        return [picture(key.format(i), e.image) for i, e in enumerate(examples)]

    return make
