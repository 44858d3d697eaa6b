"""From what is known of an object to the probability that it is right."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Self

import numpy as np
from pydantic import Field, field_validator

from napari_nucleate.core.confidence.reliability import Bin, reliability
from napari_nucleate.core.confidence.traits import NAMES, USUAL
from napari_nucleate.core.metrics import AVERAGED
from napari_nucleate.core.params import Params

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_nucleate.core.confidence.traits import Traits

FEWEST = 50
"""With fewer objects of known truth, the probabilities stay as they are."""

RIDGE = 10.0
"""How firmly is believed that the probabilities are right as they are: about as much as 60 objects
that say so. Objects of one image are alike, and a few images would mislead."""

COMPARED = (
    (0.07, 0.30, 0.87, 0.98, -0.79, -0.33, -0.90),
    (-0.59, 0.30, 0.87, 1.07, -0.67, -0.61, -1.41),
    (-1.83, 0.48, 0.84, 0.89, -0.28, -1.21, -1.16),
    (-3.95, 0.83, 0.89, 0.62, 0.09, -1.98, -0.89),
    (-7.79, 0.98, 1.36, 0.50, -0.19, -2.06, -0.99),
)
SINGLE = (
    (1.00, 0.74, 0.00, 1.33, -1.01, -1.72, -1.27),
    (0.45, 0.73, 0.00, 1.42, -0.90, -1.94, -1.68),
    (-0.65, 0.89, 0.00, 1.28, -0.56, -2.44, -1.39),
    (-2.40, 1.22, 0.00, 1.12, -0.26, -3.28, -1.04),
    (-4.93, 1.60, 0.00, 1.32, -0.61, -3.61, -0.73),
)
IOU = AVERAGED
"""How well an object has to match a true one; the first is what "right" means."""

N_WEIGHTS = len(NAMES) + 1
N_WEIGHTS_BEFORE = 6
"""In the cards of models that were trained when nothing was known of how even objects are."""

Row = Annotated[tuple[float, ...], Field(min_length=N_WEIGHTS, max_length=N_WEIGHTS)]
Weights = Annotated[tuple[Row, ...], Field(min_length=len(IOU), max_length=len(IOU))]
Shift = Annotated[float, Field(ge=-100, le=100)]
Shifts = Annotated[tuple[Shift, ...], Field(min_length=len(IOU), max_length=len(IOU))]


class Trust(Params):
    """A logistic regression of the traits, and how a person's own objects correct it.

    The weights are those of `benchmarks/self_training.py --weights`: one row an IoU, each a bias
    and a weight a trait. `shifts` are chosen for a model, by the objects it was validated on; they
    correct what is said where two predictions are compared. (Platt 1999 chooses a slope, too: with
    so few images it did worse.)
    """

    compared: Weights = Field(COMPARED, description="Weights where predictions were compared.")
    single: Weights = Field(SINGLE, description="Weights where there was one prediction only.")
    usual: float = Field(
        USUAL, gt=0, le=1, description="How uneven a person's own objects are, half of them less."
    )
    shifts: Shifts = Field((0.0,) * len(IOU), description="Added to the log-odds, one an IoU.")
    objects: int = Field(0, ge=0, description="How many objects the shifts were chosen by.")
    reliability: tuple[Bin, ...] = Field(
        (), description="What was said of these objects, and what is true of them."
    )

    @field_validator("compared", "single", mode="before")
    @classmethod
    def _all_traits(cls, rows: Any) -> Any:
        """Give traits that a model's weights know nothing of a weight of 0."""
        lists = isinstance(rows, (list, tuple)) and all(isinstance(r, (list, tuple)) for r in rows)
        if not lists or any(len(row) != N_WEIGHTS_BEFORE for row in rows):
            return rows
        return tuple((*row, 0.0) for row in rows)

    def probabilities(self, traits: Traits) -> NDArray[np.float64]:
        """How likely each object matches a true one at each `IOU`, (len(IOU), n). Pure."""
        score = self._score(traits.table, traits.compared)
        if traits.compared:
            score = score + np.array(self.shifts)[:, np.newaxis]
        likely = sigmoid(score)
        # What matches well matches badly, too, whatever the regressions say.
        return np.asarray(np.minimum.accumulate(likely, axis=0))

    def fitted(self, tables: NDArray[np.float64], iou: NDArray[np.float64]) -> Self:
        """The same with shifts chosen by objects of known truth. Pure.

        Parameters
        ----------
        tables : ndarray of float, shape (n, len(NAMES))
            `Traits.table` of objects that weren't learned from, by two predictions compared.
        iou : ndarray of float, shape (n,)
            With the true object that each matches best.

        Returns
        -------
        Trust
            Itself where there are fewer than `FEWEST` objects.
        """
        if len(iou) < FEWEST:
            return self
        scores = self._score(tables, compared=True)
        shifts = [_shift(score, iou >= least) for score, least in zip(scores, IOU, strict=True)]
        # What is said of each half is what the other half teaches: nobody marks their own work.
        score, right = scores[0], iou >= IOU[0]
        likely = np.empty(len(iou))
        for half in (0, 1):
            shift = _shift(score[1 - half :: 2], right[1 - half :: 2])
            likely[half::2] = sigmoid(shift + score[half::2])
        return self.model_copy(
            update={
                "shifts": tuple(shifts),
                "objects": len(iou),
                "reliability": reliability(likely, right),
            }
        )

    def _score(self, table: NDArray[np.float64], compared: bool) -> NDArray[np.float64]:
        weights = np.array(self.compared if compared else self.single)
        return np.asarray(weights[:, :1] + weights[:, 1:] @ beside(table, self.usual).T)


def beside(table: NDArray[np.float64], usual: float) -> NDArray[np.float64]:
    """`Traits.table`, uneven beside what is usual: that differs between modalities. Pure.

    Parameters
    ----------
    table : ndarray of float, shape (n, len(NAMES))
    usual : float
        Of the median of a person's objects.
    """
    known = np.zeros(len(NAMES))
    known[NAMES.index("uneven")] = np.log(usual)
    return table - known


def _shift(score: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    """What has to be added to log-odds, drawn to 0."""
    (shift,) = regression(np.empty((len(score), 0)), right, np.zeros(1), RIDGE, score)
    return float(np.clip(shift, -100, 100))


def sigmoid(score: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probability of log-odds. Pure."""
    return np.asarray(1 / (1 + np.exp(-np.clip(score, -500, 500))))


def regression(
    table: NDArray[np.float64],
    right: NDArray[np.bool_],
    start: NDArray[np.float64],
    ridge: float,
    given: NDArray[np.float64] | float = 0.0,
) -> NDArray[np.float64]:
    """Logistic regression by Newton's method, drawn to where it starts. Pure.

    Steps are halved while they lead uphill: where nearly all is said to be certain, and much of it
    is wrong, full ones would run away.

    Parameters
    ----------
    table : ndarray of float, shape (n, k)
    right : ndarray of bool, shape (n,)
    start : ndarray of float, shape (k + 1,)
        Bias and weights that are believed beforehand.
    ridge : float
        How firmly.
    given : ndarray of float, shape (n,), or float
        Log-odds that are added to what is fitted.

    Returns
    -------
    ndarray of float, shape (k + 1,)
        Bias and weights.
    """
    columns = np.concatenate([np.ones((len(table), 1)), table], 1)
    weights = start.astype(np.float64)

    def loss(at: NDArray[np.float64]) -> float:
        score = columns @ at + given
        fit = np.logaddexp(0, score).sum() - score[right].sum()
        return float(fit + ridge / 2 * ((at - start) ** 2).sum())

    now = loss(weights)
    for _ in range(100):
        p = sigmoid(columns @ weights + given)
        slope = columns.T @ (p - right) + ridge * (weights - start)
        bend = (columns * (p * (1 - p))[:, np.newaxis]).T @ columns + ridge * np.eye(len(start))
        step = np.linalg.solve(bend, slope)
        while loss(weights - step) > now and abs(step).max() > 1e-9:
            step /= 2
        if abs(step).max() < 1e-9:
            break
        weights = weights - step
        now = loss(weights)
    return weights
