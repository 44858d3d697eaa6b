"""Long work on a project: the core's generators, with what matters written as it comes.

The command line and the docks both run these, so that a project looks the same whoever made it.
"""

from __future__ import annotations

from contextlib import closing, suppress
from functools import partial
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from napari_nucleate.core.choose import Watched
from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.events import (
    Accepted,
    PredictEvent,
    Prediction,
    RoundEvent,
    RoundFinished,
    RoundStarted,
    SetAside,
    Trained,
    TrainEvent,
)
from napari_nucleate.core.failures import breaking_off, reason
from napari_nucleate.core.model import Model
from napari_nucleate.core.patches import Example
from napari_nucleate.core.pseudo import (
    PseudoLabel,
    label_worth_learning,
    pseudo_example,
    pseudo_label,
    usual_diameter,
)
from napari_nucleate.core.rounds import SelfTraining, lowered
from napari_nucleate.project.beside import Asked
from napari_nucleate.project.beside import beside as run_beside
from napari_nucleate.project.best import BestKept
from napari_nucleate.project.learned import learned
from napari_nucleate.project.model import HUMAN, RoundEntry, State

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, MutableMapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from napari_nucleate.core.annotation import Annotation
    from napari_nucleate.core.model import Card, Record
    from napari_nucleate.core.predict import CalibratedSource, Source, Tiling
    from napari_nucleate.core.recipe import Recipe
    from napari_nucleate.core.rounds import Begun
    from napari_nucleate.core.training.renewal import Changed
    from napari_nucleate.core.training.snapshot import Snapshot
    from napari_nucleate.core.training.train import Keep, View
    from napari_nucleate.project.store import Store

OFTEN = 0.25
"""Seconds between two questions of a process what is looked at, and what was painted."""


def gather(
    state: State,
    store: Store,
    sources: Mapping[str, Source],
    painted: Callable[[str], Annotation],
) -> list[Example]:
    """Collect what there is to learn from: a person's labels, and accepted predictions.

    Parameters
    ----------
    state : State
    store : Store
        Where predictions are read.
    sources : mapping of str to Source
        The images by name.
    painted : callable
        Gives the annotation of a labelled image by name.

    Returns
    -------
    list of Example
        The person's first. A prediction that a person accepted by itself counts with all its
        objects; only pixels of which the network isn't sure are left out. Of one that was accepted
        with others, only what a round would learn is.
    """
    human = [
        Example(k, sources[k].read(), painted(k), corrected=state.item(k).status == "corrected")
        for k in state.keys(*HUMAN)
    ]
    diameter = usual_diameter(state.recipe, human)
    return human + accepted_examples(state, store, sources, state.keys("accepted"), diameter)


def accepted_examples(
    state: State,
    store: Store,
    sources: Mapping[str, Source],
    keys: Sequence[str],
    diameter: float = 0.0,
) -> list[Example]:
    """Accepted predictions as training data, see `gather`; a person's objects are so wide."""
    options = state.self_training
    # Who looked at a mask accepted all its objects, of any confidence and any size. Of those that
    # were accepted with many others, nobody looked at the objects.
    whole = options.model_copy(update={"sure": 0.0})
    pseudo = []
    for key in keys:
        prediction = store.load_prediction(key)
        if prediction is not None:
            # The model that drew the maps knows what they mean; the next recipe may want others.
            name = state.item(key).model
            recipe = store.load_card(name).recipe if name else state.recipe
            label: PseudoLabel | None = (
                pseudo_label(prediction, recipe, whole)
                if state.item(key).vouched
                else label_worth_learning(prediction, recipe, options, diameter)
            )
            if label is not None:
                pseudo.append(pseudo_example(key, sources[key].read(), label, options))
    return pseudo


def training(
    store: Store,
    examples: Sequence[Example],
    recipe: Recipe,
    card: Card,
    *,
    state: State | None = None,
    initial: Model | None = None,
    view: View | None = None,
    changed: Changed | None = None,
    snapshot: Snapshot | None = None,
    beside: bool = False,
) -> Generator[TrainEvent, None, None]:
    """Train; keep the best weights on disk from the first validation on, and what to go on from.

    Parameters and events are those of `core.training.train.train`; the project's `state`
    tells more of the images, where what was learned from is written. Of a training that came to its
    end only the model is left. With `beside`, it runs in a process of its own, for a window to
    stay alive; files are written in this one.
    """
    steps = (_trained_beside if beside else _trained_here)(
        examples,
        recipe,
        card=card,
        initial=initial,
        view=view,
        changed=changed,
        snapshot=snapshot,
        keep=partial(_keep, store),
    )
    best = BestKept(lambda model: _save_model(store, state or State(), model))
    with breaking_off("training", best.in_words), closing(best.of(steps)) as events:
        for event in events:
            if isinstance(event, Trained):
                store.drop_snapshot(card.record.name)
            yield event


def _keep(store: Store, now: Snapshot) -> None:
    """Keep what a training needs to go on."""
    name = now.card.record.name
    # A process beside the window runs ahead: that its best model is there may have been told after
    # Stop, when nobody listened any more. It is in the snapshot, too.
    try:
        if now.best is not None:
            store.save_model(now.best)
        store.save_snapshot(name, now)
    except OSError as error:
        raise NucleateError(
            f"Where the training {name} is can't be kept: {reason(error)}."
        ) from error


def _trained_here(*args: Any, **kwargs: Any) -> Generator[TrainEvent, None, Model]:
    """Train in this process."""
    from napari_nucleate.core.training.train import train

    return train(*args, **kwargs)


def load_training() -> None:
    """Load and measure what the first step of a training on the processor would wait for."""
    import scipy.ndimage  # noqa: F401
    import torch

    from napari_nucleate.core.device import autocast
    from napari_nucleate.core.training import train  # noqa: F401

    autocast(torch.device("cpu"))


def _trained_beside(
    *args: Any, view: View | None, changed: Changed | None, keep: Keep, **kwargs: Any
) -> Generator[TrainEvent, None, Model]:
    """Train in a process of its own, that asks here what is looked at and what was painted."""
    asked = {"keep": Asked(keep)}
    if view is not None:
        asked["view"] = Asked(view, every=OFTEN)
    if changed is not None:
        asked["changed"] = Asked(changed, every=OFTEN, otherwise=())
    return run_beside(_trained_here, *args, asked=asked, **kwargs)


def predicting(
    store: Store,
    model: Model,
    sources: Sequence[CalibratedSource],
    options: SelfTraining,
    *,
    tiling: Tiling | None = None,
    seen: MutableMapping[str, NDArray[np.float64]] | None = None,
) -> Generator[PredictEvent, None, None]:
    """Predict images and write each prediction before saying that it is there.

    What they look like is noted in `seen`, see `describe`.
    """
    from napari_nucleate.core.predict import predict

    steps = predict(
        model,
        sources if seen is None else (Watched(source, seen) for source in sources),
        tiling=tiling,
        confidence=options.confidence,
        device=model.recipe.optimisation.device,
    )
    refs = {ref.key: ref for ref in sources}
    done = 0

    def kept() -> str:
        return f"Kept: the {done} image(s) predicted before." if done else ""

    with breaking_off("prediction", kept), closing(steps):
        for event in steps:
            if isinstance(event, Prediction):
                _save(store, event, refs)
                done += 1
            yield event


def self_training(
    store: Store,
    labelled: Sequence[Example],
    pool: Sequence[CalibratedSource],
    state: State,
    *,
    refine: Recipe | None = None,
    card: Card | None = None,
    accepted: Sequence[Example] = (),
    model: Model | None = None,
    tiling: Tiling | None = None,
    begun: Begun | None = None,
) -> Generator[RoundEvent, None, None]:
    """Run all rounds, writing models, predictions and the state as they come.

    With a `model`, they follow on that one; no model of the project is overwritten but that of a
    round that was `begun`, and is gone on with. Stopped while a network learns, the best weights so
    far are entered in the history, and what to go on from is kept; these weights are used where
    there are no others.
    """
    from napari_nucleate.core.rounds import rounds

    steps = rounds(
        labelled,
        pool,
        state.recipe,
        state.self_training,
        refine=refine,
        card=card,
        accepted=accepted,
        model=model,
        before=_records(store, lineage(state, state.used)) if model else (),
        name=store.new_model_name,
        tiling=tiling,
        begun=begun,
        keep=partial(_keep, store),
    )
    store.save_state(state)
    refs = {ref.key: ref for ref in pool}
    best = BestKept(lambda model: _save_model(store, state, model))

    def kept() -> str:
        known = best.in_words()
        return f"{known} Finished rounds, and what they predicted, are kept." if known else ""

    with breaking_off("self-training", kept):
        try:
            # What can't be written at its end is told to who closes this.
            with closing(best.of(steps)) as events:
                for event in events:
                    if isinstance(event, Prediction):
                        _save(store, event, refs)
                    if isinstance(event, Trained):
                        store.drop_snapshot(event.model.card.record.name)
                    state = after(state, event)
                    if isinstance(event, RoundStarted | Trained | RoundFinished | SetAside):
                        # A model is entered at once: its pool may take hours to predict.
                        store.save_state(state)
                    yield event
        finally:
            if best.model is not None:
                state = _stopped(state, best.model)
            store.save_state(state)


def _stopped(state: State, best: Model) -> State:
    """The state with a training in its history that was stopped, if it isn't there. Pure."""
    record = best.card.record
    # One that was stopped before is there with the weights of then.
    if (record.name, record.steps) in {(entry.model, entry.steps) for entry in state.rounds}:
        return state
    now = entered(state, best)
    why = f"Stopped; these are its weights of step {record.best_step}."
    return now.set_aside(record.name, why) if record.initial else now


def recovered(state: State, store: Store) -> State:
    """The state with models in its history that a kill left out of it, set aside.

    Their weights are whole; whether their training came to its end, nobody knows. One that can go
    on where it was interrupted is left out.
    """
    found = state
    for card in store.cards():
        found = _cut_off(found, card)
    return found


def given_up(state: State, store: Store, name: str) -> State:
    """The state with a training in its history that was interrupted and isn't gone on with.

    It is set aside; one that was killed before it had any weights to use isn't in it.
    """
    try:
        return _cut_off(state, store.load_card(name))
    except NucleateError:
        return state


def _cut_off(state: State, card: Card) -> State:
    """The state with a model in its history, set aside, if it isn't there. Pure."""
    name = card.record.name
    if name in {entry.model for entry in state.rounds}:
        return state
    why = f"Cut off; these are its weights of step {card.record.best_step}."
    found = entered(state, Model(card, {})).set_aside(name, why)
    return found.model_copy(update={"chosen": state.chosen})


def after(state: State, event: object) -> State:
    """The state after an event. Pure; a person's labels and decisions stay as they are.

    A new prediction takes the place of an older one, and of a pseudo-label made from it; images
    that a person labelled keep their status, and those whose mask by the same model was rejected.
    """
    if isinstance(event, Prediction) and event.key in set(state.keys()):
        item = state.item(event.key)
        if item.status in HUMAN:
            return state
        used = state.used
        number, name = (used.number, used.model) if used else (0, "")
        # What was rejected is a model's mask, not the image.
        rejected = item.status == "rejected" and item.model == name
        return state.replace(
            item.model_copy(
                update={
                    "status": "rejected" if rejected else "predicted",
                    "model": name,
                    "round": number,
                    "confidence": min(max(event.scores.image, 0.0), 1.0),
                    "reason": event.scores.reason,
                    "objects": len(event.scores.objects),
                    "judged": None,
                }
            )
        )
    if isinstance(event, Accepted):
        accepted = [state.item(k) for k in event.keys]
        return state.replace(
            *(
                i.model_copy(update={"status": "accepted", "judged": False})
                for i in accepted
                if i.status not in HUMAN and i.status != "rejected"
            )
        )
    if isinstance(event, Trained):
        return entered(state, event.model)
    if isinstance(event, SetAside):
        return state.set_aside(event.model.card.record.name, event.note)
    return state


def entered(state: State, model: Model) -> State:
    """The state with a finished training in its history, once, and its model in use. Pure."""
    record = model.card.record
    entry = RoundEntry(
        number=record.round,
        model=record.name,
        human=len(record.human),
        pseudo=len(record.pseudo),
        human_objects=record.human_objects,
        pseudo_objects=record.pseudo_objects,
        initial=record.initial,
        seconds=record.seconds,
        steps=record.steps,
        validation_ap=record.validation_ap,
        initial_ap=record.initial_ap,
        measured=_measured(record),
    )
    # A training that was interrupted and went on is there already.
    others = tuple(r for r in state.rounds if r.model != entry.model)
    return state.model_copy(update={"rounds": (*others, entry), "chosen": ""})


def _measured(record: Record) -> str:
    """A short name of what a model was validated on; empty where nothing was held out. Pure."""
    if not (record.held_out or record.regions):
        return ""
    places = sorted(record.held_out), sorted(record.regions.items()), record.validated
    return blake2b(repr(places).encode(), digest_size=4).hexdigest()


def worse(state: State, store: Store) -> str:
    """Say that the newest model is worse than those that it goes back to; nothing where it isn't.

    It is compared with the model that it began with, with that which this began with, and so on.

    Parameters
    ----------
    state : State
    store : Store
        Where the records of the models are.
    """
    now = next((entry for entry in reversed(state.rounds) if not entry.set_aside), None)
    before = lineage(state, now)[1:]
    # Without its record, nothing is known to compare.
    records = _records(store, [now]) if now is not None and before else []
    return lowered(records[0], _records(store, before)) if records else ""


def lineage(state: State, entry: RoundEntry | None) -> list[RoundEntry]:
    """A model, the one whose weights it began with, the one that this began with, and so on. Pure.

    None where there is none; of models that are no longer in the history nothing is known.
    """
    named = {one.model: one for one in state.rounds}
    found: list[RoundEntry] = []
    while entry is not None:
        found.append(entry)
        entry = named.pop(entry.initial, None)
    return found


def _records(store: Store, entries: Sequence[RoundEntry]) -> list[Record]:
    """What is on record of models; of those whose folders are gone there is nothing."""
    found = []
    for entry in entries:
        with suppress(NucleateError):
            found.append(store.load_card(entry.model).record)
    return found


def _save(store: Store, prediction: Prediction, refs: Mapping[str, CalibratedSource]) -> None:
    """Write a prediction with the pixel size of its own image."""
    ref = refs[prediction.key]
    store.save_prediction(prediction, ref.spacing, ref.units)


def _save_model(store: Store, state: State, model: Model) -> None:
    """Write the best weights so far, and what they learned from."""
    store.save_model(model)
    store.save_round(learned(state, model))
