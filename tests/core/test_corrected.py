"""Labels corrected while a network learns: taken up, drawn more often for a while, and judged."""

import numpy as np
import pytest
import torch

from napari_nucleate.core.annotation import Annotation, annotate
from napari_nucleate.core.augment import Augmentation
from napari_nucleate.core.corrected import BATCHES, SHARE, Corrections
from napari_nucleate.core.events import Corrected, Step, Trained, Validated, Warned
from napari_nucleate.core.normalise import Normalisation
from napari_nucleate.core.patches import Example, Sampler
from napari_nucleate.core.predict import predict_maps
from napari_nucleate.core.recipe import Recipe
from napari_nucleate.core.targets import Semantic
from napari_nucleate.core.training.train import train

BOTH = pytest.mark.parametrize("ndim", [2, 3])
STILL = Augmentation(
    flip=False, turn=False, scale=0, elastic=0, brightness=0, contrast=0, gamma=0, blur=0, noise=0
)


def of(kind, events):
    return [e for e in events if isinstance(e, kind)]


def shape(ndim):
    return (160, 160) if ndim == 2 else (16, 80, 80)


def corner(ndim, size=12):
    return (
        (..., slice(4, 4 + size), slice(4, 4 + size))[-ndim:]
        if ndim == 2
        else (slice(None), slice(4, 4 + size), slice(4, 4 + size))
    )


def striped(ndim, key="a", corrected=False):
    """An image that shows where it was corrected, and two objects at the other end."""
    labels, image = np.zeros(shape(ndim), np.int32), np.zeros((1, *shape(ndim)), np.float32)
    labels[..., -20:-5, -20:-5], labels[..., -20:-5, -40:-25] = 1, 1
    image[0][corner(ndim)] = 1
    if corrected:
        labels[corner(ndim)] = 1
    return Example(key, image, annotate(labels))


def plain(tiny, ndim):
    """A recipe whose patches are the image as it is."""
    return tiny(ndim, Semantic()).model_copy(
        update={"augmentation": STILL, "normalisation": Normalisation(low=0, high=100)}
    )


def share_of_corner(sampler, batches):
    """How many of the patches show most of the corrected corner."""
    shown = [
        (patch > 0.5).sum() > 0.5 * 12 * 12
        for _ in range(batches)
        for patch in sampler.batch(4).image[:, 0]
    ]
    return np.mean(shown)


@BOTH
def test_corrected_pixels_are_drawn_more_often_for_a_while(tiny, ndim):
    sampler = Sampler([striped(ndim)], plain(tiny, ndim), np.random.default_rng(0))
    before = share_of_corner(sampler, 40)
    pixels = sampler.renew(striped(ndim, corrected=True))
    assert pixels == striped(ndim).image.sum()
    during = share_of_corner(sampler, BATCHES)
    after = share_of_corner(sampler, 60)
    assert before < 0.2
    assert during > SHARE
    assert after < during - 0.1


@BOTH
def test_patches_are_labelled_as_corrected(tiny, ndim):
    recipe = plain(tiny, ndim)
    sampler = Sampler([striped(ndim)], recipe, np.random.default_rng(0))
    sampler.renew(striped(ndim, corrected=True))
    batch = sampler.batch(8)
    foreground = np.stack([recipe.target.maps(t).foreground for t in batch.target])
    assert (batch.image[:, 0] > 0.999).any()
    assert (foreground[batch.image[:, 0] > 0.999] == 1).all()


def test_without_corrections_nothing_else_is_drawn(nuclei, tiny):
    one, other = (Sampler(nuclei(), tiny(), np.random.default_rng(4)) for _ in range(2))
    assert other.renew(nuclei()[0]) == 0
    np.testing.assert_array_equal(one.batch(4).image, other.batch(4).image)


def test_the_same_corrections_draw_the_same_patches(nuclei, tiny):
    new = Example("new", nuclei()[0].image, nuclei()[1].annotation)
    samplers = [Sampler(nuclei(), tiny(), np.random.default_rng(4)) for _ in range(2)]
    for sampler in samplers:
        sampler.batch(2)
        assert sampler.renew(new) == new.annotation.known.sum()
    np.testing.assert_array_equal(*(s.batch(4).image for s in samplers))


def test_an_image_with_nothing_known_any_more_is_left_out(tiny):
    recipe = plain(tiny, 2)
    other = Example("b", np.full((1, 160, 160), 0.2, np.float32), striped(2).annotation)
    sampler = Sampler([striped(2), other], recipe, np.random.default_rng(0))
    sampler.renew(striped(2, corrected=True))
    nothing = np.zeros((160, 160), bool)
    erased = Example("a", striped(2).image, Annotation(striped(2).annotation.labels, nothing))
    assert sampler.renew(erased) == 0
    assert all(sampler.batch(4).image.max() < 0.5 for _ in range(10))


def test_the_last_image_is_kept(tiny):
    sampler = Sampler([striped(2)], plain(tiny, 2), np.random.default_rng(0))
    nothing = Annotation(np.zeros((160, 160), np.int32), np.zeros((160, 160), bool))
    sampler.renew(Example("a", striped(2).image, nothing))
    assert sampler.batch(2).weight.any()


def test_each_correction_is_drawn_equally_often():
    corrections = Corrections()
    now = np.zeros((20, 20), np.int32)
    now[0, 0], now[10:] = 1, 2
    first = now * (now == 1)
    assert corrections.note("a", now * 0, first) == 1
    assert corrections.note("a", first, now) == 200
    rng = np.random.default_rng(0)
    drawn = [d for d in (corrections.draw(rng) for _ in range(400)) if d]
    assert len(drawn) == pytest.approx(400 * SHARE, rel=0.2)
    assert sum(at == 0 for _, at in drawn) == pytest.approx(len(drawn) / 2, rel=0.2)


def test_corrections_wear_off_and_unknown_pixels_are_forgotten():
    corrections = Corrections()
    before = np.zeros((4, 4), np.int32)
    corrections.note("a", before, before + 1)
    corrections.note("a", before + 1, before - 1)
    assert corrections.draw(np.random.default_rng(0)) is None
    corrections.note("a", before, before + 1)
    for _ in range(BATCHES):
        corrections.age()
    assert not any(corrections.draw(np.random.default_rng(s)) for s in range(20))


@BOTH
def test_a_correction_changes_what_is_learned(tiny, ndim):
    """Bright squares are background first; a correction says that they are the objects."""
    recipe = Recipe.parse(
        tiny(ndim, Semantic(), steps=40, learning_rate=0.03, batch=2).model_dump()
    )
    labels = np.zeros(shape(ndim), np.int32)
    image = np.random.default_rng(0).normal(0, 0.1, (1, *shape(ndim))).astype(np.float32)
    image[..., 4:16, 4:16] += 1
    image[..., 60:72, 50:62] += 1
    wrong, right = annotate(labels), annotate((image[0] > 0.5).astype(np.int32))

    def foreground(*corrections):
        answers = iter([(), (), *corrections])
        events = list(
            train(
                [Example("a", image, wrong)],
                recipe,
                changed=lambda: next(answers, ()),
            )
        )
        network = events[-1].model

        device = torch.device("cpu")
        maps = predict_maps(
            network.network(device), recipe, recipe.normalisation.apply(image), device
        )
        return events, recipe.target.maps(maps).foreground[image[0] > 0.5].mean()

    events, corrected = foreground([Example("a", image, right)])
    (said,) = of(Corrected, events)
    assert said.key == "a"
    assert said.pixels == (right.labels > 0).sum()
    assert not said.held_out
    assert of(Step, events[: events.index(said)])[-1].step == 2
    assert corrected > 0.5 > foreground()[1]


def test_new_images_are_learned_from_and_noted(nuclei, tiny):
    one, two, three = nuclei()
    answers = iter([[two], [], [Example("c", three.image, three.annotation)]])
    events = list(train([one], tiny(steps=5), changed=lambda: next(answers, ())))
    assert [e.key for e in of(Corrected, events)] == [two.key, "c"]
    assert of(Trained, events)[0].model.card.record.human == (one.key, two.key, "c")


def test_corrected_labels_of_held_out_images_are_compared_with(nuclei, tiny):
    examples = nuclei(count=6)
    recipe = tiny(steps=10, batch=1)
    plain_run = list(train(examples, recipe))
    (key,) = plain_run[0].held_out
    held = next(e for e in examples if e.key == key)
    nothing = Example(key, held.image, annotate(np.zeros_like(held.annotation.labels)))
    answers = iter([[nothing]])
    events = list(train(examples, recipe, changed=lambda: next(answers, ())))
    (said,) = of(Corrected, events)
    assert said.held_out
    # It learned the same, and was measured otherwise.
    assert [e.loss for e in of(Step, events)] == [e.loss for e in of(Step, plain_run)]
    assert [e.loss for e in of(Validated, events)] != [e.loss for e in of(Validated, plain_run)]


def test_a_label_that_the_target_does_not_know_is_refused_and_the_training_goes_on(tiny):
    recipe = plain(tiny, 2)
    wrong = striped(2)
    painted = wrong.annotation.labels.copy()
    painted[:5, :5] = 2  # the target has one class
    corrections = [[Example("a", wrong.image, annotate(painted))]]
    events = list(
        train([striped(2)], recipe, changed=lambda: corrections.pop() if corrections else [])
    )
    (warned,) = [e.message for e in of(Warned, events) if "stays as it was" in e.message]
    assert "Label 2 is painted" in warned
    assert of(Trained, events)
    assert not of(Corrected, events)


def test_rare_classes_are_weighed_anew_in_all_images(tiny):
    target = Semantic(balanced=True)
    recipe = plain(tiny, 2).model_copy(update={"target": target})
    one, other = striped(2), striped(2, "b")
    sampler = Sampler([one, other], recipe, np.random.default_rng(0))
    corrected = striped(2, "b", corrected=True)
    sampler.renew(corrected)
    expected = target.pixel_weights([one.annotation, corrected.annotation])
    for site, weights in zip(sampler._sites, expected, strict=True):
        np.testing.assert_allclose(site.weights, weights)
