"""How well predicted objects agree with the truth: matching, average precision, pixel scores."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_nucleate.core.errors import NucleateError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    Labels = NDArray[Any]

THRESHOLDS = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9)
AVERAGED = THRESHOLDS[::2]
"""The IoU thresholds that `Score.mean_ap` averages over."""


@dataclass(frozen=True)
class Matches:
    """Counts of matched and unmatched objects at one IoU threshold; `+` sums over images.

    Parameters
    ----------
    tp, fp, fn : int
        Objects that match, predicted objects without a match, true objects without one.
    sum_iou : float
        Sum of the IoU of the matched pairs.
    """

    tp: int = 0
    fp: int = 0
    fn: int = 0
    sum_iou: float = 0.0

    def __add__(self, other: Matches) -> Matches:
        return Matches(
            self.tp + other.tp,
            self.fp + other.fp,
            self.fn + other.fn,
            self.sum_iou + other.sum_iou,
        )

    @property
    def average_precision(self) -> float:
        """TP / (TP + FP + FN), as in DSB 2018 and StarDist; 0 where there are no objects."""
        return self.tp / max(self.tp + self.fp + self.fn, 1)

    @property
    def precision(self) -> float:
        """Part of the predicted objects that match; 0 where nothing is predicted."""
        return self.tp / max(self.tp + self.fp, 1)

    @property
    def recall(self) -> float:
        """Part of the true objects that are found; 0 where there are none."""
        return self.tp / max(self.tp + self.fn, 1)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall; 0 where there are no objects."""
        return 2 * self.tp / max(2 * self.tp + self.fp + self.fn, 1)

    @property
    def mean_iou(self) -> float:
        """Mean IoU of the matched pairs; 0 where nothing matches."""
        return self.sum_iou / max(self.tp, 1)


@dataclass(frozen=True)
class Pixels:
    """Counts of foreground pixels (label > 0) in truth and prediction; `+` sums over images."""

    both: int = 0
    truth: int = 0
    pred: int = 0
    size: int = 0

    def __add__(self, other: Pixels) -> Pixels:
        return Pixels(
            self.both + other.both,
            self.truth + other.truth,
            self.pred + other.pred,
            self.size + other.size,
        )

    @property
    def iou(self) -> float:
        """Intersection over union of the foreground; 1 where both are empty."""
        union = self.truth + self.pred - self.both
        return self.both / union if union else 1.0

    @property
    def dice(self) -> float:
        """Twice the intersection over the sum of the areas; 1 where both are empty."""
        total = self.truth + self.pred
        return 2 * self.both / total if total else 1.0

    @property
    def accuracy(self) -> float:
        """Part of the pixels on which truth and prediction agree; 1 without pixels."""
        wrong = self.truth + self.pred - 2 * self.both
        return 1 - wrong / self.size if self.size else 1.0


@dataclass(frozen=True)
class Score:
    """Everything counted for one image, or summed over all of them.

    Parameters
    ----------
    name : str
        The image.
    matches : tuple of (float, Matches)
        Counts at each IoU threshold.
    pixels : Pixels
        Counts of foreground pixels.
    best_iou : ndarray of float, shape (objects,)
        Of each true object, with the predicted object that it overlaps best.
    """

    name: str
    matches: tuple[tuple[float, Matches], ...]
    pixels: Pixels
    best_iou: NDArray[np.float64] = field(
        default_factory=lambda: np.empty(0), compare=False, repr=False
    )

    def at(self, threshold: float) -> Matches:
        """Give the counts at one of the thresholds that were evaluated.

        Raises
        ------
        NucleateError
            If the threshold was not evaluated.
        """
        for value, matches in self.matches:
            if np.isclose(value, threshold):
                return matches
        have = ", ".join(f"{t:g}" for t, _ in self.matches)
        raise NucleateError(f"IoU threshold {threshold:g} was not evaluated; choose of {have}.")

    @property
    def mean_ap(self) -> float:
        """Mean of the average precision over every second threshold: 0.5, 0.6, … 0.9."""
        return float(np.mean([m.average_precision for _, m in self.matches[::2]]))

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, rounded to four digits."""
        first = self.matches[0][1]
        return {
            "name": self.name,
            "objects": first.tp + first.fn,
            "predicted": first.tp + first.fp,
            "AP": self._each("average_precision"),
            "mean_AP": round(self.mean_ap, 4),
            "precision": self._each("precision"),
            "recall": self._each("recall"),
            "F1": self._each("f1"),
            "mean_matched_IoU": round(first.mean_iou, 4),
            "pixel_IoU": round(self.pixels.iou, 4),
            "pixel_Dice": round(self.pixels.dice, 4),
            "pixel_accuracy": round(self.pixels.accuracy, 4),
        }

    def _each(self, name: str) -> dict[str, float]:
        return {f"{t:g}": round(float(getattr(m, name)), 4) for t, m in self.matches}


@dataclass(frozen=True)
class Evaluation:
    """Scores of each image, and of all images together with their counts summed."""

    images: tuple[Score, ...]
    total: Score

    @property
    def per_image_mean_ap(self) -> float:
        """`mean_ap` averaged over the images, so that each image weighs the same."""
        return float(np.mean([s.mean_ap for s in self.images])) if self.images else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON: `total`, `per_image_mean_AP` and `images`."""
        return {
            "total": self.total.to_dict() | {"images": len(self.images)},
            "per_image_mean_AP": round(self.per_image_mean_ap, 4),
            "images": [score.to_dict() for score in self.images],
        }


def match(truth: Labels, pred: Labels, threshold: float = 0.5) -> Matches:
    """Match objects one to one so that most reach the threshold, then by maximal total IoU.

    Parameters
    ----------
    truth, pred : ndarray of int or bool, same shape, any number of dimensions
        Labels, 0 is background. Labels need not be contiguous.
    threshold : float
        Smallest IoU of a match, in (0, 1].

    Returns
    -------
    Matches
        The counts.

    Raises
    ------
    NucleateError
        If the shapes differ, labels are negative or not integers, or the threshold is no IoU.

    Examples
    --------
    >>> match(np.array([[1, 1, 0, 2]]), np.array([[7, 7, 7, 0]]))
    Matches(tp=1, fp=0, fn=1, sum_iou=0.6666666666666666)
    """
    return _match(_overlaps(truth, pred), threshold)


def average_precision(
    pairs: Iterable[tuple[Labels, Labels]], thresholds: Sequence[float] = THRESHOLDS
) -> dict[float, float]:
    """AP = TP / (TP + FP + FN) at each IoU threshold, counts summed over (truth, pred) pairs.

    Raises
    ------
    NucleateError
        As `match`.
    """
    sums = dict.fromkeys(thresholds, Matches())
    for truth, pred in pairs:
        overlaps = _overlaps(truth, pred)
        sums = {t: m + _match(overlaps, t) for t, m in sums.items()}
    return {t: m.average_precision for t, m in sums.items()}


def evaluate(
    pairs: Iterable[tuple[str, Labels, Labels]], thresholds: Sequence[float] = THRESHOLDS
) -> Evaluation:
    """Score (name, truth, pred) triples; holds one pair in memory at a time.

    Parameters
    ----------
    pairs : iterable of (str, ndarray, ndarray)
        Name, true labels and predicted labels of each image.
    thresholds : sequence of float
        IoU thresholds.

    Returns
    -------
    Evaluation
        Scores of each image and in total.

    Raises
    ------
    NucleateError
        As `match`, with the name of the image.
    """
    images = tuple(_score(name, truth, pred, thresholds) for name, truth, pred in pairs)
    sums = (
        (t, sum((s.matches[k][1] for s in images), Matches())) for k, t in enumerate(thresholds)
    )
    pixels = sum((s.pixels for s in images), Pixels())
    best_iou = np.concatenate([np.empty(0), *(s.best_iou for s in images)])
    return Evaluation(images, Score("total", tuple(sums), pixels, best_iou))


def count_pixels(truth: Labels, pred: Labels) -> Pixels:
    """Count the foreground pixels (nonzero) of two label or mask arrays of the same shape."""
    _check(truth, pred)
    t, p = truth != 0, pred != 0
    both, in_t, in_p = (int(np.count_nonzero(a)) for a in (t & p, t, p))
    return Pixels(both, in_t, in_p, int(truth.size))


def iou(truth: Labels, pred: Labels) -> float:
    """Intersection over union of the foreground pixels; 1 where both are empty."""
    return count_pixels(truth, pred).iou


def dice(truth: Labels, pred: Labels) -> float:
    """Dice coefficient of the foreground pixels; 1 where both are empty."""
    return count_pixels(truth, pred).dice


def accuracy(truth: Labels, pred: Labels) -> float:
    """Part of the pixels that are foreground in both or background in both."""
    return count_pixels(truth, pred).accuracy


def agreement(a: Labels, b: Labels) -> dict[int, float]:
    """For each object of `a`, its best IoU with an object of `b`; 0 where none overlaps.

    Parameters
    ----------
    a, b : ndarray of int, same shape
        Labels, 0 is background.

    Returns
    -------
    dict
        Label of `a` → IoU in [0, 1].

    Examples
    --------
    >>> agreement(np.array([[4, 4, 0, 9]]), np.array([[1, 1, 0, 0]]))
    {4: 1.0, 9: 0.0}
    """
    return mutual_agreement(a, b)[0]


def mutual_agreement(a: Labels, b: Labels) -> tuple[dict[int, float], dict[int, float]]:
    """`agreement` of `a` with `b`, and of `b` with `a`; as fast as one of them.

    Examples
    --------
    >>> mutual_agreement(np.array([[4, 4, 0, 9]]), np.array([[1, 1, 0, 0]]))
    ({4: 1.0, 9: 0.0}, {1: 1.0})
    """
    overlaps = _overlaps(a, b)
    return (
        _best(overlaps.labels, overlaps.best_iou),
        _best(overlaps.others, overlaps.best_iou_of_others),
    )


def _best(labels: NDArray[Any], iou: NDArray[np.float64]) -> dict[int, float]:
    return dict(zip(labels.tolist(), iou.tolist(), strict=True))


@dataclass(frozen=True)
class _Overlaps:
    """The pairs of objects that overlap: a sparse n × m table of their IoU."""

    labels: NDArray[Any]  # (n,) labels of the true objects
    others: NDArray[Any]  # (m,) labels of the predicted objects
    rows: NDArray[np.int64]  # (k,) indices of the true objects
    cols: NDArray[np.int64]  # (k,) indices of the predicted objects
    iou: NDArray[np.float64]  # (k,)

    @property
    def best_iou(self) -> NDArray[np.float64]:
        """Of each true object; 0 where nothing overlaps it."""
        return self._highest(self.labels, self.rows)

    @property
    def best_iou_of_others(self) -> NDArray[np.float64]:
        """Of each predicted object."""
        return self._highest(self.others, self.cols)

    def _highest(self, labels: NDArray[Any], at: NDArray[np.int64]) -> NDArray[np.float64]:
        best = np.zeros(len(labels))
        np.maximum.at(best, at, self.iou)
        return best


def _overlaps(truth: Labels, pred: Labels) -> _Overlaps:
    _check(truth, pred)
    t_labels, t = _compact(truth)
    p_labels, p = _compact(pred)
    m = len(p_labels)
    inside = (t > 0) & (p > 0)
    pair, count = np.unique((t[inside] - 1) * m + p[inside] - 1, return_counts=True)
    rows, cols = np.divmod(pair, max(m, 1))
    t_area = np.bincount(t, minlength=len(t_labels) + 1)[1:]
    p_area = np.bincount(p, minlength=m + 1)[1:]
    value = count / (t_area[rows] + p_area[cols] - count)
    return _Overlaps(t_labels, p_labels, rows, cols, value)


def _compact(labels: Labels) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """List the labels that occur, and give each pixel 1 + its label's place there (0 outside)."""
    flat = labels.reshape(-1)
    if flat.size and flat.min() < 0:
        raise NucleateError(f"Labels go down to {flat.min()}; 0 is background, objects are above.")
    if flat.size and flat.max() <= 4 * flat.size:  # a table is quicker than sorting
        small = flat.astype(np.int64, copy=False)
        present = np.bincount(small) > 0
        present[0] = False
        place = np.where(present, np.cumsum(present), 0)
        return np.flatnonzero(present), place[small]
    found, index = np.unique(flat, return_inverse=True)
    has_zero = bool(found.size and found[0] == 0)
    return found[has_zero:], index.astype(np.int64) + (not has_zero)


def _match(overlaps: _Overlaps, threshold: float) -> Matches:
    if not 0 < threshold <= 1:
        raise NucleateError(f"IoU threshold {threshold:g} is not valid; use one in (0, 1].")
    n, m = len(overlaps.labels), len(overlaps.others)
    # From 0.5 on, no pair below the threshold can change which pairs above it are matched: an
    # object with one such partner has no other, but for exact halves, whose IoU are equal.
    keep = overlaps.iou >= threshold if threshold >= 0.5 else overlaps.iou > 0
    rows, cols, value = overlaps.rows[keep], overlaps.cols[keep], overlaps.iou[keep]
    weight = (value >= threshold) + value / (2 * max(min(n, m), 1))
    chosen = value[assign(rows, cols, weight, n, m)]
    chosen = chosen[chosen >= threshold]
    tp = len(chosen)
    return Matches(tp, m - tp, n - tp, float(chosen.sum()))


def assign(
    rows: NDArray[np.int64],
    cols: NDArray[np.int64],
    weight: NDArray[np.float64],
    n: int,
    m: int,
) -> NDArray[np.intp]:
    """Choose the pairs of a one-to-one matching of maximal weight, by index.

    The Hungarian method runs within each connected group of objects only: most groups are a
    single pair, so that ten thousand objects need no table of ten thousand squared.
    """
    from scipy.optimize import linear_sum_assignment
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(len(rows)), (rows, cols + n)), shape=(n + m, n + m))
    group = connected_components(graph, directed=False)[1][rows]
    size = np.bincount(group)[group]
    chosen = list(np.flatnonzero(size == 1))
    order = np.flatnonzero(size > 1)
    order = order[np.argsort(group[order], kind="stable")]
    for pairs in np.split(order, np.flatnonzero(np.diff(group[order])) + 1):
        r_ids, r = np.unique(rows[pairs], return_inverse=True)
        c_ids, c = np.unique(cols[pairs], return_inverse=True)
        table, where = np.zeros((len(r_ids), len(c_ids))), np.full((len(r_ids), len(c_ids)), -1)
        table[r, c], where[r, c] = weight[pairs], pairs
        best = where[linear_sum_assignment(table, maximize=True)]
        chosen.extend(best[best >= 0])
    return np.asarray(chosen, np.intp)


def _score(name: str, truth: Labels, pred: Labels, thresholds: Sequence[float]) -> Score:
    try:
        overlaps = _overlaps(truth, pred)
    except NucleateError as error:
        raise NucleateError(f"{name}: {error}") from error
    matches = tuple((t, _match(overlaps, t)) for t in thresholds)
    return Score(name, matches, count_pixels(truth, pred), overlaps.best_iou)


def _check(truth: Labels, pred: Labels) -> None:
    if truth.shape != pred.shape:
        raise NucleateError(f"The truth has shape {truth.shape}, the prediction {pred.shape}.")
    for what, array in (("truth", truth), ("prediction", pred)):
        if array.dtype.kind not in "bui":
            raise NucleateError(f"The {what} has dtype {array.dtype}; labels must be integers.")
