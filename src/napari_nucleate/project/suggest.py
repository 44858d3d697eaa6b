"""Which image to annotate next, and where in it: where a label helps most."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_nucleate.core.choose import covering, describe, least_sure, stands_for
from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.events import Described
from napari_nucleate.project.model import HUMAN

if TYPE_CHECKING:
    from collections.abc import Generator, MutableMapping, Sequence

    from numpy.typing import NDArray

    from napari_nucleate.core.predict import Source
    from napari_nucleate.project.model import Item, State
    from napari_nucleate.project.store import Store

SIDE = 256
"""Longest side of the part of an image that is proposed, in pixels; at most half the image's."""


@dataclass(frozen=True)
class Suggestion:
    """An image to annotate next.

    Parameters
    ----------
    key : str
    region : tuple of slice
        The part where the model is least sure, along (Z,) Y, X; of a volume, it is in one plane.
        Empty where nothing is predicted.
    why : str
        In a sentence.
    """

    key: str
    region: tuple[slice, ...]
    why: str


def suggesting(
    state: State,
    store: Store,
    sources: Sequence[Source],
    count: int = 1,
    known: MutableMapping[str, NDArray[np.float64]] | None = None,
) -> Generator[Described | Suggestion, None, None]:
    """Propose images to annotate: typical, unlike those labelled, and badly predicted.

    Every image asks for a label as much as objects of its prediction are likely to be wrong, see
    `needs`; and images that look like a labelled or accepted one hardly ask. Proposed is what
    answers most.

    Parameters
    ----------
    state : State
    store : Store
        Where predictions are read.
    sources : sequence of Source
        All images of the project.
    count : int
        How many to propose.
    known : mutable mapping of str to ndarray, optional
        Descriptions of images made before, by name; new ones are added.

    Yields
    ------
    Described
        After every image read.
    Suggestion
        The most helpful first.

    Raises
    ------
    NucleateError
        If no image is left to label.
    """
    known = {} if known is None else known
    items = [state.item(source.key) for source in sources]
    done = [i for i, item in enumerate(items) if is_labelled(item)]
    if len(done) == len(items):
        raise NucleateError("Every image is labelled or accepted; there is none to propose.")
    for number, source in enumerate(sources, 1):
        if source.key not in known:
            known[source.key] = describe(source.read())
        yield Described(number, len(sources))
    table = np.stack([known[source.key] for source in sources])
    for at in covering(table, count, done, needs(items)):
        item = items[at]
        like = stands_for(table, done, at) if done else None
        yield Suggestion(item.key, _region(store, item), _why(item, like))
        done.append(at)


def is_labelled(item: Item) -> bool:
    """Whether a person labelled it, or accepted its prediction: what a round took isn't sure."""
    return item.status in HUMAN or item.vouched


def needs(items: Sequence[Item]) -> NDArray[np.float64]:
    """How much a label of each image would teach: by how many objects are likely wrong. Pure.

    Their share of the prediction, all of a rejected one, times the square root of its objects: so
    often is an image looked at in training, and one crowded image doesn't outweigh ten others.
    Where nothing is predicted, or nothing was found, it may have as many as is usual.

    Examples
    --------
    >>> from napari_nucleate.project.model import Item
    >>> one = Item(key="a", status="predicted", confidence=0.75, objects=36)
    >>> needs([one, Item(key="b")]).tolist()
    [1.5, 6.0]
    """
    usual = float(np.median([item.objects for item in items if item.objects] or [1]))
    return np.array([_doubt(item) * np.sqrt(item.objects or usual) for item in items])


def _doubt(item: Item) -> float:
    """The share of a prediction that is likely to be wrong."""
    if item.status == "rejected" or item.confidence is None:
        return 1.0
    return 1.0 - item.confidence


def _region(store: Store, item: Item) -> tuple[slice, ...]:
    if item.confidence is None or not item.model:
        return ()
    try:
        prediction = store.load_prediction(item.key)
        target = store.load_card(item.model).recipe.target
    except NucleateError:
        return ()  # its files are damaged or gone: the whole image, then
    if prediction is None:
        return ()
    foreground = target.maps(prediction.maps.astype(np.float32)).foreground
    # All of a small image would tell nothing.
    return least_sure(foreground, max(1, min(SIDE, max(foreground.shape[-2:]) // 2)))


def _why(item: Item, like: int | None) -> str:
    """Say in a sentence why; `like` so many others, None where nothing is there to compare with."""
    said = f"{item.key} is the most typical of all images."
    if like == 0:
        said = f"{item.key} is unlike the others; none is closer to it than to those labelled."
    elif like:
        others = f"{like} other image{'s' * (like != 1)}"
        said = f"{item.key} looks like {others}, more than anything labelled or proposed before."
    if item.confidence is None:
        return said
    rejected = " and was rejected" * (item.status == "rejected")
    objects = ""
    if item.objects is not None:
        objects = f" of {item.objects} object{'s' * (item.objects != 1)}"
    return f"{said} Its prediction{objects} has a confidence of {item.confidence:.2f}{rejected}."


def as_dict(suggestion: Suggestion) -> dict[str, Any]:
    """A suggestion for JSON."""
    return {
        "image": suggestion.key,
        "region": [[part.start, part.stop] for part in suggestion.region],
        "why": suggestion.why,
    }
