"""Which predictions to accept, of more than are wanted."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_nucleate.core.candidates import most_telling, surer_part
from napari_nucleate.core.choose import describe, spread
from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.events import Described

if TYPE_CHECKING:
    from collections.abc import Collection, Generator, MutableMapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from napari_nucleate.core.predict import Source

MOST = 500
"""Of more images than this, evenly spaced ones are looked at: those to choose from, those that are
learned from already, and the others."""


@dataclass(frozen=True)
class Ordered:
    """Predictions in the order in which they teach most.

    Parameters
    ----------
    keys : tuple of str
    """

    keys: tuple[str, ...]


def ordering(
    good: Sequence[str],
    count: int,
    learned: Collection[str],
    sources: Sequence[Source],
    known: MutableMapping[str, NDArray[np.float64]],
) -> Generator[Described | Ordered, None, None]:
    """Order predictions as a round of self-training takes them, see `most_telling`.

    Images that can't be read are left out: they come later.

    Parameters
    ----------
    good : sequence of str
        Those that are good enough, the surest first.
    count : int
        How many are wanted.
    learned : collection of str
        Images that are learned from already.
    sources : sequence of Source
        All images of the project.
    known : mutable mapping of str to ndarray
        Descriptions of images made before, by name; new ones are added.

    Yields
    ------
    Described
        After every image looked at.
    Ordered
        At the end.
    """
    unseen = {source.key: source for source in sources if source.key not in known}
    wanted = _worth_a_look(good, count, learned, unseen)
    for number, key in enumerate(wanted, 1):
        with suppress(NucleateError, OSError):
            known[key] = describe(unseen[key].read())
        yield Described(number, len(wanted))
    looks = {source.key: known[source.key] for source in sources if source.key in known}
    yield Ordered(tuple(most_telling(good, count, looks, learned)))


def _worth_a_look(
    good: Sequence[str], count: int, learned: Collection[str], unseen: Collection[str]
) -> list[str]:
    """Which of the images that nobody looked at are to be looked at, see `MOST`."""
    learned = set(learned)
    theirs = learned | set(good)
    surer = [key for key in surer_part(good, count) if key in unseen]
    return [
        *spread(surer, max(MOST, 2 * count)),
        *spread([key for key in unseen if key in learned], MOST),
        *spread([key for key in unseen if key not in theirs], MOST),
    ]
