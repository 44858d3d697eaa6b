"""Labels that change while a network learns are taken up between its steps."""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Sequence
from typing import TYPE_CHECKING

from napari_nucleate.core.events import Corrected
from napari_nucleate.core.patches import Example

if TYPE_CHECKING:
    from napari_nucleate.core.model import Record
    from napari_nucleate.core.patches import Sampler
    from napari_nucleate.core.training.judge import Judge

Changed = Callable[[], Sequence[Example]]
"""Gives the examples whose labels changed since it was last asked, and new ones."""


class Renewal:
    """Takes up what changed: in the patches that are drawn, or in what is validated on.

    Parameters
    ----------
    changed : callable or None
        Asked each time; None where labels stay as they are.
    sampler : Sampler
    judge : Judge
    held_out : collection of str
        Names of the images that aren't learned from, whatever is painted on them.
    """

    def __init__(
        self, changed: Changed | None, sampler: Sampler, judge: Judge, held_out: Collection[str]
    ) -> None:
        self._changed = changed
        self._sampler = sampler
        self._judge = judge
        self._held_out = held_out
        self._keys: list[str] = []

    def take_up(self) -> Generator[Corrected, None, None]:
        """Ask what changed, and learn from it from now on; says each image that did change."""
        for example in self._changed() if self._changed is not None else ():
            held_out = example.key in self._held_out
            judged = self._judge.renew(example)
            pixels = judged if held_out else self._sampler.renew(example)
            if pixels and not held_out and example.key not in self._keys:
                self._keys.append(example.key)
            if pixels:
                yield Corrected(example.key, pixels, held_out)

    def noted(self, record: Record) -> Record:
        """The record, with images among those by a person that weren't when it began. Pure."""
        human = (*record.human, *(key for key in self._keys if key not in record.human))
        pseudo = tuple(key for key in record.pseudo if key not in self._keys)
        return record.model_copy(update={"human": human, "pseudo": pseudo})
