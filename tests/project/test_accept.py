"""Which predictions are accepted, of more than are wanted."""

import numpy as np
import pytest

from napari_nucleate.core.candidates import most_telling
from napari_nucleate.core.choose import describe
from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.events import Described
from napari_nucleate.project.accept import Ordered, ordering


@pytest.fixture
def pictures(picture):
    rng = np.random.default_rng(0)
    x = np.arange(48)
    return [
        picture(f"{i:02d}", (rng.random((48, 48)) * (i % 3) + np.sin(x / (2 + i % 4)))[None])
        for i in range(12)
    ]


def test_they_come_as_a_round_takes_them_and_images_are_read_once(pictures, monkeypatch):
    keys = [p.key for p in pictures]
    good, learned, known = keys[:9], keys[10:], {}
    *told, ordered = ordering(good, 2, learned, pictures, known)
    assert ordered == Ordered(tuple(most_telling(good, 2, known, learned)))
    assert all(isinstance(event, Described) for event in told)
    # Neither what is too poor to choose from is looked at.
    assert set(known) == {*keys[:4], *keys[9:]}
    monkeypatch.setattr(type(pictures[0]), "read", lambda self: pytest.fail("read again"))
    assert list(ordering(good, 2, learned, pictures, known)) == [ordered]


def test_of_many_some_are_looked_at(pictures, monkeypatch):
    monkeypatch.setattr("napari_nucleate.project.accept.MOST", 2)
    keys, known = [p.key for p in pictures], {}
    *told, ordered = ordering(keys[:8], 1, keys[8:], pictures, known)
    assert [event.total for event in told] == [4] * 4
    assert set(known) == {"00", "02", "08", "10"}
    assert sorted(ordered.keys) == keys[:8]


def test_what_cannot_be_read_comes_later(pictures, monkeypatch):
    read = type(pictures[0]).read

    def reading(self):
        if self.key == "00":
            raise NucleateError("damaged")
        return read(self)

    monkeypatch.setattr(type(pictures[0]), "read", reading)
    known = {"05": describe(pictures[5].read())}
    *told, ordered = ordering([p.key for p in pictures], 1, [], pictures, known)
    assert len(told) == 5
    assert "00" not in known
    assert ordered.keys[0] != "00"
    assert "00" in ordered.keys
