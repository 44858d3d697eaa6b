"""Self-training: the network's best masks join the person's labels, round after round."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from napari_nucleate.core.confidence import Confidence
from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.events import (
    RoundEvent,
    RoundFinished,
    RoundStarted,
    SetAside,
    Taught,
    TrainEvent,
    Warned,
    Worsened,
)
from napari_nucleate.core.model import Card, Model, Record
from napari_nucleate.core.params import Params
from napari_nucleate.core.pool import Pool, wanted
from napari_nucleate.core.pseudo import usual_diameter
from napari_nucleate.core.training.judge import worse

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from napari_nucleate.core.patches import Example
    from napari_nucleate.core.predict import Source, Tiling
    from napari_nucleate.core.recipe import Recipe
    from napari_nucleate.core.training.snapshot import Snapshot
    from napari_nucleate.core.training.train import Keep


DROP = 0.05
"""A round that loses more of its AP is spoken of, also where that may be chance."""


class SelfTraining(Params):
    """How many rounds, and which predictions become labels."""

    form: Literal["rounds", "continuous"] = Field(
        "rounds",
        description="rounds: the best masks join the labels between two trainings. continuous: "
        "the averaged weights label all that is sure, again and again, while the network learns; "
        "the best aren't chosen there.",
    )
    rounds: int = Field(1, ge=0, le=100, description="Rounds after the first training.")
    best: int = Field(
        0,
        ge=0,
        le=1_000_000,
        description="How many masks join after the first training, and as many more after each "
        "further one: that many of the surer half of those that are good enough, chosen so that "
        "together they look like all images. 0 takes all that are good enough, 64 at most.",
    )
    least: float = Field(
        0.1,
        ge=0,
        le=1,
        description="Masks of lower confidence never join, however few are left; of classes, none "
        "below 0.4.",
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
        "predicted images are drawn half as often, together at most as often as a person's, or "
        "three times as often where these are eight or fewer.",
    )
    sizes: float = Field(
        3.0,
        ge=1,
        le=1000,
        description="Objects so many times wider or narrower than the median of a person's are "
        "ignored (2D).",
    )
    zooms: bool = Field(
        True,
        description="Images whose masks can't be trusted are predicted at half and at twice their "
        "size, too, and taken at the surest: so the network learns to know objects of other sizes, "
        "in flat images.",
    )
    confidence: Confidence = Field(Confidence(), description="How predictions are scored.")


@dataclass(frozen=True)
class Begun:
    """A round whose training was interrupted.

    Parameters
    ----------
    snapshot : Snapshot
        Where its training was.
    pseudo : sequence of Example
        What it learned from besides the person's labels, and what a person accepted.
    """

    snapshot: Snapshot
    pseudo: Sequence[Example] = ()


def lowered(now: Record, earlier: Sequence[Record]) -> str:
    """Say that a model is worse than those before, beyond noise; nothing where it isn't. Pure.

    Parameters
    ----------
    now : Record
        Where nothing was held out, nothing can be said.
    earlier : sequence of Record
        Of the models that it goes back to. It is compared with the best of those that were
        validated on the same objects, and with the one it began with, if that was.
    """
    ap = now.validation_ap
    if ap is None or not (now.held_out or now.regions):
        return ""
    same: list[tuple[float | None, float | None, str]]
    same = [(r.validation_ap, None, f"in round {r.round}") for r in earlier if _compares(now, r)]
    same.append((now.initial_ap, now.initial_noise, "before it"))
    higher = [(old, at) for old, noise, at in same if old is not None and worse(now, old, noise)]
    if not higher:
        return ""
    old, where = max(higher)
    return (
        f"Round {now.round} made it worse: mean AP {ap:.3f} on the validation images, after "
        f"{old:.3f} {where}. Its model is set aside; the one before stays in use."
    )


def in_doubt(now: Record, *, first: bool = False) -> str:
    """Say what can't be told of a round from what is held out; nothing where it can. Pure.

    Whether it is worse beyond noise, `lowered` tells: this, that it found much less, which may be
    chance; of the first, that nothing is held out.
    """
    images = len(now.held_out) + len(now.regions)
    if first and not images:
        return (
            "Nothing is held out of so few labels: that a round makes the network worse can't be "
            "noticed. Label more."
        )
    ap, before = now.validation_ap, now.initial_ap
    if first or ap is None or before is None or ap >= before - DROP:
        return ""
    return (
        f"Round {now.round} ends with a mean AP of {ap:.3f} after {before:.3f} on what was held "
        f"out. That may be chance with so few objects ({now.validated}) and images ({images}): "
        "compare its masks with those of the model before, or label more."
    )


def _compares(one: Record, other: Record) -> bool:
    """Whether both were validated on the same objects."""
    places = [(r.held_out, r.regions, r.validated) for r in (one, other)]
    return places[0] == places[1]


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
    begun: Begun | None = None,
    keep: Keep | None = None,
) -> Generator[RoundEvent, None, None]:
    """Train, predict the pool, take the best, train again on both.

    The person's labels are in every round, unchanged. Pseudo-labels are made anew each round from
    the newest model: mistakes don't pile up. A round starts from the weights of the one before. One
    that lowers the AP on what is held out of the person's labels, the same in all rounds, is set
    aside, and is the last one. No round follows, either, where no prediction is good enough.
    In the continuous form nothing joins between two trainings: from the second on, the network is
    its own teacher, see `Teacher`.

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
        Of the models that this one goes back to: no round may be worse than the best of them.
    name : callable
        Gives the name of a round's model by its number.
    tiling : Tiling, optional
    begun : Begun, optional
        The first round that is trained goes on from there, and with that its images: of the first
        training where there is no `model`, else of the round that followed it.
    keep : callable, optional
        Takes what an interrupted training needs to go on, see `train`; not where the network is its
        own teacher, whose labels nobody keeps.

    Yields
    ------
    RoundStarted, events of training, events of prediction, Ranked, Accepted, RoundFinished
        The pool is predicted after every round, the last included; in the continuous form only
        after the last. There `Taught` says what was learned from, and nothing is `Accepted`.
    SetAside
        In the place of those after the training, of a round that made it worse; in the continuous
        form, the pool is predicted by the model before then.

    Raises
    ------
    NucleateError
        If an image is both labelled and in the pool, no object is labelled, or as `train` and
        `predict` do.
    """
    from napari_nucleate.core.training.train import train

    options = options or SelfTraining()
    _check(labelled, accepted, pool)
    card = card or Card(recipe=recipe)
    first = model.card.record.round if model else 0
    last = first + options.rounds
    diameter = usual_diameter(recipe, labelled)
    known = {e.key: e.image for e in (*labelled, *accepted)}
    others = Pool(pool, options, diameter, known, tiling)
    kept = model
    earlier = [*before, *([model.card.record] if model else ())]
    pseudo: list[Example] = []
    for number in range(first, last + 1):
        if kept is None or number > first:
            learned = [*labelled, *accepted, *pseudo]
            counts = len(labelled), len(accepted), len(pseudo)
            yield RoundStarted(number, last, *counts)
            snapshot, begun = begun.snapshot if begun else None, None
            teacher = None if snapshot else others.teacher(kept)
            record = Record(name=name(number), round=number)
            training = train(
                learned,
                recipe if number == 0 else (refine or recipe),
                card=card.model_copy(update={"record": record}),
                initial=None if snapshot else kept,
                snapshot=snapshot,
                keep=None if teacher else keep,
                teacher=teacher,
            )
            now = yield from _without_advice(training)
            if teacher is not None:
                yield Taught(len(teacher.ever), teacher.looked)
            if kept is not None and (why := lowered(now.card.record, earlier)):
                yield SetAside(number, now, why)
                yield from others.ranked_at_last(number, kept)
                return
            if last and (doubt := in_doubt(now.card.record, first=kept is None)):
                yield Warned(doubt)
            kept = now
            earlier.append(now.card.record)
        if begun is not None and number < last:
            pseudo = [*begun.pseudo]
        elif number < last and not others.continuous:
            pseudo = yield from others.chosen(number, kept, wanted(options, number))
        elif number == last:
            yield from others.ranked(number, kept)
        yield RoundFinished(number, kept)
        if number < last and not (pseudo or others.continuous):
            return  # there is nothing new to learn


def _check(
    labelled: Sequence[Example], accepted: Sequence[Example], pool: Sequence[Source]
) -> None:
    """Refuse what rounds would make nothing good of."""
    if labelled and not any(e.annotation.n_objects for e in labelled):
        raise NucleateError(
            "No object is painted in any of the labelled images; nothing but background would be "
            "learned. Paint some objects first."
        )
    both = {e.key for e in (*labelled, *accepted)} & {s.key for s in pool}
    if both:
        raise NucleateError(f"{min(both)} is both labelled and in the pool; keep it in one.")


def _without_advice(
    training: Generator[TrainEvent, None, Model],
) -> Generator[TrainEvent, None, Model]:
    """Leave out what to do where a training ended worse than it began: `lowered` decides that."""
    with closing(training):
        while True:
            try:
                event = next(training)
            except StopIteration as end:
                model: Model = end.value
                return model
            if not isinstance(event, Worsened):
                yield event
