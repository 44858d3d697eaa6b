"""How well many splitters do on one labelled image: what they share is worked out once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.instances.clean import relabel
from napari_nucleate.core.instances.star_convex import StarConvex
from napari_nucleate.core.instances.stars import suppress
from napari_nucleate.core.metrics import AVERAGED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_nucleate.core.annotation import Annotation
    from napari_nucleate.core.instances import Splitter
    from napari_nucleate.core.instances.maps import Maps
    from napari_nucleate.core.instances.star_convex import Land

    Agreement = tuple[NDArray[np.float64], NDArray[np.bool_]]

IOUS = np.array(AVERAGED)

RANKED = 0.99
"""Up to here, stars are drawn in the order of their probability, and more of them with a lower
threshold change none of the likelier ones; above, the width of a star acts too."""


@dataclass(frozen=True)
class Counts:
    """What several splitters found in an image, a row each.

    Parameters
    ----------
    true : int
        Labelled objects with known pixels.
    found : ndarray of int64, shape (S,)
        Objects found where pixels are known.
    matched : ndarray of int64, shape (S, 5)
        Those that match a labelled one at each IoU of `IOUS`.
    """

    true: int
    found: NDArray[np.int64]
    matched: NDArray[np.int64]

    @property
    def mean_ap(self) -> NDArray[np.float64]:
        """Mean over the IoU thresholds of TP / (TP + FP + FN), for each splitter.

        1 where there is nothing, and nothing is found.
        """
        either = self.found[:, np.newaxis] + self.true - self.matched
        right = np.where(either == 0, 1, self.matched / np.maximum(either, 1))
        mean: NDArray[np.float64] = right.mean(1)
        return mean


class Trial:
    """One labelled image, on which splitters are measured.

    Of star-convex objects on a network's rays, those above any probability are among those above
    a lower one, and look the same: what is found once, at the lowest, serves all splitters that
    differ in `probability` only. It is kept for those to come, and so is the last foreground.

    Parameters
    ----------
    annotation : Annotation
    """

    def __init__(self, annotation: Annotation) -> None:
        known = annotation.known
        truth = relabel(np.where(known, annotation.labels, 0))
        # Where nothing is known it is -1.
        self._truth = np.where(known, truth, np.int32(-1))
        self._n = int(truth.max(initial=0))
        self._found: dict[Any, tuple[float, NDArray[np.floating[Any]], Agreement]] = {}
        self._land: tuple[Any, Land] | None = None

    def measure(self, splitters: Sequence[Splitter], maps: Maps) -> Counts:
        """Compare what each splitter finds with the labels, where these are known.

        Parameters
        ----------
        splitters : sequence of Splitter
        maps : Maps
            The same at every call.

        Returns
        -------
        Counts
            What `metrics.evaluate` counts, of `splitter.split(maps)` for each splitter.

        Raises
        ------
        NucleateError
            If the maps and the labels differ in shape.
        """
        if maps.foreground.shape != self._truth.shape:
            raise NucleateError(
                f"The labels have shape {self._truth.shape}, the maps {maps.foreground.shape}; "
                "both must be of the same image."
            )
        lowest: dict[Any, float] = {}
        for one in splitters:
            if isinstance(one, StarConvex):
                lowest[_rest(one)] = min(lowest.get(_rest(one), RANKED), one.probability)
        found, matched = np.zeros(len(splitters), np.int64), []
        for i, one in enumerate(splitters):
            if isinstance(one, StarConvex) and maps.distances is not None:
                iou, seen = self._of_stars(one, maps, lowest[_rest(one)])
            else:
                iou, seen = agreement(self._truth, one.split(maps), self._n)
            found[i] = np.count_nonzero(seen)
            matched.append((iou[:, np.newaxis] >= IOUS).sum(0))
        return Counts(self._n, found, np.array(matched, np.int64).reshape(-1, len(IOUS)))

    def _of_stars(self, splitter: StarConvex, maps: Maps, lowest: float) -> Agreement:
        rest = _rest(splitter)
        if splitter.outline == "stars" and splitter.probability > RANKED:
            return agreement(self._truth, splitter.split(maps), self._n)
        if rest not in self._found or self._found[rest][0] > splitter.probability:
            find = self._drawn if splitter.outline == "stars" else self._outlined
            lowest, probability, labels = find(splitter, maps, lowest)
            compared = agreement(self._truth, labels, self._n, splitter.min_size)
            self._found[rest] = lowest, probability, compared
        _, probability, (iou, seen) = self._found[rest]
        # The last stars may be hidden by others, and have no pixels.
        likely = probability[: len(iou)] > splitter.probability
        return iou[likely], seen[likely]

    def _drawn(
        self, splitter: StarConvex, maps: Maps, lowest: float
    ) -> tuple[float, NDArray[np.floating[Any]], NDArray[np.int32]]:
        """All stars above the lowest probability."""
        if maps.distances is None:
            raise NucleateError("The maps have no distances along rays; choose the watershed.")
        stars, labels = suppress(
            maps.foreground if maps.centre is None else maps.centre,
            maps.distances,
            threshold=lowest,
            overlap=splitter.overlap,
            anisotropy=splitter.anisotropy,
        )
        # As the loop that lists candidates compares them with the threshold.
        return lowest, stars.probability.astype(np.float64), labels

    def _outlined(
        self, splitter: StarConvex, maps: Maps, lowest: float
    ) -> tuple[float, NDArray[np.floating[Any]], NDArray[np.int32]]:
        """All objects that stars and pixels agree on, whatever their probability."""
        del lowest
        key = splitter.threshold, splitter.fill_holes, splitter.anisotropy
        if self._land is None or self._land[0] != key:
            self._land = key, splitter.land(maps)
        labels, stars = splitter.on_land(maps, self._land[1])
        return 0.0, stars.probability, labels


def agreement(
    truth: NDArray[np.int32], labels: NDArray[np.int32], n: int, min_size: int = 1
) -> Agreement:
    """The IoU of each object with its match, and whether it has known pixels.

    Parameters
    ----------
    truth : ndarray of int32
        Objects 1..n; below 0 nothing is known.
    labels : ndarray of int32, same shape
        Objects 1..m.
    n : int
    min_size : int
        Smaller ones, in pixels, count as background.

    Returns
    -------
    iou : ndarray of float64, shape (m,)
        0 where it is less than one half.
    seen : ndarray of bool, shape (m,)
    """
    from napari_nucleate.core.instances import _match_kernels

    flat = np.ascontiguousarray(labels).reshape(-1)
    m = int(labels.max(initial=0))
    iou, seen = _match_kernels.matched(truth.reshape(-1), flat, n, m, min_size)
    return iou[1:], seen[1:]


def _rest(splitter: StarConvex) -> StarConvex:
    """All of a splitter but its probability."""
    return splitter.model_copy(update={"probability": 0.0})
