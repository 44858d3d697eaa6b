"""Which pixels count: dense, boxes, sparse."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy import ndimage as ndi

from napari_nucleate.core.annotation import KNOWN_HELP, Annotation, annotate, as_labels
from napari_nucleate.core.errors import NucleateError

LABELS = arrays(
    np.int64, array_shapes(min_dims=2, max_dims=3, max_side=6), elements=st.integers(0, 9)
)


@given(LABELS)
def test_dense_believes_every_pixel(painted):
    got = annotate(painted, "dense")
    np.testing.assert_array_equal(got.labels, painted)
    assert got.known.all()
    assert got.labels.dtype == np.int32


@given(LABELS)
def test_sparse_believes_painted_pixels_and_label_1_is_background(painted):
    got = annotate(painted, "sparse")
    np.testing.assert_array_equal(got.known, painted > 0)
    assert not got.labels[painted == 1].any()
    np.testing.assert_array_equal(got.labels[painted > 1], painted[painted > 1] - 1)


@given(LABELS, st.data())
def test_boxes_believe_what_lies_in_them_and_objects_that_reach_in(painted, data):
    corner = st.tuples(*[st.floats(-3, 9)] * painted.ndim)
    boxes = data.draw(st.lists(st.tuples(corner, corner), min_size=1, max_size=3))
    got = annotate(painted, "boxes", boxes)
    np.testing.assert_array_equal(got.labels, painted)
    inside = np.zeros(painted.shape, bool)
    for at in np.ndindex(painted.shape):
        inside[at] = any(
            all(
                round(min(a, b)) <= i < round(max(a, b))
                for i, a, b in zip(at, start, stop, strict=True)
            )
            for start, stop in boxes
        )
    reaching = np.zeros(painted.shape, bool)
    for value in set(painted[inside].tolist()) - {0}:
        pieces, _ = ndi.label(painted == value)
        reaching |= np.isin(pieces, np.setdiff1d(pieces[inside], [0]))
    np.testing.assert_array_equal(got.known, inside | reaching)


def test_boxes_without_a_box_are_refused_with_advice():
    with pytest.raises(NucleateError, match="none is drawn; draw a rectangle"):
        annotate(np.zeros((4, 4), int), "boxes")


def test_boxes_of_other_dimensions_are_refused():
    for box in (((1, 1), (3, 3)), ((0, 1, 1), (3, 3))):
        with pytest.raises(NucleateError, match=r"doesn't fit labels of shape \(4, 6, 6\)"):
            annotate(np.zeros((4, 6, 6), int), "boxes", [box])


@given(LABELS, st.sampled_from(sorted(KNOWN_HELP)))
def test_the_painted_layer_is_not_changed_or_shared(painted, rule):
    before = painted.astype(np.int32)
    layer = before.copy()
    got = annotate(layer, rule, [((0,) * layer.ndim, (2,) * layer.ndim)])
    got.labels[:] = 77
    np.testing.assert_array_equal(layer, before)


def test_objects_are_counted_where_they_are_known():
    labels = np.array([[1, 1, 2, 3]], np.int32)
    assert Annotation(labels, np.array([[True, False, True, False]])).n_objects == 2
    assert Annotation(labels, np.zeros((1, 4), bool)).n_objects == 0
    assert annotate(np.zeros((3, 3), int)).n_objects == 0


def test_labels_and_known_pixels_of_other_shapes_are_refused():
    with pytest.raises(NucleateError, match=r"\(2, 3\).*\(3, 2\)"):
        Annotation(np.zeros((2, 3), np.int32), np.zeros((3, 2), bool))


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int16", "uint32", "int64", "uint64"])
def test_labels_of_any_whole_type_become_int32(dtype):
    got = as_labels(np.array([[0, 1]], dtype))
    assert got.dtype == np.int32
    assert got.tolist() == [[0, 1]]


@pytest.mark.parametrize(
    ("painted", "sentence"),
    [
        (np.array([[0.5, 1.0]]), "whole numbers, but the array is float64"),
        (np.array([[-1, 3]]), "from -1 to 3; they must lie between 0 and 2147483647"),
        (np.array([[2**31]]), "2147483648"),
        (np.array([["a"]]), "whole numbers"),
    ],
)
def test_what_is_no_label_is_refused_naming_it(painted, sentence):
    with pytest.raises(NucleateError, match=sentence):
        as_labels(painted)


@pytest.mark.parametrize("shape", [(0, 4), (0, 0, 0), (1, 1)])
def test_empty_and_single_pixel_layers_are_labels_too(shape):
    assert as_labels(np.zeros(shape, np.uint8)).shape == shape
    assert annotate(np.zeros(shape, np.uint8), "sparse").known.sum() == 0


def test_whole_numbers_saved_as_floats_are_labels():
    labels = as_labels(np.array([[0.0, 3.0]], np.float32))
    np.testing.assert_array_equal(labels, [[0, 3]])
    assert labels.dtype == np.int32
