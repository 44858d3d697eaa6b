"""Self-training without rounds: averaged weights label other images while the network learns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_nucleate.core.confidence import score
from napari_nucleate.core.events import Prediction
from napari_nucleate.core.predict import checked, in_half
from napari_nucleate.core.pseudo import MOST, pseudo_example, pseudo_label, worth_learning

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_nucleate.core.confidence.trust import Trust
    from napari_nucleate.core.patches import Sampler
    from napari_nucleate.core.predict import Source
    from napari_nucleate.core.recipe import Recipe
    from napari_nucleate.core.rounds import SelfTraining
    from napari_nucleate.core.training.learner import Learner

EVERY = 8
"""Steps between two images that the teacher looks at: a tenth of the time, more or less."""

PATCHES = {2: 4, 3: 2}
"""The teacher sees a part of an image so many patches long and wide, by the dimensions."""


class Teacher:
    """The running mean of the weights, that labels a pool for the network to learn from.

    A mean teacher (Tarvainen and Valpola 2017) that sees images as they are, from two sides, while
    the network sees them turned, scaled and in other brightness (Sohn et al. 2020). What it labels
    is as careful as between rounds, see `pseudo_label`, and is made anew each time. Of more than
    `MOST` images, the oldest labels go.

    Parameters
    ----------
    pool : sequence of Source
        At least one image without labels.
    options : SelfTraining
        What is sure.
    diameter : float
        Of a person's objects, see `pseudo_label`.
    trust : Trust, optional
        Of the model that the training begins with.
    """

    def __init__(
        self,
        pool: Sequence[Source],
        options: SelfTraining,
        diameter: float = 0.0,
        trust: Trust | None = None,
    ) -> None:
        self._pool, self._options = pool, options
        self._diameter, self._trust = diameter, trust
        self._order: list[int] = []
        self._rng = np.random.default_rng(len(pool))
        self._taught: dict[str, int] = {}

    @property
    def taught(self) -> dict[str, int]:
        """How many objects are learned in each image now, by its name; a copy."""
        return dict(self._taught)

    def teach(self, learner: Learner, sampler: Sampler, step: int) -> None:
        """Label the next image, where it is time for that, and let it be drawn."""
        if step % EVERY:
            return
        # Every image has its turn before any has a second one.
        self._order = self._order or self._rng.permutation(len(self._pool)).tolist()
        source, recipe = self._pool[self._order.pop()], learner.drawn
        image = checked(source.read(), recipe, source.key)
        pixels = recipe.normalisation.apply(image)
        where = self._part(image.shape[1:], recipe)
        image, pixels = image[where], np.ascontiguousarray(pixels[where])
        compared = learner.compare(pixels, learner.predictor(), recipe)
        trust = None if recipe.target.semantic else self._trust
        scores = score(recipe.target.maps(compared.maps), compared.labels, compared.alone, trust)
        found = Prediction(source.key, in_half(compared.maps), compared.labels, scores)
        label = pseudo_label(found, recipe, self._options, self._diameter)
        self._taught.pop(source.key, None)
        sure = scores.image >= self._options.least
        if sure and worth_learning(found, label, recipe.target):
            self._taught[source.key] = label.objects
            sampler.teach(pseudo_example(source.key, image, label, self._options))
        else:
            sampler.forget(source.key)
        if len(self._taught) > MOST:
            oldest = next(iter(self._taught))
            del self._taught[oldest]
            sampler.forget(oldest)

    def _part(self, shape: tuple[int, ...], recipe: Recipe) -> tuple[slice, ...]:
        """What it sees of an image: all of a small one, of a large one any part."""
        parts = [slice(None)]
        for size, patch in zip(shape, recipe.patch_shape, strict=True):
            seen = min(size, round(PATCHES[recipe.ndim] * patch / recipe.zoom))
            start = int(self._rng.integers(size - seen + 1))
            parts.append(slice(start, start + seen))
        return tuple(parts)
