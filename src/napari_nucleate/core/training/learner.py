"""What learns: network, optimiser and averaged weights, a step at a time."""

from __future__ import annotations

import copy
import math
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import torch

from napari_nucleate.core.architectures.modules import folded
from napari_nucleate.core.device import (
    autocast,
    choose_device,
    driver_problem,
    half_precision_pays,
    let_go,
    precision,
    same_shapes,
)
from napari_nucleate.core.errors import MemoryRanOutError, NucleateError
from napari_nucleate.core.events import Preview, Viewed
from napari_nucleate.core.failures import is_out_of_memory
from napari_nucleate.core.model import Model, build, place, weights_of
from napari_nucleate.core.optimise import AdamW, Moments
from napari_nucleate.core.predict import Tiling, predict_averaged, predict_compared, predict_maps
from napari_nucleate.core.training.freezing import Freezing
from napari_nucleate.core.training.initial import start_from
from napari_nucleate.core.training.memory import smaller
from napari_nucleate.core.training.schedule import one_cycle
from napari_nucleate.core.training.snapshot import Learned

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray
    from torch import Tensor, nn

    from napari_nucleate.core.patches import Batch
    from napari_nucleate.core.predict import Compared
    from napari_nucleate.core.recipe import Recipe
    from napari_nucleate.core.training.ahead import Ahead


Result = TypeVar("Result")


class Learner:
    """Network, optimiser and running mean of the weights.

    Parameters
    ----------
    recipe : Recipe
    initial : Model, optional
        Weights to start from.
    learned : Learned, optional
        Where an interrupted training goes on; `restore` puts its weights in place.

    Attributes
    ----------
    drawn : Recipe
        The recipe with patches as large as memory allows.
    rate : float
        Learning rate of the last step.
    told : list of str
        What there is to say besides what `learn` returns; who says it takes it away.
    """

    def __init__(
        self, recipe: Recipe, initial: Model | None = None, learned: Learned | None = None
    ) -> None:
        options = recipe.optimisation
        self.recipe = self.drawn = recipe
        self.device = choose_device(options.device)
        self.told: list[str] = []
        if options.device == "auto" and (problem := driver_problem()):
            self.told.append(f"The processor does the work: {problem}.")
        self._tiling = Tiling()
        if initial is None:
            network = build(recipe)
        else:
            network, warning = start_from(initial, recipe, self.device)
            self.told += [warning] * bool(warning)
        self.network = place(network, self.device)
        self.average: nn.Module = copy.deepcopy(self.network).eval().requires_grad_(False)
        self.rate = 0.0
        self._now = learned or Learned(
            batch=recipe.batch,
            patch=recipe.patch,
            patch_depth=options.patch_depth,
            half=half_precision_pays(self.device.type),
            tuned=initial is not None,
        )
        patch = {"patch": self._now.patch, "patch_depth": self._now.patch_depth}
        self.drawn = recipe.model_copy(update={"optimisation": options.model_copy(update=patch)})
        self._freezing = Freezing(self.network, options, self._now.tuned)
        parameters: list[Tensor] = list(self.network.parameters())
        factors = self._freezing.factors(parameters)
        self._optimiser = AdamW(parameters, options.weight_decay, factors=factors)

    @property
    def learned(self) -> Learned:
        """How far it has come, besides the arrays."""
        return self._now

    def learn(self, batches: Ahead, fraction: float) -> tuple[float, str]:
        """One step; returns the loss, and a warning where something was put right."""
        options = self.recipe.optimisation
        self.rate = options.learning_rate * 0.5**self._now.failures * one_cycle(fraction)
        self._freezing.apply(fraction)
        try:
            batch = batches.batch(self._now.batch)
            with same_shapes(self.device):
                loss = self._loss(batch)
                value = float(loss.detach())
                if not math.isfinite(value):
                    return value, self._recover()
                self._optimiser.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
            norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
            # A finite loss can have gradients that aren't; they would spoil every weight.
            if not math.isfinite(float(norm)):
                return math.nan, self._recover()
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            return math.nan, self._shrink(error)
        self._optimiser.step(self.rate)
        self._follow()
        return value, ""

    def preview(self, viewed: Viewed, step: int) -> Preview:
        """Predict what is in view with the averaged weights."""
        pixels = self.recipe.normalisation.apply(viewed.image, viewed.limits)
        maps = self.predict(pixels, self.predictor())
        target = self.recipe.target
        return Preview(step, viewed.key, viewed.offset, target.maps(maps).foreground)

    def predictor(self) -> nn.Module:
        """A network with the averaged weights as they are now, to predict with."""
        return folded(self.average)

    def predict(self, pixels: NDArray[np.float32], network: nn.Module) -> NDArray[np.float32]:
        """Maps of a normalised image."""
        return self._in_tiles(predict_maps, network, self.recipe, pixels)

    def average_views(self, pixels: NDArray[np.float32], network: nn.Module) -> NDArray[np.float32]:
        """Maps of a normalised image, the mean of two views, as predictions have them."""
        return self._in_tiles(predict_averaged, network, self.recipe, pixels)

    def compare(self, pixels: NDArray[np.float32], network: nn.Module, recipe: Recipe) -> Compared:
        """What two views of a normalised image give."""
        return self._in_tiles(predict_compared, network, recipe, pixels)

    def _in_tiles(
        self,
        predicting: Callable[..., Result],
        network: nn.Module,
        recipe: Recipe,
        pixels: NDArray[np.float32],
    ) -> Result:
        """Predict in tiles that memory is enough for.

        Raises
        ------
        NucleateError
            If it isn't enough for small ones.
        """
        try:
            with precision(self._now.half):
                return predicting(network, recipe, pixels, self.device, self._tiling)
        except MemoryRanOutError:
            less = self._tiling.halved()
            if less is None:
                raise
        self._tiling = less
        shape = less.shape(self.recipe.ndim)
        self.told.append(f"Memory ran out: validating in tiles of {shape} from now on.")
        return self._in_tiles(predicting, network, recipe, pixels)

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Copies of all its tensors, by names that begin with what they are."""
        found = {f"network/{k}": v for k, v in weights_of(self.network).items()}
        found |= {f"average/{k}": v for k, v in weights_of(self.average).items()}
        for name, moments in self._moments():
            found[f"mean/{name}"] = moments.mean.cpu().numpy().copy()
            found[f"square/{name}"] = moments.square.cpu().numpy().copy()
            found[f"steps/{name}"] = np.array(moments.steps, np.int64)
        return found

    def restore(self, arrays: Mapping[str, NDArray[np.generic]]) -> None:
        """Put tensors in place that `arrays` gave.

        Raises
        ------
        NucleateError
            If they are those of another network.
        """
        try:
            for prefix, network in (("network", self.network), ("average", self.average)):
                network.load_state_dict(_tensors(arrays, f"{prefix}/"))
            for name, moments in self._moments():
                for kind, tensor in (("mean", moments.mean), ("square", moments.square)):
                    saved = torch.from_numpy(np.array(arrays[f"{kind}/{name}"]))
                    if saved.shape != tensor.shape or saved.dtype != tensor.dtype:
                        raise ValueError(name)
                    tensor.copy_(saved)
                moments.steps = int(arrays[f"steps/{name}"])
        except (RuntimeError, KeyError, ValueError, TypeError) as error:
            raise NucleateError(
                "The interrupted training doesn't fit the network of its recipe, it can't go on; "
                "start a new one."
            ) from error

    def _moments(self) -> list[tuple[str, Moments]]:
        names = [name for name, _ in self.network.named_parameters()]
        return list(zip(names, self._optimiser.moments, strict=True))

    def _loss(self, batch: Batch) -> Tensor:
        image, target, weight = (
            torch.from_numpy(a).to(self.device) for a in (batch.image, batch.target, batch.weight)
        )
        with precision(self._now.half), autocast(self.device):
            logits = self.network(image)
        return self.recipe.target.loss(logits.float(), target, weight)

    def _follow(self) -> None:
        """Move the averaged weights; the first steps count little, they are far from the end."""
        steps = self._now.averaged + 1
        self._note(averaged=steps)
        keep = min(self.recipe.optimisation.averaging, steps / (steps + 10))
        with torch.no_grad():
            weights = zip(self.average.parameters(), self.network.parameters(), strict=True)
            for mean, now in weights:
                mean.lerp_(now, 1 - keep)
            # Statistics of batch normalisation are running means already: a mean of them lags.
            statistics = zip(self.average.buffers(), self.network.buffers(), strict=True)
            for old, new in statistics:
                old.copy_(new)

    def _recover(self) -> str:
        """Back to the averaged weights, in full precision, at half the rate; once."""
        self._note(failures=self._now.failures + 1, half=False)
        if self._now.failures > 1:
            raise NucleateError(
                "The loss stopped being a finite number twice. Lower the learning rate, or look "
                "for broken pixels in the labelled images."
            )
        self.network.load_state_dict(self.average.state_dict())
        self._optimiser.reset()
        return (
            "The loss was not finite: back to the last good weights at half the learning rate, "
            "from now on in full precision."
        )

    def _shrink(self, error: BaseException) -> str:
        """Half as many patches a step; with a single one, smaller ones, as long as is sensible."""
        self._optimiser.zero_grad()
        let_go(self.device)
        if self._now.batch > 1:
            self._note(batch=self._now.batch // 2)
            return f"Memory ran out: going on with {self._now.batch} patch(es) a step."
        less = smaller(self.drawn)
        if less is None:
            raise NucleateError(
                f"Memory ran out with a single patch of {self.drawn.patch_shape} a step; "
                "choose smaller patches or a thinner network."
            ) from error
        self.drawn = less
        options = less.optimisation
        self._note(patch=options.patch, patch_depth=options.patch_depth)
        return f"Memory ran out: going on with one patch of {less.patch_shape} a step."

    def _note(self, **changes: object) -> None:
        self._now = self._now.model_copy(update=changes)


def _tensors(arrays: Mapping[str, NDArray[np.generic]], prefix: str) -> dict[str, Tensor]:
    """Those whose names begin so, without it."""
    return {
        name.removeprefix(prefix): torch.from_numpy(np.array(array))
        for name, array in arrays.items()
        if name.startswith(prefix)
    }
