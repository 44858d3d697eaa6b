"""Images to label first: different from each other, and the same at every call."""

import numpy as np
import pytest

from napari_nucleate.core.choose import covering, describe, least_sure, representative


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
    chosen = representative(kinds(picture), count)
    assert len(chosen) == count == len(set(chosen))
    assert chosen == sorted(chosen)
    assert chosen == representative(kinds(picture), count)


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


def groups(*sizes):
    """Descriptions in groups far from each other; the first of a group is its middle."""
    rng = np.random.default_rng(3)
    made = []
    for at, size in enumerate(sizes):
        middle = np.array([20.0 * at, 5.0 * (at % 2)])
        made += [middle, *(middle + rng.normal(size=(size - 1, 2)))]
    return np.array(made)


def test_the_first_stand_for_the_largest_groups():
    table = groups(30, 10, 3)
    first, second, third = covering(table, 3)
    assert first < 30
    assert 30 <= second < 40
    assert third >= 40


def test_what_is_like_a_labelled_one_needs_no_label():
    table = groups(30, 10, 3)
    assert covering(table, 1, labelled=[0])[0] >= 30
    assert len(covering(table, 99, labelled=[0, 5])) == 41
    assert not {0, 5} & set(covering(table, 99, labelled=[0, 5]))


def test_images_that_the_network_is_bad_at_come_first():
    table = groups(30, 10)
    weights = np.concatenate([np.full(30, 0.05), np.full(10, 0.9)])
    assert covering(table, 1, weights=weights)[0] >= 30


def test_a_bad_prediction_of_what_nothing_else_looks_like_makes_it_no_more_urgent():
    table = groups(30, 10, 1)
    bad = np.append(np.ones(40), 50)
    assert covering(table, 9, weights=bad) == covering(table, 9)
    # Of the usual kind, it is what helps most.
    for one in (7, 35):
        assert covering(table, 1, weights=np.where(np.arange(41) == one, 50, 1)) == [one]


def test_where_nearly_all_are_copies_or_labelled_the_others_still_count():
    table = np.concatenate([np.zeros((20, 2)), groups(5)])
    assert covering(table, 1, [0])[0] >= 20
    assert covering(groups(30, 10), 1, labelled=range(35))[0] >= 35
    assert covering(np.zeros((4, 2)), 9) == [0, 1, 2, 3]


def test_of_a_large_image_the_middle_is_described(monkeypatch):
    monkeypatch.setattr("napari_nucleate.core.choose.SEEN", 32)
    image = np.random.default_rng(1).random((2, 3, 70, 45))
    middle = image[:, :, 19:51, 6:38]
    np.testing.assert_array_equal(describe(image), describe(middle))


def test_more_images_than_can_be_compared(monkeypatch):
    monkeypatch.setattr("napari_nucleate.core.choose.MOST", 10)
    table = groups(30, 12)
    first, second = covering(table, 2)
    assert (first < 30) != (second < 30)


@pytest.mark.parametrize("shape", [(20, 30), (5, 20, 30)])
def test_where_the_network_is_least_sure(shape):
    foreground = np.ones(shape)
    foreground[..., 2:6, 20:25] = np.nan
    foreground[..., 10:13, 3:6] = 0.5
    if len(shape) == 3:
        foreground[[0, 1, 3, 4], 10:13, 3:6] = 0.7
    part = least_sure(foreground, 8)
    assert all(s.stop - s.start == 8 for s in part[-2:])
    if len(shape) == 3:
        assert part[0] == slice(2, 3)
    assert part[-2].start <= 10
    assert part[-2].stop >= 13
    assert part[-1].start <= 3
    assert part[-1].stop >= 6
    whole = least_sure(foreground, 999)
    assert whole[-2:] == tuple(slice(0, n) for n in shape[-2:])
