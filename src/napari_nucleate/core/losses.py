"""Losses between the network's maps and a target, masked by the known pixels.

They use methods of tensors only, so that forms and help read these classes without loading torch.
Shapes: logits and target (B, K, *spatial), weight (B, 1, *spatial) with 0 for unknown pixels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from napari_nucleate.core.params import Params

if TYPE_CHECKING:
    from torch import Tensor


class CrossEntropy(Params):
    """Mean negative log-likelihood of the known pixels."""

    kind: Literal["cross-entropy"] = "cross-entropy"

    def __call__(self, logits: Tensor, target: Tensor, weight: Tensor) -> Tensor:
        """Return the loss, a scalar; 0 where nothing is known."""
        per_pixel = -(target * logits.log_softmax(1)).sum(1, keepdim=True)
        return (per_pixel * weight).sum() / weight.sum().clamp(min=1e-6)


class Dice(Params):
    """One minus the soft Dice coefficient (Milletari et al. 2016), mean over the classes."""

    kind: Literal["dice"] = "dice"

    def __call__(self, logits: Tensor, target: Tensor, weight: Tensor) -> Tensor:
        """Return the loss, a scalar in [0, 1]; the background class is left out."""
        both, total = _overlap(logits, target, weight)
        return (1 - (2 * both + 1) / (total + 1)).mean()


class Jaccard(Params):
    """One minus the soft Jaccard index (intersection over union), mean over the classes."""

    kind: Literal["jaccard"] = "jaccard"

    def __call__(self, logits: Tensor, target: Tensor, weight: Tensor) -> Tensor:
        """Return the loss, a scalar in [0, 1]; the background class is left out."""
        both, total = _overlap(logits, target, weight)
        return (1 - (both + 1) / (total - both + 1)).mean()


class Mixture(Params):
    """A weighted sum of cross-entropy, Dice and Jaccard."""

    kind: Literal["mixture"] = "mixture"
    cross_entropy: float = Field(1.0, ge=0, le=10, description="Weight of cross-entropy.")
    dice: float = Field(0.5, ge=0, le=10, description="Weight of the soft Dice loss.")
    jaccard: float = Field(0.0, ge=0, le=10, description="Weight of the soft Jaccard loss.")

    def __call__(self, logits: Tensor, target: Tensor, weight: Tensor) -> Tensor:
        """Return the weighted sum, a scalar."""
        parts = (
            (self.cross_entropy, CrossEntropy()),
            (self.dice, Dice()),
            (self.jaccard, Jaccard()),
        )
        total = logits.new_zeros(())
        for share, loss in parts:
            if share:
                total = total + share * loss(logits, target, weight)
        return total


Loss = Annotated[CrossEntropy | Dice | Jaccard | Mixture, Field(discriminator="kind")]


def binary(logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Write one map of any kind as two classes, so that every loss serves it.

    Parameters
    ----------
    logits, target : Tensor, shape (B, 1, *spatial)
        Logit and probability of "yes".

    Returns
    -------
    logits, target : Tensor, shape (B, 2, *spatial)
        "no" and "yes"; the softmax of the former equals the sigmoid of the logit.
    """
    import torch

    return (
        torch.cat([logits.new_zeros(logits.shape), logits], 1),
        torch.cat([1 - target, target], 1),
    )


def _overlap(logits: Tensor, target: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    probability = logits.softmax(1)[:, 1:]
    wanted = target[:, 1:]
    over = [d for d in range(logits.ndim) if d != 1]
    both = (probability * wanted * weight).sum(over)
    return both, (probability * weight).sum(over) + (wanted * weight).sum(over)
