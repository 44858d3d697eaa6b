"""What to do when memory runs out: smaller patches to learn from."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_nucleate.core.recipe import Recipe

SMALLEST = 32
"""Side of the smallest patch, in pixels: a network sees no object in less."""

SHALLOWEST = 8
"""Planes of the smallest patch, in 3D."""


def smaller(recipe: Recipe) -> Recipe | None:
    """The recipe with patches of half the side; None where they are as small as is sensible. Pure.

    Examples
    --------
    >>> from napari_nucleate.core.recipe import Optimisation, Recipe
    >>> smaller(Recipe(optimisation=Optimisation(patch=96))).optimisation.patch
    48
    >>> smaller(Recipe(optimisation=Optimisation(patch=32))) is None
    True
    """
    options = recipe.optimisation
    # Sides are multiples of 16; what is smaller than the smallest by the person's wish stays.
    side = min(recipe.patch, max(SMALLEST, recipe.patch // 2 // 16 * 16))
    depth = min(options.patch_depth, max(SHALLOWEST, options.patch_depth // 2))
    update = {"patch": side} | ({"patch_depth": depth} if recipe.ndim == 3 else {})
    result = recipe.model_copy(update={"optimisation": options.model_copy(update=update)})
    return None if result.patch_shape == recipe.patch_shape else result
