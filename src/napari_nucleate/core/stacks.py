"""Which images lie beside each other in one stack, by their names."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_POSITION = re.compile(r"(?:_[ntz]\d+)+$")


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


def apart(ranked: Sequence[str], count: int) -> list[str]:
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

    Returns
    -------
    list of str
        In the order of the ranking.

    Examples
    --------
    >>> apart(["a_z4", "a_z5", "a_z3", "a_z1", "a_z2", "a_z0"], 2)
    ['a_z4', 'a_z1']
    >>> apart(["d", "b", "a", "c"], 2)
    ['d', 'b']
    """
    stacks: dict[str, list[str]] = {}
    for key in sorted(ranked, key=_position):
        stacks.setdefault(stack_of(key), []).append(key)
    places = {key: at for keys in stacks.values() for at, key in enumerate(keys)}
    near = -(-len(ranked) // max(2 * count, 1))
    taken: list[str] = []
    for key in ranked:
        if len(taken) == count:
            break
        others = (places[k] for k in taken if stack_of(k) == stack_of(key))
        if all(abs(places[key] - other) >= near for other in others):
            taken.append(key)
    left = [key for key in ranked if key not in set(taken)]
    chosen = {*taken, *left[: max(count - len(taken), 0)]}
    return [key for key in ranked if key in chosen]


def _position(key: str) -> tuple[int, ...]:
    found = _POSITION.search(key)
    return tuple(int(n) for n in re.findall(r"\d+", found[0])) if found else ()
