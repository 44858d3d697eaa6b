"""Training: it learns, repeats itself, keeps the best, and survives what breaks."""

import contextlib
import itertools
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_nucleate.core import predict as predict_module
from napari_nucleate.core.annotation import Annotation, annotate
from napari_nucleate.core.architectures import UNet
from napari_nucleate.core.architectures.modules import UNetModule
from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.events import (
    Finishing,
    Preview,
    Started,
    Step,
    Trained,
    Validated,
    Viewed,
    Warned,
)
from napari_nucleate.core.model import Card, Record
from napari_nucleate.core.patches import Example
from napari_nucleate.core.recipe import Epochs, Seconds, Steps
from napari_nucleate.core.targets import Boundary, Semantic, StarConvexTarget
from napari_nucleate.core.training import run as run_module
from napari_nucleate.core.training.judge import Judge, Verdict
from napari_nucleate.core.training.learner import Learner
from napari_nucleate.core.training.memory import smaller
from napari_nucleate.core.training.train import train

BOTH = pytest.mark.parametrize("ndim", [2, 3])


def of(kind, events):
    return [e for e in events if isinstance(e, kind)]


def failing(monkeypatch, error, at):
    """Have the loss fail at these calls: a number is returned, an exception raised."""
    true, calls = Boundary.loss, []

    def loss(self, logits, target, weight):
        calls.append(len(logits))
        if len(calls) not in at:
            return true(self, logits, target, weight)
        if isinstance(error, BaseException):
            raise error
        return true(self, logits, target, weight) * error

    monkeypatch.setattr(Boundary, "loss", loss)
    return calls


@pytest.mark.parametrize(
    ("ndim", "target"),
    [
        (2, Boundary()),
        (3, Boundary()),
        (2, Semantic()),
        (3, Semantic()),
        (2, StarConvexTarget(rays=8)),
        (3, StarConvexTarget(rays=8)),
    ],
    ids=lambda x: getattr(x, "kind", x),
)
def test_the_loss_falls(nuclei, tiny, ndim, target):
    examples = nuclei(ndim)
    if target.semantic:
        examples = [
            Example(e.key, e.image, annotate(np.minimum(e.annotation.labels, 1))) for e in examples
        ]
    events = list(train(examples, tiny(ndim, target, steps=30, batch=4, learning_rate=0.01)))
    losses = [e.loss for e in of(Step, events)]
    assert len(losses) == 30
    assert np.mean(losses[-5:]) < 0.9 * np.mean(losses[:5])
    validated = of(Validated, events)
    assert validated[-1].loss < validated[0].loss


@BOTH
def test_the_same_seed_trains_the_same_model(nuclei, tiny, ndim):
    one, same, other = (
        list(train(nuclei(ndim), tiny(ndim, steps=3, seed=s)))[-1].model for s in (1, 1, 2)
    )
    assert all(np.array_equal(one.weights[k], same.weights[k]) for k in one.weights)
    assert not all(np.array_equal(one.weights[k], other.weights[k]) for k in one.weights)


@BOTH
def test_events_come_in_order(nuclei, tiny, ndim):
    events = list(train(nuclei(ndim), tiny(ndim, steps=10)))
    assert isinstance(events[0], Started)
    assert isinstance(events[-1], Trained)
    steps, validated = of(Step, events), of(Validated, events)
    assert [e.step for e in steps] == list(range(1, 11))
    assert [e.fraction for e in steps] == pytest.approx(np.arange(1, 11) / 10)
    assert all(a.seconds <= b.seconds for a, b in itertools.pairwise(steps))
    assert [e.step for e in validated] == list(range(1, 11))
    assert len(of(Trained, events)) == 1
    for event in validated:
        assert events[events.index(event) - 1] == steps[event.step - 1]
        assert np.isfinite(event.loss)
        assert 0 <= event.ap <= 1
        assert 0 <= event.dice <= 1
    finishing = of(Finishing, events)
    assert events[-1 - len(finishing) : -1] == finishing
    assert len(events) == 1 + 10 + 10 + len(finishing) + 1


def test_started_says_what_is_trained_where(nuclei, tiny):
    started = next(train(nuclei(count=3), tiny()))
    assert started.examples == 3
    assert started.held_out == ()
    assert started.device == "cpu"
    assert started.parameters > 1000
    assert started.note.startswith("Validated on a strip at one side of 3 of 3 labelled image")


def test_the_learning_rate_rises_and_falls(nuclei, tiny):
    events = of(Step, train(nuclei(count=1), tiny(steps=20, learning_rate=0.01)))
    rates = [e.learning_rate for e in events]
    top = int(np.argmax(rates))
    assert 1 <= top <= 3
    assert rates[top] == pytest.approx(0.01, rel=0.1)
    assert rates == sorted(rates[:top]) + sorted(rates[top:], reverse=True)
    assert rates[-1] < 0.001


def test_every_budget_ends_by_itself(nuclei, tiny):
    for budget, at_least in ((Seconds(value=1), 1), (Epochs(value=2), 2), (Steps(value=1), 1)):
        events = list(train(nuclei(count=1), tiny(budget=budget)))
        assert len(of(Step, events)) >= at_least
        assert of(Step, events)[-1].fraction == 1
        assert isinstance(events[-1], Trained)


def test_an_epoch_is_as_many_patches_as_cover_the_labelled_pixels(nuclei, tiny):
    # 3 images of 64 x 64 are 12 patches of 32 x 32: 6 steps of 2 patches.
    assert len(of(Step, train(nuclei(count=3), tiny(budget=Epochs(value=2), validation=0)))) == 12


def test_the_model_is_the_last_one_validated_as_the_best_and_tells_its_story(nuclei, tiny):
    card = Card(recipe=tiny(), spacing=(0.5, 0.25), channels=("DAPI",), record=Record(name="mine"))
    examples = [*nuclei(count=2), *nuclei(count=1, seed=9)]
    examples[-1] = Example("guess", examples[-1].image, examples[-1].annotation, 0.5, pseudo=True)
    recipe = tiny(steps=6)
    events = list(train(examples, recipe, card=card))
    best = [e for e in of(Validated, events) if e.model is not None][-1]
    model = events[-1].model
    assert model is best.model
    assert model.recipe == recipe.measured([e.annotation for e in examples[:2]])
    assert (model.card.spacing, model.card.channels) == ((0.5, 0.25), ("DAPI",))
    record = model.card.record
    assert record.name == "mine"
    assert record.best_step == best.step
    assert record.validation_ap == best.ap
    assert record.validation_loss == best.loss
    assert record.human == tuple(e.key for e in examples[:2])
    assert record.pseudo == ("guess",)
    assert record.seconds > 0
    assert record.started.endswith("+00:00")
    assert record.versions["torch"] == torch.__version__


def test_stopping_early_leaves_a_model_and_no_threads(nuclei, tiny):
    before = set(threading.enumerate())
    events = train(nuclei(), tiny(steps=100))
    seen = []
    with contextlib.closing(events):
        for event in events:
            seen.append(event)
            if isinstance(event, Step) and event.step == 6:
                break
    kept = [e.model for e in of(Validated, seen) if e.model is not None]
    assert kept
    assert kept[-1].recipe.optimisation == tiny(steps=100).optimisation
    assert set(threading.enumerate()) == before
    with pytest.raises(StopIteration):
        next(events)


def test_kept_weights_do_not_move_while_training_goes_on(nuclei, tiny):
    events = train(nuclei(), tiny(steps=20))
    first = next(e.model for e in events if isinstance(e, Validated) and e.model)
    before = {k: v.copy() for k, v in first.weights.items()}
    list(events)
    assert all(np.array_equal(before[k], first.weights[k]) for k in before)


@BOTH
def test_going_on_from_a_model_starts_with_its_weights(nuclei, tiny, ndim):

    recipe = tiny(ndim, steps=12, learning_rate=0.01)
    first = list(train(nuclei(ndim), recipe))
    again = of(Validated, train(nuclei(ndim), recipe, initial=first[-1].model))
    assert again[0].loss < of(Validated, first)[0].loss


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"channels": 2}, r"its channels \(2\) must be the recipe's \(1\)"),
        ({"ndim": 3}, "its dimensions "),
        ({"network": UNet(width=8, levels=2)}, "its network "),
    ],
    ids=str,
)
def test_another_models_weights_can_not_be_gone_on_from(
    nuclei, tiny, random_model, changes, sentence
):
    other = random_model(tiny(**changes), name="old")
    with pytest.raises(NucleateError, match=f"Model 'old' can't be trained further: {sentence}"):
        list(train(nuclei(), tiny(), initial=other))


class TestWhatBreaks:
    def test_one_loss_that_is_no_number_is_recovered_from_and_told(self, nuclei, tiny, monkeypatch):
        failing(monkeypatch, float("nan"), at={8})
        events = list(train(nuclei(), tiny(steps=16)))
        (warning,) = of(Warned, events)
        assert "back to the last good weights at half the learning rate" in warning.message
        assert isinstance(events[events.index(warning) + 1], Step)
        rates = {e.step: e.learning_rate for e in of(Step, events)}
        assert rates[9] < 0.6 * rates[7]
        assert np.isfinite([e.loss for e in of(Step, events) if e.step != 8]).all()
        assert isinstance(events[-1], Trained)
        assert all(np.isfinite(v).all() for v in events[-1].model.weights.values())

    def test_a_second_one_ends_the_training_and_the_best_stays(self, nuclei, tiny, monkeypatch):
        failing(monkeypatch, float("inf"), at={8, 12})
        seen = []
        with pytest.raises(NucleateError, match=r"finite number twice\. Lower the learning rate"):
            seen.extend(train(nuclei(), tiny(steps=16)))
        kept = [e.model for e in of(Validated, seen) if e.model is not None]
        assert kept
        assert all(np.isfinite(v).all() for v in kept[-1].weights.values())

    @pytest.mark.parametrize(
        "error",
        [
            torch.OutOfMemoryError("CUDA out of memory"),
            MemoryError(),
            RuntimeError("DefaultCPUAllocator: can't allocate memory"),
        ],
        ids=lambda e: type(e).__name__,
    )
    def test_without_memory_batches_are_halved_and_it_is_said(
        self, nuclei, tiny, monkeypatch, error
    ):
        sizes = failing(monkeypatch, error, at={2, 4})
        events = list(train(nuclei(), tiny(steps=6, batch=5)))
        assert sizes == [5, 5, 2, 2, 1, 1]
        assert [w.message for w in of(Warned, events)] == [
            "Memory ran out: going on with 2 patch(es) a step.",
            "Memory ran out: going on with 1 patch(es) a step.",
        ]
        assert isinstance(events[-1], Trained)

    def test_then_patches_are_halved_down_to_a_sensible_smallest(self, nuclei, tiny, monkeypatch):
        true, shapes = Boundary.loss, []

        def loss(self, logits, target, weight):
            shapes.append(tuple(logits.shape))
            if logits.numel() > 3 * 32 * 32:
                raise MemoryError
            return true(self, logits, target, weight)

        monkeypatch.setattr(Boundary, "loss", loss)
        events = list(train(nuclei(), tiny(steps=6, batch=2, patch=96)))
        assert [w.message for w in of(Warned, events)] == [
            "Memory ran out: going on with 1 patch(es) a step.",
            "Memory ran out: going on with one patch of (48, 48) a step.",
            "Memory ran out: going on with one patch of (32, 32) a step.",
        ]
        assert [s[-1] for s in shapes] == [96, 96, 48, 32, 32, 32]
        model = events[-1].model
        assert model.recipe.optimisation.patch == 96

    def test_without_memory_validations_take_smaller_tiles(self, nuclei, tiny, monkeypatch):
        true = UNetModule.forward

        def forward(self, image):
            if not self.training and image.shape[-1] > 100:
                raise MemoryError
            return true(self, image)

        monkeypatch.setattr(UNetModule, "forward", forward)
        (example,) = nuclei(count=1)
        wide = Example(
            "wide",
            np.tile(example.image, (1, 3, 3)),
            annotate(np.tile(example.annotation.labels, (3, 3))),
        )
        with pytest.raises(NucleateError, match="tiles of"):
            list(train([wide], tiny(steps=2, validation=0)))
        monkeypatch.setattr(predict_module, "SMALLEST", 16)
        events = list(train([wide], tiny(steps=2, validation=0)))
        said = [w.message for w in of(Warned, events)]
        assert said[0] == "Memory ran out: validating in tiles of (512, 512) from now on."
        assert len(said) > 3
        assert isinstance(events[-1], Trained)

    def test_in_3d_patches_get_shallower_too(self, tiny):
        recipe = tiny(3, patch=64, patch_depth=16)
        less = smaller(recipe)
        assert less.patch_shape == (8, 32, 32)
        assert smaller(less) is None
        assert smaller(tiny(3, patch=16, patch_depth=4)) is None

    def test_without_memory_for_one_small_patch_it_ends_with_advice(
        self, nuclei, tiny, monkeypatch
    ):
        failing(monkeypatch, MemoryError(), at=set(range(1, 99)))
        with pytest.raises(NucleateError, match=r"single patch of \(32, 32\).*smaller patches or"):
            list(train(nuclei(), tiny(steps=9, patch=64)))

    def test_gradients_that_are_no_numbers_spoil_no_weight(self, nuclei, tiny, monkeypatch):
        true, calls = Boundary.loss, []

        def loss(self, logits, target, weight):
            calls.append(1)
            found = true(self, logits, target, weight)
            # A square root has an infinite slope at zero, where its value is zero.
            return found + ((logits * 0).sum().sqrt() if len(calls) == 4 else 0)

        monkeypatch.setattr(Boundary, "loss", loss)
        events = list(train(nuclei(), tiny(steps=8)))
        (warning,) = of(Warned, events)
        assert "from now on in full precision" in warning.message
        assert [e.step for e in of(Step, events) if not np.isfinite(e.loss)] == [4]
        assert all(np.isfinite(v).all() for v in events[-1].model.weights.values())

    def test_after_a_loss_that_is_no_number_all_is_computed_in_float32(
        self, nuclei, tiny, monkeypatch
    ):
        from napari_nucleate.core.training import learner

        monkeypatch.setattr(learner, "half_precision_pays", lambda kind: True)
        true, seen = UNetModule.forward, []

        def forward(self, image):
            seen.append(torch.is_autocast_enabled("cpu"))
            return true(self, image)

        monkeypatch.setattr(UNetModule, "forward", forward)
        failing(monkeypatch, float("nan"), at={3})
        list(train(nuclei(count=1), tiny(steps=6)))
        assert set(seen[:3]) == {True}
        assert seen[-1] is False
        # Once off, it stays off, in validations as in steps.
        assert seen == sorted(seen, reverse=True)

    def test_weights_whose_validation_is_no_number_are_never_the_best(
        self, nuclei, tiny, monkeypatch
    ):
        true = Judge.judge
        monkeypatch.setattr(
            Judge,
            "judge",
            lambda self, learner: replace(true(self, learner), loss=float("nan")),
        )
        with pytest.raises(NucleateError, match="never gave a number"):
            list(train(nuclei(), tiny(steps=2)))

    def test_other_errors_pass_as_they_are(self, nuclei, tiny, monkeypatch):
        failing(monkeypatch, RuntimeError("a bug"), at={2})
        with pytest.raises(RuntimeError, match="a bug"):
            list(train(nuclei(), tiny()))

    def test_pixels_without_a_value_do_no_harm(self, nuclei, tiny):
        (example,) = nuclei(count=1)
        image = example.image.astype(np.float32)
        image[0, :9], image[0, 20, 20] = np.nan, np.inf
        events = list(train([Example("holes", image, example.annotation)], tiny()))
        assert not of(Warned, events)
        assert np.isfinite([e.loss for e in of(Step, events)]).all()


class TestPatience:
    @pytest.fixture
    def scores(self, monkeypatch):
        """Has validations find these APs and losses, one after the other."""

        def give(*pairs):
            waiting = list(pairs)

            def judge(self, learner):
                ap, loss = waiting.pop(0)
                return Verdict(loss, ap, 0.5, 10)

            monkeypatch.setattr(Judge, "judge", judge)

        return give

    def test_it_stops_early_where_nothing_rises_and_says_so(self, nuclei, tiny, scores):
        scores((0.2, 1.0), (0.4, 1.0), (0.4, 0.5), (0.3, 0.4), (0.9, 0.1))
        events = list(train(nuclei(), tiny(steps=10, patience=2)))
        assert len(of(Validated, events)) == 4
        (warning,) = of(Warned, events)
        assert warning.message == (
            "Stopped early, at 40%: the last 2 validation(s) brought no rise."
        )
        assert isinstance(events[-1], Trained)

    def test_a_rise_or_a_falling_loss_before_anything_is_found_begins_anew(
        self, nuclei, tiny, scores
    ):
        scores(*((0, 1 - i / 10) for i in range(5)), (0.1, 2), (0, 3), (0.2, 3), (0, 3), (0, 3))
        events = list(train(nuclei(), tiny(steps=10, patience=2)))
        assert len(of(Validated, events)) == 10
        assert not of(Warned, events)

    def test_without_patience_it_goes_on_to_the_end(self, nuclei, tiny, scores):
        scores(*[(0.5, 1.0)] * 10)
        assert len(of(Step, train(nuclei(), tiny(steps=10)))) == 10

    def test_what_is_no_number_is_no_rise(self, nuclei, tiny):
        judge = Judge(nuclei(count=1), tiny(patience=2))
        for ap, loss in ((0.3, 1.0), (float("nan"), 1.0), (0.9, float("inf"))):
            assert not judge.tired
            judge.note(Verdict(loss, ap, 0.5, 10), 1)
        assert judge.tired
        assert judge.judged.highest == 0.3

    def test_a_rise_since_the_rate_fell_is_one_whatever_was_before(self, nuclei, tiny):
        judge = Judge(nuclei(count=1), tiny(patience=2))
        for ap, fraction in ((0.9, 0.1), (0.2, 0.2), (0.3, 0.6), (0.4, 0.7), (0.5, 0.8)):
            judge.note(Verdict(0.1, ap, 0.5, 10), fraction)
            assert not judge.tired


class TestPreview:
    @BOTH
    def test_what_is_in_view_is_drawn_between_steps(self, nuclei, tiny, ndim, monkeypatch):
        monkeypatch.setattr(run_module, "PREVIEW_SHARE", 1)
        region = nuclei(ndim)[0].image[..., 3:20, 5:31]
        offset = (0,) * (ndim - 2) + (3, 5)
        asked = []

        def view():
            asked.append(1)
            return Viewed("seen", offset, region) if len(asked) % 2 else None

        events = list(train(nuclei(ndim), tiny(ndim, steps=4), view=view))
        previews = of(Preview, events)
        assert [p.step for p in previews] == [1, 3]
        assert len(asked) == 4
        for preview in previews:
            assert (preview.key, preview.offset) == ("seen", offset)
            assert preview.foreground.shape == region.shape[1:]
            assert 0 <= preview.foreground.min() <= preview.foreground.max() <= 1

    def test_they_leave_the_training_its_time(self, nuclei, tiny, monkeypatch):
        draws = Learner.preview

        def slow(self, viewed, step):
            time.sleep(0.2)
            return draws(self, viewed, step)

        monkeypatch.setattr(Learner, "preview", slow)
        seen = Viewed("seen", (0, 0), nuclei(count=1)[0].image)
        recipe = tiny(steps=10_000, budget=Seconds(value=4))
        events = list(train(nuclei(count=1), recipe, view=lambda: seen))
        drawn = len(of(Preview, events))
        # Each takes 0.2 s at least, and may take 0.6 s of the 4 together; one was begun.
        assert 2 <= drawn <= 4

    def test_a_part_is_scaled_as_the_whole_image_is(self, nuclei, tiny):
        image = nuclei(count=1)[0].image
        limits = tiny().normalisation.limits(image)
        for part in (image, image[:, :, :40]):
            seen = Viewed("seen", (0, 0), part, limits)
            events = train(nuclei(count=1), tiny(steps=1), view=lambda seen=seen: seen)
            (preview,) = of(Preview, events)
            if part is image:
                whole = preview.foreground
        # Far from the cut, whose padding differs, the network sees the same.
        np.testing.assert_allclose(preview.foreground[:, :16], whole[:, :16], atol=1e-3)


class TestWhatIsRefused:
    def test_nothing_labelled(self, tiny):
        blank = Example("a", np.zeros((1, 40, 40)), annotate(np.zeros((40, 40), int), "sparse"))
        for examples in ([], [blank]):
            with pytest.raises(NucleateError, match="Nothing is labelled yet; paint a few"):
                list(train(examples, tiny()))

    def test_other_channels_or_dimensions(self, nuclei, tiny):
        two = Example("two", np.zeros((2, 40, 40)), annotate(np.ones((40, 40), int)))
        with pytest.raises(NucleateError, match=r"two has 2 channel\(s\)"):
            list(train([*nuclei(), two], tiny()))
        with pytest.raises(NucleateError, match="is a 3D image"):
            list(train([*nuclei(), *nuclei(3)], tiny()))

    def test_a_class_that_the_target_has_not(self, nuclei, tiny):
        with pytest.raises(NucleateError, match=r"Label \d+ is painted but the target has 1 class"):
            list(train(nuclei(), tiny(2, Semantic())))


def test_an_image_with_nothing_known_is_no_hindrance(nuclei, tiny):
    blank = Example("a", np.zeros((1, 64, 64)), annotate(np.zeros((64, 64), int), "sparse"))
    events = list(train([blank, *nuclei(count=2)], tiny()))
    assert isinstance(events[-1], Trained)
    assert np.isfinite(events[-1].model.card.record.validation_loss)


def test_images_of_one_pixel_and_empty_ones_can_be_learned(tiny):
    dot = Example("dot", np.ones((1, 1, 1)), annotate(np.ones((1, 1), int)))
    empty = Example("empty", np.full((1, 20, 50), 7), annotate(np.zeros((20, 50), int)))
    events = list(train([dot, empty], tiny(steps=2)))
    assert isinstance(events[-1], Trained)


@pytest.mark.parametrize("count", [0, 2, 6])
def test_only_a_persons_labels_validate_where_there_are_any(nuclei, tiny, monkeypatch, count):
    from napari_nucleate.core.training import judge as module

    seen = []

    def evaluate(cases):
        seen.append([int(truth.max()) for _, truth, _ in cases])
        return module_evaluate(cases)

    module_evaluate = module.evaluate
    monkeypatch.setattr(module, "evaluate", evaluate)
    mark = np.full((64, 64), 99)
    image = nuclei(count=1)[0].image
    pseudo = Example("pseudo", image, annotate(mark), 0.5, pseudo=True)
    human = nuclei(count=count) if count else []
    started, *_ = train([pseudo, *human], tiny(steps=1, validation=0.2))
    (largest,) = seen
    if not count:
        assert largest == [99]
        assert started.note == "Validated on the 1 training image(s)."
    else:
        assert len(largest) == {2: 2, 6: 1}[count]
        assert 99 not in largest


def warnings(examples, recipe, **given):
    """What is said before the first step."""
    return [w.message for w in of(Warned, list(train(examples, recipe, **given)))]


def test_it_is_said_where_no_background_is_known(nuclei, tiny):
    def sparse(example, least):
        known = example.annotation.labels >= least
        return replace(example, annotation=Annotation(example.annotation.labels, known))

    recipe = tiny(steps=1)
    said = warnings([sparse(e, 1) for e in nuclei(count=2)], recipe)
    assert any("No background is known" in s for s in said)
    said = warnings([sparse(e, 1 - i) for i, e in enumerate(nuclei(count=2))], recipe)
    assert not any("background" in s for s in said)


def test_it_is_said_that_nothing_is_frozen_in_what_begins_anew(nuclei, tiny):
    recipe = tiny(steps=1, frozen="encoder")
    assert any("begins anew" in s for s in warnings(nuclei(count=1), recipe))
    model = of(Trained, list(train(nuclei(count=1), tiny(steps=1))))[0].model
    assert not warnings(nuclei(count=1), recipe, initial=model)
    assert not warnings(nuclei(count=1), tiny(steps=1))
