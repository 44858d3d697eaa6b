"""Every image comes to the same range, whatever the camera, and nothing becomes infinite."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from napari_nucleate.core.normalise import Normalisation

FULL = Normalisation(low=0, high=100)
SHAPES = array_shapes(min_dims=3, max_dims=4, max_side=5)


@given(st.data(), st.sampled_from(["bool", "uint8", "int16", "uint16", "float32", "float64"]))
@settings(deadline=None)
def test_the_result_is_finite_float32_of_the_same_shape(data, dtype):
    image = data.draw(arrays(dtype, SHAPES))
    got = Normalisation().apply(image)
    assert got.dtype == np.float32
    assert got.shape == image.shape
    assert np.isfinite(got).all()


@given(arrays(np.uint16, SHAPES))
def test_the_full_range_becomes_0_to_1_in_each_channel(image):
    for channel, got in zip(image, FULL.apply(image), strict=True):
        assert got.min() == 0
        assert got.max() == (1 if channel.min() < channel.max() else 0)


@given(arrays(np.uint16, (1, 6, 7)), st.integers(1, 50), st.integers(-5000, 5000))
def test_gain_and_offset_of_the_camera_do_not_matter(image, gain, offset):
    changed = image.astype(np.float64) * gain + offset
    np.testing.assert_allclose(FULL.apply(changed), FULL.apply(image), atol=1e-5)


@pytest.mark.parametrize("shape", [(2, 50, 40), (2, 5, 20, 20)])
def test_percentiles_become_0_and_1_and_the_rest_goes_beyond(shape):
    image = np.random.default_rng(0).normal(100, 15, shape)
    options = Normalisation(low=5, high=90)
    for channel in options.apply(image):
        low, high = np.percentile(channel, [5, 90])
        assert low == pytest.approx(0, abs=1e-4)
        assert high == pytest.approx(1, abs=1e-4)
        assert channel.min() < 0
        assert channel.max() > 1


def test_channels_are_scaled_each_for_itself():
    image = np.stack([np.linspace(0, 1, 64), np.linspace(500, 60_000, 64)]).reshape(2, 8, 8)
    got = FULL.apply(image)
    np.testing.assert_allclose(got[0], got[1], atol=1e-6)


@pytest.mark.parametrize("hole", [np.nan, np.inf, -np.inf])
def test_pixels_without_a_value_do_not_count_and_become_0(hole):
    image = np.linspace(10, 20, 100).reshape(1, 10, 10)
    holed = image.copy()
    holed[0, 3, 4:7] = hole
    got = FULL.apply(holed)
    assert not got[0, 3, 4:7].any()
    kept = np.isfinite(holed)
    np.testing.assert_allclose(got[kept], FULL.apply(image)[kept], atol=1e-6)


@pytest.mark.parametrize("value", [0, 7, 65535, -3.5, np.nan, np.inf])
@pytest.mark.parametrize("shape", [(1, 4, 5), (1, 1, 1), (2, 3, 4, 5), (1, 0, 4)])
def test_an_image_without_contrast_becomes_0(value, shape):
    got = Normalisation().apply(np.full(shape, value))
    assert got.shape == shape
    assert not got.any()


def test_a_few_bright_pixels_on_a_constant_ground_stay_visible():
    image = np.full((1, 100, 100), 40, np.uint8)
    image[0, 5, 5:8] = 90
    got = Normalisation().apply(image)
    assert (got[0, 5, 5:8] == 1).all()
    assert got.sum() == 3


def test_a_fill_value_of_a_file_format_stays_finite():
    image = np.random.default_rng(1).normal(0, 1e-3, (1, 40, 40)).astype(np.float32)
    image[0, 0, 0] = np.finfo(np.float32).max
    image[0, 0, 1] = np.finfo(np.float32).min
    got = Normalisation().apply(image)
    assert np.isfinite(got).all()
    assert abs(got).max() <= 10_000


def test_the_image_is_not_changed():
    image = np.random.default_rng(2).integers(0, 99, (1, 9, 9)).astype(np.float32)
    before = image.copy()
    Normalisation().apply(image)
    np.testing.assert_array_equal(image, before)


def test_a_large_image_is_sampled_with_the_same_result():
    image = np.random.default_rng(3).normal(1000, 50, (1, 1500, 1500)).astype(np.float32)
    low, high = np.percentile(image, [1.0, 99.8])
    expected = (image - low) / (high - low)
    np.testing.assert_allclose(Normalisation().apply(image), expected, atol=0.02)


def test_a_part_is_scaled_as_in_the_whole():
    image = np.random.default_rng(0).normal(100, 20, (2, 50, 60))
    image[0, :20] = 7
    image[1, 3, 3] = np.nan
    options = Normalisation()
    where = np.s_[:, 5:30, 10:40]
    part = options.apply(image[where], options.limits(image))
    np.testing.assert_array_equal(part, options.apply(image)[where])
    assert not np.allclose(part, options.apply(image[where]))


def test_nothing_has_no_limits():
    assert Normalisation().limits(np.full((1, 3, 3), np.nan)).tolist() == [[0, 0]]
    assert Normalisation().limits(np.zeros((0, 3, 3))).shape == (0, 2)
