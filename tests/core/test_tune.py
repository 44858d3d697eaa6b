"""Thresholds chosen by the program: they are as good as any, and measured as the splitter does."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage as ndi

from napari_nucleate.core.annotation import Annotation, annotate
from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.instances import (
    Components,
    LinkedPlanes,
    Maps,
    StarConvex,
    Watershed,
    centre_probability,
    from_mask_like,
    ray_distances,
)
from napari_nucleate.core.instances.trial import IOUS, Trial, agreement
from napari_nucleate.core.instances.tune import CAUTION, Tried, Tuned, choose, choosing
from napari_nucleate.core.metrics import evaluate, match
from napari_nucleate.core.samples import NucleiSample


def nuclei(count=2, seed=0, size=96):
    sample = NucleiSample(count=count, size=size, radius=7, seed=seed).make()
    return [ref.read()[0].astype(np.int32) for ref in sample.labels.images(2)]


def rough(labels, seed=0, rays=16):
    """Maps as a young network draws them: smoothed, with noise, and unsure of small objects."""
    rng = np.random.default_rng(seed)

    def noise(width, height):
        field = ndi.gaussian_filter(rng.normal(size=labels.shape), width)
        return height * field / field.std()

    foreground = ndi.gaussian_filter((labels > 0).astype(np.float32), 1.5) + noise(3, 0.12)
    centre = 0.8 * ndi.gaussian_filter(centre_probability(labels), 1) + noise(4, 0.08)
    distances = ray_distances(labels, rays) * (1 + noise(5, 0.12)) + noise(2, 0.5)
    return Maps(
        foreground.clip(0, 1).astype(np.float32),
        centre=centre.clip(0, 1).astype(np.float32),
        distances=distances.astype(np.float32),
    )


@pytest.fixture(scope="module")
def cases():
    return [(rough(t, i), annotate(t)) for i, t in enumerate(nuclei(3))]


def measure(splitters, maps, annotation):
    return Trial(annotation).measure(splitters, maps)


def true_ap(splitter, cases):
    """As training measures it."""
    return evaluate(
        (
            "",
            np.where(annotation.known, annotation.labels, 0),
            np.where(annotation.known, splitter.split(maps), 0),
        )
        for maps, annotation in cases
    ).per_image_mean_ap


STARS = [
    StarConvex(outline=outline, probability=p, overlap=o, threshold=t)
    for outline in ("stars", "pixels")
    for p in (0.2, 0.35, 0.5, 0.8, 0.995)
    for o, t in ((0.1, 0.5), (0.5, 0.5), (0.5, 0.3))
]


@pytest.mark.parametrize("saturated", [False, True])
def test_one_suppression_tells_what_each_splitter_finds(cases, saturated):
    maps, annotation = cases[0]
    if saturated:  # many places are then as likely, and their width decides
        maps = Maps(
            maps.foreground,
            centre=(1.5 * maps.centre).clip(0, 1),
            distances=maps.distances,
        )
    # All at once, and one by one, when much was found before.
    trial = Trial(annotation)
    each = [trial.measure([s], maps) for s in STARS]
    counts = measure(STARS, maps, annotation)
    assert counts.found.tolist() == [c.found[0] for c in each]
    assert counts.matched.tolist() == [c.matched[0].tolist() for c in each]
    for splitter, found, matched in zip(STARS, counts.found, counts.matched, strict=True):
        labels = splitter.split(maps)
        assert found == labels.max()
        assert matched.tolist() == [match(annotation.labels, labels, t).tp for t in IOUS]


@pytest.mark.parametrize("splitter", [*STARS[::4], Watershed(), Components()])
def test_ap_is_measured_as_in_training_where_pixels_are_known(cases, splitter):
    rng = np.random.default_rng(1)
    partly = []
    for maps, annotation in cases:
        known = ndi.zoom(rng.random((4, 4)) < 0.7, 24, order=0).astype(bool)
        partly.append((maps, Annotation(annotation.labels, known)))
    counts = [measure([splitter], *case) for case in partly]
    assert np.mean([c.mean_ap[0] for c in counts]) == pytest.approx(true_ap(splitter, partly))


@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.integers(1, 6))
def test_matches_without_a_table_are_those_of_the_metrics(seed, n, m):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, n + 1, (4, 6)).astype(np.int32)
    found = np.where(rng.random(truth.shape) < 0.7, truth, rng.integers(0, m + 1, truth.shape))
    found = found.astype(np.int32)
    iou, seen = agreement(truth, found, int(truth.max()))
    assert np.count_nonzero(seen) == len(np.unique(found[found > 0]))
    for threshold in IOUS:
        assert np.count_nonzero(iou >= threshold) == match(truth, found, threshold).tp


@pytest.mark.parametrize(
    ("truth", "found", "matches"),
    [
        ([1, 1, 1, 1], [1, 1, 2, 2], 1),  # two halves of a true object
        ([1, 1, 2, 2], [1, 1, 1, 1], 1),  # two true halves of an object
        ([1, 1, 0, 0], [1, 1, 1, 1], 1),
        ([1, 1, 1, 0], [2, 0, 0, 2], 0),
    ],
)
def test_exact_halves_match_once(truth, found, matches):
    truth, found = np.array([truth], np.int32), np.array([found], np.int32)
    iou, _ = agreement(truth, found, 2)
    assert np.count_nonzero(iou >= 0.5) == matches == match(truth, found, 0.5).tp


def test_recovers_the_threshold_that_a_map_was_made_with():
    cases = []
    for labels in nuclei():
        values = np.where(labels > 0, 0.8, 0.1)
        halo = ndi.binary_dilation(labels > 0, iterations=3) & (labels == 0)
        cases.append((from_mask_like(np.where(halo, 0.62, values)), annotate(labels)))
    tuned = choose(Watershed(), cases)
    assert 0.62 < tuned.splitter.threshold < 0.8
    assert tuned.ap > tuned.begun_ap + 0.2
    assert tuned.ap == true_ap(tuned.splitter, cases)
    assert tuned.begun_ap == true_ap(Watershed(), cases)


def test_recovers_the_probability_that_tells_stars_from_noise():
    cases = []
    for seed, labels in enumerate(nuclei()):
        maps = rough(labels, seed)
        faint = 0.4 * centre_probability(labels)
        # Noise is as likely as 0.2: below that everything is an object, above 0.4 nothing.
        noise = np.where(labels > 0, 0, 0.2 * np.random.default_rng(seed).random(labels.shape))
        centre = np.maximum(faint, noise).astype(np.float32)
        maps = Maps(maps.foreground, centre=centre, distances=maps.distances)
        cases.append((maps, annotate(labels)))
    tuned = choose(StarConvex(outline="stars", probability=0.7), cases)
    assert tuned.begun_ap == 0
    assert 0.1 < tuned.splitter.probability < 0.35
    assert tuned.ap > 0.5


@pytest.mark.parametrize("outline", ["stars", "pixels"])
def test_stars_are_as_good_as_by_trying_all_of_a_grid(cases, outline):
    begun = StarConvex(outline=outline, probability=0.7, threshold=0.3)
    tuned = choose(begun, cases)
    grid = [
        begun.model_copy(update={"probability": p, "overlap": o, "threshold": t})
        for p in (0.1, 0.2, 0.3, 0.4, 0.5, 0.6)
        for o in (0.2, 0.4, 0.6)
        for t in ((0.3, 0.4, 0.5, 0.6) if outline == "pixels" else (0.3,))
    ]
    counts = [measure(grid, *case) for case in cases]
    assert tuned.ap >= np.mean([c.mean_ap for c in counts], 0).max() - 0.01
    assert tuned.ap >= tuned.begun_ap
    assert tuned.ap == pytest.approx(true_ap(tuned.splitter, cases))
    assert tuned.begun_ap == pytest.approx(true_ap(begun, cases))


@pytest.mark.parametrize("bordered", [False, True])
def test_watershed_is_as_good_as_by_trying_all_of_a_grid(bordered):
    cases = []
    for seed, labels in enumerate(nuclei()):
        foreground = rough(labels, seed).foreground
        inner = ndi.gaussian_filter(centre_probability(labels), 1) > 0.3
        border = (foreground * ndi.gaussian_filter(1.0 - inner, 1) * 0.9).astype(np.float32)
        cases.append((Maps(foreground, border if bordered else None), annotate(labels)))
    begun = Watershed(threshold=0.8)
    tuned = choose(begun, cases)
    second = "seed_threshold" if bordered else "separation"
    grid = [
        begun.model_copy(update={"threshold": t, second: s})
        for t in (0.3, 0.4, 0.5, 0.6, 0.7)
        for s in (0.05, 0.1, 0.2, 0.4, 0.6)
    ]
    counts = [measure(grid, *case) for case in cases]
    assert tuned.ap >= np.mean([c.mean_ap for c in counts], 0).max() - 0.01
    assert tuned.ap > tuned.begun_ap


def test_a_curve_for_each_field_goes_through_what_was_chosen(cases):
    tuned = choose(StarConvex(), cases)
    assert [c.field for c in tuned.curves] == ["threshold", "overlap", "probability"]
    for curve in tuned.curves:
        assert curve.chosen == getattr(tuned.splitter, curve.field)
        assert list(curve.values) == sorted(curve.values)
        assert len(curve.values) > 3
        assert dict(zip(curve.values, curve.ap, strict=True))[curve.chosen] == tuned.ap
    assert (tuned.images, tuned.objects) == (3, sum(c[1].n_objects for c in cases))


def test_of_equally_good_values_the_middle_one_is_chosen():
    cases = [(from_mask_like(np.where(t > 0, 0.95, 0.35)), annotate(t)) for t in nuclei()]
    tuned = choose(Components(threshold=0.3), cases)
    assert tuned.splitter.threshold == pytest.approx(0.65, abs=0.1)


def test_a_crowded_image_does_not_decide_for_all():
    # A threshold of 0.6 parts the objects of the one image, 0.3 finds those of the four others.
    crowd = np.kron(np.arange(1, 101).reshape(10, 10), np.pad(np.ones((6, 6), int), 1))
    touching = np.where(crowd > 0, 0.8, 0.5)
    few = np.kron(np.arange(1, 5).reshape(2, 2), np.pad(np.ones((6, 6), int), 2))
    faint = np.where(few > 0, 0.4, 0.05)
    others = [(from_mask_like(faint), annotate(few))] * 4
    tuned = choose(Components(), [(from_mask_like(touching), annotate(crowd)), *others])
    assert tuned.splitter.threshold < 0.4
    assert (tuned.begun_ap, tuned.ap) == pytest.approx((0.2, 0.8))


def test_nothing_there_and_nothing_found_is_right():
    nothing = annotate(np.zeros((8, 8), int))
    found = Trial(nothing).measure([Components()], from_mask_like(np.zeros((8, 8))))
    assert found.mean_ap.tolist() == [1]
    speck = np.zeros((8, 8))
    speck[1:7, 1:7] = 1
    assert Trial(nothing).measure([Components()], from_mask_like(speck)).mean_ap.tolist() == [0]


def test_with_caution_small_gains_move_nothing_and_large_ones_do(cases):
    begun = Watershed(threshold=0.65)
    free = choose(begun, cases)
    assert free.splitter.threshold != begun.threshold
    gained = free.ap - free.begun_ap
    assert gained > 0
    held = choose(begun, cases, caution=1e3)
    assert held.splitter.threshold == pytest.approx(begun.threshold, abs=0.02)
    faint = [(from_mask_like(np.where(a.labels > 0, 0.4, 0.05)), a) for _, a in cases]
    tuned = choose(Components(threshold=0.6), faint, CAUTION)
    assert (tuned.begun_ap, tuned.splitter.threshold) == (0, 0.35)
    assert tuned.ap > 0.2


def test_what_makes_no_difference_stays(cases):
    masks = [(from_mask_like(a.labels), a) for _, a in cases]
    begun = Watershed(threshold=0.37, separation=0.2)
    assert choose(begun, masks).splitter.threshold == 0.37


def test_never_worse_than_the_one_begun_with(cases):
    for begun in (Watershed(threshold=0.42), StarConvex(probability=0.33), Components()):
        tuned = choose(begun, cases)
        assert tuned.ap >= tuned.begun_ap
        assert tuned.splitter.min_size == begun.min_size


def test_linked_planes_choose_the_splitter_of_the_planes():
    sample = NucleiSample(kind="3d", count=1, size=48, depth=16, radius=6, seed=3).make()
    labels = sample.labels.images(3)[0].read()[0].astype(np.int32)
    maps = from_mask_like(np.where(labels > 0, 0.4, 0.05))
    tuned = choose(LinkedPlanes(), [(maps, annotate(labels))])
    assert tuned.begun_ap == 0
    assert tuned.ap > 0.2
    assert 0.05 < tuned.splitter.splitter.threshold < 0.4
    assert [c.field for c in tuned.curves] == ["splitter.threshold", "splitter.separation"]


def test_maps_that_are_not_numbers_and_images_without_objects(cases):
    maps, annotation = cases[0]
    nan = np.full_like(maps.foreground, np.nan)
    bad = Maps(nan, centre=nan, distances=np.full_like(maps.distances, np.nan))
    nothing = annotate(np.zeros(maps.foreground.shape, int))
    more = [*cases, (bad, annotation), (maps, nothing)]
    for splitter in (StarConvex(), StarConvex(outline="stars"), Watershed()):
        tuned = choose(splitter, more)
        assert tuned.ap == pytest.approx(true_ap(tuned.splitter, more))
        assert tuned.ap >= tuned.begun_ap


def test_too_few_labels_are_refused_in_a_sentence(cases):
    with pytest.raises(NucleateError, match=r"No labelled image has maps to split; label some"):
        choose(Watershed(), [])
    maps, annotation = cases[0]
    few = np.where(annotation.labels <= 3, annotation.labels, 0)
    with pytest.raises(NucleateError, match=r"^Only 3 objects labelled in 1 image; label at least"):
        choose(Watershed(), [(maps, annotate(few))])
    empty = annotate(np.zeros((0, 0), int))
    with pytest.raises(NucleateError, match=r"^Only 0 objects labelled in 1 image; label at least"):
        choose(Watershed(), [(Maps(np.zeros((0, 0), np.float32)), empty)])
    with pytest.raises(NucleateError, match=r"labels have shape \(5, 5\), the maps \(96, 96\)"):
        choose(Watershed(), [(maps, annotate(np.ones((5, 5), int)))])


def test_it_can_be_ended_at_any_event(cases):
    events = choosing(StarConvex(), cases)
    first = next(events)
    assert first == Tried(1, 3, 0)
    events.close()
    *tried, last = choosing(Components(), cases)
    assert all(isinstance(e, Tried) for e in tried)
    assert isinstance(last, Tuned)
    assert last.tried > tried[0].tried
