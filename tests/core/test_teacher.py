"""The continuous form: averaged weights label the pool while the network learns from that."""

import numpy as np
import pytest

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.events import Accepted, Ranked, RoundFinished, RoundStarted, Warned
from napari_nucleate.core.patches import Sampler
from napari_nucleate.core.predict import Compared
from napari_nucleate.core.rounds import SelfTraining, rounds
from napari_nucleate.core.training import teacher as module
from napari_nucleate.core.training.learner import Learner
from napari_nucleate.core.training.teacher import EVERY, Teacher

ANY = {"least": 0, "sure": 0, "sizes": 1000}
"""Whatever a network draws after two steps is good enough."""


@pytest.fixture
def pool(nuclei, picture):
    def make(ndim, count):
        examples = nuclei(ndim, count, seed=7)
        return [picture(f"pool {i}", e.image) for i, e in enumerate(examples)]

    return make


@pytest.fixture
def class_room(nuclei, tiny, pool, monkeypatch):
    """A learner, its sampler and a teacher that draws what is in the images."""

    def make(ndim=2, count=2, **options):
        recipe = tiny(ndim)
        examples = nuclei(ndim, 1)
        learner = Learner(recipe)
        truth = {e.image.tobytes(): e for e in nuclei(ndim, count, seed=7)}

        def compare(pixels, network, recipe):
            found = next(
                e
                for e in truth.values()
                if np.allclose(recipe.normalisation.apply(e.image), pixels)
            )
            labels = found.annotation.labels.astype(np.int32)
            maps = recipe.target.encode(found.annotation)
            return Compared(maps, labels, [labels, labels])

        monkeypatch.setattr(learner, "compare", compare)
        sampler = Sampler(examples, recipe, np.random.default_rng(0))
        teacher = Teacher(pool(ndim, count), SelfTraining.parse(ANY | options))
        return learner, sampler, teacher

    return make


def keys(sampler):
    return [site.example.key for site in sampler._sites]


@pytest.mark.parametrize("ndim", [2, 3])
def test_every_image_has_its_turn_and_is_learned_by_what_is_sure(class_room, ndim):
    learner, sampler, teacher = class_room(ndim)
    (human,) = keys(sampler)
    for step in range(1, 2 * EVERY + 1):
        teacher.teach(learner, sampler, step)
        assert len(keys(sampler)) == 1 + step // EVERY
    assert sorted(keys(sampler)) == sorted([human, "pool 0", "pool 1"])
    assert all(count > 0 for count in teacher.taught.values())
    pseudo = [s.example for s in sampler._sites if s.example.pseudo]
    assert [e.weight for e in pseudo] == [0.5, 0.5]
    # Half of the patches at most are predicted ones, and they are drawn.
    assert sampler._share[0] >= 0.5
    assert {c.site.example.key for c in sampler.choose(64)} == set(keys(sampler))


def test_what_is_sure_no_more_is_learned_no_more(class_room):
    learner, sampler, teacher = class_room(count=1, sizes=3)
    teacher.teach(learner, sampler, EVERY)
    assert list(teacher.taught) == ["pool 0"]
    teacher._diameter = 1e6  # all objects are much smaller than a person's
    teacher.teach(learner, sampler, 2 * EVERY)
    assert teacher.taught == {}
    assert len(keys(sampler)) == 1


def test_of_many_images_the_oldest_labels_go(class_room, monkeypatch):
    monkeypatch.setattr(module, "MOST", 1)
    learner, sampler, teacher = class_room(count=2)
    for step in (EVERY, 2 * EVERY):
        teacher.teach(learner, sampler, step)
        assert len(teacher.taught) == 1
        assert keys(sampler)[1:] == list(teacher.taught)


def test_of_a_large_image_a_part_is_seen_as_large_as_some_patches(class_room):
    learner, _, teacher = class_room()
    recipe = learner.drawn
    side = 4 * recipe.patch
    _, y, x = teacher._part((10 * side, side // 2), recipe)
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
    recipe = tiny(steps=3 * EVERY)
    events = list(rounds(nuclei(count=2), others, recipe, options))
    assert [e.number for e in of(RoundStarted, events)] == [0, 1]
    assert of(Accepted, events) == []
    (ranked,) = of(Ranked, events)
    assert {key for key, _ in ranked.order} == {s.key for s in others}
    first, second = (e.model.card.record for e in of(RoundFinished, events))
    assert first.pseudo == ()
    assert second.initial == first.name
    assert set(second.pseudo) <= {s.key for s in others}
    assert (second.pseudo_objects > 0) == bool(second.pseudo)


def test_where_nothing_is_sure_it_is_said(nuclei, tiny, pool):
    options = SelfTraining.parse({"form": "continuous", "least": 1})
    events = list(rounds(nuclei(count=2), pool(2, 1), tiny(steps=EVERY), options))
    (warned,) = [e for e in of(Warned, events) if "none was sure enough" in e.message]
    assert warned.message.startswith("Of 1 images without labels")


def test_an_empty_pool_and_images_of_other_channels_are_said(nuclei, tiny, picture):
    options = SelfTraining.parse({"form": "continuous"})
    events = list(rounds(nuclei(count=1), [], tiny(steps=1), options))
    (accepted,) = of(Accepted, events)
    assert "There is no image to predict" in accepted.note
    two = [picture("two", np.zeros((2, 32, 32)))]
    with pytest.raises(NucleateError, match=r"two has 2 channel\(s\) but the model"):
        list(rounds(nuclei(count=1), two, tiny(steps=EVERY), options))
