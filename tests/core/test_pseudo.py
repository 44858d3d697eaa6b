"""Of a prediction that is learned from which is sure; the rest is unknown, or counts nothing."""

from dataclasses import replace

import numpy as np
import pytest

from napari_nucleate.core.annotation import annotate
from napari_nucleate.core.confidence import Scores
from napari_nucleate.core.events import Prediction
from napari_nucleate.core.patches import Example, Sampler
from napari_nucleate.core.pseudo import (
    label_worth_learning,
    pseudo_example,
    pseudo_label,
    worth_learning,
)
from napari_nucleate.core.recipe import Recipe
from napari_nucleate.core.rounds import SelfTraining
from napari_nucleate.core.targets import Boundary, Semantic, StarConvexTarget

BOTH = pytest.mark.parametrize("ndim", [2, 3])


def prediction(labels, foreground, objects):
    maps = np.stack([1 - foreground, foreground, np.zeros_like(foreground)]).astype(np.float16)
    return Prediction("a", maps, labels, Scores(0.9, objects))


def labelled(prediction, target, options, diameter=0.0, zoom_by=0.0):
    recipe = Recipe(ndim=prediction.labels.ndim, target=target, diameter=zoom_by)
    return pseudo_label(prediction, recipe, options, diameter)


def row(values, ndim=2):
    return np.broadcast_to(np.asarray(values), (*[5] * (ndim - 1), len(values))).copy()


@BOTH
def test_at_edges_nothing_is_learned_but_it_is_known_where_they_are(ndim):
    labels = row([0, 0, 0, 1, 1, 1, 0], ndim).astype(np.int32)
    foreground = row([0.01, 0.3, 0.2, 0.6, 0.9, 0.99, 0.4], ndim)
    got = labelled(prediction(labels, foreground, {1: 0.9}), Boundary(), SelfTraining())
    assert got.annotation.known.all()
    # certainty |2p - 1|: background of 0.3 is doubtful (0.4), of 0.2 is not (0.6)
    expected = row([False, True, False, True, False, False, True], ndim)
    np.testing.assert_array_equal(got.ignored, expected)
    np.testing.assert_array_equal(got.annotation.labels, labels)
    assert got.objects == 1


@BOTH
def test_an_object_of_low_confidence_is_unknown_with_its_surroundings(ndim):
    labels = row([0, 0, 0, 1, 0, 0, 0, 2, 2], ndim).astype(np.int32)
    foreground = (labels > 0).astype(float)
    scored = prediction(labels, foreground, {1: 0.4, 2: 0.9})
    got = labelled(scored, Boundary(), SelfTraining(sure=0.6))
    expected = row([True] + [False] * 5 + [True] * 3, ndim)
    np.testing.assert_array_equal(got.annotation.known, expected)
    assert set(np.unique(got.annotation.labels)) == {0, 2}
    all_trusted = labelled(scored, Boundary(), SelfTraining(sure=0.0))
    assert all_trusted.annotation.known.all()
    np.testing.assert_array_equal(all_trusted.annotation.labels, labels)


@BOTH
def test_bright_pixels_without_an_object_are_no_background(ndim):
    labels = row([0, 0, 0, 0, 0, 1], ndim).astype(np.int32)
    foreground = row([0.0, 0.99, 0.0, 0.0, 0.99, 0.99], ndim)
    got = labelled(prediction(labels, foreground, {1: 1.0}), Boundary(), SelfTraining())
    # Beside an object they are its edge.
    expected = row([True, False, True, True, True, True], ndim)
    np.testing.assert_array_equal(got.annotation.known, expected)
    np.testing.assert_array_equal(got.ignored, row([0, 0, 0, 0, 1, 0], ndim).astype(bool))


def test_objects_of_a_size_that_none_of_a_persons_has_are_doubtful():
    labels = np.zeros((60, 60), np.int32)
    labels[1:5, 1:5], labels[10:30, 10:30], labels[40:42, 40:42] = 1, 2, 3
    scored = prediction(labels, (labels > 0).astype(float), {1: 0.9, 2: 0.9, 3: 0.9})
    found = {}
    for diameter in (0.0, 4.5, 22.0):
        label = labelled(scored, Boundary(), SelfTraining(), diameter)
        found[diameter] = set(np.unique(label.annotation.labels))
    assert found == {0.0: {0, 1, 2, 3}, 4.5: {0, 1, 3}, 22.0: {0, 2}}
    wide = labelled(scored, Boundary(), SelfTraining(sizes=1000), 22.0)
    assert wide.objects == 3


def test_rays_of_sure_objects_are_known_though_their_edges_are_soft():
    yy, xx = np.mgrid[:48, :48]
    depth = 10 - np.hypot(yy - 24, xx - 24)
    foreground = 1 / (1 + np.exp(-depth))
    labels = (foreground > 0.6).astype(np.int32)
    target = StarConvexTarget(rays=8)
    maps = np.zeros((10, 48, 48), np.float16)
    maps[0] = foreground
    got = labelled(Prediction("a", maps, labels, Scores(0.9, {1: 0.9})), target, SelfTraining())
    encoded = target.encode(got.annotation)
    assert np.isfinite(encoded[:, labels == 1]).all()
    edge = np.abs(2 * foreground - 1) < 0.45
    assert got.ignored[edge].all()
    assert not got.ignored[24, 24]


class TestClasses:
    def test_sure_pixels_are_labels(self):
        labels = np.array([[0, 1, 2]], np.int32)
        maps = np.eye(3)[:, np.newaxis].astype(np.float16)
        # A class has a score as if it were an object; that says nothing of its pixels.
        scored = Prediction("a", maps, labels, Scores(0.5, {1: 0.1, 2: 0.1}))
        got = labelled(scored, Semantic(classes=2), SelfTraining())
        assert got.annotation.labels.tolist() == [[0, 1, 2]]
        assert got.annotation.known.all()
        assert worth_learning(scored, got, Semantic(classes=2))

    def test_where_two_are_about_as_likely_nothing_is_known(self):
        maps = np.array([[[0.1, 0.9, 0.3]], [[0.5, 0.1, 0.3]], [[0.4, 0.0, 0.4]]], np.float16)
        labels = maps.argmax(0).astype(np.int32)
        scored = Prediction("a", maps, labels, Scores(0.5, {1: 0.9, 2: 0.9}))
        got = labelled(scored, Semantic(classes=2), SelfTraining())
        assert got.annotation.known.tolist() == [[False, True, False]]


@pytest.mark.parametrize(
    ("scores", "worth"),
    [
        ({1: 0.9, 2: 0.9, 3: 0.9}, True),
        ({1: 0.9, 2: 0.3, 3: 0.3}, True),
        ({1: 0.3, 2: 0.3, 3: 0.3}, False),
        ({1: 0.9, 2: 0.3, 3: 0.3, 4: 0.3}, True),
        ({1: 0.9, 2: 0.3, 3: 0.3, 4: 0.3, 5: 0.3}, False),
        ({}, False),
    ],
    ids=str,
)
def test_an_image_of_few_sure_objects_is_not_worth_learning(scores, worth):
    labels = row(sum(([0, i] for i in scores), [0])).astype(np.int32)
    scored = prediction(labels, (labels > 0).astype(float), scores)
    label = labelled(scored, Boundary(), SelfTraining())
    assert worth_learning(scored, label, Boundary()) is worth


@pytest.mark.parametrize(
    ("target", "image", "learned"),
    [
        (Boundary(), 0.2, True),
        (Boundary(), 0.05, False),
        (Semantic(classes=2), 0.2, False),
        (Semantic(classes=2), 0.5, True),
    ],
    ids=str,
)
def test_classes_have_only_the_images_confidence(target, image, learned):
    labels = row([0, 1, 1, 0]).astype(np.int32)
    scored = prediction(labels, row([0.01, 0.99, 0.99, 0.01]), {1: 0.9})
    scored = replace(scored, scores=Scores(image, {1: 0.9}))
    recipe = Recipe(target=target)
    assert (label_worth_learning(scored, recipe, SelfTraining()) is not None) is learned


def test_what_is_ignored_counts_nothing_in_a_batch(tiny):
    labels = np.zeros((64, 64), np.int32)
    labels[10:50, 10:50] = 1
    foreground = np.where(labels > 0, 0.99, 0.01)
    foreground[28:32, 10:50] = 0.6
    scored = prediction(labels, foreground, {1: 0.9})
    label = labelled(scored, Boundary(), SelfTraining())
    example = pseudo_example("a", np.zeros((1, 64, 64)), label, SelfTraining(weight=0.5))
    batch = Sampler([example], tiny(), np.random.default_rng(0)).batch(40)
    assert {0.0, 0.5} <= set(np.unique(batch.weight.round(3)))
    assert 0.02 < (batch.weight == 0).mean() < 0.5
    (site,) = Sampler([example], tiny(), np.random.default_rng(0))._sites
    np.testing.assert_array_equal(site.weights, ~label.ignored)
    site.weigh(np.full((64, 64), 3, np.float32))
    np.testing.assert_array_equal(site.weights, 3 * ~label.ignored)


def test_weights_are_of_the_size_that_the_network_sees(tiny):
    labels = np.zeros((64, 64), np.int32)
    labels[10:50, 10:50] = 1
    example = Example("a", np.zeros((1, 64, 64)), annotate(labels), ignored=labels == 0)
    recipe = tiny().model_copy(update={"diameter": 96.0})
    (site,) = Sampler([example], recipe, np.random.default_rng(0))._sites
    assert site.weights.shape == site.labels.shape == (16, 16)
    site.weigh(np.full((64, 64), 2, np.float32))
    assert site.weights.shape == (16, 16)
    assert site.weights[8, 8] == 2
    assert site.weights[0, 0] == 0


def test_the_prediction_is_not_changed():
    labels = np.array([[0, 1, 1]], np.int32)
    scored = prediction(labels, (labels > 0).astype(float), {1: 0.1})
    labelled(scored, Boundary(), SelfTraining())
    assert scored.labels.tolist() == [[0, 1, 1]]
    assert annotate(scored.labels).n_objects == 1
