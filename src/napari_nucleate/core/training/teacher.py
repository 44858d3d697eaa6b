"""Self-training without rounds: averaged weights label other images while the network learns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_nucleate.core.annotation import Annotation
from napari_nucleate.core.predict import Looker, Tiling, checked, through
from napari_nucleate.core.pseudo import (
    MOST,
    MOST_PIXELS,
    PseudoLabel,
    label_worth_learning,
    pseudo_example,
)
from napari_nucleate.core.training.snapshot import fingerprint

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_nucleate.core.model import Model
    from napari_nucleate.core.patches import Example, Sampler
    from napari_nucleate.core.predict import Source
    from napari_nucleate.core.rounds import SelfTraining
    from napari_nucleate.core.training.held_out import Split
    from napari_nucleate.core.training.learner import Learner

EVERY = 8
"""Steps between two images that the teacher looks at: on a processor, a tenth of the time."""

PATCHES = {2: 4, 3: 2}
"""The teacher sees a part of an image so many patches long and wide, by the dimensions."""


class Teacher:
    """The running mean of the weights, that labels a pool for the network to learn from.

    A mean teacher (Tarvainen and Valpola 2017) that sees images as they are, from two sides and in
    several sizes, while the network sees them turned, scaled and in other brightness (Sohn et al.
    2020). What it labels is as careful as between rounds, see `pseudo_label`, and is made anew each
    time. Where there are too many images to hold, the oldest labels go.

    Parameters
    ----------
    pool : sequence of Source
        At least one image without labels.
    options : SelfTraining
        What is sure.
    model : Model
        What the training begins with: how its maps are decoded, and its confidence corrected.
    diameter : float
        Of a person's objects, see `pseudo_label`.

    Attributes
    ----------
    looked : int
        How often it looked at an image.
    taught : dict of str to Example
        What is learned from now, by its name, the oldest first.
    ever : dict of str to str
        Fingerprints of the images of which something was learned at any time, by name.
    """

    def __init__(
        self,
        pool: Sequence[Source],
        options: SelfTraining,
        model: Model,
        diameter: float = 0.0,
    ) -> None:
        self._pool, self._options, self._diameter = pool, options, diameter
        self._model = model
        self._order: list[int] = []
        self._rng = np.random.default_rng(model.recipe.optimisation.seed)
        self.looked = 0
        self.taught: dict[str, Example] = {}
        self.ever: dict[str, str] = {}

    def teach(self, learner: Learner, sampler: Sampler, split: Split, step: int) -> None:
        """Label the next image, where it is time for that, and let it be drawn.

        What is held out isn't taught either, nor what shows the same.
        """
        if step % EVERY:
            return
        # Every image has its turn before any has a second one.
        self._order = self._order or self._rng.permutation(len(self._pool)).tolist()
        source = self._pool[self._order.pop()]
        example = split.parts(self._labelled(source, learner))[0]
        self.looked += 1
        self._forget(source.key, sampler)
        if example is None or not example.annotation.known.any():
            return
        self.taught[source.key] = example
        if source.key not in self.ever:
            self.ever[source.key] = fingerprint(example.image)
        sampler.teach(example)
        while len(self.taught) > 1 and self._too_many:
            self._forget(next(iter(self.taught)), sampler)

    @property
    def objects(self) -> int:
        """How many objects are learned now."""
        return sum(example.annotation.n_objects for example in self.taught.values())

    @property
    def _too_many(self) -> bool:
        pixels = sum(example.annotation.labels.size for example in self.taught.values())
        return len(self.taught) > MOST or pixels > MOST_PIXELS

    def _forget(self, key: str, sampler: Sampler) -> None:
        if self.taught.pop(key, None) is not None:
            sampler.forget(key)

    def _labelled(self, source: Source, learner: Learner) -> Example:
        """An image with what is sure in a part of it; the rest is unknown."""
        recipe, options = self._model.recipe, self._options
        image = checked(source.read(), recipe, source.key)
        where = self._part(image.shape[1:])
        # Of all of it: a dark part is dark for the network that learns from it, too.
        pixels = recipe.normalisation.apply(image)[(slice(None), *where)]
        looker = Looker(
            learner.predictor(),
            self._model,
            learner.device,
            Tiling(zooms=options.zooms),
            options.confidence,
        )
        found = through(looker.surest(source.key, np.ascontiguousarray(pixels)))
        label = label_worth_learning(found, recipe, options, self._diameter)
        shape = image.shape[1:]
        labels, known, ignored = (np.zeros(shape, kind) for kind in (np.int32, bool, bool))
        if label is not None:
            labels[where], known[where] = label.annotation.labels, label.annotation.known
            ignored[where] = label.ignored
        whole = PseudoLabel(Annotation(labels, known), ignored)
        return pseudo_example(source.key, image, whole, options)

    def _part(self, shape: tuple[int, ...]) -> tuple[slice, ...]:
        """What it sees of an image: all of a small one, of a large one any part."""
        recipe, parts = self._model.recipe, []
        for size, patch in zip(shape, recipe.patch_shape, strict=True):
            seen = min(size, round(PATCHES[recipe.ndim] * patch / recipe.zoom))
            start = int(self._rng.integers(size - seen + 1))
            parts.append(slice(start, start + seen))
        return tuple(parts)
