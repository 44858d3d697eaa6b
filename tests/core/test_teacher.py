"""The continuous form: averaged weights label the pool while the network learns from that."""

import numpy as np
import pytest

from napari_nucleate.core.confidence import score
from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.events import (
    Accepted,
    Prediction,
    Ranked,
    RoundFinished,
    RoundStarted,
    SetAside,
    Taught,
    Tile,
)
from napari_nucleate.core.patches import Sampler
from napari_nucleate.core.rounds import SelfTraining, rounds
from napari_nucleate.core.targets import Boundary, StarConvexTarget
from napari_nucleate.core.training import teacher as module
from napari_nucleate.core.training.held_out import Split
from napari_nucleate.core.training.learner import Learner
from napari_nucleate.core.training.run import Run
from napari_nucleate.core.training.teacher import EVERY, Teacher
from napari_nucleate.core.training.train import train

ANY = {"least": 0, "sure": 0, "sizes": 1000}
"""Whatever a network draws after two steps is good enough."""
NOTHING = Split()


@pytest.fixture
def lesson(nuclei, tiny, random_model, pool, monkeypatch):
    """A learner, its sampler, and a teacher that finds what is in the images."""

    def make(ndim=2, count=2, target=None, key="pool {}", **options):
        recipe = tiny(ndim, target)
        recipe = recipe.model_copy(update={"diameter": 0.0})
        truth = [e.annotation for e in nuclei(ndim, count, seed=7)]
        others = pool(ndim, count, key)

        class Seeing(module.Looker):
            def surest(self, key, pixels):
                yield Tile(key, 1, 1)
                at = [source.key for source in others].index(key)
                labels = truth[at].labels.astype(np.int32)
                maps = recipe.target.encode(truth[at])
                seen = [labels, labels]
                scores = score(recipe.target.maps(maps), labels, seen)
                return Prediction(key, maps.astype(np.float16), labels, scores)

        monkeypatch.setattr(module, "Looker", Seeing)
        sampler = Sampler(nuclei(ndim, 1), recipe, np.random.default_rng(0))
        teacher = Teacher(others, SelfTraining.parse(ANY | options), random_model(recipe))
        return Learner(recipe), sampler, teacher

    return make


def keys(sampler):
    return [site.example.key for site in sampler._sites]


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("target", [Boundary(), StarConvexTarget(rays=8)])
def test_every_image_has_its_turn_and_is_learned_by_what_is_sure(lesson, ndim, target):
    learner, sampler, teacher = lesson(ndim, target=target)
    (human,) = keys(sampler)
    for step in range(1, 2 * EVERY + 1):
        teacher.teach(learner, sampler, NOTHING, step)
        assert teacher.looked == len(keys(sampler)) - 1 == step // EVERY
    assert sorted(keys(sampler)) == sorted([human, "pool 0", "pool 1"])
    assert teacher.objects == sum(e.annotation.n_objects for e in teacher.taught.values()) > 0
    assert all(e.pseudo and e.weight == 0.5 for e in teacher.taught.values())
    # A quarter of the patches at least are a person's, and predicted ones are drawn.
    assert sampler._share[0] >= 0.25
    assert {c.site.example.key for c in sampler.choose(64)} == set(keys(sampler))
    assert np.isfinite(sampler.batch(4).weight).all()


def test_what_is_sure_no_more_is_learned_no_more(lesson):
    learner, sampler, teacher = lesson(count=1, sizes=3)
    teacher.teach(learner, sampler, NOTHING, EVERY)
    assert list(teacher.taught) == ["pool 0"]
    teacher._diameter = 1e6  # all objects are much smaller than a person's
    teacher.teach(learner, sampler, NOTHING, 2 * EVERY)
    assert teacher.taught == {}
    assert list(teacher.ever) == ["pool 0"]
    assert len(keys(sampler)) == 1


def test_what_is_held_out_is_not_taught(lesson):
    learner, sampler, teacher = lesson(key="cells_z{}")
    teacher.teach(learner, sampler, Split(held_out=("cells_z7",)), EVERY)
    assert teacher.taught == {}
    region = ((0, 24), (0, 1000))
    teacher.teach(learner, sampler, Split(regions={"cells_z7": region}), 2 * EVERY)
    (example,) = teacher.taught.values()
    assert not example.annotation.known[:24].any()
    assert example.annotation.known[24:].all()


@pytest.mark.parametrize("limit", ["MOST", "MOST_PIXELS"])
def test_of_many_images_the_oldest_labels_go(lesson, monkeypatch, limit):
    monkeypatch.setattr(module, limit, 1)
    learner, sampler, teacher = lesson(count=2)
    for step in (EVERY, 2 * EVERY):
        teacher.teach(learner, sampler, NOTHING, step)
        assert len(teacher.taught) == 1
        assert keys(sampler)[1:] == list(teacher.taught)
    assert len(teacher.ever) == 2


def test_of_a_large_image_a_part_is_seen_as_large_as_some_patches(lesson):
    learner, _, teacher = lesson()
    side = 4 * learner.drawn.patch
    y, x = teacher._part((10 * side, side // 2))
    assert y.stop - y.start == side
    assert 0 <= y.start <= 9 * side
    assert (x.start, x.stop) == (0, side // 2)


def of(kind, events):
    return [e for e in events if isinstance(e, kind)]


def test_the_second_training_learns_from_the_pool_and_the_pool_is_predicted_once(
    nuclei, tiny, pool
):
    others = pool(2, 3)
    options = SelfTraining.parse(ANY | {"form": "continuous"})
    events = list(rounds(nuclei(count=2), others, tiny(steps=3 * EVERY), options))
    assert [e.number for e in of(RoundStarted, events)] == [0, 1]
    assert of(Accepted, events) == []
    (taught,) = of(Taught, events)
    assert taught.looks == 3
    assert "labelled itself, at 3 looks." in taught.note or not taught.images
    (ranked,) = of(Ranked, events)
    assert {key for key, _ in ranked.order} == {s.key for s in others}
    first, second = (e.model.card.record for e in of(RoundFinished, events))
    assert first.pseudo == ()
    assert second.initial == first.name
    assert len(second.pseudo) == taught.images
    assert set(second.pseudo) <= {s.key for s in others}
    # Whoever labels one later is told that it was learned from.
    assert set(second.pseudo) <= set(second.images)


def test_a_round_that_made_it_worse_leaves_predictions_of_the_model_before(
    nuclei, tiny, pool, monkeypatch
):
    monkeypatch.setattr("napari_nucleate.core.rounds.lowered", lambda now, earlier: "worse")
    options = SelfTraining.parse(ANY | {"form": "continuous"})
    events = list(rounds(nuclei(count=2), pool(2, 2), tiny(steps=1), options))
    assert len(of(SetAside, events)) == len(of(Ranked, events)) == 1
    assert len(of(Prediction, events)) == 2
    assert isinstance(events[-1], Ranked)


def test_where_nothing_is_sure_it_is_said(nuclei, tiny, pool):
    options = SelfTraining.parse({"form": "continuous", "least": 1})
    events = list(rounds(nuclei(count=2), pool(2, 1), tiny(steps=EVERY), options))
    (taught,) = of(Taught, events)
    assert (taught.images, taught.looks) == (0, 1)
    assert taught.note.startswith("Nothing was sure enough to learn from in 1 looks at images")


def test_an_empty_pool_and_images_of_other_channels_are_said(nuclei, tiny, picture):
    options = SelfTraining.parse({"form": "continuous"})
    events = list(rounds(nuclei(count=1), [], tiny(steps=1), options))
    (accepted,) = of(Accepted, events)
    assert "There is no image to predict" in accepted.note
    two = [picture("two", np.zeros((2, 32, 32)))]
    with pytest.raises(NucleateError, match=r"two has 2 channel\(s\) but the model"):
        list(rounds(nuclei(count=1), two, tiny(steps=EVERY), options))


def test_smaller_patches_are_drawn_of_what_is_taught_too(nuclei, tiny, lesson):
    _, _, teacher = lesson(count=1)
    run = Run(nuclei(count=1), tiny(), teacher=teacher)
    try:
        teacher.teach(run.learner, run._sampler, run._split, EVERY)
        run._draw_smaller()
        assert keys(run._sampler)[1:] == ["pool 0"]
    finally:
        run.close()


def test_a_teacher_goes_with_nothing_that_does_not_know_of_it(nuclei, tiny, lesson):
    teacher = lesson()[2]
    with pytest.raises(ValueError, match="neither with changed labels nor with a snapshot"):
        next(train(nuclei(count=1), tiny(), teacher=teacher, changed=list))
