"""Images to label first: different from each other, and the same at every call."""

import numpy as np
import pytest

from napari_nucleate.core.choose import describe, representative


def kinds(picture, per_kind=5):
    """Three kinds of images: fine grain, coarse blobs, a ramp."""
    rng = np.random.default_rng(0)
    y, x = np.indices((48, 48))
    made = []
    for i in range(per_kind):
        fine = rng.random((48, 48))
        coarse = np.sin(x / 4 + i) * np.sin(y / 4)
        ramp = x + 0.5 * i * rng.random()
        made += [fine, coarse, ramp]
    return [picture(f"{i:02d}", (image[np.newaxis] * 1000)) for i, image in enumerate(made)]


def test_each_kind_of_image_is_among_the_chosen(picture):
    chosen = representative(kinds(picture), 3)
    assert {i % 3 for i in chosen} == {0, 1, 2}


@pytest.mark.parametrize("count", [1, 2, 7, 14])
def test_as_many_as_asked_for_in_order_and_none_twice(picture, count):
    chosen = representative(kinds(picture), count, seed=4)
    assert len(chosen) == count == len(set(chosen))
    assert chosen == sorted(chosen)
    assert chosen == representative(kinds(picture), count, seed=4)


@pytest.mark.parametrize("count", [15, 16, 99])
def test_all_where_there_are_no_more(picture, count):
    assert representative(kinds(picture), count) == list(range(15))


def test_nothing_to_choose_from():
    assert representative([], 3) == []


def test_equal_images_are_no_trouble(picture):
    sources = [picture(str(i), np.ones((1, 20, 20))) for i in range(5)]
    chosen = representative(sources, 2)
    assert len(set(chosen)) == 2


@pytest.mark.parametrize("shape", [(1, 30, 40), (3, 30, 40), (1, 6, 30, 40), (1, 1, 1)])
def test_a_description_is_finite_for_any_image(shape):
    image = np.random.default_rng(1).normal(size=shape)
    image.flat[0] = np.nan
    got = describe(image)
    assert got.shape == (15,)
    assert np.isfinite(got).all()


def test_a_description_does_not_depend_on_the_camera():
    image = np.random.default_rng(1).random((1, 40, 40))
    np.testing.assert_allclose(describe(image * 900 + 50), describe(image), atol=1e-5)
