"""What is learned from and what is held out to validate on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_nucleate.core.patches import Example
    from napari_nucleate.core.recipe import Recipe


def hold_out(
    examples: Sequence[Example], recipe: Recipe
) -> tuple[list[Example], list[Example], str]:
    """Choose the images to learn from and those to validate on; say in words what was done.

    Only a person's labels validate. The choice depends on the keys and the seed alone, so that
    adding pseudo-labels between rounds leaves the validation images the same.
    """
    human = [e for e in examples if not e.pseudo]
    share = recipe.optimisation.validation
    if len(human) < 5 or not share:
        count = len(human or examples)
        return list(examples), [], f"Validated on the {count} training image(s)."
    count = max(1, round(share * len(human)))
    rng = np.random.default_rng(recipe.optimisation.seed)
    order = rng.permutation(sorted(e.key for e in human))
    chosen = set(order[:count].tolist())
    held = [e for e in human if e.key in chosen]
    learn = [e for e in examples if e.pseudo or e.key not in chosen]
    return learn, held, f"Validated on {count} of {len(human)} labelled images."


def validating(learn: Sequence[Example], held_out: Sequence[Example]) -> Sequence[Example]:
    """Choose what to validate on: what is held out, else a person's labels, else all."""
    human = [e for e in learn if not e.pseudo]
    for examples in (held_out, human):
        if known := [e for e in examples if e.annotation.known.any()]:
            return known
    return [e for e in learn if e.annotation.known.any()]
