"""What happens when: the learning rate, and the validations."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from napari_nucleate.core.recipe import Seconds
from napari_nucleate.core.training.snapshot import Timed

if TYPE_CHECKING:
    from napari_nucleate.core.recipe import Recipe

VALIDATE_AT = (0.02, 0.05, *(tenth / 10 for tenth in range(1, 11)))
"""Shares of the training after which it is validated; early ones, so that Stop keeps a model."""

VALIDATION_SHARE = 0.15
"""Of a training that has so many seconds, validations take about this share at most; what a slow
one takes beyond it comes on top."""


def one_cycle(fraction: float) -> float:
    """The learning rate as a share of the highest: one cycle (Smith 2018).

    A tenth of the training up, then down along a cosine.

    Examples
    --------
    >>> [round(one_cycle(at), 3) for at in (0, 0.1, 0.55, 1)]
    [0.1, 1.0, 0.505, 0.01]
    """
    if fraction < 0.1:
        return 0.1 + 9 * fraction
    return 0.01 + 0.99 * (1 + math.cos(math.pi * (fraction - 0.1) / 0.9)) / 2


class Timetable:
    """When to validate: at `VALIDATE_AT`, later where time is the budget and validating is slow.

    Parameters
    ----------
    recipe : Recipe
    timed : Timed, optional
        Where an interrupted training goes on.
    """

    def __init__(self, recipe: Recipe, timed: Timed | None = None) -> None:
        budget = recipe.optimisation.budget
        self._limited = isinstance(budget, Seconds)
        self._budget = float(budget.value)
        self.timed = timed or Timed()

    def due(self, fraction: float, seconds: float) -> bool:
        """Whether to validate now; always at the end. Pure."""
        if not any(self.timed.done < at <= fraction for at in VALIDATE_AT):
            return False
        late = self._limited and self.timed.spent > VALIDATION_SHARE * seconds
        return fraction == 1 or not late

    def took(self, fraction: float, seconds: float) -> float:
        """Note a validation after so much of the training, and how long it took.

        Returns
        -------
        float
            How much of it the budget doesn't pay for: seconds beyond the share of validations.
        """
        paid = VALIDATION_SHARE * self._budget
        over = max(self.timed.spent + seconds - paid, 0) - max(self.timed.spent - paid, 0)
        self.timed = Timed(done=fraction, spent=self.timed.spent + seconds)
        return over if self._limited else 0.0
