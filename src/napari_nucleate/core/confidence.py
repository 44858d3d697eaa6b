"""How far a mask can be trusted, judged without the truth."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from napari_nucleate.core.metrics import agreement
from napari_nucleate.core.params import Params

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from napari_nucleate.core.instances.maps import Maps


class Confidence(Params):
    """What confidence is made of."""

    agreement: bool = Field(
        True,
        description="Predict each image a second time, turned by 90 degrees: the mean of both is "
        "better than either, and what comes out the same is trusted. Doubles the time.",
    )


@dataclass(frozen=True)
class Scores:
    """Confidence of an image and of its objects, each in [0, 1].

    Parameters
    ----------
    image : float
        Confidence in the whole mask.
    objects : mapping of int to float
        Confidence in each object, by its label.
    reason : str
        What lowered the image's confidence most, in words.
    """

    image: float
    objects: Mapping[int, float] = field(repr=False)
    reason: str = ""


def score(
    maps: Maps,
    labels: NDArray[np.int32],
    alone: Sequence[NDArray[np.int32]] = (),
) -> Scores:
    """Score a prediction. Pure.

    An object's confidence is its certainty (mean over its pixels; 0 for a foreground probability of
    one half, 1 for one) times its agreement (IoU with its counterpart in each of two predictions of
    the image, as it is and turned). An image's is the product of the mean certainty of its objects,
    the agreement of both predictions (panoptic quality, Kirillov et al. 2019, which counts objects
    that only one of them has), and the share of the foreground that became objects at all.

    Parameters
    ----------
    maps : Maps
        The network's evidence.
    labels : ndarray of int32, shape (*spatial)
        Decoded from it.
    alone : sequence of two ndarray of int32, each of shape (*spatial), optional
        Decoded from the image as it is alone, and from the turned image alone and turned back;
        without them, agreement counts as 1.

    Returns
    -------
    Scores
    """
    ids, sizes = np.unique(labels[labels > 0], return_counts=True)
    if not len(ids):
        return Scores(0.0, {}, "no object was found")
    flat = labels.ravel()
    # What isn't a number is no evidence.
    margin = np.clip(2 * np.nan_to_num(maps.foreground.astype(np.float64)) - 1, 0, 1)
    certainty = np.bincount(flat, margin.ravel())[ids] / sizes
    matched = np.ones(len(ids))
    agreed = 1.0
    if len(alone):
        for one in alone:
            iou = agreement(labels, one)
            matched *= [iou.get(int(i), 0.0) for i in ids]
        agreed = _quality(*alone)
    foreground = maps.foreground > 0.5
    covered = float((labels[foreground] > 0).mean()) if foreground.any() else 1.0
    parts = {
        "the network is unsure of the objects": float(np.average(certainty, weights=sizes)),
        "the turned image gives other objects": agreed,
        "bright regions became no object": covered,
    }
    objects = dict(zip(ids.tolist(), (certainty * matched).tolist(), strict=True))
    image = float(np.prod(list(parts.values())))
    return Scores(image, objects, min(parts, key=lambda part: parts[part]))


def _quality(labels: NDArray[np.int32], other: NDArray[np.int32]) -> float:
    """Panoptic quality of one segmentation by another."""
    iou = np.array(list(agreement(labels, other).values()))
    good = iou > 0.5
    n_other = int(np.count_nonzero(np.unique(other)))
    return float(iou[good].sum() / max((len(iou) + n_other) / 2, int(good.sum()), 1))
