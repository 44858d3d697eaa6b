"""Weights of pixels: gaps and classes."""

import numpy as np

from napari_nucleate.core.annotation import annotate
from napari_nucleate.core.targets import Boundary, Semantic
from napari_nucleate.core.weighting import class_weights, gap_weights


def test_narrow_gaps_count_most():
    labels = np.zeros((40, 60), np.int32)
    labels[10:30, 5:20], labels[10:30, 23:38], labels[10:30, 48:58] = 1, 2, 3
    weights = gap_weights(labels, 5)
    assert weights[labels > 0].max() == 0
    narrow, wide, far = weights[20, 21], weights[20, 42], weights[0, 0]
    # d1 + d2 is 4 in the gap of three pixels.
    np.testing.assert_allclose(narrow, np.exp(-((2 + 2) ** 2) / 50), rtol=1e-5)
    assert narrow > 5 * wide > 0
    assert far < 1e-3


def test_the_boundary_target_weighs_gaps_as_asked():
    labels = np.zeros((9, 9), np.int32)
    labels[:, :4], labels[:, 6:] = 1, 2
    annotation = annotate(labels)
    assert Boundary().pixel_weights([annotation]) is None
    (weights,) = Boundary(gap_weight=10).pixel_weights([annotation])
    np.testing.assert_allclose(weights, 1 + 10 * gap_weights(labels, 5.0))
    assert weights[4, 4] > 5


def test_rare_classes_get_the_same_say():
    labels = np.zeros((10, 10), int)
    labels[0, :5], labels[1, :2] = 1, 3
    weights = class_weights([annotate(labels)], 4)
    assert weights[2] == 0  # nobody painted it
    counts = np.array([93, 5, 0, 2])
    np.testing.assert_allclose(counts * weights, [100 / 3, 100 / 3, 0, 100 / 3], rtol=1e-6)
    (drawn,) = Semantic(classes=3, balanced=True).pixel_weights([annotate(labels)])
    assert drawn[0, 0] == weights[1]
    assert Semantic(classes=3).pixel_weights([annotate(labels)]) is None


def test_unknown_pixels_have_no_say_in_the_weights():
    sparse = np.array([[0, 0, 1, 2]])  # unknown, unknown, background, class 1
    np.testing.assert_allclose(class_weights([annotate(sparse, "sparse")], 2), [1, 1])


def test_huge_labels_take_no_more_time_than_small_ones():
    labels = np.zeros((9, 9), np.int32)
    labels[:, :4], labels[:, 6:] = 1, 2**31 - 1
    np.testing.assert_array_equal(gap_weights(labels, 5), gap_weights(labels.clip(0, 2), 5))
