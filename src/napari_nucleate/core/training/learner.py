"""What learns: network, optimiser and averaged weights, a step at a time."""

from __future__ import annotations

import copy
import math
from typing import TYPE_CHECKING

import torch

from napari_nucleate.core.device import autocast, choose_device, is_out_of_memory
from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.events import Preview, Viewed
from napari_nucleate.core.model import Model, build, place
from napari_nucleate.core.optimise import AdamW
from napari_nucleate.core.predict import predict_maps
from napari_nucleate.core.training.initial import start_from
from napari_nucleate.core.training.schedule import one_cycle

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor, nn

    from napari_nucleate.core.patches import Batch, Sampler
    from napari_nucleate.core.recipe import Recipe


class Learner:
    """Network, optimiser and running mean of the weights."""

    def __init__(self, recipe: Recipe, initial: Model | None) -> None:
        options = recipe.optimisation
        self.recipe = recipe
        self.device = choose_device(options.device)
        if initial is None:
            self.network = place(build(recipe), self.device)
        else:
            self.network = start_from(initial, recipe).network(self.device)
        self.average: nn.Module = copy.deepcopy(self.network).eval().requires_grad_(False)
        self._optimiser = AdamW(self.network.parameters(), options.weight_decay)
        self._batch = options.batch
        self._steps = 0
        self._failures = 0

    def learn(self, sampler: Sampler, fraction: float) -> tuple[float, float, str]:
        """One step; returns loss, learning rate, and a warning where something was put right."""
        rate = self.recipe.optimisation.learning_rate * 0.5**self._failures * one_cycle(fraction)
        self.network.train()
        try:
            loss = self._loss(sampler.batch(self._batch))
            value = float(loss.detach())
            if not math.isfinite(value):
                return value, rate, self._recover()
            self._optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            return math.nan, rate, self._shrink(error)
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
        self._optimiser.step(rate)
        self._follow()
        return value, rate, ""

    def preview(self, viewed: Viewed, step: int) -> Preview:
        """Predict what is in view with the averaged weights."""
        maps = self.predict(self.recipe.normalisation.apply(viewed.image))
        target = self.recipe.target
        return Preview(step, viewed.key, viewed.offset, target.maps(maps).foreground)

    def predict(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """Maps of a normalised image, by the averaged weights."""
        return predict_maps(self.average, self.recipe, pixels, self.device)

    def _loss(self, batch: Batch) -> Tensor:
        image, target, weight = (
            torch.from_numpy(a).to(self.device) for a in (batch.image, batch.target, batch.weight)
        )
        if image.ndim == 4:
            image = image.contiguous(memory_format=torch.channels_last)
        with autocast(self.device):
            logits = self.network(image)
        return self.recipe.target.loss(logits.float(), target, weight)

    def _follow(self) -> None:
        """Move the averaged weights; the first steps count little, they are far from the end."""
        self._steps += 1
        keep = min(self.recipe.optimisation.averaging, self._steps / (self._steps + 10))
        with torch.no_grad():
            weights = zip(self.average.parameters(), self.network.parameters(), strict=True)
            for mean, now in weights:
                mean.lerp_(now, 1 - keep)
            # Statistics of batch normalisation are running means already: a mean of them lags.
            statistics = zip(self.average.buffers(), self.network.buffers(), strict=True)
            for old, new in statistics:
                old.copy_(new)

    def _recover(self) -> str:
        """Go back to the averaged weights and halve the rate; the second time, give up."""
        self._failures += 1
        if self._failures > 1:
            raise NucleateError(
                "The loss stopped being a finite number twice; the best weights so far are kept. "
                "Lower the learning rate, or look for broken pixels in the labelled images."
            )
        self.network.load_state_dict(self.average.state_dict())
        self._optimiser.reset()
        return "The loss was not finite: back to the last good weights at half the learning rate."

    def _shrink(self, error: BaseException) -> str:
        """Take half as many patches a step; with a single one, give up."""
        if self._batch == 1:
            raise NucleateError(
                f"Memory ran out with a single patch of {self.recipe.patch_shape} a step; "
                "choose smaller patches or a thinner network."
            ) from error
        self._optimiser.zero_grad()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        self._batch //= 2
        return f"Memory ran out: going on with {self._batch} patch(es) a step."
