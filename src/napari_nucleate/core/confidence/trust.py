"""From what is known of an object to the probability that it is right."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Self

import numpy as np
from pydantic import Field

from napari_nucleate.core.confidence.reliability import Bin, reliability
from napari_nucleate.core.params import Params

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_nucleate.core.confidence.traits import Traits

FEWEST = 50
"""With fewer objects of known truth, the probabilities stay as they are."""

PRIOR = 20.0
"""How many objects the belief weighs that the probabilities are right as they are."""

COMPARED = (
    (-1.46, 1.08, 0.64, 1.10, -0.89, -4.36),
    (-1.86, 0.95, 0.71, 1.07, -1.07, -4.27),
    (-2.79, 1.03, 0.80, 0.97, -1.10, -3.64),
    (-4.81, 1.41, 0.86, 0.70, -0.61, -3.20),
    (-7.91, 1.87, 1.08, 0.36, -0.86, -2.07),
)
SINGLE = (
    (-1.50, 1.78, 0.00, 1.20, -0.91, -5.47),
    (-1.84, 1.71, 0.00, 1.21, -1.08, -5.49),
    (-2.63, 1.86, 0.00, 1.17, -1.08, -4.99),
    (-4.47, 2.28, 0.00, 0.98, -0.64, -4.47),
    (-7.26, 2.96, 0.00, 0.74, -0.85, -3.18),
)
IOU = (0.5, 0.6, 0.7, 0.8, 0.9)
"""How well an object has to match a true one; the first is what "right" means."""

Weights = Annotated[
    tuple[tuple[float, ...], ...],
    Field(min_length=len(IOU), max_length=len(IOU)),
]


class Trust(Params):
    """A logistic regression of the traits, and how a person's own objects correct it.

    The weights are those of `benchmarks/self_training.py --weights`: one row an IoU, each a bias
    and a weight a trait. `slope` and `shift` are chosen for a model, by the objects it was
    validated on (Platt 1999).
    """

    compared: Weights = Field(COMPARED, description="Weights where predictions were compared.")
    single: Weights = Field(SINGLE, description="Weights where there was one prediction only.")
    slope: float = Field(1.0, gt=0, le=100, description="Factor of the log-odds.")
    shift: float = Field(0.0, ge=-100, le=100, description="Added to the log-odds.")
    objects: int = Field(0, ge=0, description="How many objects slope and shift were chosen by.")
    reliability: tuple[Bin, ...] = Field(
        (), description="What was said of these objects, and what is true of them."
    )

    def probabilities(self, traits: Traits) -> NDArray[np.float64]:
        """How likely each object matches a true one at each `IOU`, (len(IOU), n). Pure."""
        score = self._score(traits.table, traits.compared)
        likely = sigmoid(self.slope * score + self.shift)
        # What matches well matches badly, too, whatever the regressions say.
        return np.asarray(np.minimum.accumulate(likely, axis=0))

    def fitted(self, tables: NDArray[np.float64], right: NDArray[np.bool_], compared: bool) -> Self:
        """The same with slope and shift chosen by objects of known truth. Pure.

        Parameters
        ----------
        tables : ndarray of float, shape (n, len(NAMES))
            `Traits.table` of objects that weren't learned from.
        right : ndarray of bool, shape (n,)
            Whether each matches a true object at IoU 0.5.
        compared : bool
            As in their traits.

        Returns
        -------
        Trust
            Itself where there are fewer than `FEWEST` objects.
        """
        if len(right) < FEWEST:
            return self
        score = self._score(tables, compared)[0]
        shift, slope = _line(score, right)
        # What is said of each half is what the other half teaches: nobody marks their own work.
        likely = np.empty(len(right))
        for half in (0, 1):
            other_shift, other_slope = _line(score[1 - half :: 2], right[1 - half :: 2])
            likely[half::2] = sigmoid(other_slope * score[half::2] + other_shift)
        return self.model_copy(
            update={
                "shift": shift,
                "slope": slope,
                "objects": len(right),
                "reliability": reliability(likely, right),
            }
        )

    def _score(self, table: NDArray[np.float64], compared: bool) -> NDArray[np.float64]:
        weights = np.array(self.compared if compared else self.single)
        return np.asarray(weights[:, :1] + weights[:, 1:] @ table.T)


def _line(score: NDArray[np.float64], right: NDArray[np.bool_]) -> tuple[float, float]:
    """Shift and slope of log-odds, drawn to 0 and 1: a few dozen objects don't overthrow those."""
    weights = regression(score[:, np.newaxis], right, np.array([0.0, 1.0]), PRIOR / 4)
    return float(np.clip(weights[0], -100, 100)), float(np.clip(weights[1], 0.05, 100))


def sigmoid(score: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probability of log-odds. Pure."""
    return np.asarray(1 / (1 + np.exp(-np.clip(score, -500, 500))))


def regression(
    table: NDArray[np.float64],
    right: NDArray[np.bool_],
    start: NDArray[np.float64],
    ridge: float,
) -> NDArray[np.float64]:
    """Logistic regression by Newton's method, drawn to where it starts. Pure.

    Parameters
    ----------
    table : ndarray of float, shape (n, k)
    right : ndarray of bool, shape (n,)
    start : ndarray of float, shape (k + 1,)
        Bias and weights that are believed beforehand.
    ridge : float
        How firmly.

    Returns
    -------
    ndarray of float, shape (k + 1,)
        Bias and weights.
    """
    columns = np.concatenate([np.ones((len(table), 1)), table], 1)
    weights = start.astype(np.float64)
    for _ in range(50):
        p = sigmoid(columns @ weights)
        slope = columns.T @ (p - right) + ridge * (weights - start)
        bend = (columns * (p * (1 - p))[:, np.newaxis]).T @ columns + ridge * np.eye(len(start))
        step = np.linalg.solve(bend, slope)
        weights = weights - step
        if abs(step).max() < 1e-9:
            break
    return weights
