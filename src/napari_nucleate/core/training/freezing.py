"""Which parts of a network learn, and how fast, when a model goes on learning."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from napari_nucleate.core.architectures.modules import Network, Part
    from napari_nucleate.core.recipe import Optimisation

FROZEN: dict[str, tuple[Part, ...]] = {
    "none": (),
    "encoder": ("encoder",),
    "all-but-head": ("encoder", "decoder"),
}
"""The parts that each choice of `Optimisation.frozen` keeps."""


class Freezing:
    """Keeps parts of a network as they are, their running statistics too, until they thaw.

    They thaw one after the other, from the maps to the image (Howard & Ruder 2018).

    Parameters
    ----------
    network : Network
    options : Optimisation
        `frozen`, `thaw` and `encoder_rate`.
    tuned : bool
        Whether the network starts from a model. Random weights are not worth keeping: without
        one, all learns alike.
    """

    def __init__(self, network: Network, options: Optimisation, tuned: bool) -> None:
        self._network = network
        frozen = FROZEN[options.frozen] if tuned else ()
        parts = network.parts()
        # From the maps to the image: what is next to a new head has most to learn anew.
        modules = [m for part in reversed(frozen) for m in reversed(parts[part])]
        late = (1 - options.thaw) / 2 / max(len(modules) - 1, 1)
        self._thaws = {id(m): options.thaw + late * i for i, m in enumerate(modules)}
        self._encoder_rate = options.encoder_rate if tuned else 1.0

    def factors(self, parameters: list[Tensor]) -> list[float]:
        """The learning rate of each parameter, as a multiple of the others'."""
        encoder = {id(p) for m in self._network.parts()["encoder"] for p in m.parameters()}
        return [self._encoder_rate if id(p) in encoder else 1.0 for p in parameters]

    def apply(self, fraction: float) -> None:
        """Make the network ready for a step, when so much of the training is done."""
        self._network.train()
        for modules in self._network.parts().values():
            for module in modules:
                learns = fraction >= self._thaws.get(id(module), 0)
                module.requires_grad_(learns)
                if not learns:
                    module.eval()
