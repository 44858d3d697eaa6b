"""Matching agrees with the independent evaluator and with brute force; scores follow from it."""

import itertools
import json
import runpy
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_nucleate.core import metrics
from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.metrics import THRESHOLDS, Matches, match

EVALUATOR = Path(__file__).parents[3] / "shared" / "evaluate.py"


def brute_force(truth, pred, threshold):
    """Try every one-to-one assignment: most matches first, then the greatest total IoU."""
    rows, cols = (np.unique(a[a > 0]) for a in (truth, pred))
    iou = np.array(
        [
            [((truth == r) & (pred == c)).sum() / ((truth == r) | (pred == c)).sum() for c in cols]
            for r in rows
        ]
    ).reshape(len(rows), len(cols))
    if len(rows) > len(cols):
        iou = iou.T
    best = (0, 0.0, 0.0)
    for chosen in itertools.permutations(range(iou.shape[1]), iou.shape[0]):
        values = iou[np.arange(len(chosen)), list(chosen)]
        good = values[values >= threshold]
        best = max(best, (len(good), values.sum().round(9), good.sum()))
    return best[0], len(cols) - best[0], len(rows) - best[0], best[2]


def labels(top):
    return hnp.arrays(np.int64, (4, 5), elements=st.integers(0, top))


@settings(max_examples=60, deadline=None)
@given(labels(4), labels(5), st.sampled_from([0.1, 0.3, 0.5, 0.6, 0.9, 1.0]))
def test_matching_is_optimal(truth, pred, threshold):
    pred = np.where(np.arange(5) < 3, truth, pred)  # some true overlap
    got = match(truth, pred, threshold)
    tp, fp, fn, total = brute_force(truth, pred, threshold)
    assert (got.tp, got.fp, got.fn) == (tp, fp, fn)
    assert got.sum_iou == pytest.approx(total)


@pytest.mark.skipif(not EVALUATOR.exists(), reason=f"the evaluator {EVALUATOR} is not here")
def test_same_as_the_independent_evaluator():
    evaluator = runpy.run_path(str(EVALUATOR))  # an import would leave bytecode beside it
    rng = np.random.default_rng(0)
    pairs = []
    for _ in range(150):
        shape, top = rng.integers(1, 12, 2), rng.integers(1, 15)
        truth = rng.integers(0, top, shape)
        pred = np.where(rng.random(shape) < 0.8, truth, rng.integers(0, top, shape))
        pairs.append((truth, pred))
        for threshold in (0.2, *THRESHOLDS):
            tp, fp, fn, total = evaluator["count"](truth, pred, threshold)
            got = match(truth, pred, threshold)
            assert (got.tp, got.fp, got.fn) == (tp, fp, fn)
            assert got.sum_iou == pytest.approx(total)
    theirs = evaluator["score"](pairs)
    ours = metrics.evaluate((str(i), t, p) for i, (t, p) in enumerate(pairs))
    total = ours.to_dict()["total"]
    assert total["AP"] == theirs["AP"]
    for key in ("objects", "images", "mean_AP", "mean_matched_IoU"):
        assert total[key] == theirs[key]
    assert total["precision"]["0.5"] == theirs["precision"]
    assert total["recall"]["0.5"] == theirs["recall"]
    assert ours.to_dict()["per_image_mean_AP"] == theirs["per_image_mean_AP"]


@pytest.mark.parametrize("shape", [(6, 7), (3, 4, 5)])
def test_identical_labels_match_wholly(shape):
    truth = np.random.default_rng(1).integers(0, 9, shape)
    assert match(truth, truth, 1.0) == Matches(8, 0, 0, 8.0)


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.uint16, np.int32, np.uint64])
def test_any_integer_dtype(dtype):
    truth = np.array([[0, 1, 1], [0, 0, 1]], dtype)
    assert match(truth, truth).tp == 1


def test_huge_labels_are_not_counted_up_to():
    truth = np.array([[0, 2**40, 2**40, 2**62]])
    assert match(truth, np.array([[0, 5, 5, 6]])) == Matches(2, 0, 0, 2.0)
    assert metrics.agreement(truth, truth) == {2**40: 1.0, 2**62: 1.0}


def test_without_background():
    assert match(np.full((2, 2), 7), np.full((2, 2), 2**50)).tp == 1


@pytest.mark.parametrize("shape", [(0,), (0, 4), (3, 3)])
def test_nothing_in_either(shape):
    empty = np.zeros(shape, int)
    got = match(empty, empty)
    assert got == Matches()
    assert (got.average_precision, got.precision, got.recall, got.f1, got.mean_iou) == (0,) * 5
    assert metrics.iou(empty, empty) == metrics.dice(empty, empty) == 1
    assert metrics.accuracy(empty, empty) == 1
    assert metrics.agreement(empty, empty) == {}


def test_many_objects_are_quick():
    truth = np.arange(1, 40_001).reshape(200, 200).repeat(3, 0).repeat(3, 1)
    shifted = np.roll(truth, 1, 0)
    assert match(truth, shifted, 0.5).tp == 40_000
    assert match(truth, shifted, 0.55).tp == 0


def test_scores_of_counts():
    got = Matches(6, 2, 4, 4.5)
    assert got.average_precision == 0.5
    assert (got.precision, got.recall) == (0.75, 0.6)
    assert got.f1 == pytest.approx(2 * 0.75 * 0.6 / 1.35)
    assert got.mean_iou == 0.75
    assert got + Matches(1, 1, 1, 0.5) == Matches(7, 3, 5, 5.0)


def test_average_precision_sums_counts_over_images():
    one, none = np.array([[1, 2]]), np.array([[0, 0]])
    assert metrics.average_precision([(one, one), (one, none)], (0.5,)) == {0.5: 0.5}


def test_pixel_scores():
    truth, pred = np.array([[1, 1, 2, 0]]), np.array([[0, 3, 3, 3]])
    assert metrics.iou(truth, pred) == 0.5
    assert metrics.dice(truth, pred) == pytest.approx(2 / 3)
    assert metrics.accuracy(truth, pred) == 0.5


def test_evaluation_is_json_and_answers_by_threshold():
    truth, pred = np.array([[1, 1, 0, 2]]), np.array([[1, 1, 1, 0]])
    result = metrics.evaluate([("a", truth, pred), ("b", truth, truth)])
    json.dumps(result.to_dict())
    assert [s.name for s in result.images] == ["a", "b"]
    assert result.total.at(0.5) == Matches(3, 0, 1, 2 / 3 + 2)
    assert result.total.at(0.7).tp == 2
    assert result.total.pixels == metrics.Pixels(5, 6, 6, 8)
    assert result.per_image_mean_ap == pytest.approx((1 + 2 / 5 * 0.5) / 2)
    with pytest.raises(NucleateError, match=r"0\.33 was not evaluated; choose of 0\.5"):
        result.total.at(0.33)


def test_evaluation_of_nothing():
    result = metrics.evaluate([])
    assert result.images == ()
    assert result.total.mean_ap == result.per_image_mean_ap == 0


def test_agreement_is_the_best_iou():
    a = np.array([[1, 1, 1, 1, 0, 5, 0, 9]])
    b = np.array([[2, 2, 2, 3, 0, 4, 4, 0]])
    assert metrics.agreement(a, b) == {1: 0.75, 5: 0.5, 9: 0.0}


def test_mistakes_are_told_in_a_sentence():
    flat = np.zeros((2, 3), int)
    with pytest.raises(NucleateError, match=r"\(2, 3\), the prediction \(3, 2\)"):
        match(flat, flat.T)
    with pytest.raises(NucleateError, match="img7: The truth has shape"):
        metrics.evaluate([("img7", flat, flat.T)])
    with pytest.raises(NucleateError, match="prediction has dtype float64"):
        match(flat, flat.astype(float))
    with pytest.raises(NucleateError, match="Labels go down to -1"):
        match(flat - 1, flat)
    for threshold in (0, 1.01, float("nan")):
        with pytest.raises(NucleateError, match="not valid; use one in"):
            match(flat, flat, threshold)
