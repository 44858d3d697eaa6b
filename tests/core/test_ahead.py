"""Drawing a batch ahead changes nothing but when it is drawn."""

import threading

import numpy as np
import pytest

from napari_nucleate.core.annotation import annotate
from napari_nucleate.core.corrected import BATCHES
from napari_nucleate.core.patches import Example, Sampler
from napari_nucleate.core.training.ahead import Ahead
from napari_nucleate.core.training.snapshot import Draws


@pytest.fixture
def made(nuclei, tiny):
    """A sampler of a seed with its generator; ends what draws ahead."""
    opened = []

    def make(seed=3):
        rng = np.random.default_rng(seed)
        sampler = Sampler(nuclei(), tiny(), rng)
        opened.append(Ahead(sampler, rng))
        return sampler, rng, opened[-1]

    yield make
    for ahead in opened:
        ahead.close()


def same(one, other):
    for name in ("image", "target", "weight"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_the_same_batches_as_without(made):
    plain, rng, _ = made()
    _, _, ahead = made()
    for _ in range(3):
        same(ahead.batch(2), plain.batch(2))
        assert ahead.draws == Draws.of(rng)


def test_a_batch_of_another_size_is_drawn_from_where_the_generator_was(made):
    plain, _, _ = made()
    _, _, ahead = made()
    for size in (4, 2, 1, 4):
        same(ahead.batch(size), plain.batch(size))


def test_what_is_forgotten_is_drawn_again(made):
    plain, rng, _ = made()
    _, own, ahead = made()
    ahead.batch(2)
    plain.batch(2)
    ahead.forget()
    assert Draws.of(own) == Draws.of(rng)
    same(ahead.batch(2), plain.batch(2))


def test_corrections_are_drawn_as_often_as_without(made, nuclei):
    plain, _, _ = made()
    sampler, _, ahead = made()
    ahead.batch(2)
    plain.batch(2)
    example = nuclei()[0]
    labels = np.roll(example.annotation.labels, 9, -1)
    corrected = Example(example.key, example.image, annotate(labels))
    ahead.forget()
    for one in (plain, sampler):
        assert one.renew(corrected) > 0
    for _ in range(BATCHES + 2):
        same(ahead.batch(2), plain.batch(2))


def test_the_next_is_drawn_before_it_is_asked_for(made, monkeypatch):
    sampler, _, ahead = made()
    begun, draw = threading.Event(), sampler.draw
    threads = []

    def noted(chosen):
        threads.append(threading.current_thread())
        if len(threads) == 2:
            begun.set()
        return draw(chosen)

    monkeypatch.setattr(sampler, "draw", noted)
    ahead.batch(1)
    assert begun.wait(20)
    assert threading.current_thread() not in threads


def test_an_error_comes_with_the_batch_it_belongs_to(made, monkeypatch):
    sampler, _, ahead = made()
    draw, calls = sampler.draw, []

    def failing(chosen):
        calls.append(chosen)
        if len(calls) == 2:
            raise MemoryError
        return draw(chosen)

    monkeypatch.setattr(sampler, "draw", failing)
    ahead.batch(2)
    with pytest.raises(MemoryError):
        ahead.batch(2)
    assert len(ahead.batch(1).image) == 1


def test_closing_ends_the_thread(made):
    _, _, ahead = made()
    ahead.batch(1)
    names = [t.name for t in threading.enumerate()]
    assert any(name.startswith("next batch") for name in names)
    ahead.close()
    assert not any(t.name.startswith("next batch") for t in threading.enumerate())
