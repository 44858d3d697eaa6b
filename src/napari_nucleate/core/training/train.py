"""Teach a network a few labelled images."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.events import (
    Started,
    Step,
    Trained,
    TrainEvent,
    Validated,
    Viewed,
    Warned,
)
from napari_nucleate.core.model import Card, Model, Record, weights_of
from napari_nucleate.core.patches import Example, Sampler
from napari_nucleate.core.predict import checked
from napari_nucleate.core.training.held_out import hold_out, validating
from napari_nucleate.core.training.judge import Judge
from napari_nucleate.core.training.learner import Learner
from napari_nucleate.core.training.renewal import Changed, Renewal
from napari_nucleate.core.training.schedule import Timetable

if TYPE_CHECKING:
    from napari_nucleate.core.recipe import Recipe

View = Callable[[], Viewed | None]
"""Gives what is looked at, or None where nothing is to be drawn now."""


def train(
    examples: Sequence[Example],
    recipe: Recipe,
    *,
    card: Card | None = None,
    initial: Model | None = None,
    view: View | None = None,
    changed: Changed | None = None,
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
    changed : callable, optional
        Asked between steps for examples whose labels changed, and for new ones: these are learned
        from then on, and for a while more often.

    Yields
    ------
    Started, Step, Validated, Warned, Preview, Corrected, Trained

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
    recipe = _completed(recipe, examples, card, initial)
    for example in examples:
        checked(example.image, recipe, example.key)
    learn, held_out, note = hold_out(examples, recipe)
    rng = np.random.default_rng(recipe.optimisation.seed)
    sampler = Sampler(learn, recipe, rng)
    learner = Learner(recipe, initial)
    judge = Judge(validating(learn, held_out), recipe)
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
    timetable = Timetable(recipe)
    renewal = Renewal(changed, sampler, judge, record.held_out)
    while fraction < 1:
        loss, rate, warning = learner.learn(sampler, fraction)
        step += 1
        seconds = time.perf_counter() - started
        fraction = budget.fraction(step, seconds, epoch)
        if warning:
            yield Warned(warning)
        yield from renewal.take_up()
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
                entry = renewal.noted(record).model_copy(update=update)
                best = Model(card.model_copy(update={"record": entry}), weights_of(learner.average))
            kept = best if better else None
            yield Validated(step, verdict.loss, verdict.ap, verdict.dice, fraction, kept)
    if best is None:
        raise NucleateError("The validation never gave a number; train again with a lower rate.")
    yield Trained(best)
    return best


def _completed(
    recipe: Recipe, examples: Sequence[Example], card: Card | None, initial: Model | None
) -> Recipe:
    """The recipe with what it leaves to the images: their voxels, and the size of objects."""
    if card is not None:
        recipe = recipe.suited(card.spacing)
    if initial is not None and not recipe.diameter:  # its weights know objects of this size
        recipe = recipe.model_copy(update={"diameter": initial.recipe.diameter})
    return recipe.measured([e.annotation for e in examples if not e.pseudo])
