"""Which predictions to accept, of more than are wanted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_nucleate.core.candidates import most_telling
from napari_nucleate.project.suggest import describing

if TYPE_CHECKING:
    from collections.abc import Collection, Generator, MutableMapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from napari_nucleate.core.events import Described
    from napari_nucleate.core.predict import Source


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
        After every image read.
    Ordered
        At the end.
    """
    yield from describing(sources, known)
    looks = {source.key: known[source.key] for source in sources}
    yield Ordered(tuple(most_telling(good, count, looks, learned)))
