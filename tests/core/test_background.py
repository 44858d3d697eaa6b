"""Unknown pixels that look like background beyond doubt are learned as such."""

import numpy as np
import pytest

from napari_nucleate.core.annotation import Annotation, annotate
from napari_nucleate.core.background import likely_background
from napari_nucleate.core.events import Started
from napari_nucleate.core.patches import Example, Sampler
from napari_nucleate.core.targets import Semantic
from napari_nucleate.core.training.train import train

BOTH = pytest.mark.parametrize("ndim", [2, 3])


def scene(ndim, bright=1.0, dim=0.0, noise=0.05, channels=1, seed=0):
    """Blocks on a ground; a box around the first of them is labelled."""
    shape = (6,) * (ndim - 2) + (60, 120)
    labels = np.zeros(shape, np.int32)
    for i in range(3):
        labels[..., 20:40, 15 + 40 * i : 30 + 40 * i] = i + 1
    pixels = np.where(labels > 0, bright, dim).astype(np.float32)
    rng = np.random.default_rng(seed)
    pixels = pixels + rng.normal(0, noise, (channels, *shape)).astype(np.float32)
    known = np.zeros(shape, bool)
    known[..., 10:50, 5:40] = True
    return pixels, Annotation(np.where(known, labels, 0), known), labels


@BOTH
@pytest.mark.parametrize(("bright", "dim"), [(1, 0), (0.2, 0.9)])
def test_far_background_is_found_and_no_object(ndim, bright, dim):
    pixels, annotation, labels = scene(ndim, bright, dim)
    likely = likely_background(pixels, annotation)
    assert likely.dtype == bool
    assert likely.shape == labels.shape
    assert not (likely & annotation.known).any()
    assert not (likely & (labels > 0)).any()
    assert 0.3 < likely[(labels == 0) & ~annotation.known].mean() < 0.7


def test_channels_are_weighed_by_what_they_tell():
    pixels, annotation, labels = scene(2)
    noise = np.random.default_rng(1).normal(0, 5, pixels.shape).astype(np.float32)
    likely = likely_background(np.concatenate([noise, pixels]), annotation)
    assert not (likely & (labels > 0)).any()
    assert likely.sum() > 500


@BOTH
def test_where_grey_values_do_not_tell_nothing_is_taken(ndim):
    pixels, annotation, _ = scene(ndim, bright=0.5, dim=0.5)
    assert likely_background(pixels, annotation) is None
    assert likely_background(np.zeros_like(pixels), annotation) is None


def test_not_where_all_or_next_to_nothing_is_known_nor_where_objects_fill_it():
    pixels, annotation, labels = scene(2)
    assert likely_background(pixels, annotate(labels)) is None
    few = annotation.known.copy()
    few[:, 16:] = False
    assert likely_background(pixels, Annotation(annotation.labels, few)) is None
    full = np.zeros_like(few)
    full[20:41, 14:32] = True
    assert likely_background(pixels, Annotation(annotation.labels, full)) is None


def test_what_is_validated_on_is_not_learned_by_its_looks():
    pixels, annotation, labels = scene(2)
    excluded = np.zeros(labels.shape, bool)
    excluded[:30] = True
    likely = likely_background(pixels, annotation, excluded)
    assert not likely[:30].any()
    assert likely[30:].any()
    # Of a dense image with a strip held out, nothing else is unknown.
    strip = Annotation(np.where(excluded, 0, labels), ~excluded)
    assert likely_background(pixels, strip, excluded) is None


def examples(count=1, pseudo=False):
    pixels, annotation, _ = scene(2)
    return [Example(f"e{i}", pixels, annotation, pseudo=pseudo) for i in range(count)]


def test_it_is_learned_as_background(tiny):
    pixels, annotation, _ = scene(2)
    sampler = Sampler(examples(), tiny(), np.random.default_rng(0))
    share = likely_background(tiny().normalisation.apply(pixels), annotation).mean()
    assert sampler.likely_background == pytest.approx(share / (1 - annotation.known.mean()))
    off = Sampler(examples(), tiny(likely_background=False), np.random.default_rng(0))
    assert off.likely_background == 0
    pseudo = Sampler(examples(pseudo=True), tiny(), np.random.default_rng(0))
    assert pseudo.likely_background == 0
    semantic = Sampler(examples(), tiny(target=Semantic(classes=4)), np.random.default_rng(0))
    assert semantic.likely_background == 0


def test_what_is_only_likely_is_no_correction(tiny):
    sampler = Sampler(examples(2), tiny(), np.random.default_rng(0))
    same = examples()[0]
    assert sampler.renew(same) == 0
    labels = same.annotation.labels.copy()
    known = same.annotation.known.copy()
    known[25:35, 60:65] = labels[25:35, 60:65] = True
    changed = sampler.renew(Example("e0", same.image, Annotation(labels, known)))
    assert changed == 50


def test_training_says_how_much_it_takes(tiny):
    def note(**options):
        begun = next(train(examples(), tiny(steps=1, **options)))
        assert isinstance(begun, Started)
        return begun.note

    assert "is taken for background, by its grey values" in note()
    assert "grey values" not in note(likely_background=False)
