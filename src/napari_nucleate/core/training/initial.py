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
    old, name = initial.recipe, initial.card.record.name
    learned = initial.network(device)
    drawn, wanted = ((r.target.kind, r.target.n_maps) for r in (old, recipe))
    if drawn == wanted:
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
        f"Model {name!r} draws other maps ({drawn[0]}, {drawn[1]} of them) than the recipe's "
        f"({wanted[0]}, {wanted[1]}): the head of the network begins anew, all else is kept."
    )
