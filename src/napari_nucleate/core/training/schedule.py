"""What happens when: the learning rate, and the validations."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from napari_nucleate.core.recipe import Seconds

if TYPE_CHECKING:
    from napari_nucleate.core.recipe import Recipe

VALIDATE_AT = (0.02, 0.05, *(tenth / 10 for tenth in range(1, 11)))
"""Shares of the training after which it is validated; early ones, so that Stop keeps a model."""

VALIDATION_SHARE = 0.15
"""Of a training that has so many seconds, validations take no more than about this share."""


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
    """When to validate: at `VALIDATE_AT`, later where time is the budget and validating is slow."""

    def __init__(self, recipe: Recipe) -> None:
        self._limited = isinstance(recipe.optimisation.budget, Seconds)
        self._left = list(VALIDATE_AT)
        self._spent = 0.0

    def due(self, fraction: float, seconds: float) -> bool:
        """Whether to validate now; always at the end."""
        if fraction < self._left[0]:
            return False
        if fraction < 1 and self._limited and self._spent > VALIDATION_SHARE * seconds:
            return False
        self._left = [at for at in self._left if at > fraction]
        return True

    def took(self, seconds: float) -> None:
        """Note how long a validation took."""
        self._spent += seconds
