"""Weights to start from: those of another model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.model import Model, build

if TYPE_CHECKING:
    import torch

    from napari_nucleate.core.architectures.modules import Network
    from napari_nucleate.core.recipe import Recipe


def check_fits(initial: Model, recipe: Recipe) -> None:
    """Make sure that a training by this recipe can begin with the weights of a model.

    Raises
    ------
    NucleateError
        If its network is another one, or sees other channels.
    """
    old, name = initial.recipe, initial.card.record.name
    for what, one, other in (
        ("dimensions", old.ndim, recipe.ndim),
        ("channels", old.channels, recipe.channels),
        ("network", old.architecture, recipe.architecture),
    ):
        if one != other:
            raise NucleateError(
                f"Model {name!r} can't be trained further: its {what} "
                f"({one}) must be the recipe's ({other}); choose the same, or start afresh."
            )


def draws_the_same(initial: Model, recipe: Recipe) -> bool:
    """Whether the maps of a model are those of the recipe: its head can go on learning. Pure."""
    old, new = initial.recipe.target, recipe.target
    return (old.kind, old.n_maps) == (new.kind, new.n_maps)


def start_from(initial: Model, recipe: Recipe, device: torch.device) -> tuple[Network, str]:
    """The recipe's network with the weights of a model.

    Where the model draws other maps, its head can't be used: the rest of the network is kept.

    Returns
    -------
    network : Network
    warning : str
        That the head begins anew; empty where it doesn't.

    Raises
    ------
    NucleateError
        As `check_fits` does.
    """
    check_fits(initial, recipe)
    drawn, wanted, name = initial.recipe.target, recipe.target, initial.card.record.name
    learned = initial.network(device)
    if draws_the_same(initial, recipe):
        return learned, ""
    network = build(recipe).to(device)
    # The tensors of a state are new objects each time, but lie where the network's do.
    head = {
        tensor.data_ptr()
        for module in network.parts()["head"]
        for tensor in module.state_dict().values()
    }
    own = network.state_dict()
    kept = {
        key: own[key] if own[key].data_ptr() in head else value
        for key, value in learned.state_dict().items()
    }
    network.load_state_dict(kept)
    return network, (
        f"Model {name!r} draws other maps ({drawn.kind}, {drawn.n_maps} of them) than the recipe's "
        f"({wanted.kind}, {wanted.n_maps}): the head of the network begins anew, all else is kept."
    )
