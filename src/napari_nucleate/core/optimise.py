"""AdamW (Loshchilov and Hutter 2019), written out.

`torch.optim` loads the compiler, `torch._dynamo` with triton: 2.4 s between the click on Train and
the first step, and a crash where Mesa's software OpenGL, hence napari's canvas, has loaded its own
LLVM before. Nothing here needs that compiler.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import Tensor


class AdamW:
    """Adam with decoupled weight decay.

    Parameters
    ----------
    parameters : iterable of Tensor
        Leaves with gradients. Vectors, as biases and normalisation have, don't decay.
    weight_decay : float
        Share of a weight lost a step, times the learning rate.
    betas : (float, float)
        Memory of the mean gradient and of its square.
    """

    def __init__(
        self,
        parameters: Iterable[Tensor],
        weight_decay: float,
        betas: tuple[float, float] = (0.9, 0.999),
    ) -> None:
        self._parameters = [p for p in parameters if p.requires_grad]
        self._decay = weight_decay
        self._betas = betas
        self.reset()

    def reset(self) -> None:
        """Forget all gradients seen so far."""
        self._step = 0
        self._mean = [torch.zeros_like(p) for p in self._parameters]
        self._square = [torch.zeros_like(p) for p in self._parameters]

    def zero_grad(self) -> None:
        """Drop the gradients."""
        for p in self._parameters:
            p.grad = None

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """Move the parameters along their gradients, with this learning rate."""
        self._step += 1
        first, second = self._betas
        correction = (1 - second**self._step) ** 0.5 / (1 - first**self._step)
        for p, mean, square in zip(self._parameters, self._mean, self._square, strict=True):
            if p.grad is None:
                continue
            mean.lerp_(p.grad, 1 - first)
            square.mul_(second).addcmul_(p.grad, p.grad, value=1 - second)
            if p.ndim > 1:
                p.mul_(1 - rate * self._decay)
            p.addcdiv_(mean, square.sqrt().add_(1e-8), value=-rate * correction)
