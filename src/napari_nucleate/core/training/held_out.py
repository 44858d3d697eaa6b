"""What is learned from and what is held out to validate on: whole images, or parts of them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from napari_nucleate.core.annotation import Annotation
from napari_nucleate.core.stacks import stack_of, stacks_of
from napari_nucleate.core.training.snapshot import fingerprint

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from napari_nucleate.core.model import Record
    from napari_nucleate.core.patches import Example
    from napari_nucleate.core.recipe import Recipe

Region = tuple[tuple[int, int], tuple[int, int]]
"""A rectangle: start and stop along Y, and along X. In volumes it goes through all planes."""

FEWEST_STACKS = 5
"""With so many labelled stacks, whole ones are held out; with fewer, regions are."""

FEWEST_OBJECTS = 12
"""With fewer known objects than that in all, none can be spared."""

FEWEST_HELD_OUT = 3
"""Fewer objects than that tell nothing."""

MOST_VALIDATED = 16
"""How many images are validated on at most, spread evenly over those there are. No more are held
out, either, than the stacks they belong to have."""


@dataclass(frozen=True)
class Split:
    """Which images, or which parts of them, are validated on and not learned from.

    Parameters
    ----------
    held_out : tuple of str
        Images held out whole. Nothing is learned from others of their stacks either: planes that
        follow each other show the same.
    regions : dict of str to Region
        The part of an image that is held out; the same in all images of a stack.
    note : str
        What was done, in words.
    """

    held_out: tuple[str, ...] = ()
    regions: dict[str, Region] = field(default_factory=dict)
    note: str = ""

    @classmethod
    def recorded(cls, record: Record) -> Split:
        """The split that a training was begun with."""
        return cls(record.held_out, record.regions, record.validation)

    def parts(self, example: Example) -> tuple[Example | None, Example | None]:
        """What to learn from an image, and what to validate on; None where that is nothing. Pure.

        Without anything held out, images are learned from and validated on.
        """
        stack = stack_of(example.key)
        if stack in {stack_of(key) for key in self.held_out}:
            return None, None if example.pseudo else example
        region = self.regions.get(example.key) or next(
            (r for key, r in self.regions.items() if stack_of(key) == stack), None
        )
        if region is None:
            return example, None if self.held_out or self.regions else example
        inside = _inside(region, example.annotation.known.shape)
        rest = _only(example, ~inside)
        return rest, None if example.pseudo else _only(example, inside)

    def unseen(self, key: str, annotation: Annotation) -> Annotation | None:
        """The part of an image's labels that wasn't learned from; None where all was. Pure."""
        if key in self.held_out:
            return annotation
        if key in self.regions:
            inside = _inside(self.regions[key], annotation.known.shape)
            return Annotation(annotation.labels, annotation.known & inside)
        return None

    def learned(self, examples: Sequence[Example]) -> list[Example]:
        """What to learn from."""
        parts = (self.parts(e)[0] for e in examples)
        return [part for part in parts if part is not None]

    def validated(self, examples: Sequence[Example]) -> list[Example]:
        """What to validate on: what is held out, else a person's labels, else all."""
        human = [e for e in examples if not e.pseudo]
        held_out = [part for e in human if (part := self.parts(e)[1]) is not None]
        for chosen in (held_out, human):
            if known := [e for e in chosen if e.annotation.known.any()]:
                return known
        return [e for e in examples if e.annotation.known.any()]


def hold_out(examples: Sequence[Example], recipe: Recipe, before: Record | None = None) -> Split:
    """Choose what to validate on; say in words what was done. Pure.

    Only a person's labels validate, and predictions that a person corrected where nothing else
    can. The choice depends on them and on the seed alone, so that
    adding pseudo-labels between rounds leaves it the same. With five labelled stacks or more,
    whole ones are held out; with fewer, a strip at one side of each image, where there are objects
    enough; else the training images are validated on. Images that look alike are of one stack,
    whatever their names.

    Parameters
    ----------
    examples : sequence of Example
    recipe : Recipe
        Its share, its seed, and whether labels are objects or classes.
    before : Record, optional
        Of the model that it goes on from. What that held out stays held out, what it learned from
        isn't: from its own images nobody learns how good it is. Of those that are new to it some
        are held out, too. Where nothing is left, the training images are validated on.
    """
    human = [e for e in examples if not e.pseudo]
    share = recipe.optimisation.validation
    same = f"Validated on the {len(human or examples)} training image(s)"
    if not share or not human:
        return Split(note=f"{same}.")
    kept, new = _kept(human, before)
    # Where a model drew what a person took over, it would be measured by its own outlines.
    painted = [e for e in new if not e.corrected]
    fresh = _new(painted, share, recipe)
    if not (kept.held_out or kept.regions or fresh.held_out or fresh.regions):
        fresh = _new(new, share, recipe)
    regions = kept.regions | fresh.regions
    held = tuple(e.key for e in human if e.key in {*kept.held_out, *fresh.held_out})
    parts = []
    if held:
        some = f"{MOST_VALIDATED} of " * (len(held) > MOST_VALIDATED)
        parts.append(f"{some}{len(held)} of {len(human)} labelled images")
    if regions:
        strips = f"a strip at one side of {len(regions)} of {len(human)} labelled image(s)"
        parts.append(f"{strips}, which isn't learned from")
    if not parts:
        if len(new) < len(human):
            return Split(
                note=f"{same}: the model that it goes on from learned from them already. Begin "
                "anew to hold some out."
            )
        return Split(note=f"{same}: too few objects to hold some out.")
    return Split(held, regions, f"Validated on {' and on '.join(parts)}.")


def _kept(human: Sequence[Example], before: Record | None) -> tuple[Split, list[Example]]:
    """What a model held out of these images, and those that are new to it."""
    if before is None:
        return Split(), list(human)
    known = _known(human, before)
    keys = {e.key for e in known}
    kept = Split(
        tuple(key for key in before.held_out if key in keys),
        {key: region for key, region in before.regions.items() if key in keys},
    )
    # Labels may have been erased there since.
    left = {part.key for e in known if (part := kept.parts(e)[1]) and part.annotation.known.any()}
    held = tuple(key for key in kept.held_out if key in left)
    regions = {key: region for key, region in kept.regions.items() if key in left}
    return Split(held, regions), [e for e in human if e.key not in keys]


def _known(human: Sequence[Example], before: Record) -> list[Example]:
    """The images that a model, or one it goes back to, was given, and others of their stacks.

    By the pixels: images of other people may have the same names.
    """
    if not before.images:  # of an earlier version
        stacks = {stack_of(key) for key in (*before.human, *before.pseudo)}
        return [e for e in human if stack_of(e.key) in stacks]
    stacks = {stack_of(key) for key in before.images}
    images = set(before.images.values())

    def is_known(example: Example) -> bool:
        stack = stack_of(example.key)
        of_a_stack = stack != example.key and stack in stacks
        return of_a_stack or fingerprint(example.image) in images

    return [e for e in human if is_known(e)]


def _new(human: Sequence[Example], share: float, recipe: Recipe) -> Split:
    """What to hold out of images that nothing was learned from yet."""
    rng = np.random.default_rng(recipe.optimisation.seed)
    semantic = recipe.target.semantic
    stacks = stacks_of({e.key: e.image for e in human})
    if len(set(stacks.values())) >= FEWEST_STACKS:
        whole = _whole(human, stacks, share, semantic, rng)
        if whole:
            return Split(tuple(whole))
    return Split(regions=_regions(human, stacks, share, semantic, rng))


def _inside(region: Region, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """A mask of a region in an image of this spatial shape."""
    inside = np.zeros(shape, bool)
    (top, bottom), (left, right) = region
    inside[..., top:bottom, left:right] = True
    return inside


def _only(example: Example, where: NDArray[np.bool_]) -> Example:
    """The example with nothing known elsewhere."""
    old = example.annotation
    return replace(example, annotation=Annotation(old.labels, old.known & where), excluded=~where)


def _whole(
    human: Sequence[Example],
    stacks: Mapping[str, str],
    share: float,
    semantic: bool,
    rng: np.random.Generator,
) -> set[str]:
    """Images of whole stacks, about a share of all; none where objects are too few.

    An image in which there is nothing tells little of how well objects are found: it is learned
    from. Where labels are classes, what is painted on an image counts as an object.
    """
    objects: dict[str, dict[str, int]] = {}
    for example in human:
        count = example.annotation.n_objects
        objects.setdefault(stacks[example.key], {})[example.key] = count
    total = sum(sum(counts.values()) for counts in objects.values())
    if not semantic and total < FEWEST_OBJECTS:
        return set()
    fewest = 1 if semantic else FEWEST_HELD_OUT
    wanted = min(max(1, round(share * len(human))), MOST_VALIDATED)
    # At least half is left to learn from; unless each stack is more than that.
    smallest = min(len(counts) for counts in objects.values())
    most = max(min(2 * wanted, len(human) // 2), smallest)
    chosen: dict[str, int] = {}
    for name in rng.permutation(sorted(objects)).tolist():
        more = chosen | objects[name]
        enough = len(chosen) >= wanted and sum(chosen.values()) >= fewest
        fits = len(more) <= most and 2 * sum(more.values()) <= total
        if not enough and fits and any(objects[name].values()):
            chosen = more
    return set(chosen) if sum(chosen.values()) >= fewest else set()


def _regions(
    human: Sequence[Example],
    stacks: Mapping[str, str],
    share: float,
    semantic: bool,
    rng: np.random.Generator,
) -> dict[str, Region]:
    """A strip of each stack with about a share of its objects; none where they are too few."""
    together: dict[tuple[str, tuple[int, ...]], list[Example]] = {}
    for example in sorted(human, key=lambda e: e.key):
        shape = example.annotation.labels.shape[-2:]
        together.setdefault((stacks[example.key], shape), []).append(example)
    spans = {
        where: np.concatenate([_spans(e.annotation, semantic) for e in images])
        for where, images in together.items()
    }
    total = sum(len(s) for s in spans.values())
    if total < FEWEST_OBJECTS:
        return {}
    wanted = max(FEWEST_HELD_OUT, round(share * total))
    regions: dict[str, Region] = {}
    held_out = 0
    for where, images in together.items():
        cut = _strip(spans[where], where[1], math.ceil(wanted * len(spans[where]) / total), rng)
        if cut is not None:
            region, count = cut
            regions |= {e.key: region for e in images}
            held_out += count
    return regions if held_out >= FEWEST_HELD_OUT else {}


def _spans(annotation: Annotation, semantic: bool) -> NDArray[np.intp]:
    """Start and stop along Y and X of each known object, (n, 2, 2).

    A class is spread over the image: there, the connected pieces of what isn't background count.
    """
    from scipy.ndimage import find_objects, label

    labels = np.where(annotation.known, annotation.labels, 0)
    if semantic:
        numbered = label(labels > 0)[0]
    else:
        # Labels may be any numbers, and find_objects makes a list as long as the largest.
        values, numbered = np.unique(labels, return_inverse=True)
        numbered = numbered.reshape(labels.shape) + int(bool(values.size) and values[0] != 0)
    boxes = [[(s.start, s.stop) for s in box[-2:]] for box in find_objects(numbered)]
    return np.array(boxes, np.intp).reshape(-1, 2, 2)


def _strip(
    spans: NDArray[np.intp], shape: tuple[int, ...], wanted: int, rng: np.random.Generator
) -> tuple[Region, int] | None:
    """A strip at the side where the fewest objects are cut, and how many have their middle in it.

    About as many as wanted, and at most half of them; None where that is no object.
    """
    if not wanted:
        return None
    sides = [(axis, far) for axis in (0, 1) for far in (False, True)]
    best: tuple[int, int, Region] | None = None
    for i in rng.permutation(4):
        axis, far = sides[i]
        size = shape[axis]
        starts, stops = spans[:, axis, 0], spans[:, axis, 1]
        if far:
            starts, stops = size - stops, size - starts
        middles = np.sort((starts + stops) / 2)
        for count in range(wanted, min(math.ceil(1.5 * wanted), len(spans) // 2) + 1):
            for at in range(math.floor(middles[count - 1]) + 1, math.ceil(middles[count])):
                cut = int(((starts < at) & (stops > at)).sum())
                if best is None or cut < best[0]:
                    span = (size - at, size) if far else (0, at)
                    whole = (0, shape[1 - axis])
                    best = cut, count, (span, whole) if axis == 0 else (whole, span)
    return None if best is None else (best[2], best[1])
