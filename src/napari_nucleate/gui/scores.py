"""The scores of a Labels layer's objects follow its edits, and their undoing.

A layer's features are a table; by napari's convention a row belongs to the object in its column
"index". napari tells nobody what it undoes, so its history is looked at whenever the layer was
redrawn, and the pixels of edits that it has forgotten.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, ref

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from napari.layers import Labels
    from numpy.typing import NDArray

    from napari_nucleate.core.instances.edit import Edit

    Where = tuple[NDArray[np.int64], ...]

INDEX = "index"
EDITED = "edited"
SCORES = ("probability", "confidence", "score", "certainty")
"""Columns that a merged object has the mean of, by size; of others it has the first object's."""
MOST = 100
"""Steps that napari remembers."""
UNDO, REDO = "_undo_history", "_redo_history"
"""napari's own; where a version has them no more, the pixels alone are looked at."""

_ledgers: WeakKeyDictionary[Labels, Ledger] = WeakKeyDictionary()


def ledger_of(layer: Labels) -> Ledger:
    """The layer's ledger, made at the first call; it lives as long as the layer."""
    if layer not in _ledgers:
        _ledgers[layer] = Ledger(layer)
    return _ledgers[layer]


@dataclass(frozen=True)
class Step:
    """An edit of the pixels, and the rows of the table that went with it.

    The change is the object in napari's history that stands for the edit, if there is one.
    """

    change: object
    where: Where
    before: NDArray[Any]
    after: NDArray[Any]
    ids: frozenset[int]
    old_rows: pd.DataFrame
    new_rows: pd.DataFrame


class Ledger:
    """Keeps a layer's features right while its labels are edited, undone and redone.

    Parameters
    ----------
    layer : napari.layers.Labels
    """

    def __init__(self, layer: Labels) -> None:
        self._layer = ref(layer)
        self._steps: list[Step] = []
        self._done = 0
        layer.events.set_data.connect(self.check)

    def enter(self, edit: Edit, where: Where, before: NDArray[Any], after: NDArray[Any]) -> None:
        """Note an edit that was just made, and let the table follow it."""
        layer = self._layer()
        if layer is None or INDEX not in layer.features or not len(after):
            return
        table = layer.features
        ids = frozenset({*edit.parents, *edit.reshaped, *edit.gone})
        old = table[table[INDEX].isin(ids)]
        new = followed(old, edit, _elsewhere(layer, edit.gone))
        del self._steps[self._done :]
        self._steps.append(Step(_newest(layer), where, before, after, ids, old, new))
        del self._steps[:-MOST]
        self._done = len(self._steps)
        layer.features = patched(table, ids, new)

    def check(self, event: Any = None) -> None:
        """Look which edits were undone or redone, and put their rows back."""
        del event
        layer = self._layer()
        if layer is None or not self._steps:
            return
        table = layer.features
        while self._done and _is_undone(layer, self._steps[self._done - 1]):
            self._done -= 1
            step = self._steps[self._done]
            table = patched(table, step.ids, step.old_rows)
        while self._done < len(self._steps) and _is_done(layer, self._steps[self._done]):
            step = self._steps[self._done]
            self._done += 1
            table = patched(table, step.ids, step.new_rows)
        if table is not layer.features:
            layer.features = table


def followed(
    rows: pd.DataFrame, edit: Edit, elsewhere: frozenset[int] = frozenset()
) -> pd.DataFrame:
    """Rows of the objects after an edit. Pure.

    Parameters
    ----------
    rows : DataFrame
        Those of the objects concerned, before it.
    edit : Edit
    elsewhere : frozenset of int
        Labels that this image lost but another one has, so that their rows stay.

    Returns
    -------
    DataFrame
        With a column "edited". Pieces inherit all values; merged objects have the mean of the
        scores, weighted by size, and otherwise the values of the object whose label they keep.

    Examples
    --------
    >>> from napari_nucleate.core.instances.edit import Edit
    >>> rows = pd.DataFrame({"index": [3, 5], "score": [0.8, 0.5], "class": ["a", "b"]})
    >>> edit = Edit((), np.zeros(0, int), {3: {3: 20, 5: 10}}, gone=(5,))
    >>> followed(rows, edit).values.tolist()
    [[3, 0.7, 'a', True]]
    """
    by_label = {int(row[INDEX]): row for row in rows.to_dict("records")}
    made = [by_label[label] for label in edit.gone if label in by_label and label in elsewhere]
    made += [{**by_label[label], EDITED: True} for label in edit.reshaped if label in by_label]
    for label, sizes in edit.parents.items():
        known = {parent: size for parent, size in sizes.items() if parent in by_label}
        if known:
            first = label if label in known else max(known, key=known.__getitem__)
            row = {**by_label[first], INDEX: label, EDITED: True}
            for score in set(SCORES) & set(rows.columns):
                row[score] = _mean([(by_label[p][score], size) for p, size in known.items()])
            made.append(row)
    columns = [*rows.columns] + [EDITED] * (EDITED not in rows.columns)
    table = pd.DataFrame(made, columns=columns)
    table[EDITED] = np.array([row.get(EDITED) is True for row in made], bool)
    return table.astype(rows.dtypes.drop(EDITED, errors="ignore"))


def patched(table: pd.DataFrame, ids: frozenset[int], rows: pd.DataFrame) -> pd.DataFrame:
    """Replace the rows of some objects in a table sorted by label. Pure."""
    others = table[~table[INDEX].isin(ids)]
    if EDITED in others or EDITED in rows:
        others, rows = (x.assign(**{EDITED: x.get(EDITED, False)}) for x in (others, rows))
    parts = [part for part in (others, rows[others.columns]) if len(part)]
    joined = pd.concat(parts) if parts else others
    joined = joined.sort_values(INDEX, kind="stable", ignore_index=True)
    if EDITED in joined and not joined[EDITED].any():
        joined = joined.drop(columns=EDITED)
    return joined


def _elsewhere(layer: Labels, ids: tuple[int, ...]) -> frozenset[int]:
    """Which of some labels there still are in a layer."""
    data = np.asarray(layer.data)
    wanted = np.array(ids, data.dtype)
    return frozenset(np.unique(data[np.isin(data, wanted)]).tolist() if ids else ())


def _mean(pairs: list[tuple[float, int]]) -> float:
    """The mean of values by their weights; of those that are known."""
    known = [(float(value), weight) for value, weight in pairs if not pd.isna(value)]
    if not known:
        return float("nan")
    values, weights = zip(*known, strict=True)
    return float(np.average(values, weights=weights))


def _is_done(layer: Labels, step: Step) -> bool:
    if _holds(layer, UNDO, step):
        return True
    return not _holds(layer, REDO, step) and _shows(layer, step, step.after)


def _is_undone(layer: Labels, step: Step) -> bool:
    # Pixels alone don't tell: merging what was split shows what was before the split.
    if _holds(layer, REDO, step):
        return True
    return not _holds(layer, UNDO, step) and _shows(layer, step, step.before)


def _newest(layer: Labels) -> object:
    """The last change in napari's history; None if it keeps none."""
    history = getattr(layer, UNDO, None)
    return history[-1][-1] if history else None


def _holds(layer: Labels, name: str, step: Step) -> bool:
    """Whether one of napari's histories holds the change of a step."""
    return any(step.change is entry[-1] for entry in getattr(layer, name, ()))


def _shows(layer: Labels, step: Step, values: NDArray[Any]) -> bool:
    """Whether the layer shows some values at the pixels of a step."""
    try:
        if layer.data[tuple(axis[0] for axis in step.where)] != values[0]:
            return False
        return np.array_equal(np.asarray(layer.data[step.where]), values)
    except IndexError:  # the layer got data of another shape
        return False
