"""Weights to start from: those of another model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.model import Model

if TYPE_CHECKING:
    from napari_nucleate.core.recipe import Recipe


def start_from(initial: Model, recipe: Recipe) -> Model:
    """The weights under the new recipe.

    Raises
    ------
    NucleateError
        If its network is another one, or draws or sees other maps.
    """
    old = initial.recipe
    for what, one, other in (
        ("dimensions", old.ndim, recipe.ndim),
        ("channels", old.channels, recipe.channels),
        ("network", old.architecture, recipe.architecture),
        ("target", old.target.kind, recipe.target.kind),
        ("number of maps", old.target.n_maps, recipe.target.n_maps),
    ):
        if one != other:
            raise NucleateError(
                f"Model {initial.card.record.name!r} can't be trained further: its {what} "
                f"({one}) differ from the recipe's ({other}); choose the same, or start afresh."
            )
    return Model(initial.card.model_copy(update={"recipe": recipe}), initial.weights)
