"""How good the averaged weights are, and whether they are worth keeping."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_nucleate.core.corrected import changed
from napari_nucleate.core.metrics import evaluate
from napari_nucleate.core.training.snapshot import Judged

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from napari_nucleate.core.annotation import Annotation
    from napari_nucleate.core.model import Model
    from napari_nucleate.core.patches import Example
    from napari_nucleate.core.predict import Compared
    from napari_nucleate.core.recipe import Recipe
    from napari_nucleate.core.training.learner import Learner

MOST_VALIDATED = 16
"""How many images are validated on at most, spread evenly over those there are."""


@dataclass(frozen=True)
class Verdict:
    """Cross-entropy of the foreground, mean AP at IoU 0.5 to 0.9, Dice, number of objects."""

    loss: float
    ap: float
    dice: float
    objects: int


class Judge:
    """Measures the averaged weights on whole images.

    Parameters
    ----------
    examples : sequence of Example
        What to validate on.
    recipe : Recipe
    judged : Judged, optional
        Where an interrupted training goes on.
    """

    def __init__(
        self, examples: Sequence[Example], recipe: Recipe, judged: Judged | None = None
    ) -> None:
        chosen = np.unique(np.linspace(0, len(examples) - 1, MOST_VALIDATED).round().astype(int))
        self._recipe = recipe
        self.judged = judged or Judged()
        self._keys = [examples[i].key for i in chosen]
        self._cases = [
            (
                recipe.normalisation.apply(examples[i].image),
                recipe.target.encode(examples[i].annotation),
                examples[i].annotation,
            )
            for i in chosen
        ]

    @property
    def images(self) -> int:
        """How many images are validated on."""
        return len(self._cases)

    def renew(self, example: Example) -> int:
        """Compare with the new labels of an image from now on, where it is among those compared.

        What was measured by the old labels says nothing against weights to come.

        Returns
        -------
        int
            How many pixels that are known now have another label than before.
        """
        if example.key not in self._keys or not example.annotation.known.any():
            return 0
        at = self._keys.index(example.key)
        pixels, _, old = self._cases[at]
        new = example.annotation
        count = changed(np.where(old.known, old.labels, -1), np.where(new.known, new.labels, -1))
        if not count.size and np.array_equal(old.known, new.known):
            return 0
        self._cases[at] = pixels, self._recipe.target.encode(new), new
        self.judged = Judged()
        return int(count.size)

    def prefers(self, verdict: Verdict) -> bool:
        """Whether these weights are to be kept in the place of the last kept.

        Later weights learned from more, and few validation images can't tell them from earlier
        ones: they are kept unless their AP is lower than the highest by more than its standard
        error. What is not a number is never kept. Pure.
        """
        if not (math.isfinite(verdict.loss) and math.isfinite(verdict.ap)):
            return False
        error = 0.5 / math.sqrt(max(verdict.objects, 1))
        return verdict.ap >= self.judged.highest - error

    def note(self, verdict: Verdict) -> None:
        """Remember how good the weights were, for those to come."""
        old = self.judged
        if not (math.isfinite(verdict.loss) and math.isfinite(verdict.ap)):
            self.judged = old.model_copy(update={"waited": old.waited + 1})
            return
        # At first nothing is found: there, the loss tells whether anything is learned.
        fell = old.lowest is None or verdict.loss < old.lowest
        rose = verdict.ap > old.highest or (old.highest == 0 and fell)
        self.judged = Judged(
            highest=max(old.highest, verdict.ap),
            lowest=verdict.loss if fell else old.lowest,
            waited=0 if rose else old.waited + 1,
        )

    @property
    def tired(self) -> bool:
        """Whether there was no rise for as many validations as the recipe has patience for."""
        patience = self._recipe.optimisation.patience
        return 0 < patience <= self.judged.waited

    def drawn(self, model: Model, learner: Learner) -> list[tuple[NDArray[np.float16], Annotation]]:
        """What a model draws of the images validated on, in half precision, and their labels."""
        network = model.network(learner.device)
        return [
            (learner.predict(pixels, network).astype(np.float16), annotation)
            for pixels, _, annotation in self._cases
        ]

    def compared(self, model: Model, learner: Learner) -> Iterator[tuple[Compared, Annotation]]:
        """What a model makes of the images validated on by two views, and their labels."""
        network = model.network(learner.device)
        for pixels, _, annotation in self._cases:
            yield learner.compare(pixels, network, model.recipe), annotation

    def judge(self, learner: Learner) -> Verdict:
        """Predict and compare with the annotations, where pixels are known."""
        target = self._recipe.target
        losses, cases = [], []
        for pixels, wanted, annotation in self._cases:
            maps = learner.predict(pixels)
            known = annotation.known
            foreground = target.maps(maps).foreground[known].clip(1e-4, 1 - 1e-4)
            truth = target.maps(wanted).foreground[known]
            losses.append(
                float(-(truth * np.log(foreground) + (1 - truth) * np.log(1 - foreground)).mean())
            )
            cases.append(
                (
                    "",
                    np.where(known, annotation.labels, 0),
                    np.where(known, target.decode(maps), 0),
                )
            )
        total = evaluate(cases).total
        objects = total.at(0.5).tp + total.at(0.5).fn
        return Verdict(float(np.mean(losses)), total.mean_ap, total.pixels.dice, objects)
