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
    """Keeps parts of a network as they are, their running statistics too.

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
        self._frozen = FROZEN[options.frozen] if tuned else ()
        self._thaw = options.thaw
        self._encoder_rate = options.encoder_rate if tuned else 1.0

    def factors(self, parameters: list[Tensor]) -> list[float]:
        """The learning rate of each parameter, as a multiple of the others'."""
        encoder = {id(p) for m in self._network.parts()["encoder"] for p in m.parameters()}
        return [self._encoder_rate if id(p) in encoder else 1.0 for p in parameters]

    def apply(self, fraction: float) -> None:
        """Make the network ready for a step, when so much of the training is done."""
        frozen = self._frozen if fraction < self._thaw else ()
        self._network.train()
        for part, modules in self._network.parts().items():
            for module in modules:
                module.requires_grad_(part not in frozen)
                if part in frozen:
                    module.eval()
