"""Confidence without the truth: high where both passes agree and nothing bright is left over."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_nucleate.core.annotation import annotate
from napari_nucleate.core.confidence import score
from napari_nucleate.core.instances import Maps
from napari_nucleate.core.targets import Boundary

BOTH = pytest.mark.parametrize("ndim", [2, 3])


def labels(ndim, n=3, side=18):
    result = np.zeros((side,) * ndim, np.int32)
    for i in range(n):
        result[..., 1 + 6 * i : 5 + 6 * i] = i + 1
    return result


def sure(ids):
    """The evidence of a network that has no doubts."""
    return Boundary().maps(Boundary().encode(annotate(ids)))


@BOTH
def test_perfect_agreement_of_a_sure_network_is_1(ndim):
    ids = labels(ndim)
    got = score(sure(ids), ids, (ids, ids))
    assert got.image == pytest.approx(1)
    assert got.objects == pytest.approx({1: 1, 2: 1, 3: 1})
    assert score(sure(ids), ids).image == pytest.approx(1)


@BOTH
def test_the_names_of_the_objects_do_not_matter(ndim):
    ids = labels(ndim)
    renamed = np.array([0, 70, 5, 12], np.int32)[ids]
    got = score(sure(ids), renamed, (ids, ids))
    assert got.image == pytest.approx(1)
    assert set(got.objects) == {5, 12, 70}


@BOTH
def test_without_objects_it_is_0_and_says_so(ndim):
    empty = np.zeros((8,) * ndim, np.int32)
    got = score(sure(empty), empty, (empty, empty))
    assert (got.image, dict(got.objects)) == (0.0, {})
    assert got.reason == "no object was found"


def test_what_is_far_wider_than_what_a_person_painted_is_not_right():
    ids = np.zeros((80, 80), np.int32)
    ids[2:8, 2:8], ids[20:78, 10:78] = 1, 2
    unknown, painted = (score(sure(ids), ids, (ids, ids), diameter=d) for d in (0.0, 7.0))
    assert unknown.objects == pytest.approx({1: 1, 2: 1})
    assert painted.objects[1] == pytest.approx(1)
    assert painted.objects[2] < 0.2
    assert painted.image < 0.5
    assert painted.reason == "objects are far wider than those painted"
    near = score(sure(ids), ids, (ids, ids), diameter=20.0)
    assert near.objects == pytest.approx({1: 1, 2: 1})


@BOTH
def test_doubts_of_the_network_lower_it(ndim):
    ids = labels(ndim)
    foreground = sure(ids).foreground * 0.6
    foreground[ids == 2] = 0.95
    got = score(Maps(foreground=foreground), ids, (ids, ids))
    # Certainty is the distance from one half: 2 × 0.6 - 1 and 2 × 0.95 - 1.
    assert got.objects == pytest.approx({1: 0.2, 2: 0.9, 3: 0.2}, abs=1e-6)
    # What is wrong lacks a true object, too: TP / (TP + FP + FN).
    assert got.image == pytest.approx(1.3 / (1.3 + 1.7 + 1.7), abs=1e-6)
    assert got.reason == "the network is unsure of the objects"


@BOTH
def test_an_object_that_the_turned_image_lacks_is_not_trusted(ndim):
    ids = labels(ndim)
    got = score(sure(ids), ids, (ids, np.where(ids == 2, 0, ids)))
    assert got.objects == pytest.approx({1: 1, 2: 0, 3: 1})
    # Two are right, one is wrong, so that one lacks. That the views disagree says no more.
    assert got.image == pytest.approx(2 / (2 + 1 + 1))
    assert got.reason == "it changes when the image is turned"


@BOTH
def test_an_object_that_only_the_turned_image_has_lowers_the_image(ndim):
    ids = labels(ndim)
    one_less = np.where(ids == 2, 0, ids)
    got = score(sure(one_less), one_less, (one_less, ids))
    assert got.objects == pytest.approx({1: 1, 3: 1})
    # Half a chance that it is there, in one of two views.
    assert got.image == pytest.approx(2 / 2.25)


@BOTH
def test_an_object_is_trusted_where_both_predictions_have_it_as_it_is(ndim):
    ids = labels(ndim)
    half = np.where(np.arange(ids.shape[-1]) % 6 < 3, ids, 0)  # of the columns 1 to 4, two
    got = score(sure(ids), ids, (half, half))
    assert got.objects == pytest.approx({1: 0.25, 2: 0.25, 3: 0.25})
    assert got.image == pytest.approx(0.75 / (0.75 + 2.25 + 2.25))


@BOTH
def test_merged_objects_in_the_turned_image_lower_it(ndim):
    ids = labels(ndim)
    merged = np.where(ids == 2, 1, ids)
    got = score(sure(ids), ids, (ids, merged))
    assert got.image < 0.6
    assert got.objects[3] == pytest.approx(1)
    assert got.objects[1] < 0.6


@BOTH
def test_bright_regions_that_became_no_object_lower_it(ndim):
    ids = labels(ndim)
    missing = np.where(ids == 2, 0, ids)
    got = score(sure(ids), missing, (missing, missing))
    assert got.image == pytest.approx(2 / 3)
    assert got.reason == "bright regions became no object"
    assert got.objects == pytest.approx({1: 1, 3: 1})


@BOTH
@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_it_lies_between_0_and_1_whatever_the_maps(ndim, seed):
    rng = np.random.default_rng(seed)
    shape = (6,) * ndim
    ids, turned = (rng.integers(0, rng.integers(1, 6), shape).astype(np.int32) for _ in range(2))
    foreground = rng.uniform(0, 1.0001, shape).astype(np.float32)
    for alone in ((), (ids, turned), (turned, ids)):
        got = score(Maps(foreground=foreground), ids, alone)
        assert 0 <= got.image <= 1
        assert set(got.objects) == set(np.unique(ids[ids > 0]).tolist())
        assert all(0 <= c <= 1 for c in got.objects.values())
        assert got.reason


def test_nothing_given_is_changed():
    ids = labels(2)
    maps = sure(ids)
    before = maps.foreground.copy()
    score(maps, ids, (ids, ids[::-1].copy()))
    np.testing.assert_array_equal(ids, labels(2))
    np.testing.assert_array_equal(maps.foreground, before)
