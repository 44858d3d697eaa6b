"""AdamW (Loshchilov and Hutter 2019), written out.

`torch.optim` loads the compiler, `torch._dynamo` with triton: 2.4 s between the click on Train and
the first step, and a crash where Mesa's software OpenGL, hence napari's canvas, has loaded its own
LLVM before. Nothing here needs that compiler.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor


@dataclass
class Moments:
    """What is remembered of the gradients of one parameter: their mean, and that of the squares.

    `steps` counts the gradients, for the correction of means that began at zero.
    """

    mean: Tensor
    square: Tensor
    steps: int = 0


class AdamW:
    """Adam with decoupled weight decay.

    Parameters
    ----------
    parameters : sequence of Tensor
        Leaves with gradients. Vectors, as biases and normalisation have, don't decay.
    weight_decay : float
        Share of a weight lost a step, times the learning rate.
    betas : (float, float)
        Memory of the mean gradient and of its square.
    factors : sequence of float, optional
        The learning rate of each parameter as a multiple of that of the step.
    """

    def __init__(
        self,
        parameters: Sequence[Tensor],
        weight_decay: float,
        betas: tuple[float, float] = (0.9, 0.999),
        factors: Sequence[float] = (),
    ) -> None:
        self._parameters = list(parameters)
        self._factors = list(factors) or [1.0] * len(self._parameters)
        self._decay = weight_decay
        self._betas = betas
        self.reset()

    def reset(self) -> None:
        """Forget all gradients seen so far."""
        self.moments = [Moments(torch.zeros_like(p), torch.zeros_like(p)) for p in self._parameters]

    def zero_grad(self) -> None:
        """Drop the gradients."""
        for p in self._parameters:
            p.grad = None

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """Move the parameters that have gradients along them, with this learning rate."""
        first, second = self._betas
        for p, m, factor in zip(self._parameters, self.moments, self._factors, strict=True):
            if p.grad is None:
                continue
            m.steps += 1
            correction = (1 - second**m.steps) ** 0.5 / (1 - first**m.steps)
            m.mean.lerp_(p.grad, 1 - first)
            m.square.mul_(second).addcmul_(p.grad, p.grad, value=1 - second)
            if p.ndim > 1:
                p.mul_(1 - rate * factor * self._decay)
            p.addcdiv_(m.mean, m.square.sqrt().add_(1e-8), value=-rate * factor * correction)
