"""Probabilities of objects: from traits, and corrected by objects of known truth."""

import itertools

import numpy as np
import pytest

from napari_nucleate.core.annotation import annotate
from napari_nucleate.core.confidence import score
from napari_nucleate.core.confidence.reliability import calibration_error, reliability
from napari_nucleate.core.confidence.traits import NAMES, USUAL, Traits
from napari_nucleate.core.confidence.trust import IOU, Trust, regression, sigmoid
from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.instances import Maps
from napari_nucleate.core.targets import Boundary

BOTH = pytest.mark.parametrize("ndim", [2, 3])


def discs(ndim, radii=(5, 5, 8), side=24):
    """Round objects side by side."""
    labels = np.zeros((side,) * (ndim - 1) + (side * len(radii),), np.int32)
    for i, radius in enumerate(radii):
        middle = [side / 2] * (ndim - 1) + [side * (i + 0.5)]
        grid = np.indices(labels.shape)
        far = sum((g + 0.5 - m) ** 2 for g, m in zip(grid, middle, strict=True))
        labels[far <= radius**2] = i + 1
    return labels


def sure(labels):
    return Boundary().maps(Boundary().encode(annotate(labels)))


class TestTraits:
    @BOTH
    def test_perfect_objects(self, ndim):
        labels = discs(ndim)
        traits = Traits.of(sure(labels), labels, (labels, labels))
        assert traits.ids.tolist() == [1, 2, 3]
        assert traits.sizes.tolist() == np.bincount(labels.ravel())[1:].tolist()
        for values in (traits.certainty, traits.agreement):
            assert values == pytest.approx(1)
        assert abs(traits.jagged).max() < 0.4
        assert traits.table.shape == (3, len(NAMES))
        assert np.isfinite(traits.table).all()
        larger = traits.table[:, NAMES.index("larger")]
        assert larger[:2] == pytest.approx(0)
        assert larger[2] == pytest.approx(np.log(traits.sizes[2] / traits.sizes[0]))

    @BOTH
    def test_a_torn_object_is_more_jagged_than_a_round_one(self, ndim):
        labels = discs(ndim, (8, 8))
        torn = labels.copy()
        torn[(labels == 2) & (np.indices(labels.shape)[-2] % 2 == 0)] = 0
        traits = Traits.of(sure(labels), torn)
        assert traits.jagged[1] > traits.jagged[0] + 0.5
        assert not traits.compared
        assert traits.agreement.tolist() == [1, 1]

    @BOTH
    def test_broken_maps_give_numbers(self, ndim):
        labels = discs(ndim)
        foreground = np.full(labels.shape, np.nan, np.float32)
        traits = Traits.of(Maps(foreground=foreground), labels, (labels * 0, labels))
        assert np.isfinite(traits.table).all()
        assert traits.agreement.tolist() == [0, 0, 0]


class TestUneven:
    """How much brightness varies in an object, compared with how it differs from around it."""

    @staticmethod
    def uneven(labels, *channels):
        return Traits.of(sure(labels), labels, pixels=np.stack(channels).astype(np.float32)).uneven

    @BOTH
    def test_what_lies_in_two_things_is_uneven(self, ndim):
        labels = discs(ndim)
        image = np.where(labels > 0, 5.0, 1.0)
        middle = np.indices(labels.shape)[-1] < 36
        image[(labels == 2) & middle] = 1.0
        # Half of it is as bright as the others: a deviation of 2, 3 − 1 brighter.
        assert self.uneven(labels, image) == pytest.approx([0, 0.5, 0], abs=0.02)

    def test_neither_brightness_nor_names_nor_order_count(self):
        rng = np.random.default_rng(0)
        labels = discs(2)
        image = rng.normal(0, 1, labels.shape) + (labels > 0) * 3
        got = self.uneven(labels, image)
        assert ((got > 0.2) & (got < 0.35)).all()  # 1 of 1 + 3
        assert self.uneven(labels, image * -7 + 1000) == pytest.approx(got, abs=1e-3)
        renamed = np.array([0, 9, 4, 2], np.int32)[labels]
        assert self.uneven(renamed, image) == pytest.approx(got[::-1], abs=1e-6)

    def test_the_channel_counts_where_an_object_stands_out(self):
        rng = np.random.default_rng(0)
        labels = discs(2)
        clear = (labels > 0) * 1.0
        noise = rng.normal(0, 1, labels.shape)
        assert self.uneven(labels, noise, clear) == pytest.approx(0, abs=1e-3)
        assert (self.uneven(labels, noise) > 0.7).all()

    @BOTH
    def test_other_objects_are_no_surroundings(self, ndim):
        labels = discs(ndim)
        image = (labels > 0) * 2.0
        touching = np.where(labels == 0, 3, labels)
        touching[..., :4] = 0
        image[..., :4] = -7.0
        # No background beside the first two: that of the whole image counts.
        assert self.uneven(touching, image)[:2] == pytest.approx(0, abs=1e-3)

    def test_without_background_or_image_it_is_what_is_usual(self):
        labels = discs(2)
        usual = Traits.of(sure(labels), labels).uneven
        assert usual.tolist() == [USUAL] * 3
        full = np.where(labels == 0, 1, labels)
        assert self.uneven(full, full * 1.0).tolist() == [USUAL] * 3

    def test_of_flat_or_no_objects(self):
        labels = discs(2)
        assert self.uneven(labels, labels * 0.0).tolist() == [1, 1, 1]
        assert self.uneven(labels * 0, labels * 1.0).tolist() == []


class TestTrust:
    @pytest.mark.parametrize("compared", [True, False])
    def test_better_objects_are_trusted_more(self, compared):
        labels = discs(2)
        alone = (labels, labels) if compared else ()
        good = Trust().probabilities(Traits.of(sure(labels), labels, alone))
        worse = labels * (np.indices(labels.shape)[-1] % 4 > 0)
        foreground = np.where(labels > 0, 0.7, 0.3).astype(np.float32)
        alone = (worse, worse) if compared else ()
        bad = Trust().probabilities(Traits.of(Maps(foreground=foreground), labels, alone))
        assert good.shape == bad.shape == (len(IOU), 3)
        assert (good[0] > 0.95).all()
        assert (bad < good).all()
        # A better match is never likelier than any match.
        assert (np.diff(good, axis=0) <= 0).all()

    def test_it_is_corrected_by_objects_of_known_truth(self):
        rng = np.random.default_rng(0)
        table = rng.normal(0, 1, (400, len(NAMES)))
        table[:, NAMES.index("jagged")] = rng.normal(0, 0.1, 400)
        plain = Trust()
        before = sigmoid(plain._score(table, True)[0])
        right = rng.random(400) < sigmoid(plain._score(table, True)[0] - 1)
        fitted = plain.fitted(table, np.where(right, 0.55, 0.3))
        after = sigmoid(fitted._score(table, True)[0] + fitted.shifts[0])
        assert abs(after.mean() - right.mean()) < 0.03 < abs(before.mean() - right.mean())
        assert fitted.shifts[0] == pytest.approx(-1, abs=0.4)
        assert fitted.objects == 400
        assert sum(one.count for one in fitted.reliability) == 400
        assert calibration_error(fitted.reliability) < 0.08
        assert Trust.parse(fitted.model_dump(mode="json")) == fitted

    def test_few_objects_do_not_change_it_and_like_ones_do_not_overthrow_it(self):
        labels = discs(2)
        table = Traits.of(sure(labels), labels, (labels, labels)).table[:1].repeat(60, 0)
        assert Trust().fitted(table[:49], np.ones(49)) == Trust()
        fitted = Trust().fitted(table, np.ones(60))
        assert 0 <= fitted.shifts[0] < 1

    @pytest.mark.parametrize("share", [0.0, 0.5, 0.7, 0.9, 1.0])
    def test_what_is_said_too_surely_is_put_right(self, share):
        # Nearly all is said to be certain, and much of it is wrong: there, full steps of Newton's
        # method run away, and everything would be certain afterwards.
        rng = np.random.default_rng(0)
        table = np.zeros((300, len(NAMES)))
        table[:, 0], table[:, 1] = rng.normal(3, 0.5, 300), rng.normal(3, 0.7, 300)
        right = np.arange(300) < round(share * 300)
        fitted = Trust().fitted(table, np.where(right, 0.95, 0.2))
        for row, shift in zip(fitted._score(table, True), fitted.shifts, strict=True):
            before, after = (abs(sigmoid(row + by).mean() - share) for by in (0, shift))
            assert after < max(0.05, before / 3)
        assert Trust.parse(fitted.model_dump(mode="json")) == fitted

    def test_each_iou_is_corrected_by_itself(self):
        # All objects are found, none is outlined well.
        rng = np.random.default_rng(0)
        table = np.zeros((200, len(NAMES)))
        table[:, NAMES.index("uneven")] = np.log(USUAL)
        table[:, 0] = rng.normal(2, 0.5, 200)
        fitted = Trust().fitted(table, np.full(200, 0.65))
        means = [
            sigmoid(row + shift).mean()
            for row, shift in zip(fitted._score(table, True), fitted.shifts, strict=True)
        ]
        assert min(means[:2]) > 0.85
        assert max(means[2:]) < 0.15

    def test_one_prediction_alone_is_not_corrected_by_two_compared(self):
        labels = discs(2)
        other = Trust(shifts=(-3.0,) * len(IOU))
        alone, compared = (Traits.of(sure(labels), labels, a) for a in ((), (labels, labels)))
        np.testing.assert_array_equal(other.probabilities(alone), Trust().probabilities(alone))
        assert (other.probabilities(compared) < Trust().probabilities(compared)).all()

    def test_a_row_of_weights_has_one_a_trait(self):
        with pytest.raises(NucleateError, match="compared"):
            Trust.parse({"compared": [[1.0, 2.0]] * len(IOU)})

    def test_what_is_more_uneven_than_usual_is_trusted_less(self):
        labels = discs(2)
        noise = np.random.default_rng(0).normal(0, 1, labels.shape)
        image = (noise + 5 * (labels > 0))[np.newaxis].astype(np.float32)
        traits = Traits.of(sure(labels), labels, (labels, labels), image)
        usual = float(np.median(traits.uneven))
        trusts = [Trust(usual=usual * times).probabilities(traits) for times in (0.5, 1, 2)]
        for low, high in itertools.pairwise(trusts):
            assert (low < high).all()

    def test_a_model_of_before_is_trusted_as_it_was(self):
        # Its weights know nothing of how even objects are.
        rows = [[-1.0, 1.0, 0.5, 1.0, -1.0, -4.0]] * len(IOU)
        old = Trust.parse({"compared": rows, "single": rows})
        assert [len(row) for row in old.compared + old.single] == [len(NAMES) + 1] * 10
        labels = discs(2)
        noise = np.random.default_rng(0).normal(0, 1, (1, *labels.shape)).astype(np.float32)
        one, other = (Traits.of(sure(labels), labels, pixels=p) for p in (None, noise))
        np.testing.assert_array_equal(old.probabilities(one), old.probabilities(other))

    def test_nobody_marks_their_own_work(self):
        # Odd objects are right, even ones wrong: what each half teaches is false of the other.
        table = np.zeros((400, len(NAMES)))
        fitted = Trust().fitted(table, np.where(np.arange(400) % 2 == 1, 1.0, 0.0))
        assert calibration_error(fitted.reliability) > 0.8

    def test_the_diagram_holds_every_object_once(self):
        likely = np.array([0.0, 0.05, 0.55, 1.0])
        bins = reliability(likely, np.array([False, True, True, True]))
        assert [(b.count, b.right) for b in bins] == [(2, 0.5), (1, 1.0), (1, 1.0)]
        assert [b.said for b in bins] == pytest.approx([0.025, 0.55, 1.0])
        assert reliability(np.empty(0), np.empty(0, bool)) == ()
        assert calibration_error(()) == 0

    def test_regression_finds_what_made_the_numbers(self):
        rng = np.random.default_rng(1)
        table = rng.normal(0, 1, (20_000, 2))
        right = rng.random(20_000) < sigmoid(0.5 + table @ [1.0, -2.0])
        assert regression(table, right, np.zeros(3), 1.0) == pytest.approx([0.5, 1, -2], abs=0.1)


def test_the_image_is_what_is_to_be_expected_of_its_objects():
    labels = discs(2)
    trust = Trust()
    likely = trust.probabilities(Traits.of(sure(labels), labels, (labels, labels)))
    found = likely.sum(1)
    got = score(sure(labels), labels, (labels, labels), trust)
    assert got.image == pytest.approx((found / (6 - found)).mean())
    assert list(got.objects.values()) == pytest.approx(likely[0].tolist())
    # The other view has an object more: half a chance that one is lacking, in one of two views.
    less = np.where(labels == 3, 0, labels)
    likely = trust.probabilities(Traits.of(sure(less), less, (less, labels)))
    found = likely.sum(1)
    got = score(sure(less), less, (less, labels), trust)
    assert got.image == pytest.approx((found / (4 - found + 0.25)).mean())
