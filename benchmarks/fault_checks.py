"""What is looked at after a kill: whether all of a project can be read, and belongs together."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from fault_work import numbered
from napari_nucleate.core.events import Prediction
from napari_nucleate.io.model import CARD, WEIGHTS
from napari_nucleate.io.read import read_folder
from napari_nucleate.io.snapshot import has_snapshot
from napari_nucleate.project.model import PAINTED, Item, State
from napari_nucleate.project.store import Store


class Look:
    """Reads all of a project, and notes what can't be read or is of two different saves.

    Parameters
    ----------
    store : Store
    state : State
    numbered : bool
        Whether everything has a number by which it is known what belongs together.
    """

    def __init__(self, store: Store, state: State, numbered: bool) -> None:
        self._store, self._numbered = store, numbered
        self.wrong: list[str] = []
        self._read("boxes", store.load_boxes)
        for item in state.items:
            self._labels(item)
            self._prediction(item)
        named = {entry.model for entry in state.rounds}
        for model in sorted((store.folder / "models").glob("*")):
            self._model(model, model.name in named)
        self._read("what was interrupted", store.interrupted)
        for out in store.folder.glob("exported-*"):
            self._export(out)

    def _read(self, what: str, read: Callable[[], Any]) -> Any:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")  # what is read is not to be the one before
                return read()
        except Exception as error:  # noqa: BLE001  # each is one that a person would see
            self.wrong.append(f"{what}: {error!r}")
            return None

    def _labels(self, item: Item) -> None:
        painted = self._read("labels", lambda: self._store.load_annotation(item.key))
        if painted is None and item.status in PAINTED:
            self.wrong.append(f"{item.key}: labelled, but without labels")
        if self._numbered and painted is not None and len(np.unique(painted)) != 1:
            self.wrong.append(f"{item.key}: labels of two saves")

    def _prediction(self, item: Item) -> None:
        found = self._read("prediction", lambda: self._store.load_prediction(item.key))
        self._read("table", lambda: self._store.load_table(item.key))
        if found is None and item.status in ("predicted", "accepted", "rejected"):
            self.wrong.append(f"{item.key}: {item.status}, but without a prediction")
        if self._numbered and found is not None and not same_number(found):
            self.wrong.append(f"{item.key}: a prediction of two saves")

    def _model(self, folder: Path, named: bool) -> None:
        if named or any((folder / name).exists() for name in (WEIGHTS, CARD)):
            found = self._read("model", lambda: self._store.load_model(folder.name))
            if self._numbered and found is not None:
                step = found.card.record.best_step
                if any((value != step).any() for value in found.weights.values()):
                    self.wrong.append(f"{folder.name}: weights and card of two saves")
        if has_snapshot(folder):
            self._read("snapshot", lambda: self._store.load_snapshot(folder.name))

    def _export(self, out: Path) -> None:
        labels = out / "labels"
        if labels.is_dir() and any(not p.name.startswith(".") for p in labels.iterdir()):
            for stack in self._read("export", lambda: read_folder(labels)) or ():
                self._read("export", lambda stack=stack: stack.data[...])
        table = out / "measurements.csv"
        if table.exists() and not table.read_text("utf-8").endswith("\n"):
            self.wrong.append(f"{table}: cut off")


def same_number(prediction: Prediction) -> bool:
    """Whether all files of a numbered prediction are of one save."""
    number = round(1000 * prediction.scores.image)
    wanted = numbered(number)
    found = prediction.instances
    return (
        np.array_equal(prediction.labels, wanted.labels)
        and np.array_equal(prediction.maps, wanted.maps)
        and prediction.scores.objects == wanted.scores.objects
        and found is not None
        and found.rays is not None
        and bool((found.rays == number).all())
    )
