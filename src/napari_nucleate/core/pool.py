"""Images without labels: ranked by what a network makes of them, and the best of that."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_nucleate.core.candidates import Candidates
from napari_nucleate.core.events import Accepted, PredictEvent, Prediction, Ranked
from napari_nucleate.core.pseudo import MOST, pseudo_example
from napari_nucleate.core.stacks import apart

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from napari_nucleate.core.model import Model
    from napari_nucleate.core.patches import Example
    from napari_nucleate.core.predict import Source, Tiling
    from napari_nucleate.core.rounds import SelfTraining
    from napari_nucleate.core.training.teacher import Teacher


def rank(predictions: Mapping[str, float]) -> list[tuple[str, float]]:
    """Keys and confidences, best first; equal ones by name, so that the order is repeatable."""
    return sorted(predictions.items(), key=lambda item: (-item[1], item[0]))


def wanted(options: SelfTraining, number: int) -> int:
    """How many predictions are to join: N after round 0, N more after each further round. Pure.

    Where N isn't given, `MOST`.

    Parameters
    ----------
    options : SelfTraining
    number : int
        The round that predicted them; of a project that is gone on with, one of its own.
    """
    return options.best * (number + 1) or MOST


def choose(
    order: Sequence[tuple[str, float]],
    usable: Sequence[str],
    count: int,
    number: int,
    learned: Iterable[str] = (),
) -> Accepted:
    """Take some of a ranking; of one stack, images that lie apart, see `apart`. Pure.

    Parameters
    ----------
    order : sequence of (key, confidence)
        Best first.
    usable : sequence of str
        Those that are good enough to learn from, in the order in which they are to be taken.
    count : int
        How many to take.
    number : int
        The round that predicted them.
    learned : iterable of str
        Images with labels.
    """
    chosen = set(apart(usable, count, [key for key, _ in order], learned))
    keys = tuple(key for key, _ in order if key in chosen)
    note = f"{len(keys)} of {len(order)} predictions accepted."
    if not order:
        note = "There is no image to predict that a person hasn't labelled: no round follows."
    elif not keys:
        note = (
            f"None of {len(order)} predictions is good enough to learn from: nothing joins, and no "
            "round follows. Label more images, those that are worst predicted first."
        )
    elif len(keys) == len(order) < count:
        note = f"All {len(order)} predictions accepted; {count} were wanted, there are no more."
    elif len(keys) < count:
        note = (
            f"Only {len(keys)} of {len(order)} predictions are good enough to learn from, "
            f"{count} were wanted; label more images to trust more."
        )
    return Accepted(number, keys, note)


class Pool:
    """Images without labels, and what of them is learned from.

    Parameters
    ----------
    sources : sequence of Source
    options : SelfTraining
    diameter : float
        Of a person's objects; 0 where it isn't known.
    known : mapping of str to ndarray, each of shape (C, *spatial)
        Images with labels, by name.
    tiling : Tiling, optional

    Attributes
    ----------
    continuous : bool
        Whether the network labels them itself while it learns. Without any, there is nothing to
        teach: that is said where the best are chosen.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        options: SelfTraining,
        diameter: float,
        known: Mapping[str, NDArray[np.generic]],
        tiling: Tiling | None,
    ) -> None:
        self._sources = {s.key: s for s in sources}
        self._options, self._diameter = options, diameter
        self._known, self._tiling = known, tiling
        self.continuous = options.form == "continuous" and bool(sources)

    def teacher(self, model: Model | None) -> Teacher | None:
        """Who teaches a training that begins with this model, in the continuous form."""
        from napari_nucleate.core.training.teacher import Teacher

        if model is None or not self.continuous:
            return None
        return Teacher(list(self._sources.values()), self._options, model, self._diameter)

    def chosen(
        self, number: int, model: Model, count: int
    ) -> Generator[Ranked | Accepted | PredictEvent, None, list[Example]]:
        """Predict all, choose the best, and say both; these with what is sure of them."""
        good = Candidates(self._options, model.recipe, self._diameter, self._known)
        order = yield from self.ranked(number, model, good)
        count = good.room(count)
        usable = good.order([key for key, _ in order], count)
        chosen = choose(order, usable, count, number, self._known)
        yield chosen
        return [
            pseudo_example(key, self._sources[key].read(), good.label(key), self._options)
            for key in chosen.keys
        ]

    def ranked(
        self, number: int, model: Model, good: Candidates | None = None
    ) -> Generator[Ranked | PredictEvent, None, list[tuple[str, float]]]:
        """Predict all and say their ranking; leaves what is good enough in `good`."""
        from napari_nucleate.core.predict import Tiling, predict

        confidences: dict[str, float] = {}
        tiling = self._tiling or Tiling()
        sources = self._sources.values()
        predicting = predict(
            model,
            sources if good is None else good.watched(sources),
            tiling=tiling.model_copy(update={"zooms": tiling.zooms or self._options.zooms}),
            confidence=self._options.confidence,
            device=model.recipe.optimisation.device,
        )
        for event in predicting:
            yield event
            if isinstance(event, Prediction):
                confidences[event.key] = event.scores.image
                if good is not None:
                    good.add(event)
        order = rank(confidences)
        yield Ranked(number, tuple(order))
        return order

    def ranked_at_last(
        self, number: int, model: Model
    ) -> Generator[Ranked | PredictEvent, None, None]:
        """Predict all by a model that is the last one after all, where it didn't yet."""
        if self.continuous:
            yield from self.ranked(number, model)
