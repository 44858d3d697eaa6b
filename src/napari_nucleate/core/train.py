"""Teach a network a few labelled images."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_nucleate.core.device import autocast, choose_device, is_out_of_memory
from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.events import (
    Preview,
    Started,
    Step,
    Trained,
    TrainEvent,
    Validated,
    Viewed,
    Warned,
)
from napari_nucleate.core.metrics import evaluate
from napari_nucleate.core.model import Card, Model, Record, build, place, weights_of
from napari_nucleate.core.optimise import AdamW
from napari_nucleate.core.patches import Batch, Example, Sampler
from napari_nucleate.core.predict import checked, predict_maps
from napari_nucleate.core.recipe import Seconds

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor, nn

    from napari_nucleate.core.recipe import Recipe

View = Callable[[], Viewed | None]
"""Gives what is looked at, or None where nothing is to be drawn now."""

VALIDATE_AT = (0.02, 0.05, *(tenth / 10 for tenth in range(1, 11)))
"""Shares of the training after which it is validated; early ones, so that Stop keeps a model."""

VALIDATION_SHARE = 0.15
"""Of a training that has so many seconds, validations take no more than about this share."""

MOST_VALIDATED = 16
"""How many images are validated on at most, spread evenly over those there are."""


def train(
    examples: Sequence[Example],
    recipe: Recipe,
    *,
    card: Card | None = None,
    initial: Model | None = None,
    view: View | None = None,
) -> Generator[TrainEvent, None, Model]:
    """Train by a recipe, saying at each step what happens.

    Closing the generator stops at the next step; the best weights went out with the last
    `Validated` event whose `model` isn't None.

    Parameters
    ----------
    examples : sequence of Example
        Images with known pixels. A share of those by a person is held out to validate on;
        with fewer than five, the training images are validated on instead.
    recipe : Recipe
    card : Card, optional
        Names, voxel size and record to go with the model; its recipe is replaced.
    initial : Model, optional
        Weights to start from, instead of random ones.
    view : callable, optional
        Asked between steps for what to preview.

    Yields
    ------
    Started, Step, Validated, Warned, Preview, Trained

    Returns
    -------
    Model
        The one of `Trained`.

    Raises
    ------
    NucleateError
        If nothing is labelled, images don't fit the recipe, memory runs out with a single patch
        a step, or the loss stops being finite twice.
    """
    if card is not None:
        recipe = recipe.suited(card.spacing)
    for example in examples:
        checked(example.image, recipe, example.key)
    learn, held_out, note = hold_out(examples, recipe)
    rng = np.random.default_rng(recipe.optimisation.seed)
    sampler = Sampler(learn, recipe, rng)
    learner = _Learner(recipe, initial)
    judge = _Judge(_validating(learn, held_out), recipe)
    started = time.perf_counter()
    record = (card.record if card else Record()).model_copy(
        update={
            "started": datetime.now(UTC).isoformat(timespec="seconds"),
            "human": tuple(e.key for e in examples if not e.pseudo),
            "pseudo": tuple(e.key for e in examples if e.pseudo),
            "held_out": tuple(e.key for e in held_out),
            "device": str(learner.device),
            "versions": {"torch": torch.__version__},
        }
    )
    card = (card or Card(recipe=recipe)).model_copy(update={"recipe": recipe})
    parameters = sum(p.numel() for p in learner.network.parameters())
    yield Started(len(learn), record.held_out, str(learner.device), parameters, note)
    if not any(e.annotation.n_objects for e in learn):
        yield Warned("No object is painted in any of the images: only background can be learned.")

    budget = recipe.optimisation.budget
    known = sum(int(e.annotation.known.sum()) for e in learn)
    per_step = recipe.optimisation.batch * math.prod(recipe.patch_shape)
    epoch = max(1, -(-known // per_step))
    best: Model | None = None
    step, fraction = 0, 0.0
    timetable = _Timetable(recipe)
    while fraction < 1:
        loss, rate, warning = learner.learn(sampler, fraction)
        step += 1
        seconds = time.perf_counter() - started
        fraction = budget.fraction(step, seconds, epoch)
        if warning:
            yield Warned(warning)
        yield Step(step, loss, rate, fraction, seconds)
        if view is not None and (viewed := view()) is not None:
            yield learner.preview(viewed, step)
        if timetable.due(fraction, seconds):
            verdict = judge.judge(learner)
            timetable.took(time.perf_counter() - started - seconds)
            better = judge.prefers(verdict)
            if better:
                update = {
                    "seconds": time.perf_counter() - started,
                    "steps": step,
                    "best_step": step,
                    "validation_loss": verdict.loss,
                    "validation_ap": verdict.ap,
                }
                entry = record.model_copy(update=update)
                best = Model(card.model_copy(update={"record": entry}), weights_of(learner.average))
            kept = best if better else None
            yield Validated(step, verdict.loss, verdict.ap, verdict.dice, fraction, kept)
    if best is None:
        raise NucleateError("The validation never gave a number; train again with a lower rate.")
    yield Trained(best)
    return best


def hold_out(
    examples: Sequence[Example], recipe: Recipe
) -> tuple[list[Example], list[Example], str]:
    """Choose the images to learn from and those to validate on; say in words what was done.

    Only a person's labels validate. The choice depends on the keys and the seed alone, so that
    adding pseudo-labels between rounds leaves the validation images the same.
    """
    human = [e for e in examples if not e.pseudo]
    share = recipe.optimisation.validation
    if len(human) < 5 or not share:
        count = len(human or examples)
        return list(examples), [], f"Validated on the {count} training image(s)."
    count = max(1, round(share * len(human)))
    rng = np.random.default_rng(recipe.optimisation.seed)
    order = rng.permutation(sorted(e.key for e in human))
    chosen = set(order[:count].tolist())
    held = [e for e in human if e.key in chosen]
    learn = [e for e in examples if e.pseudo or e.key not in chosen]
    return learn, held, f"Validated on {count} of {len(human)} labelled images."


def _validating(learn: Sequence[Example], held_out: Sequence[Example]) -> Sequence[Example]:
    """Choose what to validate on: what is held out, else a person's labels, else all."""
    human = [e for e in learn if not e.pseudo]
    for examples in (held_out, human):
        if known := [e for e in examples if e.annotation.known.any()]:
            return known
    return [e for e in learn if e.annotation.known.any()]


def _start_from(initial: Model, recipe: Recipe) -> Model:
    """The weights under the new recipe.

    Raises
    ------
    NucleateError
        If its network is another one, or draws or sees other maps.
    """
    old = initial.recipe
    for what, one, other in (
        ("dimensions", old.ndim, recipe.ndim),
        ("channels", old.channels, recipe.channels),
        ("network", old.architecture, recipe.architecture),
        ("target", old.target.kind, recipe.target.kind),
        ("number of maps", old.target.n_maps, recipe.target.n_maps),
    ):
        if one != other:
            raise NucleateError(
                f"Model {initial.card.record.name!r} can't be trained further: its {what} "
                f"({one}) differ from the recipe's ({other}); choose the same, or start afresh."
            )
    return Model(initial.card.model_copy(update={"recipe": recipe}), initial.weights)


class _Learner:
    """Network, optimiser and running mean of the weights."""

    def __init__(self, recipe: Recipe, initial: Model | None) -> None:
        options = recipe.optimisation
        self.recipe = recipe
        self.device = choose_device(options.device)
        if initial is None:
            self.network = place(build(recipe), self.device)
        else:
            self.network = _start_from(initial, recipe).network(self.device)
        self.average: nn.Module = copy.deepcopy(self.network).eval().requires_grad_(False)
        self._optimiser = AdamW(self.network.parameters(), options.weight_decay)
        self._batch = options.batch
        self._steps = 0
        self._failures = 0

    def learn(self, sampler: Sampler, fraction: float) -> tuple[float, float, str]:
        """One step; returns loss, learning rate, and a warning where something was put right."""
        rate = self._rate(fraction)
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

    def _rate(self, fraction: float) -> float:
        """One cycle (Smith 2018): a tenth of the training up, then down along a cosine."""
        highest = self.recipe.optimisation.learning_rate * 0.5**self._failures
        if fraction < 0.1:
            return highest * (0.1 + 9 * fraction)
        return highest * (0.01 + 0.99 * (1 + math.cos(math.pi * (fraction - 0.1) / 0.9)) / 2)

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


class _Timetable:
    """When to validate: at `VALIDATE_AT`, later where time is the budget and validating is slow."""

    def __init__(self, recipe: Recipe) -> None:
        self._limited = isinstance(recipe.optimisation.budget, Seconds)
        self._left = list(VALIDATE_AT)
        self._spent = 0.0

    def due(self, fraction: float, seconds: float) -> bool:
        """Whether to validate now; always at the end."""
        if fraction < self._left[0]:
            return False
        if fraction < 1 and self._limited and self._spent > VALIDATION_SHARE * seconds:
            return False
        self._left = [at for at in self._left if at > fraction]
        return True

    def took(self, seconds: float) -> None:
        """Note how long a validation took."""
        self._spent += seconds


@dataclass(frozen=True)
class _Verdict:
    """Cross-entropy of the foreground, mean AP at IoU 0.5 to 0.9, Dice, number of objects."""

    loss: float
    ap: float
    dice: float
    objects: int


class _Judge:
    """Measures the averaged weights on whole images."""

    def __init__(self, examples: Sequence[Example], recipe: Recipe) -> None:
        chosen = np.unique(np.linspace(0, len(examples) - 1, MOST_VALIDATED).round().astype(int))
        self._recipe = recipe
        self._highest = 0.0
        self._cases = [
            (
                recipe.normalisation.apply(examples[i].image),
                recipe.target.encode(examples[i].annotation),
                examples[i].annotation,
            )
            for i in chosen
        ]

    def prefers(self, verdict: _Verdict) -> bool:
        """Whether these weights are to be kept in the place of the last kept.

        Later weights learned from more, and few validation images can't tell them from earlier
        ones: they are kept unless their AP is lower than the highest by more than its standard
        error. What is not a number is never kept.
        """
        if not (math.isfinite(verdict.loss) and math.isfinite(verdict.ap)):
            return False
        error = 0.5 / math.sqrt(max(verdict.objects, 1))
        better = verdict.ap >= self._highest - error
        self._highest = max(self._highest, verdict.ap)
        return better

    def judge(self, learner: _Learner) -> _Verdict:
        """Predict and compare with the annotations, where pixels are known."""
        target = self._recipe.target
        losses, cases = [], []
        for pixels, wanted, annotation in self._cases:
            maps = learner.predict(pixels)
            known = annotation.known
            foreground = target.maps(maps).foreground[known].clip(1e-4, 1 - 1e-4)
            truth = target.maps(wanted).foreground[known]
            losses.append(
                float(-(truth * np.log(foreground) + (1 - truth) * np.log(1 - foreground)).mean())
            )
            cases.append(
                (
                    "",
                    np.where(known, annotation.labels, 0),
                    np.where(known, target.decode(maps), 0),
                )
            )
        total = evaluate(cases).total
        objects = total.at(0.5).tp + total.at(0.5).fn
        return _Verdict(float(np.mean(losses)), total.mean_ap, total.pixels.dice, objects)
