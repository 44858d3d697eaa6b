"""Which images lie beside each other in one stack, by their names and by what they show."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

ALIKE = 0.3
"""Images that correlate by so much more than others do show the same place. Of the 42,000 pairs of
images of dsb2018_fluo that have one shape, six do; neighbouring slices of isbi2012_em do."""

THE_SAME = 0.9
"""Images that correlate by more do, whatever others do."""

FEWEST = 5
"""Of fewer images of one shape, nothing is known of how alike others are."""

THUMBNAIL = 64
"""Longest side, in pixels, of what is compared."""

_POSITION = re.compile(r"(?:_[ntz]\d+)+$")
_LAST_NUMBER = re.compile(r"\d+$")


def stack_of(key: str) -> str:
    """The stack that an image's name says it belongs to; unrelated images are stacks of their own.

    Examples
    --------
    >>> stack_of("cells_t03_z12"), stack_of("nuclei_n4"), stack_of("nuclei_n4_z2")
    ('cells', 'nuclei_n4', 'nuclei_n4')
    """
    found = _POSITION.search(key)
    if found is None:
        return key
    unrelated = "".join(re.findall(r"_n\d+", found[0]))
    return (key[: found.start()] + unrelated) or key


def stacks_of(images: Mapping[str, NDArray[Any]]) -> dict[str, str]:
    """The stack that each image belongs to, by its name and by what it shows. Pure.

    Slices and frames have all kinds of names, but those that follow each other look alike.

    Parameters
    ----------
    images : mapping of str to ndarray, shape (C, *spatial)
        Pixels by name.

    Returns
    -------
    dict of str to str
        By the image's name, that of its stack: `stack_of` one of its images.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    named: dict[str, int] = {}
    shaped: dict[tuple[int, ...], list[int]] = {}
    links = []
    for i, (key, image) in enumerate(images.items()):
        links.append((named.setdefault(stack_of(key), i), i))
        shaped.setdefault(image.shape, []).append(i)
    keys = list(images)
    for together in shaped.values():
        table = np.stack([_pattern(images[keys[i]]) for i in together])
        one, other = np.triu_indices(len(together), 1)
        alike = (table @ table.T)[one, other]
        near = np.flatnonzero(alike > _least(alike if len(together) >= FEWEST else None))
        links += [(together[one[at]], together[other[at]]) for at in near]
    where = np.array(links, int).reshape(-1, 2).T
    graph = coo_array((np.ones(len(links)), tuple(where)), (len(keys), len(keys)))
    groups = connected_components(graph, directed=False)[1]
    _, first = np.unique(groups, return_index=True)
    return {key: stack_of(keys[first[group]]) for key, group in zip(keys, groups, strict=True)}


def _least(alike: NDArray[np.float32] | None) -> float:
    """From which correlation on images show the same place, by those of all pairs, where known."""
    if alike is None:
        return ALIKE
    # Single cells in the middle, or dirt on a camera, make all images more or less alike.
    low, usual, high = np.quantile(alike, (0.25, 0.5, 0.75)).tolist()
    deviation = (high - low) / 1.35
    return float(min(max(usual, 0) + max(ALIKE, 3 * deviation), THE_SAME))


def _pattern(image: NDArray[Any]) -> NDArray[np.float32]:
    """What an image shows, of length 1, without uneven light; zeros where it shows nothing."""
    from scipy.ndimage import gaussian_filter

    if not image.size:
        return np.zeros(0, np.float32)
    grey = image.mean(tuple(range(image.ndim - 2)), dtype=np.float32)
    step = max(1, max(grey.shape) // THUMBNAIL)
    height, width = (max(side // step, 1) for side in grey.shape)
    grey = grey[: height * step, : width * step]
    small = grey.reshape(height, -1, width, max(grey.shape[1] // width, 1)).mean((1, 3))
    small = small - gaussian_filter(small, THUMBNAIL / 10)
    small -= small.mean()
    length = float(np.linalg.norm(small))
    # Rounding leaves a little of an image that is the same everywhere.
    blank = length <= 1e-5 * float(np.abs(grey).max()) * math.sqrt(small.size)
    return np.zeros(small.size, np.float32) if blank else (small / np.float32(length)).ravel()


def apart(
    ranked: Sequence[str], count: int, among: Sequence[str] = (), taken: Iterable[str] = ()
) -> list[str]:
    """Take the first of a ranking, but none that lies close to one of its stack. Pure.

    Slices beside each other show the same: who learned from one learns little from the next. They
    keep half the distance that as many would have, were they spread evenly; where too few are left,
    the closer ones follow.

    Parameters
    ----------
    ranked : sequence of str
        Names of images, the best first.
    count : int
        How many to take; all where there are fewer.
    among : sequence of str
        All images that there are to choose from, those ranked or more.
    taken : iterable of str
        What is learned from already.

    Returns
    -------
    list of str
        In the order of the ranking.

    Examples
    --------
    >>> apart(["a_z4", "a_z5", "a_z3", "a_z1", "a_z2", "a_z0"], 2)
    ['a_z4', 'a_z1']
    >>> apart(["a_z4", "a_z5", "a_z3", "a_z1", "a_z2", "a_z0"], 1, taken=["a_z3"])
    ['a_z5']
    >>> apart(["frame4", "frame5", "frame3", "frame1", "frame2", "frame0"], 2)
    ['frame4', 'frame1']
    >>> apart(["d", "b", "a", "c"], 2)
    ['d', 'b']
    """
    learned = list(taken)
    different = dict.fromkeys([*ranked, *among])
    places = _places([*different, *learned])
    share = (len(different) + len(learned)) / max(count + len(learned), 1)
    kept = [places[key] for key in learned]
    chosen: set[str] = set()
    for key in ranked:
        if len(chosen) == count:
            break
        stack, place = places[key]
        near = math.ceil(share ** (1 / max(len(place), 1)) / 2)
        if all(_distance(place, other) >= near for where, other in kept if where == stack):
            chosen.add(key)
            kept.append((stack, place))
    left = [key for key in ranked if key not in chosen]
    chosen.update(left[: max(count - len(chosen), 0)])
    return [key for key in ranked if key in chosen]


def _places(keys: Iterable[str]) -> dict[str, tuple[str, tuple[int, ...]]]:
    """The stack of each image, and how many planes and times come before it there."""
    stacks: dict[str, dict[str, tuple[int, ...]]] = {}
    for key in keys:
        found = _POSITION.search(key)
        numbers = tuple(int(n) for n in re.findall(r"_[tz](\d+)", found[0])) if found else ()
        stack = stack_of(key)
        if found is None and (last := _LAST_NUMBER.search(key)):
            # Frames of a time-lapse, or images in the order they were taken: to keep apart what may
            # have nothing to do with each other does no harm.
            stack, numbers = key[: last.start()], (int(last[0]),)
        stacks.setdefault(stack, {})[key] = numbers
    places = {}
    for stack, positions in stacks.items():
        axes = [
            {number: at for at, number in enumerate(sorted(set(axis)))}
            for axis in zip(*positions.values(), strict=False)
        ]
        for key, numbers in positions.items():
            places[key] = stack, tuple(a[n] for a, n in zip(axes, numbers, strict=False))
    return places


def _distance(one: tuple[int, ...], other: tuple[int, ...]) -> int:
    """Steps along the axis on which they are farthest apart."""
    return max((abs(a - b) for a, b in zip(one, other, strict=False)), default=0)
