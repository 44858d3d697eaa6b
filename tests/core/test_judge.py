"""What is validated on is seen as in the whole image, and costs no more than it has to."""

import numpy as np
import pytest
import torch

from napari_nucleate.core.annotation import Annotation, annotate
from napari_nucleate.core.events import Step, Validated
from napari_nucleate.core.model import Record
from napari_nucleate.core.patches import Example
from napari_nucleate.core.predict import predict_maps
from napari_nucleate.core.recipe import Epochs, Seconds
from napari_nucleate.core.targets import Semantic, StarConvexTarget
from napari_nucleate.core.training.judge import SETTLED, Judge, Verdict, known_part, worse
from napari_nucleate.core.training.schedule import VALIDATION_SHARE, Timetable, one_cycle
from napari_nucleate.core.training.train import train

CPU = torch.device("cpu")
BOTH = pytest.mark.parametrize("ndim", [2, 3])


def known_in(shape, region):
    known = np.zeros(shape, bool)
    known[region] = True
    return known


@BOTH
def test_a_part_is_drawn_as_in_the_whole_image(tiny, random_model, ndim):
    recipe = tiny(ndim)
    shape = (300, 310) if ndim == 2 else (30, 140, 150)
    region = (..., slice(150, 170), slice(9, 40)) if ndim == 2 else (..., slice(70, 80), slice(9))
    known = known_in(shape, region)
    where = known_part(known, recipe)
    assert known[where].sum() == known.sum()
    assert known[where].size < known.size / 2
    assert all(part.start % recipe.architecture.multiple == 0 for part in where)
    pixels = np.random.default_rng(0).normal(size=(1, *shape)).astype(np.float32)
    network = random_model(recipe).network(CPU)
    whole = predict_maps(network, recipe, pixels, CPU)[:, known]
    part = predict_maps(network, recipe, pixels[(slice(None), *where)], CPU)
    np.testing.assert_allclose(part[:, known[where]], whole, atol=1e-4)


def test_of_images_that_are_resampled_all_is_seen(tiny):
    recipe = tiny().model_copy(update={"diameter": 96.0})
    assert recipe.zoom == 0.25
    known = known_in((300, 310), np.s_[9:20, 9:20])
    assert known_part(known, recipe) == (slice(0, 300), slice(0, 310))


def test_all_is_seen_where_all_is_known(tiny):
    assert known_part(np.ones((50, 60), bool), tiny()) == (slice(0, 50), slice(0, 60))


def test_a_judge_remembers_pixels_and_labels_and_no_rays(nuclei, tiny):
    judge = Judge(nuclei(count=1), tiny(2, StarConvexTarget(rays=32)))
    (case,) = judge._cases
    assert case.pixels.shape == nuclei(count=1)[0].image.shape
    assert case.annotation.labels.shape == case.pixels.shape[1:]


def test_new_labels_elsewhere_are_seen_too(nuclei, tiny):
    image = np.random.default_rng(0).random((1, 400, 400))
    labels = np.zeros((400, 400), np.int32)
    labels[5:15, 5:15] = 1
    first = Example("a", image, Annotation(labels, known_in((400, 400), np.s_[:20, :20])))
    judge = Judge([first], tiny())
    assert judge._cases[0].pixels.shape[1] < 200
    more = labels.copy()
    more[380:390, 380:390] = 2
    assert not judge.renewed
    assert judge.renew(Example("a", image, annotate(more))) == 400 * 400 - 20 * 20
    assert judge.renewed
    assert judge._cases[0].pixels.shape == (1, 400, 400)
    assert judge.renew(Example("a", image, annotate(more))) == 0


def test_an_image_whose_labels_are_erased_judges_no_more(nuclei, tiny):
    examples = nuclei(count=2)
    judge = Judge(examples, tiny())
    for example, left in zip(examples, (1, 1), strict=True):
        labels = example.annotation.labels
        erased = Annotation(np.zeros_like(labels), np.zeros(labels.shape, bool))
        assert judge.renew(Example(example.key, example.image, erased)) == 0
        assert judge.images == left
    assert judge.renewed
    # Painted again, as by an undo, it does.
    assert judge.renew(examples[0]) == examples[0].annotation.labels.size
    assert judge.images == 2


def judged(examples, recipe, *noted):
    """A judge that measured such APs of 10,000 objects, at such shares of the training."""
    judge = Judge(examples, recipe)
    for ap, fraction in noted:
        judge.note(Verdict(0.1, ap, 0.9, 10_000), fraction)
    return judge


@pytest.mark.parametrize("fraction", [0.2, 1])
def test_of_classes_weights_that_find_less_are_not_preferred(nuclei, tiny, fraction):
    classes = [
        Example(e.key, e.image, annotate(np.minimum(e.annotation.labels, 1)))
        for e in nuclei(count=2)
    ]
    for examples, target, kept in ((classes, Semantic(), False), (nuclei(count=2), None, True)):
        judge = judged(examples, tiny(2, target), (0.9, 0.1))
        assert judge.prefers(Verdict(0.1, 0.7, 0.8, 2), fraction) is kept
        assert judge.prefers(Verdict(0.1, 0.9, 0.9, 2), fraction)


@pytest.mark.parametrize(("first", "then"), [(0.1, 0.4), (0.6, 0.9)])
def test_few_images_can_not_tell_late_weights_from_early_ones(nuclei, tiny, first, then):
    for count, fell in ((1, 0.09), (2, 0.06)):
        judge = judged(nuclei(count=count), tiny(), (0.8, first))
        assert judge.prefers(Verdict(0.1, 0.8 - fell, 0.9, 10_000), then)
        assert not judge.prefers(Verdict(0.1, 0.8 - fell - 0.03, 0.9, 10_000), then)


def test_what_was_found_while_the_rate_was_high_says_less(nuclei, tiny):
    judge = judged(nuclei(count=1), tiny(), (0.8, 0.1))
    assert one_cycle(SETTLED) < 0.5
    assert judge.prefers(Verdict(0.1, 0.61, 0.9, 10_000), 0.6)
    assert not judge.prefers(Verdict(0.1, 0.59, 0.9, 10_000), 0.6)
    judge.note(Verdict(0.1, 0.75, 0.9, 10_000), 0.6)
    assert not judge.prefers(Verdict(0.1, 0.61, 0.9, 10_000), 0.7)


@pytest.mark.parametrize(("images", "objects"), [(1, 100), (2, 30), (4, 150)])
def test_what_is_kept_of_a_model_gone_on_with_is_not_called_worse(nuclei, tiny, images, objects):
    judge = Judge(nuclei(count=images), tiny(), anew=False)
    judge.note(Verdict(0.1, 0.8, 0.9, objects), 0.05)
    kept = min(
        ap for ap in np.arange(0, 1, 0.005) if judge.prefers(Verdict(0.1, ap, 0.9, objects), 1)
    )
    record = Record(
        validation_ap=kept, validated=objects, held_out=tuple(str(i) for i in range(images))
    )
    assert kept < 0.75
    assert not worse(record, 0.8)


def test_while_little_is_found_less_is_not_preferred(nuclei, tiny):
    judge = Judge(nuclei(count=1), tiny())
    judge.note(Verdict(0.1, 0.18, 0.5, 31), 0.6)
    assert judge.prefers(Verdict(0.1, 0.15, 0.5, 31), 1)
    assert not judge.prefers(Verdict(0.1, 0.05, 0.5, 31), 1)


def test_one_image_on_which_little_is_found_can_not_tell_late_weights_either(nuclei, tiny):
    # An odd one, held out of eight of dsb2018_he: weights of the first steps were kept.
    judge = Judge(nuclei(count=1), tiny())
    judge.note(Verdict(0.1, 0.158, 0.5, 17), 0.05)
    assert not judge.prefers(Verdict(0.1, 0.042, 0.5, 17), 0.4)
    for later, fraction in ((0.042, 0.6), (0.079, 0.7), (0.062, 0.8)):
        assert judge.prefers(Verdict(0.1, later, 0.5, 17), fraction)
        judge.note(Verdict(0.1, later, 0.5, 17), fraction)
    assert not judge.prefers(Verdict(0.1, 0.0, 0.5, 17), 1)


def test_weights_that_find_next_to_nothing_any_more_are_not_preferred(nuclei, tiny):
    judge = Judge(nuclei(count=1), tiny())
    judge.note(Verdict(0.1, 0.1, 0.5, 17), 0.05)
    assert not judge.prefers(Verdict(0.1, 0.0, 0.5, 17), 0.6)
    assert not judge.prefers(Verdict(0.1, 0.02, 0.5, 17), 0.6)
    assert judge.prefers(Verdict(0.1, 0.03, 0.5, 17), 0.6)


class TestTime:
    def test_what_validations_take_beyond_their_share_is_not_the_trainings(self, tiny):
        table = Timetable(tiny().model_copy(update={"optimisation": timed(100)}))
        paid = VALIDATION_SHARE * 100
        assert table.took(0.02, paid - 5) == 0
        assert table.took(0.05, 8) == pytest.approx(3)
        assert table.took(0.1, 2) == pytest.approx(2)
        assert table.timed.spent == pytest.approx(paid + 5)

    def test_the_next_waits_for_its_time(self, tiny):
        table = Timetable(tiny().model_copy(update={"optimisation": timed(100)}))
        assert table.due(0.02, 2)
        table.took(0.02, 6)
        assert not table.due(0.05, 11)
        assert table.due(0.05, 41)
        assert table.due(1, 41)

    def test_steps_and_epochs_take_what_they_take(self, tiny):
        for optimisation in (tiny().optimisation, timed(3, Epochs)):
            table = Timetable(tiny().model_copy(update={"optimisation": optimisation}))
            assert table.took(0.02, 1000) == 0
            assert table.due(0.05, 0)

    def test_a_slow_validation_leaves_the_training_its_time(self, nuclei, tiny, monkeypatch):
        recipe = tiny().model_copy(update={"optimisation": timed(1)})
        now = [0.0]
        from napari_nucleate.core.training import run

        monkeypatch.setattr(run.time, "perf_counter", lambda: now[0])
        true = Judge.judge

        def slow(self, learner):
            now[0] += 10
            return true(self, learner)

        monkeypatch.setattr(Judge, "judge", slow)
        events = []
        for event in train(nuclei(count=1), recipe):
            events.append(event)
            now[0] += 0.05 * isinstance(event, Step)
        steps = [e for e in events if isinstance(e, Step)]
        assert len(steps) > 15
        assert steps[-1].seconds < 1.2
        assert len([e for e in events if isinstance(e, Validated)]) == 2


def timed(value, budget=Seconds):
    from napari_nucleate.core.recipe import Optimisation

    return Optimisation(budget=budget(value=value), batch=1, patch=32, device="cpu")


class TestNoise:
    def test_it_is_what_differs_between_objects(self):
        rng = np.random.default_rng(0)
        before = rng.random(400)
        now = before.copy()
        now[:40] = rng.random(40)
        noise = Verdict(0.1, 0.5, 0.5, 400, now).noise(before)
        assert noise == pytest.approx(2 * np.std(now - before) / 20)
        assert noise < 0.02

    def test_a_single_object_is_no_more_than_that(self):
        assert Verdict(0.1, 0.5, 0.5, 10, np.ones(10)).noise(np.ones(10)) == 0.1

    def test_other_objects_can_not_be_compared(self):
        assert Verdict(0.1, 0.5, 0.5, 10, np.ones(10)).noise(np.ones(9)) is None
        assert Verdict(0.1, 0.5, 0.5, 0).noise(np.empty(0)) is None

    def test_a_judge_tells_which_objects_are_found(self, nuclei, tiny, monkeypatch):
        example = nuclei(count=1)[0]
        judge = Judge([example], tiny())

        class Knows:
            def predictor(self):
                return None

            def predict(self, pixels, network):
                return tiny().target.encode(example.annotation)

        verdict = judge.judge(Knows())
        assert len(verdict.found) == verdict.objects == example.annotation.n_objects
        assert verdict.found.mean() > 0.8
