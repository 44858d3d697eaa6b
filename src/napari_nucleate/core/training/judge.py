"""How good the averaged weights are, and whether they are worth keeping."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from napari_nucleate.core.annotation import Annotation
from napari_nucleate.core.corrected import changed
from napari_nucleate.core.metrics import AVERAGED, evaluate
from napari_nucleate.core.predict import in_half
from napari_nucleate.core.training.held_out import MOST_VALIDATED
from napari_nucleate.core.training.snapshot import Judged

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from napari_nucleate.core.model import Model, Record
    from napari_nucleate.core.patches import Example
    from napari_nucleate.core.predict import Compared
    from napari_nucleate.core.recipe import Recipe
    from napari_nucleate.core.training.learner import Learner

NOISE = 0.6
"""How much lower the AP of a model may be by chance, were it validated on a single object: two
standard errors, where of ten objects one is found by one of both models only. It falls with the
root of how many objects there are."""


BETWEEN_IMAGES = 0.1
"""How much more or less than on average the AP of a single image may change in a training: two
standard deviations, 0.03 to 0.06 each in five trainings (55 images of dsb2018_fluo). On two held
out of 16 it once fell from 0.89 to 0.81, while it rose from 0.53 to 0.57 on all others."""

SETTLED = 0.6
"""After this share of a training the learning rate is below half its peak. What was measured before
then tells little of a network that began from nothing: on the one image held out of eight of
dsb2018_he the AP fell from 0.158 in the first steps to 0.06 at the end, while on the validation
images it rose from 0.11 to 0.40."""


def worse(now: Record, before: float, noise: float | None = None) -> bool:
    """Whether a model's AP is lower than an earlier one on the same objects, beyond noise. Pure.

    Noise is by how few objects there are, and how few images: others may have changed otherwise.

    Parameters
    ----------
    now : Record
    before : float
        The earlier AP.
    noise : float, optional
        How much lower it may be by chance, where both were compared object by object.
    """
    ap = now.validation_ap
    if ap is None:
        return False
    objects = NOISE / math.sqrt(max(now.validated, 1)) if noise is None else noise
    images = BETWEEN_IMAGES / math.sqrt(max(len(now.held_out) + len(now.regions), 1))
    return ap < before - math.hypot(objects, images)


@dataclass(frozen=True)
class Verdict:
    """What validating weights gave.

    Parameters
    ----------
    loss : float
        Cross-entropy of the foreground.
    ap : float
        Mean AP at IoU 0.5 to 0.9.
    dice : float
    objects : int
        How many true objects there are.
    found : ndarray of float, shape (objects,)
        At how many of these IoUs each is found, 0 to 1.
    """

    loss: float
    ap: float
    dice: float
    objects: int
    found: NDArray[np.float64] = field(default_factory=lambda: np.empty(0), repr=False)

    def noise(self, before: NDArray[np.float64]) -> float | None:
        """Two standard errors of the difference from earlier weights, object by object. Pure.

        Most objects are found by both or by neither: that says much more than two APs do.

        Parameters
        ----------
        before : ndarray of float
            `found` of the earlier ones.

        Returns
        -------
        float or None
            At least what a single object makes; None where these are other objects, or none.
        """
        n = len(self.found)
        if not n or len(before) != n:
            return None
        return max(2 * float(np.std(self.found - before)) / math.sqrt(n), 1 / n)


@dataclass(frozen=True)
class _Case:
    """What is looked at of an image: normalised pixels (C, *spatial), and their labels.

    Where a part of an image is known, that part with as much around it as the network sees. Beside
    them, the labels of the whole image, to tell what changes.
    """

    pixels: NDArray[np.float32]
    annotation: Annotation
    whole: Annotation

    @classmethod
    def of(cls, example: Example, recipe: Recipe) -> _Case:
        """Normalise the whole image, and cut out what is known."""
        annotation = example.annotation
        if recipe.target.semantic:  # labels that are no class are refused before the first step
            recipe.target.encode(annotation)
        where = known_part(annotation.known, recipe)
        pixels = recipe.normalisation.apply(example.image)[(slice(None), *where)]
        return cls(
            np.ascontiguousarray(pixels),
            Annotation(annotation.labels[where], annotation.known[where]),
            annotation,
        )


def known_part(known: NDArray[np.bool_], recipe: Recipe) -> tuple[slice, ...]:
    """The part of an image that the network has to see, to draw what is known. Pure.

    Parameters
    ----------
    known : ndarray of bool, shape (*spatial)
        At least one pixel is.
    recipe : Recipe

    Returns
    -------
    tuple of slice
        One an axis; it begins where pooling does in the whole image. All, where images are
        resampled: a part of one would be resampled otherwise.
    """
    if recipe.zoom != 1:
        return tuple(slice(0, size) for size in known.shape)
    n = recipe.architecture.multiple
    margin = recipe.architecture.halo
    parts = []
    for axis, size in enumerate(known.shape):
        others = tuple(a for a in range(known.ndim) if a != axis)
        at = np.flatnonzero(known.any(others))
        start = max(int(at[0]) - margin, 0) // n * n
        parts.append(slice(start, min(int(at[-1]) + 1 + margin, size)))
    return tuple(parts)


class Judge:
    """Measures the averaged weights on whole images.

    Parameters
    ----------
    examples : sequence of Example
        What to validate on.
    recipe : Recipe
    judged : Judged, optional
        Where an interrupted training goes on.
    anew : bool
        Whether the weights begin from nothing, and not from those of a model.

    Attributes
    ----------
    renewed : bool
        Whether labels changed since it was made: what was measured before says nothing any more.
    """

    def __init__(
        self,
        examples: Sequence[Example],
        recipe: Recipe,
        judged: Judged | None = None,
        *,
        anew: bool = True,
    ) -> None:
        chosen = np.unique(np.linspace(0, len(examples) - 1, MOST_VALIDATED).round().astype(int))
        self._recipe = recipe
        self.judged = judged or Judged()
        self._anew = anew
        self._keys = [examples[i].key for i in chosen]
        self._cases = [_Case.of(examples[i], recipe) for i in chosen]
        self.renewed = False

    @property
    def images(self) -> int:
        """How many images are validated on."""
        return len(self._known())

    def _known(self) -> list[_Case]:
        """The images of which something is known."""
        return [case for case in self._cases if case.whole.known.any()]

    def renew(self, example: Example) -> int:
        """Compare with the new labels of an image from now on, where it is among those compared.

        What was measured by the old labels says nothing against weights to come. An image of which
        nothing is known any more is left out until there is, unless it is the only one.

        Returns
        -------
        int
            How many pixels that are known now have another label than before.
        """
        if example.key not in self._keys:
            return 0
        at = self._keys.index(example.key)
        old, new = self._cases[at].whole, example.annotation
        if not new.known.any():
            if old.known.any() and self.images > 1:  # else there is nothing to compare with
                self._cases[at] = replace(self._cases[at], whole=new)
                self.judged, self.renewed = Judged(), True
            return 0
        count = changed(np.where(old.known, old.labels, -1), np.where(new.known, new.labels, -1))
        if not count.size and np.array_equal(old.known, new.known):
            return 0
        self._cases[at] = _Case.of(example, self._recipe)
        self.judged, self.renewed = Judged(), True
        return int(count.size)

    def prefers(self, verdict: Verdict, fraction: float) -> bool:
        """Whether these weights are to be kept in the place of the last kept.

        Later weights learned from more, and few validation images can't tell them from earlier
        ones: they are kept unless their AP is lower than the highest by more than chance makes, by
        how few objects there are, and how few images. From `SETTLED` on, that is the highest since
        then, and an earlier one counts where twice that chance, of weights that began from nothing,
        can't explain it. What finds less than half as much, or a quarter as much as earlier, isn't
        kept, whatever chance makes. What is not a number is never kept. Pure.

        Parameters
        ----------
        verdict : Verdict
        fraction : float
            How much of the training is done.
        """
        if not (math.isfinite(verdict.loss) and math.isfinite(verdict.ap)):
            return False
        # Of classes, the objects counted are a few large areas: they tell nothing of chance.
        if self._recipe.target.semantic:
            return verdict.ap >= self.judged.highest
        return verdict.ap >= self._least(verdict.objects, fraction)

    def _least(self, objects: int, fraction: float) -> float:
        """How low an AP may be by chance after what was measured so far."""
        highest, settled = self.judged.highest, self.judged.settled
        if fraction < SETTLED:
            return max(highest - self._chance(objects, highest), highest / 2)
        early = highest - (1 + self._anew) * self._chance(objects, highest)
        late = settled - self._chance(objects, settled)
        return max(early, highest / 4, late, settled / 2)

    def _chance(self, objects: int, highest: float) -> float:
        """How much lower than one so high an AP may be by chance."""
        chance = 0.25 / max(objects, 1) + BETWEEN_IMAGES**2 / max(self.images, 1)
        if highest < 0.5:  # where little is found, chance is smaller, as for any share
            chance *= 4 * highest * (1 - highest)
        return math.sqrt(chance)

    def note(self, verdict: Verdict, fraction: float) -> None:
        """Remember how good the weights were after so much of the training, for those to come."""
        old = self.judged
        if not (math.isfinite(verdict.loss) and math.isfinite(verdict.ap)):
            self.judged = old.model_copy(update={"waited": old.waited + 1})
            return
        # At first nothing is found: there, the loss tells whether anything is learned.
        fell = old.lowest is None or verdict.loss < old.lowest
        late = fraction >= SETTLED
        highest = old.settled if late else old.highest
        rose = verdict.ap > highest or (highest == 0 and fell)
        self.judged = Judged(
            highest=max(old.highest, verdict.ap),
            settled=max(old.settled, verdict.ap if late else 0.0),
            lowest=verdict.loss if fell else old.lowest,
            waited=0 if rose else old.waited + 1,
        )

    @property
    def tired(self) -> bool:
        """Whether there was no rise for as many validations as the recipe has patience for."""
        patience = self._recipe.optimisation.patience
        return 0 < patience <= self.judged.waited

    def drawn(self, model: Model, learner: Learner) -> list[tuple[NDArray[np.float16], Annotation]]:
        """What a model draws of the images validated on, in half precision, and their labels.

        The mean of two views, as predictions are.
        """
        network = model.predictor(learner.device)
        return [
            (in_half(learner.average_views(case.pixels, network)), case.annotation)
            for case in self._known()
        ]

    def compared(self, model: Model, learner: Learner) -> Iterator[tuple[Compared, Annotation]]:
        """What a model makes of the images validated on by two views, and their labels."""
        network = model.predictor(learner.device)
        for case in self._known():
            yield learner.compare(case.pixels, network, model.recipe), case.annotation

    def judge(self, learner: Learner) -> Verdict:
        """Predict and compare with the annotations, where pixels are known."""
        target, network = self._recipe.target, learner.predictor()
        losses, cases = [], []
        for case in self._known():
            maps = learner.predict(case.pixels, network)
            known, labels = case.annotation.known, case.annotation.labels
            foreground = target.maps(maps).foreground[known].clip(1e-4, 1 - 1e-4)
            likely = np.where(labels[known] > 0, foreground, 1 - foreground)
            losses.append(float(-np.log(likely).mean()))
            truth, drawn = (np.where(known, a, 0) for a in (labels, target.decode(maps)))
            cases.append(("", truth, drawn))
        total = evaluate(cases).total
        objects = total.at(0.5).tp + total.at(0.5).fn
        found = (total.best_iou[:, np.newaxis] >= AVERAGED).mean(1)
        return Verdict(float(np.mean(losses)), total.mean_ap, total.pixels.dice, objects, found)
