"""Self-training: the network's best masks join the person's labels, round after round."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from napari_nucleate.core.annotation import Annotation
from napari_nucleate.core.confidence import Confidence
from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.events import (
    Accepted,
    PredictEvent,
    Prediction,
    Ranked,
    RoundEvent,
    RoundFinished,
    RoundStarted,
    SetAside,
)
from napari_nucleate.core.model import Card, Model, Record
from napari_nucleate.core.params import Params
from napari_nucleate.core.patches import Example

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence

    from napari_nucleate.core.predict import Source, Tiling
    from napari_nucleate.core.recipe import Recipe
    from napari_nucleate.core.targets.base import TargetBase


NOISE = 0.6
"""How much lower the AP of a model may be by chance, were it validated on a single object: two
standard errors, where of ten objects one is found by one of both models only. It falls with the
root of how many objects there are."""


class SelfTraining(Params):
    """How many rounds, and which predictions become labels."""

    rounds: int = Field(1, ge=0, le=100, description="Rounds after the first training.")
    best: int = Field(
        0,
        ge=0,
        le=1_000_000,
        description="How many best masks join each round; 0 takes as many as a person labelled.",
    )
    least: float = Field(
        0.4, ge=0, le=1, description="Masks of lower confidence never join, however few are left."
    )
    sure: float = Field(
        0.8, ge=0, le=1, description="Objects of lower confidence are ignored, not learned."
    )
    margin: float = Field(
        0.5,
        ge=0,
        le=1,
        description="Pixels are ignored whose certainty, 0 (foreground 0.5) to 1, is lower.",
    )
    weight: float = Field(
        0.5,
        gt=0,
        le=1,
        description="How much a pixel of a predicted label counts against a person's; besides, "
        "predicted images are drawn half as often.",
    )
    confidence: Confidence = Field(Confidence(), description="How predictions are scored.")


def rank(predictions: Mapping[str, float]) -> list[tuple[str, float]]:
    """Keys and confidences, best first; equal ones by name, so that the order is repeatable."""
    return sorted(predictions.items(), key=lambda item: (-item[1], item[0]))


def choose(
    order: Sequence[tuple[str, float]], options: SelfTraining, human: int, number: int
) -> Accepted:
    """Take the best of a ranking: N after round 0, N more after each further round.

    Parameters
    ----------
    order : sequence of (key, confidence)
        Best first.
    options : SelfTraining
    human : int
        How many images a person labelled, N where `options.best` is 0.
    number : int
        How many rounds there were before the one just predicted.
    """
    wanted = min((options.best or human) * (number + 1), len(order))
    good = [key for key, confidence in order if confidence >= options.least]
    keys = tuple(good[:wanted])
    note = f"{len(keys)} of {len(order)} predictions accepted."
    if not order:
        note = "There is no image to predict that a person hasn't labelled: no round follows."
    elif not keys:
        note = (
            f"None of {len(order)} predictions reaches a confidence of {options.least:g}: nothing "
            "joins, and no round follows. Label more images, those that are worst predicted first."
        )
    elif len(keys) < wanted:
        note = (
            f"Only {len(keys)} of {len(order)} predictions reach a confidence of "
            f"{options.least:g}, {wanted} were wanted; label more images to trust more."
        )
    return Accepted(number, keys, note)


def lowered(now: Record, before: Record) -> str:
    """Say that a model is worse than the one before, beyond noise; nothing where it isn't. Pure.

    Parameters
    ----------
    now, before : Record
        Where nothing was held out, or they weren't validated on the same objects, nothing can be
        said.
    """
    places = [(r.held_out, r.regions, r.validated) for r in (now, before)]
    same = places[0] == places[1] and bool(now.held_out or now.regions)
    ap, old = now.validation_ap, before.validation_ap
    if not same or ap is None or old is None:
        return ""
    if ap >= old - NOISE / math.sqrt(max(now.validated, 1)):
        return ""
    return (
        f"Round {now.round} made it worse: mean AP {ap:.3f} on the validation images, after "
        f"{old:.3f} in round {before.round}. Its model is set aside; the one before stays in use."
    )


def better(now: Record, before: Record | None) -> Record:
    """The one of both with the higher AP, the first where there is no other. Pure."""
    if before is None or (now.validation_ap or 0) >= (before.validation_ap or 0):
        return now
    return before


def pseudo_label(prediction: Prediction, target: TargetBase, options: SelfTraining) -> Annotation:
    """Turn a prediction into labels to learn from; everything doubtful becomes unknown. Pure.

    Unknown are pixels whose foreground probability is near one half, and objects of low
    confidence with their surroundings.
    """
    labels = prediction.labels
    foreground = target.maps(prediction.maps.astype(np.float32)).foreground
    known = np.abs(2 * foreground - 1) >= options.margin
    # A class isn't found or missed as an object is: of classes, pixels alone are sure or doubtful.
    scores = {} if target.semantic else prediction.scores.objects
    doubtful = [i for i, c in scores.items() if c < options.sure]
    if doubtful:
        from scipy.ndimage import binary_dilation

        known &= ~binary_dilation(np.isin(labels, doubtful), iterations=2)
        labels = np.where(np.isin(labels, doubtful), 0, labels)
    # Inside an object its labels are as sure as the object: only its surroundings are doubtful.
    known |= labels > 0
    # Bright pixels that became no object are no background either.
    known &= (labels > 0) | (foreground < 0.5)
    return Annotation(labels.astype(np.int32), known)


def rounds(
    labelled: Sequence[Example],
    pool: Sequence[Source],
    recipe: Recipe,
    options: SelfTraining | None = None,
    *,
    refine: Recipe | None = None,
    card: Card | None = None,
    accepted: Sequence[Example] = (),
    model: Model | None = None,
    before: Sequence[Record] = (),
    name: Callable[[int], str] = "round-{}".format,
    tiling: Tiling | None = None,
) -> Generator[RoundEvent, None, None]:
    """Train, predict the pool, take the best, train again on both.

    The person's labels are in every round, unchanged. Pseudo-labels are made anew each round from
    the newest model: mistakes don't pile up. A round starts from the weights of the one before. One
    that lowers the AP on what is held out of the person's labels, the same in all rounds, is set
    aside, and is the last one. No round follows, either, where no prediction is good enough.

    Parameters
    ----------
    labelled : sequence of Example
        The person's.
    pool : sequence of Source
        Images without labels, with other keys.
    recipe : Recipe
        Of round 0.
    options : SelfTraining, optional
    refine : Recipe, optional
        Of the later rounds; `recipe` where it isn't given.
    card : Card, optional
        Names, voxel size and record for the models.
    accepted : sequence of Example
        Predictions that a person accepted, with other keys: in all rounds, as they are.
    model : Model, optional
        One that was trained already: the pool is predicted with it, and the rounds follow on its
        own. Without it, round 0 trains the first.
    before : sequence of Record
        Of that model, and of those it goes back to: no round may be worse than the best of them.
    name : callable
        Gives the name of a round's model by its number.
    tiling : Tiling, optional

    Yields
    ------
    RoundStarted, events of training, events of prediction, Ranked, Accepted, RoundFinished
        The pool is predicted after every round, the last included.
    SetAside
        In the place of those after the training, of a round that made it worse.

    Raises
    ------
    NucleateError
        If an image is both labelled and in the pool, or as `train` and `predict` do.
    """
    from napari_nucleate.core.training.train import train

    options = options or SelfTraining()
    both = {e.key for e in (*labelled, *accepted)} & {s.key for s in pool}
    if both:
        raise NucleateError(f"{min(both)} is both labelled and in the pool; keep it in one.")
    sources = {s.key: s for s in pool}
    card = card or Card(recipe=recipe)
    first = model.card.record.round if model else 0
    last = first + options.rounds
    kept, best = model, None
    for record in (*before, *([model.card.record] if model else ())):
        best = better(record, best)
    pseudo: list[Example] = []
    for number in range(first, last + 1):
        if kept is None or number > first:
            learned = [*labelled, *accepted, *pseudo]
            yield RoundStarted(number, last, len(labelled), len(learned) - len(labelled))
            record = Record(name=name(number), round=number)
            now = yield from train(
                learned,
                recipe if number == 0 else (refine or recipe),
                card=card.model_copy(update={"record": record}),
                initial=kept,
            )
            if best is not None and (why := lowered(now.card.record, best)):
                yield SetAside(number, now, why)
                return
            kept, best = now, better(now.card.record, best)
        order, labels = yield from _predict_pool(kept, pool, options, tiling)
        yield Ranked(number, tuple(order))
        if number < last:
            best_ones = choose(order, options, len(labelled), number - first)
            yield best_ones
            pseudo = [
                Example(k, sources[k].read(), labels[k], options.weight, pseudo=True)
                for k in best_ones.keys
            ]
        yield RoundFinished(number, kept)
        if number < last and not pseudo:
            return  # there is nothing new to learn


def _predict_pool(
    model: Model, pool: Sequence[Source], options: SelfTraining, tiling: Tiling | None
) -> Generator[PredictEvent, None, tuple[list[tuple[str, float]], dict[str, Annotation]]]:
    """Predict all images; returns their ranking and the labels of those worth learning from."""
    from napari_nucleate.core.predict import predict

    confidences: dict[str, float] = {}
    labels: dict[str, Annotation] = {}
    predicting = predict(
        model,
        pool,
        tiling=tiling,
        confidence=options.confidence,
        device=model.recipe.optimisation.device,
    )
    for event in predicting:
        yield event
        if isinstance(event, Prediction):
            confidences[event.key] = event.scores.image
            if event.scores.image >= options.least:
                labels[event.key] = pseudo_label(event, model.recipe.target, options)
    return rank(confidences), labels
