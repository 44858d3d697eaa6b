"""Thresholds chosen by the program: the values of a splitter that agree best with labels."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.instances._compile import cores, one_core
from napari_nucleate.core.instances.components import Components
from napari_nucleate.core.instances.planes import LinkedPlanes
from napari_nucleate.core.instances.trial import Counts, Trial
from napari_nucleate.core.instances.watershed import Watershed

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Sequence

    from napari_nucleate.core.annotation import Annotation
    from napari_nucleate.core.instances import Splitter
    from napari_nucleate.core.instances.maps import Maps

    Case = tuple[Maps, Annotation]

FEWEST = 10
"""With fewer labelled objects, one more or less that matches by chance decides."""

CAUTION = 0.15
"""What it takes to move a threshold by 1, in AP, where labels were learned from: a network draws
these better than others, so that small differences mislead. By 0.1 it takes a hundredth of that."""

TOLERANCE = 0.002
"""Values whose AP is lower than the best by less are as good; the middle of them is chosen."""

MOST_PASSES = 4
"""Going through the fields ends after so many times, if it hasn't come to rest before."""

GRIDS = {
    "threshold": (0.1, 0.3, 0.5, 0.7, 0.9),
    "probability": tuple(np.arange(0.05, 0.96, 0.05).round(3).tolist()),
    "overlap": (0.1, 0.3, 0.5, 0.7),
    "seed_threshold": (0.1, 0.3, 0.5, 0.7, 0.9),
    "separation": (0.01, 0.03, 0.06, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0),
    "border_separation": (0.1, 0.3, 0.5, 0.7, 1.0),
}
"""The values tried of each field; then, those halfway between the best and its neighbours."""

CROSSED = GRIDS["probability"][5:]
"""Probabilities tried with every value of the other fields. Lower ones are where the lowest of
these is as good as any: so low, most pixels can be candidates of stars."""

REACH = 0.25
"""So far from the present value are they tried at first; farther, where the ends are the best."""

FINEST = 0.08
"""Nothing is tried between values nearer than this."""


@dataclass(frozen=True)
class Curve:
    """How well a splitter does by one of its fields, the others being as in the one chosen.

    Parameters
    ----------
    field : str
        Its name; "splitter.threshold" is the field of a nested splitter.
    values : tuple of float
        Ascending.
    ap : tuple of float
        Mean AP at each value.
    chosen : float
        The value chosen; one of `values`.
    """

    field: str
    values: tuple[float, ...]
    ap: tuple[float, ...]
    chosen: float


@dataclass(frozen=True)
class Tuned:
    """What was chosen, and what it is worth on the labelled images.

    Parameters
    ----------
    splitter : Splitter
        The chosen one; that begun with, where none is better.
    ap : float
        Its mean AP over IoU 0.5, 0.6, … 0.9, averaged over the images.
    begun : Splitter
        The one begun with.
    begun_ap : float
        The same of that one.
    curves : tuple of Curve
        One a field that acts.
    images, objects : int
        Labelled images, and objects in them.
    tried : int
        How many splitters were measured.
    """

    splitter: Splitter
    ap: float
    begun: Splitter
    begun_ap: float
    curves: tuple[Curve, ...]
    images: int
    objects: int
    tried: int


@dataclass(frozen=True)
class Tried:
    """One of `images` was split by all splitters of a round; `tried` were in the rounds before."""

    done: int
    images: int
    tried: int


def choose(splitter: Splitter, cases: Sequence[Case], caution: float = 0.0) -> Tuned:
    """Choose the thresholds of a splitter that agree best with labelled images.

    Parameters and errors are those of `choosing`.

    Examples
    --------
    >>> from napari_nucleate.core.annotation import annotate
    >>> from napari_nucleate.core.instances.clean import from_mask_like
    >>> labels = np.kron(np.arange(1, 17).reshape(4, 4), np.pad(np.ones((6, 6), int), 2))
    >>> faint = from_mask_like(np.where(labels > 0, 0.4, 0.05))
    >>> tuned = choose(Components(), [(faint, annotate(labels))])
    >>> tuned.begun_ap, tuned.ap, tuned.splitter.threshold
    (0.0, 1.0, 0.2)
    """
    *_, last = choosing(splitter, cases, caution)
    if not isinstance(last, Tuned):
        raise TypeError("The search ended without a result.")
    return last


def choosing(
    splitter: Splitter, cases: Sequence[Case], caution: float = 0.0
) -> Generator[Tried | Tuned, None, None]:
    """Choose the thresholds of a splitter that agree best with labelled images.

    Each image has one vote: the mean AP is averaged over them, for objects of one image are alike,
    and a crowded one would decide for all. One field after the other is moved to the middle of its
    best values, until none moves any more. For star-convex objects on a network's rays, all
    probabilities are tried with each value of the other fields: they cost next to nothing, see
    `trial.Trial`.

    Parameters
    ----------
    splitter : Splitter
        Begun with. What isn't a threshold stays as it is.
    cases : sequence of (Maps, Annotation)
        Labelled images. Items are taken again and again, from threads: a sequence may read them
        when asked.
    caution : float
        A threshold that is moved by x must raise AP by this times x², see `CAUTION`.

    Yields
    ------
    Tried
        After each image.
    Tuned
        At the end, once.

    Raises
    ------
    NucleateError
        If no image, or fewer than ten objects are labelled, or a map and its labels differ in
        shape.
    """
    if not len(cases):
        raise NucleateError("No labelled image has maps to split; label some, and predict them.")
    search = _Search(cases, splitter, caution)
    try:
        yield from search.try_all([splitter])
        if search.objects < FEWEST:
            raise NucleateError(
                f"Only {counted(search.objects, 'object')} labelled in "
                f"{counted(len(cases), 'image')}; label at least {FEWEST} to choose thresholds."
            )
        search.fields = _fields(splitter, cases[0][0])
        search.crossed = CROSSED if "probability" in search.fields else ()
        chosen = yield from _climb(search)
        curves = []
        for field in search.fields:
            yield from search.try_all(_line(chosen, field))
            curves.append(search.curve(chosen, field))
    finally:
        search.close()
    yield Tuned(
        chosen,
        search.ap(chosen),
        splitter,
        search.ap(splitter),
        tuple(curves),
        len(cases),
        search.objects,
        search.tried,
    )


class _Search:
    """Measures splitters on all cases, each once; and with each, the same at other probabilities.

    Attributes
    ----------
    begun : Splitter
        What a move is counted from.
    crossed : tuple of float
        These probabilities; empty where they'd cost as much as other values.
    fields : tuple of str
        What may be moved.
    objects : int
        How many are labelled.
    """

    def __init__(self, cases: Sequence[Case], begun: Splitter, caution: float) -> None:
        self._cases, self._caution = cases, caution
        self.begun = begun
        self._pool = ThreadPoolExecutor(cores())
        self._trials: dict[int, Trial] = {}
        self._ap: dict[Any, float] = {}
        self.crossed: tuple[float, ...] = ()
        self.fields: tuple[str, ...] = ()
        self.objects = 0

    @property
    def tried(self) -> int:
        """How many splitters were measured."""
        return len(self._ap)

    def ap(self, splitter: Any) -> float:
        """Mean AP of a splitter that was measured."""
        return self._ap[splitter]

    def worth(self, splitter: Any) -> float:
        """Its AP, less what it takes to move there."""
        moved = sum((_get(splitter, f) - _get(self.begun, f)) ** 2 for f in self.fields)
        return self._ap[splitter] - self._caution * moved

    def try_all(self, splitters: Iterable[Any]) -> Generator[Tried, None, None]:
        """Measure those that weren't before."""
        wanted = [t for s in splitters for t in (s, *self._beside(s))]
        new = [s for s in dict.fromkeys(wanted) if s not in self._ap]
        if not new:
            return
        images, objects, total = len(self._cases), 0, np.zeros(len(new))
        each = self._pool.map(partial(self._measure, new), range(images))
        for done, counts in enumerate(each, 1):
            objects += counts.true
            total += counts.mean_ap
            yield Tried(done, images, len(self._ap))
        self.objects = objects
        self._ap.update(zip(new, (total / images).tolist(), strict=True))

    def curve(self, splitter: Any, field: str) -> Curve:
        """All that was measured by one field, the others being as in the splitter."""
        known = {_get(other, field): ap for other, ap in self._like(splitter, field)}
        return self._curve(splitter, field, known)

    def choice(self, splitter: Any, field: str) -> Curve:
        """The same by what each value is worth, with the best of the crossed probabilities."""
        known: dict[float, float] = {}
        for other, _ in self._like(splitter, field, crossed=field != "probability"):
            value = _get(other, field)
            known[value] = max(self.worth(other), known.get(value, -np.inf))
        return self._curve(splitter, field, known)

    def _like(
        self, splitter: Any, field: str, *, crossed: bool = False
    ) -> Iterator[tuple[Any, float]]:
        for other, ap in self._ap.items():
            like = _with(splitter, field, _get(other, field))
            if crossed and self.crossed:
                like = _with(like, "probability", other.probability)
            if like == other:
                yield other, ap

    def _curve(self, splitter: Any, field: str, known: dict[float, float]) -> Curve:
        values = tuple(sorted(known))
        return Curve(field, values, tuple(known[v] for v in values), _get(splitter, field))

    def close(self) -> None:
        """Measure nothing more."""
        self._pool.shutdown(cancel_futures=True)

    def _beside(self, splitter: Any) -> list[Any]:
        return [_with(splitter, "probability", value) for value in self.crossed]

    def _measure(self, splitters: Sequence[Splitter], i: int) -> Counts:
        maps, annotation = self._cases[i]
        if i not in self._trials:
            self._trials[i] = Trial(annotation)
        with one_core():
            return self._trials[i].measure(splitters, maps)


def counted(count: int, what: str) -> str:
    """Say how many there are.

    Examples
    --------
    >>> counted(1, "image"), counted(12, "object")
    ('1 image', '12 objects')
    """
    return f"{count} {what}" + "s" * (count != 1)


def _climb(search: _Search) -> Generator[Tried, None, Any]:
    """Move the fields in turn until none moves any more; never to what is worse than before."""
    best: Any = search.begun
    for passed in range(MOST_PASSES):
        before = best
        for field in search.fields:
            best = yield from _along(search, best, field, settled=passed > 0)
        if best == before:
            break
    return search.begun if search.worth(search.begun) >= search.worth(best) else best


def _along(
    search: _Search, start: Any, field: str, *, settled: bool
) -> Generator[Tried, None, Any]:
    """Move one field to the middle of its best values; if settled, only where it isn't as good."""
    new = _line(start, field)
    while new:
        yield from search.try_all(new)
        curve = search.choice(start, field)
        new = [_with(start, field, value) for value in _further(curve)]
    if settled and search.worth(start) >= max(curve.ap) - TOLERANCE:
        return start
    return _with(start, field, _middle(curve))


def _further(curve: Curve) -> list[float]:
    """What to try next: values beside the best one, and beyond the ends where these are as good."""
    at = int(np.argmax(curve.ap))
    near = pairwise(curve.values[max(at - 1, 0) : at + 2])
    values = [round((a + b) / 2, 3) for a, b in near if b - a > FINEST]
    best = _plateau(curve)
    if curve.chosen in best[1:-1] and max(curve.ap) > 0:
        return values
    grid = _grid(curve.field)
    if best[0] == curve.values[0]:
        values += [v for v in grid if v < best[0]][-1:]
    if best[-1] == curve.values[-1]:
        values += [v for v in grid if v > best[-1]][:1]
    return values


def _middle(curve: Curve) -> float:
    """The value in the middle of the best ones, or the present one where it is well among them."""
    best = _plateau(curve)
    if curve.chosen in best[1:-1] or len(best) == len(curve.values):
        return curve.chosen
    return min(best, key=lambda value: abs(value - (best[0] + best[-1]) / 2))


def _plateau(curve: Curve) -> tuple[float, ...]:
    """The values around the best one that are as good."""
    good = np.array(curve.ap) >= max(curve.ap) - TOLERANCE
    first = last = int(np.argmax(curve.ap))
    while first > 0 and good[first - 1]:
        first -= 1
    while last < len(good) - 1 and good[last + 1]:
        last += 1
    return curve.values[first : last + 1]


def _fields(splitter: Any, maps: Maps) -> tuple[str, ...]:
    """The thresholds that act on such maps, the most telling first."""
    if isinstance(splitter, LinkedPlanes):
        return tuple(f"splitter.{name}" for name in _fields(splitter.splitter, maps))
    if isinstance(splitter, Components):
        return ("threshold",)
    if isinstance(splitter, Watershed):
        if maps.border is None:
            return ("threshold", "separation")
        return ("threshold", "seed_threshold", "border_separation")
    if maps.distances is None:
        return ("threshold", "separation")
    if splitter.outline == "stars":
        return ("overlap", "probability")
    return ("threshold", "overlap", "probability")


def _line(splitter: Any, field: str) -> list[Any]:
    """The splitters that differ by the values of one field, not far from the present one."""
    present = _get(splitter, field)
    grid = CROSSED if field == "probability" else _grid(field)
    values = {v for v in grid if abs(v - present) <= REACH}
    return [_with(splitter, field, value) for value in sorted({*values, present})]


def _grid(field: str) -> tuple[float, ...]:
    return GRIDS[field.rsplit(".", maxsplit=1)[-1]]


def _get(splitter: Any, field: str) -> float:
    *outer, name = field.split(".")
    return float(getattr(splitter.splitter if outer else splitter, name))


def _with(splitter: Any, field: str, value: float) -> Any:
    """The same splitter with another value of a field, or of its splitter's."""
    *outer, name = field.split(".")
    if outer:
        return splitter.model_copy(update={outer[0]: _with(splitter.splitter, name, value)})
    return splitter.model_copy(update={name: value})
