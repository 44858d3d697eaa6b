"""Rand and warping error: known partitions, and what must not change them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.membranes import rand_error, warping_error

labels = arrays(np.int32, array_shapes(min_dims=2, max_dims=2), elements=st.integers(0, 3))


@given(labels, st.data())
def test_the_rand_error_is_what_counting_all_pairs_gives(truth, data):
    pred = data.draw(arrays(np.int32, truth.shape, elements=st.integers(0, 3)))
    inside = truth > 0
    t, p = truth[inside], pred[inside]
    same = np.eye(t.size, dtype=bool)
    in_truth = t[:, np.newaxis] == t
    in_pred = same | ((p[:, np.newaxis] == p) & (p > 0))
    expected = 0.0
    if t.size:
        both = (in_truth & in_pred).sum()
        expected = 1 - 2 * both / (in_truth.sum() + in_pred.sum())
    assert rand_error(truth, pred) == pytest.approx(expected)


@given(labels)
def test_names_of_pieces_make_no_difference(truth):
    renamed = np.where(truth > 0, 10 - truth, 0)
    assert rand_error(truth, renamed) == pytest.approx(0)
    assert warping_error(truth, renamed) == pytest.approx(warping_error(truth, truth))


def test_what_is_not_predicted_is_no_piece():
    truth = np.ones((4, 5), int)
    assert rand_error(truth, np.zeros_like(truth)) == pytest.approx(1 - 2 * 20 / (400 + 20))


def cells():
    """Four cells, with membranes of two pixels between them."""
    truth = np.zeros((22, 22), int)
    truth[:10, :10], truth[:10, 12:], truth[12:, :10], truth[12:, 12:] = 1, 2, 3, 4
    return truth


def test_an_outline_drawn_elsewhere_costs_nothing():
    truth = cells()
    thin = np.zeros_like(truth)
    thin[:11, :11], thin[:11, 12:], thin[12:, :11], thin[12:, 12:] = 1, 2, 3, 4
    assert warping_error(truth, thin) == 0
    assert rand_error(truth, thin) == 0


def test_a_merge_costs_what_has_to_be_cut_and_a_split_what_has_to_be_joined():
    truth = cells()
    merged = truth.copy()
    merged[4:6, 10:12] = 1  # a bridge two pixels long and wide
    merged[merged == 2] = 1
    assert 0 < warping_error(truth, merged) * truth.size <= 2
    assert rand_error(truth, merged) > 0.1
    split = truth.copy()
    split[5, :10] = 0
    split[6:10, :10] = 5
    assert 0 < warping_error(truth, split) * truth.size <= 10
    lost = np.where(truth == 3, 0, truth)
    assert warping_error(truth, lost) * truth.size == 1  # all but a pixel can be shrunk away


def test_touching_cells_are_held_apart():
    touching = np.repeat([[1, 1, 1, 1, 2, 2, 2, 2]], 8, axis=0)
    one = np.ones_like(touching)
    assert warping_error(touching, touching) == 0
    assert warping_error(touching, one) > 0


def test_bad_input_is_named():
    with pytest.raises(NucleateError, match=r"\(2, 2\).*\(2, 3\)"):
        rand_error(np.ones((2, 2), int), np.ones((2, 3), int))
    with pytest.raises(NucleateError, match="3 axes"):
        warping_error(np.ones((2, 2, 2), int), np.ones((2, 2, 2), int))
