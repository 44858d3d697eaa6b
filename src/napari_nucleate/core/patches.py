"""Patches for training: where they are cut, and how they become a batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_nucleate.core.annotation import Annotation
from napari_nucleate.core.background import likely_background
from napari_nucleate.core.corrected import Corrections
from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.warp import linear, nearest
from napari_nucleate.core.zoom import resized, resized_labels, zoomed_shape

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_nucleate.core.recipe import Recipe


MOST_PREDICTED = {8: 3.0, 16: 1.0}
"""With so many images of a person, predicted ones together are drawn at most so many times as
often; between, in between. A few images are soon known by heart: of 8, three times as often instead
of as often ended at a mean AP of 0.620, 0.595, 0.613 instead of 0.612, 0.571, 0.611; of 16 at
0.610, 0.633, 0.619 instead of 0.618, 0.632, 0.628 (dsb2018_fluo)."""


@dataclass(frozen=True)
class Example:
    """One image to learn from.

    Parameters
    ----------
    key : str
        The image's name.
    image : ndarray, shape (C, Y, X) or (C, Z, Y, X)
        The pixels as they were read.
    annotation : Annotation
        Labels and known pixels, of the image's spatial shape.
    weight : float
        How much a pixel counts in the loss, against 1 for a person's.
    pseudo : bool
        True where the labels were predicted and accepted, False where a person painted them.
    corrected : bool
        True where a person took a prediction over: theirs, but begun by a model, that would be
        measured by itself.
    excluded : ndarray of bool, shape (*spatial), optional
        Pixels that are validated on: not to be learned from, whatever they look like.
    ignored : ndarray of bool, shape (*spatial), optional
        Pixels whose labels tell where objects end, but count nothing in the loss.

    Raises
    ------
    NucleateError
        If the shapes disagree.
    """

    key: str
    image: NDArray[np.generic]
    annotation: Annotation
    weight: float = 1.0
    pseudo: bool = False
    corrected: bool = False
    excluded: NDArray[np.bool_] | None = None
    ignored: NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        if self.image.shape[1:] != self.annotation.labels.shape:
            raise NucleateError(
                f"{self.key}: the image has shape {self.image.shape[1:]} but its labels "
                f"{self.annotation.labels.shape}."
            )


@dataclass(frozen=True)
class Batch:
    """Arrays of one training step.

    Parameters
    ----------
    image : ndarray of float32, shape (B, C, *spatial)
    target : ndarray of float32, shape (B, K, *spatial)
    weight : ndarray of float32, shape (B, 1, *spatial)
        0 where a pixel is not known.
    """

    image: NDArray[np.float32]
    target: NDArray[np.float32]
    weight: NDArray[np.float32]


@dataclass(frozen=True)
class Choice:
    """Where a patch is cut, and the seed of how it is varied."""

    site: _Site
    centre: NDArray[np.float64]
    seed: int


class Sampler:
    """Draws augmented patches that show every object equally often.

    Parameters
    ----------
    examples : sequence of Example
        At least one with a known pixel.
    recipe : Recipe
        Patch size, augmentation, normalisation and target.
    rng : numpy.random.Generator
        Source of all draws.

    Raises
    ------
    NucleateError
        If nothing is known in any example.
    """

    def __init__(
        self, examples: Sequence[Example], recipe: Recipe, rng: np.random.Generator
    ) -> None:
        learned = [e for e in examples if e.annotation.known.any()]
        weights = recipe.target.pixel_weights([e.annotation for e in learned])
        each: Sequence[NDArray[np.float32] | None] = weights or [None] * len(learned)
        sites = [_Site(e, recipe, w) for e, w in zip(learned, each, strict=True)]
        # A few known pixels may vanish where images are made smaller.
        self._sites = [s for s in sites if s.any_known]
        if not self._sites:
            raise NucleateError("Nothing is labelled yet; paint a few objects first.")
        self._recipe = recipe
        self._rng = rng
        self._corrections = Corrections()
        self._share = _shares(self._sites)

    @property
    def likely_background(self) -> float:
        """The share of the unknown pixels that is learned as background."""
        unknown = sum(np.count_nonzero(s.labels < 0) for s in self._sites)
        likely = sum(np.count_nonzero(s.likely) for s in self._sites if s.likely is not None)
        return likely / max(likely + unknown, 1)

    def batch(self, size: int) -> Batch:
        """Draw `size` patches."""
        batch = self.draw(self.choose(size))
        self.age()
        return batch

    def choose(self, size: int) -> list[Choice]:
        """Choose where to cut `size` patches; all that is drawn from the generator."""
        # Each patch has a generator of its own: what is drawn doesn't depend on the threads.
        seeds = self._rng.integers(2**63 - 1, size=size)
        return [Choice(*self._place(), int(seed)) for seed in seeds]

    def age(self) -> None:
        """Note that a batch was learned from: corrections are drawn more often for so many."""
        self._corrections.age()

    def draw(self, chosen: Sequence[Choice]) -> Batch:
        """Cut and augment patches; any thread may, also while the next ones are chosen."""
        from napari_nucleate.core.instances._compile import in_bands, one_core

        drawn: list[Any] = [None] * len(chosen)

        def work(start: int, stop: int) -> None:
            with one_core():
                for i in range(start, stop):
                    drawn[i] = self._patch(chosen[i])

        in_bands(work, len(chosen))
        image, target, weight = (np.stack(arrays) for arrays in zip(*drawn, strict=True))
        return Batch(image, target, weight)

    def renew(self, example: Example) -> int:
        """Draw an image by its new labels from now on, and what changed more often for a while.

        An image in which nothing is known any more is left out, unless it is the only one.

        Parameters
        ----------
        example : Example
            Takes the place of the one of the same key; a new one is drawn, too.

        Returns
        -------
        int
            How many pixels that are known now have another label than before.
        """
        before, now = self._replace(example)
        return 0 if now is None else self._corrections.note(example.key, before, now)

    def teach(self, example: Example) -> None:
        """Draw a predicted image by these labels from now on, in the place of earlier ones."""
        self._replace(example)

    def forget(self, key: str) -> None:
        """Draw an image no more; where it isn't drawn, nothing changes."""
        self._put(self._at(key)[1])

    def _replace(
        self, example: Example
    ) -> tuple[NDArray[np.int32] | None, NDArray[np.int32] | None]:
        """Draw an image by its new labels; what is painted in it before and now, where it is."""
        at, others = self._at(example.key)
        target, annotations = self._recipe.target, [example.annotation]
        if target.semantic:  # how rare a class is, all images tell
            annotations += [s.example.annotation for s in others]
        weights = target.pixel_weights(annotations)
        site = _Site(example, self._recipe, weights[0] if weights else None)
        for other, changed in zip(others, weights[1:] if weights else (), strict=False):
            other.weigh(changed)
        before = self._sites[at].painted if len(others) < len(self._sites) else None
        if not site.any_known and not others:
            return before, None
        self._put([*others[:at], *[site] * site.any_known, *others[at:]])
        return before, site.painted

    def _at(self, key: str) -> tuple[int, list[_Site]]:
        """Where an image is among the sites, or would be, and the others."""
        keys = [s.example.key for s in self._sites]
        others = [s for s in self._sites if s.example.key != key]
        return keys.index(key) if key in keys else len(keys), others

    def _put(self, sites: list[_Site]) -> None:
        self._sites, self._share = sites, _shares(sites)

    def _place(self) -> tuple[_Site, NDArray[np.float64]]:
        """An image, and where in it to cut a patch."""
        corrected = self._corrections.draw(self._rng)
        if corrected is not None:
            key, flat = corrected
            site = next(s for s in self._sites if s.example.key == key)
            return site, site.near(flat, self._rng)
        site = self._sites[self._rng.choice(len(self._sites), p=self._share)]
        return site, site.centre(self._rng)

    def _patch(
        self, choice: Choice
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
        recipe, site = self._recipe, choice.site
        rng = np.random.default_rng(choice.seed)
        # Targets such as ray distances look beyond the patch: cut wider, encode, then crop.
        margins = recipe.target.margins(recipe.ndim)
        size = tuple(n + 2 * m for n, m in zip(recipe.patch_shape, margins, strict=True))
        where = recipe.augmentation.coordinates(choice.centre, size, rng)
        labels = nearest(site.labels, where)
        known = labels >= 0
        target = recipe.target.encode(Annotation(np.maximum(labels, 0), known))
        crop = (slice(None), *(slice(m, n - m) for n, m in zip(size, margins, strict=True)))
        image = linear(site.pixels, where[crop])
        weight = known[np.newaxis].astype(np.float32) * np.float32(site.example.weight)
        if site.weights is not None:
            weight *= linear(site.weights[np.newaxis], where)
        return recipe.augmentation.recolour(image, rng), target[crop], weight[crop]


class _Site:
    """An example, normalised, with the places where patches may be centred."""

    def __init__(
        self, example: Example, recipe: Recipe, weights: NDArray[np.float32] | None
    ) -> None:
        self._patch_shape = recipe.patch_shape
        self.example = example
        self.pixels = recipe.normalisation.apply(example.image)
        known = example.annotation.known
        # Labels and known pixels in one array, to be warped at once: -1 is unknown.
        self.labels = np.where(known, example.annotation.labels, -1).astype(np.int32)
        # What a network left unknown, it left so because it looks like neither.
        self.likely = None
        wanted = recipe.optimisation.likely_background and not recipe.target.semantic
        if wanted and not example.pseudo:
            self.likely = likely_background(self.pixels, example.annotation, example.excluded)
        if self.likely is not None:
            self.labels[self.likely] = 0
        if recipe.zoom != 1:
            shape = zoomed_shape(self.labels.shape, recipe.zoom)
            self.pixels = resized(self.pixels, shape)
            self.labels = resized_labels(self.labels, shape)
            if self.likely is not None:
                self.likely = resized_labels(self.likely, shape)
        inside = np.flatnonzero(self.labels > 0)
        # The pixels of each object, side by side after sorting by label.
        order = np.argsort(self.labels.ravel()[inside], kind="stable")
        _, starts = np.unique(self.labels.ravel()[inside[order]], return_index=True)
        self.objects = np.split(inside[order], starts[1:]) if len(starts) else []
        self._known_at = np.flatnonzero(self.labels >= 0)
        self._unsure = recipe.target.unsure(self.labels)
        self.weights: NDArray[np.float32] | None = None
        self.weigh(weights)

    def weigh(self, weights: NDArray[np.float32] | None) -> None:
        """Let pixels count so much from now on; without weights alike, but for ignored ones."""
        weights = _without(self.example.ignored, weights)
        if weights is not None and weights.shape != self.labels.shape:
            weights = resized(weights[np.newaxis], self.labels.shape)[0]
        self.weights = _without(self._unsure, weights)

    @property
    def any_known(self) -> bool:
        """Whether a pixel is known, also where the image was made smaller."""
        return bool(self._known_at.size)

    @property
    def painted(self) -> NDArray[np.int32]:
        """The labels without the background that is only likely."""
        if self.likely is None:
            return self.labels
        return np.where(self.likely, np.int32(-1), self.labels)

    def centre(self, rng: np.random.Generator) -> NDArray[np.float64]:
        """A pixel of any object, or in a quarter of the draws any known pixel; jittered.

        Objects are drawn equally often, whatever their size. One label may be a whole class that
        is spread over the image: any of its pixels can be the centre.
        """
        pixels = self._known_at
        if self.objects and rng.random() < 0.75:
            pixels = self.objects[rng.integers(len(self.objects))]
        return self.near(pixels[rng.integers(len(pixels))], rng)

    def near(self, flat: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """The pixel of that flat index; jittered."""
        middle = np.array(np.unravel_index(flat, self.labels.shape), float)
        jitter = np.asarray(self._patch_shape) / 8
        middle = middle + rng.uniform(-jitter, jitter)
        # Patches begin on whole pixels: one that isn't turned or scaled is the image as it is.
        half = (np.asarray(self._patch_shape) - 1) / 2
        return np.asarray(np.round(middle - half) + half)


def _without(
    left_out: NDArray[np.bool_] | None, weights: NDArray[np.float32] | None
) -> NDArray[np.float32] | None:
    """The weights with 0 where pixels are left out; without weights, the others count 1."""
    if left_out is None:
        return weights
    counted = (~left_out).astype(np.float32)
    return counted if weights is None else weights * counted


def _shares(sites: Sequence[_Site]) -> NDArray[np.float64]:
    """How often each image is drawn; see `MOST_PREDICTED`."""
    # The square root keeps one crowded image from drowning the others.
    richness = np.sqrt([max(len(s.objects), 1) for s in sites])
    pseudo = np.array([s.example.pseudo for s in sites])
    share = np.where(pseudo, richness / 2, richness)
    human, predicted = share[~pseudo].sum(), share[pseudo].sum()
    most = human * np.interp(
        np.count_nonzero(~pseudo), list(MOST_PREDICTED), list(MOST_PREDICTED.values())
    )
    if 0 < most < predicted:
        share[pseudo] *= most / predicted
    return np.asarray(share / share.sum())
