"""At the end of a training, what was held out corrects how sure its model is."""

import numpy as np
import pytest

from napari_nucleate.core.annotation import Annotation, annotate
from napari_nucleate.core.confidence import trust as trust_module
from napari_nucleate.core.confidence.traits import NAMES
from napari_nucleate.core.confidence.trust import Trust
from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.events import Finishing, Trained, Validated, Warned
from napari_nucleate.core.model import Card
from napari_nucleate.core.patches import Example
from napari_nucleate.core.predict import Compared
from napari_nucleate.core.targets import Boundary, Semantic
from napari_nucleate.core.training.judge import Judge
from napari_nucleate.core.training.train import train
from napari_nucleate.core.training.trusting import known_objects, trusted, usual_unevenness

BOTH = pytest.mark.parametrize("ndim", [2, 3])


@BOTH
def test_objects_that_reach_into_the_unknown_are_left_out(random_model, tiny, ndim):
    model = random_model(tiny(ndim))
    labels = np.zeros((12,) * ndim, np.int32)
    labels[..., 1:4, 1:4], labels[..., 1:4, 7:10], labels[..., 7:10, 1:4] = 1, 2, 3
    truth = labels.copy()
    truth[..., 1:3, 7:10] = 0  # a third of the second is right
    known = np.ones(labels.shape, bool)
    known[..., 9:, :] = False
    maps = Boundary().encode(annotate(labels))
    pixels = labels[np.newaxis].astype(np.float32)
    compared = Compared(maps, labels, [labels, labels], pixels)
    table, iou = known_objects(model, compared, Annotation(truth, known))
    assert table.shape == (2, len(NAMES))
    assert iou == pytest.approx([1, 1 / 3])


def test_without_objects_trust_stays(random_model, tiny):
    model = random_model(tiny())
    assert trusted(model, []).card.trust == Trust()
    none = np.empty((0, len(NAMES))), np.empty(0)
    assert trusted(model, [none, none]).card.trust == Trust()


def test_the_objects_of_all_images_count(random_model, tiny):
    rng = np.random.default_rng(0)
    rows = [(rng.normal(0, 1, (30, len(NAMES))), rng.random(30)) for _ in range(2)]
    got = trusted(random_model(tiny()), rows).card.trust
    assert got.objects == 60
    assert got.shifts != Trust().shifts


@pytest.fixture
def few(monkeypatch):
    """A handful of objects is enough, and all that a network draws is an object of the truth."""
    monkeypatch.setattr(trust_module, "FEWEST", 1)

    def compared(self, model, learner):
        for case in self._cases:
            assert case.pixels.shape[0] == 1
            assert learner.device.type == "cpu"
            labels = np.asarray(case.annotation.labels, np.int32)
            maps = model.recipe.target.encode(case.annotation)
            yield Compared(maps, labels, [labels, labels], case.pixels), case.annotation

    monkeypatch.setattr(Judge, "compared", compared)


def test_a_training_ends_with_its_confidence_corrected(nuclei, tiny, few):
    events = list(train(nuclei(count=6), tiny(steps=2)))
    finishing = [e for e in events if isinstance(e, Finishing)]
    assert [(e.done, e.total) for e in finishing] == [
        (i + 1, len(finishing)) for i in range(len(finishing))
    ]
    assert finishing
    trained = events[-1]
    assert isinstance(trained, Trained)
    got = trained.model.card.trust
    assert got.objects > 0
    assert sum(one.count for one in got.reliability) == got.objects
    # All of them were right.
    assert all(one.right == 1 for one in got.reliability)
    assert Card.parse(trained.model.card.model_dump(mode="json")) == trained.model.card


@BOTH
def test_it_is_done_with_the_maps_of_a_real_network(nuclei, tiny, ndim):
    events = list(train(nuclei(ndim, 6), tiny(ndim, steps=2)))
    assert [e for e in events if isinstance(e, Finishing)]
    assert isinstance(events[-1], Trained)


def test_what_was_learned_is_worth_more_than_its_confidence(nuclei, tiny, monkeypatch):
    def failing(self, model, learner):
        raise NucleateError("Memory ran out.")
        yield

    monkeypatch.setattr(Judge, "compared", failing)
    events = list(train(nuclei(count=6), tiny(steps=2)))
    warned = [e.message for e in events if isinstance(e, Warned)]
    assert "Confidence isn't corrected by what was held out: Memory ran out." in warned
    assert events[-1].model.card.trust.shifts == Trust().shifts


def test_what_is_usual_is_that_of_a_persons_own_objects(tiny):
    labels = np.zeros((1, 60, 60), np.int32)
    for i in range(9):
        y, x = 20 * (i // 3) + 5, 20 * (i % 3) + 5
        labels[0, y : y + 10, x : x + 10] = i + 1
    noise = np.random.default_rng(0).normal(0, 1, labels.shape)
    even, uneven = (
        Example("a", (noise + high * (labels > 0)).astype(np.float32), annotate(labels[0]))
        for high in (9, 1)
    )
    got = [usual_unevenness(tiny(), [e]) for e in (even, uneven)]
    assert got == pytest.approx([0.1, 0.5], abs=0.05)
    # What is unknown is neither an object of theirs nor its surroundings.
    known = np.ones((60, 60), bool)
    known[:, 20:] = False
    some = Annotation(labels[0], known)
    few = usual_unevenness(tiny(), [Example("a", uneven.image, some)])
    assert few == pytest.approx(0.5, abs=0.1)
    assert usual_unevenness(tiny(), []) is None


def test_nothing_is_corrected_where_nothing_was_held_out_or_labels_are_classes(nuclei, tiny, few):
    all_learned = list(train(nuclei(count=1), tiny(steps=1, validation=0)))
    assert not [e for e in all_learned if isinstance(e, Finishing)]
    got = all_learned[-1].model.card.trust
    assert (got.shifts, got.objects) == (Trust().shifts, 0)
    classes = [
        Example(e.key, e.image, annotate((e.annotation.labels > 0).astype(np.int32)))
        for e in nuclei(count=6)
    ]
    events = list(train(classes, tiny(steps=1, target=Semantic())))
    assert events[-1].model.card.trust == Trust()


def test_a_training_that_is_stopped_knows_what_is_usual_too(nuclei, tiny):
    examples = nuclei(count=2)
    events = train(examples, tiny(steps=50))
    kept = next(e.model for e in events if isinstance(e, Validated) and e.model is not None)
    events.close()
    assert kept.card.trust.usual == usual_unevenness(kept.recipe, examples)


def test_a_card_of_before_has_the_usual_trust(random_model, tiny):
    old = random_model(tiny()).card.model_dump(mode="json")
    del old["trust"]
    assert Card.parse(old).trust == Trust()
