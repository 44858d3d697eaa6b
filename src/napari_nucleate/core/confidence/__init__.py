"""How far a mask can be trusted, judged without the truth."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from napari_nucleate.core.confidence.traits import Traits
from napari_nucleate.core.params import Params
from napari_nucleate.core.zoom import diameters

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from napari_nucleate.core.confidence.trust import Trust
    from napari_nucleate.core.instances.maps import Maps


WIDEST = 6
"""Objects so many times as wide as a person's are none: the background of an inverted image, say.
In dsb2018_fluo the widest nuclei, magnified otherwise, are five times as wide as the narrowest."""


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
        Confidence in the whole mask: of objects, the mean AP at IoU 0.5 to 0.9 to be expected.
    objects : mapping of int to float
        Confidence in each object, by its label: how likely it matches a true one at IoU 0.5.
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
    trust: Trust | None = None,
    pixels: NDArray[np.float32] | None = None,
    diameter: float = 0.0,
) -> Scores:
    """Score a prediction. Pure.

    An object's confidence is the probability that `trust` gives it by its traits. An image's is the
    mean AP at IoU 0.5 to 0.9 to be expected: TP, the sum of such probabilities, over TP + FP + FN,
    where an object that is wrong lacks a true one as well, and half of what a prediction has alone,
    and that became no object, is lacking, on average of both; times the share of the foreground
    that became objects at all. A few perfect objects don't hide what was missed. What is many times
    as wide as a person's objects isn't right, however sure the network is of its pixels, see
    `WIDEST`.

    Parameters
    ----------
    maps : Maps
        The network's evidence.
    labels : ndarray of int32, shape (*spatial)
        Decoded from it.
    alone : sequence of two ndarray of int32, each of shape (*spatial), optional
        Decoded from the image as it is alone, and from the turned image alone and turned back.
    trust : Trust, optional
        Without it, where labels are classes and no objects, certainty (0 for a foreground
        probability of one half, 1 for one) times agreement (IoU with its counterpart in each
        prediction) takes the place of the probability.
    pixels : ndarray of float, shape (C, *spatial), optional
        The image, where `trust` is given.
    diameter : float
        Median of a person's objects in pixels, 2D; 0 where it isn't known.

    Returns
    -------
    Scores
    """
    traits = Traits.of(maps, labels, alone, pixels)
    if not len(traits.ids):
        return Scores(0.0, {}, "no object was found")
    likely = (
        (traits.certainty * traits.agreement)[np.newaxis]
        if trust is None
        else trust.probabilities(traits)
    )
    slim = _slim(traits, diameter)
    likely = likely * slim
    n, found, lacking = len(traits.ids), likely.sum(1), _lacking(traits, len(alone))
    foreground = maps.foreground > 0.5
    covered = float((labels[foreground] > 0).mean()) if foreground.any() else 1.0
    image = covered * float((found / (2 * n - found + lacking)).mean())
    parts = {
        "the network is unsure of the objects": float(traits.certainty.mean()),
        "it changes when the image is turned": float(traits.agreement.sum()) / (n + lacking),
        "bright regions became no object": covered,
        "objects are far wider than those painted": float(np.average(slim, weights=traits.sizes)),
    }
    objects = dict(zip(traits.ids.tolist(), likely[0].tolist(), strict=True))
    return Scores(image, objects, min(parts, key=parts.__getitem__))


def _slim(traits: Traits, diameter: float) -> NDArray[np.float64]:
    """1 for objects that aren't too wide, towards 0 for those that are; see `WIDEST`."""
    if not diameter:
        return np.ones(len(traits.ids))
    wide = diameters(traits.sizes) / (WIDEST * diameter)
    return np.asarray(np.maximum(wide, 1) ** -4.0, np.float64)


def _lacking(traits: Traits, views: int) -> float:
    """How many objects are likely to be missed: half of those that a prediction has alone.

    The mean of both predictions. Objects that only one of them has, but that became objects, aren't
    missed; that they are doubtful, their traits tell. Counted here, too, they ranked images worse
    (`docs/benchmarks.md`).
    """
    return traits.lost / views / 2 if views > 1 else 0.0
