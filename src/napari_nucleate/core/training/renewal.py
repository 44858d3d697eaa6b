"""Labels that change while a network learns are taken up between its steps."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import TYPE_CHECKING

from napari_nucleate.core.events import Corrected
from napari_nucleate.core.patches import Example

if TYPE_CHECKING:
    from napari_nucleate.core.model import Record
    from napari_nucleate.core.patches import Sampler
    from napari_nucleate.core.training.held_out import Split
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
    split : Split
        What isn't learned from, whatever is painted there.
    """

    def __init__(
        self, changed: Changed | None, sampler: Sampler, judge: Judge, split: Split
    ) -> None:
        self._changed = changed
        self._sampler = sampler
        self._judge = judge
        self._split = split
        self._keys: list[str] = []

    def take_up(self) -> Generator[Corrected, None, None]:
        """Ask what changed, and learn from it from now on; says each image that did change."""
        for example in self._changed() if self._changed is not None else ():
            learned, validated = self._split.parts(example)
            judged = self._judge.renew(validated) if validated is not None else 0
            drawn = self._sampler.renew(learned) if learned is not None else 0
            if drawn and example.key not in self._keys:
                self._keys.append(example.key)
            if drawn or judged:
                yield Corrected(example.key, drawn or judged, held_out=not drawn)

    def renew_in(self, sampler: Sampler) -> None:
        """Patches are drawn by another sampler from now on."""
        self._sampler = sampler

    def noted(self, record: Record) -> Record:
        """The record, with images among those by a person that weren't when it began. Pure."""
        human = (*record.human, *(key for key in self._keys if key not in record.human))
        pseudo = tuple(key for key in record.pseudo if key not in self._keys)
        return record.model_copy(update={"human": human, "pseudo": pseudo})
