"""Thresholds chosen by a project's labelled images, and the choice put to use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.events import Prediction, Tile
from napari_nucleate.core.instances.tune import FEWEST, Tried, Tuned, choosing
from napari_nucleate.core.training.held_out import Split
from napari_nucleate.core.training.tuning import Cases

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from napari_nucleate.core.annotation import Annotation
    from napari_nucleate.core.instances import Splitter
    from napari_nucleate.core.model import Record
    from napari_nucleate.core.predict import Source
    from napari_nucleate.project.model import State
    from napari_nucleate.project.store import Store


@dataclass(frozen=True)
class Measuring:
    """Thresholds will be measured on these images.

    `held_out` says whether the model learned from none of them: then it will do as well elsewhere.
    """

    keys: tuple[str, ...]
    held_out: bool


def tuning(
    store: Store,
    state: State,
    annotations: Mapping[str, Annotation],
    source: Callable[[str], Source],
    splitter: Splitter | None = None,
) -> Generator[Measuring | Tile | Tried | Tuned, None, None]:
    """Choose the thresholds that agree best with the labelled images, by the used model's maps.

    Images that this model predicted aren't predicted again; what is predicted here isn't kept.

    Parameters
    ----------
    store : Store
    state : State
    annotations : mapping of str to Annotation
        A person's labels. Those of images that the model didn't learn from are used, where they
        have objects enough; else all.
    source : callable
        Finds an image by its name; called for those that have to be predicted.
    splitter : Splitter, optional
        Begun with; by default the model's own.

    Yields
    ------
    Measuring, Tile, Tried
    Tuned
        At the end.

    Raises
    ------
    NucleateError
        If there is no model, it tells no objects apart, or too little is labelled.
    """
    name = in_use(state)
    card = store.load_card(name)
    begun = splitter or getattr(card.recipe.target, "splitter", None)
    if begun is None or card.recipe.target.semantic:
        raise NucleateError(
            f"Model {name} draws classes, not objects; it has no thresholds to choose."
        )
    held_out = _unseen(annotations, card.record)
    enough = sum(a.n_objects for a in held_out.values()) >= FEWEST
    used = held_out if enough else annotations
    yield Measuring(tuple(used), enough)
    maps: dict[str, NDArray[np.float16]] = {}
    for key in used:
        kept = store.load_prediction(key) if state.item(key).model == name else None
        if kept is not None:
            maps[key] = kept.maps
    missing = [source(key) for key in used if key not in maps]
    if missing:
        maps |= yield from _predicted(store, name, missing)
    cases = Cases(card.recipe.target, [(maps[key], used[key]) for key in used])
    yield from choosing(begun, cases)


def in_use(state: State) -> str:
    """Name of the model in use.

    Raises
    ------
    NucleateError
        If there is none.
    """
    if state.used is None:
        raise NucleateError("Train first; there is no model yet whose thresholds to choose.")
    return state.used.model


def apply(store: Store, state: State, splitter: Splitter) -> State:
    """Give a splitter to the model in use, and to the recipe of the next where targets agree.

    Predictions that are there stay as they are.

    Returns
    -------
    State
        Written, too.
    """
    name = in_use(state)
    card = store.load_card(name)
    target = card.recipe.target.model_copy(update={"splitter": splitter})
    recipe = card.recipe.model_copy(update={"target": target})
    store.save_card(name, card.model_copy(update={"recipe": recipe}))
    if state.recipe.target.kind == target.kind:
        mine = state.recipe.target.model_copy(update={"splitter": splitter})
        changed = state.recipe.model_copy(update={"target": mine})
        state = state.model_copy(update={"recipe": changed})
        store.save_state(state)
    return state


def in_words(tuned: Tuned) -> str:
    """Say what a choice brings.

    Examples
    --------
    >>> from napari_nucleate.core.instances import Watershed
    >>> in_words(Tuned(Watershed(), 0.68, Watershed(threshold=0.4), 0.61, (), 5, 312, 40))
    'AP 0.61 → 0.68 on 5 labelled images (312 objects)'
    """
    images = f"{tuned.images} labelled image" + "s" * (tuned.images != 1)
    where = f"on {images} ({tuned.objects} objects)"
    if tuned.splitter == tuned.begun:
        return f"Nothing is better than what was there: AP {tuned.ap:.2f} {where}"
    return f"AP {tuned.begun_ap:.2f} → {tuned.ap:.2f} {where}"


def _unseen(annotations: Mapping[str, Annotation], record: Record) -> dict[str, Annotation]:
    """What a model didn't learn from: whole images, or parts of them."""
    split = Split.recorded(record)
    found = {key: split.unseen(key, a) for key, a in annotations.items()}
    return {key: a for key, a in found.items() if a is not None and a.known.any()}


def _predicted(
    store: Store, name: str, sources: Sequence[Source]
) -> Generator[Tile, None, dict[str, NDArray[np.float16]]]:
    """The maps of images, predicted now."""
    from napari_nucleate.core.confidence import Confidence
    from napari_nucleate.core.predict import predict

    model, maps = store.load_model(name), {}
    device = model.recipe.optimisation.device
    events = predict(model, sources, confidence=Confidence(agreement=False), device=device)
    try:
        for event in events:
            if isinstance(event, Prediction):
                maps[event.key] = event.maps
            else:
                yield event
    finally:
        events.close()
    return maps
