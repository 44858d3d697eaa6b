"""A model: a recipe with weights and the record of how it was trained. In memory, no files."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np
from pydantic import BeforeValidator, Field

from napari_nucleate.core.confidence.trust import Trust
from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.foreign import one_line
from napari_nucleate.core.images import FileName
from napari_nucleate.core.params import Params
from napari_nucleate.core.recipe import Recipe

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray
    from torch import nn

    from napari_nucleate.core.architectures.modules import Network


def _without_colons(name: object) -> object:
    """Earlier versions took names with colons, which not every system has."""
    return name.replace(":", "_") if isinstance(name, str) else name


ModelName = Annotated[FileName, BeforeValidator(_without_colons)]


class Record(Params):
    """How a model came to be; written beside its weights."""

    name: ModelName = Field("model", description="What the person calls it.")
    round: int = Field(0, ge=0, description="Round of self-training; 0 saw human labels only.")
    started: str = Field("", description="When the training began, ISO 8601, UTC.")
    seconds: float = Field(0, ge=0, description="Time spent training, in seconds.")
    steps: int = Field(0, ge=0, description="Updates of the weights.")
    best_step: int = Field(0, ge=0, description="The step whose weights these are.")
    validation_loss: float | None = Field(None, description="Loss on the validation images.")
    validation_ap: float | None = Field(
        None, description="Mean AP at IoU 0.5 to 0.9 on the validation images."
    )
    initial_ap: float | None = Field(
        None, description="Mean AP of the model it began with, on the same validation images."
    )
    initial_noise: float | None = Field(
        None, description="How much lower than that its own may be by chance."
    )
    validated: int = Field(0, ge=0, description="Objects that were validated on.")
    human: tuple[str, ...] = Field((), description="Images with a person's labels.")
    pseudo: tuple[str, ...] = Field((), description="Images learned from by what was predicted.")
    human_objects: int | None = Field(None, ge=0, description="Objects that a person labelled.")
    pseudo_objects: int | None = Field(None, ge=0, description="Predicted objects learned from.")
    images: dict[str, str] = Field(
        {}, description="Fingerprints of the images that it, or one it goes back to, was given."
    )
    initial: str = Field("", description="The model whose weights it began with; empty: none.")
    held_out: tuple[str, ...] = Field((), description="Images validated on, not trained on.")
    regions: dict[str, tuple[tuple[int, int], tuple[int, int]]] = Field(
        {}, description="Parts of images validated on, not trained on: start and stop along Y, X."
    )
    validation: str = Field("", description="What it was validated on, in words.")
    thresholds: str = Field("", description="What choosing the thresholds brought, in words.")
    device: str = Field("", description="Where it was trained.")
    versions: dict[str, str] = Field({}, description="Versions of the software.")


class Card(Params):
    """All of a model but its weights: the content of `model.json`."""

    version_field: ClassVar[str] = "format"

    format: Literal[1] = Field(1, description="Version of this format.")
    recipe: Recipe
    channels: tuple[str, ...] = Field((), description="Names of the channels, where known.")
    classes: tuple[str, ...] = Field((), description="Names of the classes, where known.")
    spacing: tuple[float, ...] = Field((), description="Size of a training pixel, (Z,) Y, X.")
    units: tuple[str, ...] = Field((), description="Units of the spacing.")
    record: Record = Record()
    trust: Trust = Field(Trust(), description="How its objects' confidence is made.")


@dataclass(frozen=True)
class Model:
    """A network's weights with all that is needed to use them.

    Parameters
    ----------
    card : Card
        Recipe, channels, classes, voxel size and record.
    weights : dict of str to ndarray
        The network's parameters and buffers by name.
    """

    card: Card
    weights: dict[str, NDArray[np.generic]] = field(repr=False)

    @property
    def recipe(self) -> Recipe:
        """The recipe it was trained by."""
        return self.card.recipe

    def network(self, device: torch.device) -> Network:
        """Build the network with these weights.

        Raises
        ------
        NucleateError
            If the weights don't belong to the recipe.
        """
        import torch

        # Its size is what the recipe says: it takes memory only where the weights are so many.
        with torch.device("meta"):
            network = build(self.recipe)
        types = {k: v.dtype for k, v in network.state_dict().items()}
        tensors = {k: torch.from_numpy(np.array(v)) for k, v in self.weights.items()}
        tensors = {k: v.to(types.get(k, v.dtype)) for k, v in tensors.items()}
        try:
            network.load_state_dict(tensors, assign=True)
        except RuntimeError as error:
            reason = one_line(str(error).splitlines()[-1])
            raise NucleateError(
                f"The weights of model {self.card.record.name!r} don't fit its recipe ({reason}); "
                "copy both its files again, or train anew if an earlier version made it."
            ) from error
        return place(network, device).eval()

    def predictor(self, device: torch.device) -> nn.Module:
        """Build a network for prediction alone, see `folded`."""
        from napari_nucleate.core.architectures.modules import folded

        return folded(self.network(device))


def build(recipe: Recipe) -> Network:
    """Make the recipe's network with random weights, repeatably by the recipe's seed."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.optimisation.seed)
        return recipe.architecture.build(recipe.ndim, recipe.channels, recipe.target.n_maps)


def place(network: Network, device: torch.device) -> Network:
    """Move a network to a device, channels last where that is faster (2D: 1.6 times)."""
    import torch

    network = network.to(device)
    if all(p.ndim != 5 for p in network.parameters()):
        network = network.to(memory_format=torch.channels_last)
    return network


def weights_of(network: nn.Module) -> dict[str, NDArray[np.generic]]:
    """Copy a network's parameters and buffers out of torch."""
    return {k: v.detach().cpu().numpy().copy() for k, v in network.state_dict().items()}
