"""What is known of a layer's objects, as napari shows it: a table whose rows belong to labels.

napari finds an object's row by its label in the column "index" and shows the others when the
pointer is on it. A layer has one table: so that it is right in all of its images, labels are
unique in a layer. The objects of the first image are 1..n, those of the next go on from there.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, ref

import numpy as np
import pandas as pd
from qtpy.QtCore import QTimer

from napari_nucleate.gui.scores import INDEX

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari.layers import Labels
    from numpy.typing import NDArray

    from napari_nucleate.core.instances import Instances

CALM = 10
"""Setting a table may take one part in so many of the time."""

_tables: WeakKeyDictionary[Labels, ImageTables] = WeakKeyDictionary()


def features_of(
    found: Instances, first: int = 1, confidence: Mapping[int, float] | None = None
) -> pd.DataFrame:
    """A table of objects for a layer where they are the labels `first`, `first` + 1 and so on."""
    labels = np.arange(first, first + len(found))
    return pd.DataFrame({INDEX: labels, **found.table(confidence)})


def joined(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """One table from those of several images, in the order of the labels."""
    filled = [table for table in tables if len(table)]
    if not filled:
        return pd.DataFrame({INDEX: np.zeros(0, np.int64)})
    return pd.concat(filled).sort_values(INDEX, ignore_index=True)


def raised(labels: NDArray[np.int32], by: int) -> NDArray[np.int32]:
    """Labels that are higher by so much; 0 stays 0.

    Examples
    --------
    >>> raised(np.array([0, 1, 2], np.int32), 10).tolist()
    [0, 11, 12]
    """
    return np.where(labels > 0, labels + np.int32(by), 0).astype(np.int32) if by else labels


def by_label(layer: Labels) -> dict[str, dict[int, Any]]:
    """The features of a layer's objects by column and label, for a table of measurements."""
    if layer in _tables:
        _tables[layer].set()
    table = layer.features
    labels = table[INDEX].tolist() if INDEX in table else range(len(table))
    return {
        str(name): dict(zip(labels, column.tolist(), strict=True))
        for name, column in table.items()
        if name != INDEX
    }


def tables_of(layer: Labels) -> ImageTables:
    """The tables of a layer's images, made at the first call; they live as long as the layer."""
    if layer not in _tables:
        _tables[layer] = ImageTables(layer)
    return _tables[layer]


def move_tables(before: Labels, after: Labels) -> None:
    """Let the tables of a layer be those of another, which shows what it showed."""
    if before in _tables:
        tables = _tables[after] = _tables.pop(before)
        tables.move(after)


class ImageTables:
    """The tables of a layer's images, one after the other; gives each image labels of its own.

    A large table takes napari long to set: they are set together, and not too often.

    Parameters
    ----------
    layer : napari.layers.Labels
    """

    def __init__(self, layer: Labels) -> None:
        self._layer = ref(layer)
        self._tables: dict[str, pd.DataFrame] = {}
        self._changed = False
        self._timer = QTimer()
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self.set)
        self._after = 0.0

    def put(
        self, key: str, found: Instances | None, confidence: Mapping[int, float] | None = None
    ) -> int:
        """Take an image's objects in the place of those it had; returns by how much to raise them.

        Objects of which nothing is known are raised by 0: their labels may be classes.
        """
        self._tables.pop(key, None)
        by = max((int(t[INDEX].iloc[-1]) for t in self._tables.values() if len(t)), default=0)
        if found is not None:
            self._tables[key] = features_of(found, by + 1, confidence)
        self._changed = True
        if not self._timer.isActive():
            self._timer.start(round(1000 * max(self._after - time.perf_counter(), 0)))
        return 0 if found is None else by

    def move(self, layer: Labels) -> None:
        """Be the tables of another layer from now on."""
        self._layer, self._changed = ref(layer), True
        self.set()

    def set(self) -> None:
        """Give the layer all rows now."""
        layer = self._layer()
        if layer is None or not self._changed:
            return
        self._changed = False
        start = time.perf_counter()
        layer.features = joined(list(self._tables.values()))
        self._after = time.perf_counter() + CALM * (time.perf_counter() - start)
