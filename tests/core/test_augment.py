"""Training images vary as the microscope might: repeatably, and labels follow their pixels."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import map_coordinates

from napari_nucleate.core.augment import Augmentation
from napari_nucleate.core.warp import nearest

NOTHING = Augmentation(
    flip=False,
    turn=False,
    scale=0,
    elastic=0,
    brightness=0,
    contrast=0,
    gamma=0,
    blur=0,
    noise=0,
)
SIZES = {2: (32, 48), 3: (8, 16, 24)}
BOTH = pytest.mark.parametrize("ndim", [2, 3])


def rng(seed=0):
    return np.random.default_rng(seed)


def centre(size):
    return (np.asarray(size) - 1) / 2


def pixels(ndim, channels=2):
    return rng(5).random((channels, *SIZES[ndim])).astype(np.float32)


@BOTH
def test_all_turned_off_nothing_moves(ndim):
    size = SIZES[ndim]
    where = NOTHING.coordinates(centre(size), size, rng())
    np.testing.assert_allclose(where, np.indices(size), atol=1e-4)


@BOTH
def test_all_turned_off_nothing_is_recoloured(ndim):
    image = pixels(ndim)
    np.testing.assert_array_equal(NOTHING.recolour(image, rng()), image)


@BOTH
def test_the_same_generator_gives_the_same_draw_and_another_one_does_not(ndim):
    size, image = SIZES[ndim], pixels(ndim)
    options = Augmentation()
    one, same, other = (options.coordinates(centre(size), size, rng(s)) for s in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert not np.allclose(one, other)
    one, same, other = (options.recolour(image, rng(s)) for s in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert not np.allclose(one, other)


@BOTH
@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_shapes_types_and_finite_values_are_kept(ndim, seed):
    size, image = SIZES[ndim], pixels(ndim)
    options = Augmentation(scale=0.75, elastic=20, blur=5, noise=0.5, gamma=0.9, contrast=0.9)
    where = options.coordinates(centre(size), size, rng(seed))
    assert where.shape == (ndim, *size)
    assert where.dtype == np.float32
    assert np.isfinite(where).all()
    got = options.recolour(image - 0.5, rng(seed))
    assert got.shape == image.shape
    assert got.dtype == np.float32
    assert np.isfinite(got).all()


@BOTH
def test_recolouring_does_not_change_the_image_it_is_given(ndim):
    image = pixels(ndim)
    before = image.copy()
    for seed in range(8):
        Augmentation().recolour(image, rng(seed))
    np.testing.assert_array_equal(image, before)


@BOTH
def test_flips_mirror_each_axis_half_of_the_time(ndim):
    size = SIZES[ndim]
    options = NOTHING.model_copy(update={"flip": True})
    grid = np.indices(size)
    seen = set()
    for seed in range(40):
        where = options.coordinates(centre(size), size, rng(seed))
        flipped = []
        for axis in range(ndim):
            mirrored = np.flip(grid[axis], axis)
            straight = np.allclose(where[axis], grid[axis], atol=1e-3)
            assert straight or np.allclose(where[axis], mirrored, atol=1e-3)
            flipped.append(not straight)
        seen.add(tuple(flipped))
    assert len(seen) == 2**ndim


@BOTH
def test_turns_keep_distances_and_stay_in_the_plane(ndim):
    size = SIZES[ndim]
    options = NOTHING.model_copy(update={"turn": True})
    where = options.coordinates(centre(size), size, rng(3))
    steps = np.diff(where, axis=-1)
    np.testing.assert_allclose(np.sqrt((steps**2).sum(0)), 1, atol=1e-3)
    assert not np.allclose(where[-1], np.indices(size)[-1])
    if ndim == 3:
        np.testing.assert_allclose(where[0], np.indices(size)[0], atol=1e-3)


@BOTH
def test_scaling_stays_within_its_limits_and_goes_both_ways(ndim):
    size = SIZES[ndim]
    options = NOTHING.model_copy(update={"scale": 0.5})
    steps = [
        float(np.diff(options.coordinates(centre(size), size, rng(s))[-1], axis=-1).mean())
        for s in range(60)
    ]
    assert min(steps) >= 1 / 1.5 - 1e-3
    assert max(steps) <= 1.5 + 1e-3
    assert min(steps) < 0.9 < 1.1 < max(steps)


@BOTH
def test_elastic_displacements_are_smooth_and_no_larger_than_said(ndim):
    size = SIZES[ndim]
    options = NOTHING.model_copy(update={"elastic": 4.0})
    for seed in range(10):
        moved = options.coordinates(centre(size), size, rng(seed)) - np.indices(size)
        assert abs(moved).max() <= 4.0 + 1e-3
        assert abs(moved).max() > 0.5
        assert abs(np.diff(moved, axis=-1)).max() < 1.5
        if ndim == 3:
            assert abs(moved[0]).max() <= 1.0 + 1e-3


@BOTH
@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_labels_stay_on_their_pixels_and_no_new_label_appears(ndim, seed):
    size = SIZES[ndim]
    labels = np.zeros(size, np.int32)
    for label, at in enumerate(np.ndindex((2,) * ndim), 1):
        cut = tuple(
            slice(i * n // 2 + 1, (i + 1) * n // 2 - 1) for i, n in zip(at, size, strict=True)
        )
        labels[cut] = 1000 * label
    image = (labels > 0).astype(np.float32)
    where = Augmentation().coordinates(centre(size), size, rng(seed))
    moved = map_coordinates(labels, where, order=0, mode="mirror")
    seen = map_coordinates(image, where, order=1, mode="mirror")
    assert set(np.unique(moved)) <= set(np.unique(labels))
    # Interpolated pixels are half-bright at outlines only: everywhere else both must agree.
    np.testing.assert_array_equal(moved[seen > 0.999] > 0, True)
    np.testing.assert_array_equal(moved[seen < 0.001] > 0, False)


def test_blur_is_in_the_plane_only():
    image = np.zeros((1, 9, 17, 17), np.float32)
    image[0, 4, 8, 8] = 1
    options = NOTHING.model_copy(update={"blur": 3.0})
    results = [options.recolour(image, rng(s)) for s in range(20)]
    blurred = [r for r in results if r[0, 4, 8, 8] < 0.9]
    assert blurred
    assert len(blurred) < 20
    for result in blurred:
        assert not result[0, 3].any()
        assert not result[0, 5].any()


def test_gamma_leaves_black_white_and_what_lies_beyond():
    image = np.array([[[-0.5, 0, 0.25, 1, 3]]], np.float32)
    got = NOTHING.model_copy(update={"gamma": 0.9}).recolour(image, rng(1))
    assert got[0, 0, [0, 1, 3, 4]].tolist() == [-0.5, 0, 1, 3]
    assert 0 < got[0, 0, 2] < 1
    assert got[0, 0, 2] != pytest.approx(0.25)


@BOTH
@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_the_nearest_pixel_is_scipys_with_a_mirror_at_every_edge(ndim, seed):
    draw = rng(seed)
    values = draw.integers(-1, 99, tuple(draw.integers(1, 9, ndim))).astype(np.int32)
    # Halfway between two pixels either is right: stay away from there.
    where = draw.integers(-30, 30, (ndim, 4, 5)) + draw.uniform(-0.45, 0.45, (ndim, 4, 5))
    expected = map_coordinates(values, where, order=0, mode="mirror")
    np.testing.assert_array_equal(nearest(values, where.astype(np.float32)), expected)
