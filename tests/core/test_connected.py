"""Connected pieces, holes and outlines, against scipy's labels and dilations."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy import ndimage as ndi

from napari_nucleate.core.instances.clean import holes
from napari_nucleate.core.instances.connected import connected
from napari_nucleate.core.instances.drawn import outlines

masks = arrays(bool, array_shapes(min_dims=2, max_dims=3, min_side=0, max_side=9))


@settings(deadline=None, max_examples=200)
@given(mask=masks, of=st.booleans(), corners=st.booleans())
def test_pieces_are_those_of_scipy(mask, of, corners):
    near = np.ones((3,) * mask.ndim) if corners else None
    expected, n = ndi.label(mask == of, near)
    found = connected(mask, of=of, corners=corners)
    assert len(found) == n
    np.testing.assert_array_equal(found.labels(), expected)
    np.testing.assert_array_equal(found.sizes(), np.bincount(expected.ravel(), minlength=n + 1)[1:])
    edge = np.ones(mask.shape, bool)
    edge[(slice(1, -1),) * mask.ndim] = False
    expected_edge = np.zeros(n + 1, bool)
    expected_edge[expected[edge]] = True
    np.testing.assert_array_equal(found.at_edge(), expected_edge[1:])


@settings(deadline=None, max_examples=200)
@given(mask=masks, most=st.integers(0, 12))
def test_holes_are_the_small_gaps_off_the_edge(mask, most):
    gaps, n = ndi.label(np.pad(~mask, 1, constant_values=True), np.ones((3,) * mask.ndim))
    size = np.bincount(gaps.ravel(), minlength=n + 1)
    small = (size <= most) & (np.arange(n + 1) > 1)
    expected = small[gaps][(slice(1, -1),) * mask.ndim]
    inside = holes(mask, most)
    assert len(inside) == small.sum()
    np.testing.assert_array_equal(inside.filled(mask), mask | expected)
    np.testing.assert_array_equal(
        np.flatnonzero(expected), inside.pixels, err_msg="in the image's order"
    )


@settings(deadline=None, max_examples=100)
@given(
    labels=arrays(
        np.int32, array_shapes(min_dims=2, max_dims=2, min_side=0), elements=st.integers(0, 2)
    )
)
def test_outlines_are_what_lies_within_two_steps_of_another_label(labels):
    expected = np.zeros_like(labels)
    for label in (1, 2):
        near = ndi.binary_dilation(labels != label, iterations=2)
        expected[near & (labels == label)] = label
    np.testing.assert_array_equal(outlines(labels), expected)
