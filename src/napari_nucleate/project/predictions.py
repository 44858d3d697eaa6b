"""The predictions of a project: several files for each image, of which no mixture is ever read.

KEY.tif               labels
maps/KEY.tif          what the network drew
stars/KEY.safetensors centres and rays
KEY.json              the scores, what else is known of each object, and which save they are of

A prediction is written beside, as .waiting/SAVE.*, and its JSON last: with that it counts. Then its
files take their names. Whoever reads between looks for those that still wait; where the program was
killed there, the next one that may write goes on.
"""

from __future__ import annotations

import json
import math
import re
import secrets
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from napari_nucleate.core.annotation import as_labels
from napari_nucleate.core.confidence import Scores
from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.events import Prediction
from napari_nucleate.core.foreign import json_of, one_line
from napari_nucleate.core.images import SPATIAL
from napari_nucleate.core.instances import Instances
from napari_nucleate.core.instances.found import DIGITS
from napari_nucleate.io.atomic import OLD, made, write_text
from napari_nucleate.io.guard import advised
from napari_nucleate.io.read import read_stack
from napari_nucleate.io.stars import load_stars, save_stars
from napari_nucleate.io.write import write_image, write_labels

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

WAITING = ".waiting"
"""The folder of files that wait for their names; without them, a project isn't whole."""
LABELS, MAPS, STARS = "labels.tif", "maps.tif", "stars.safetensors"
_PLACES = {LABELS: "{}.tif", MAPS: "maps/{}.tif", STARS: "stars/{}.safetensors"}
_SAVE = re.compile(r"[0-9a-f]{16}")
ATTEMPTS = 3
AGAIN = "predict the image again"

T = TypeVar("T")


class Predictions:
    """Reads and writes predictions. Who writes must have the project's lock.

    Parameters
    ----------
    folder : Path
        Made at the first write where it doesn't exist.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._waiting = folder / WAITING

    def save(
        self,
        prediction: Prediction,
        spacing: tuple[float, ...] = (),
        units: tuple[str, ...] = (),
    ) -> None:
        """Write a prediction; where that fails or is killed, an older one stays as it is.

        Raises
        ------
        NucleateError
            If it can't be written.
        """
        save, found = secrets.token_hex(8), prediction.instances
        axes = SPATIAL[prediction.labels.ndim]
        self._make_folders()
        scores: dict[str, Any] = {
            "image": prediction.scores.image,
            "reason": prediction.scores.reason,
            "shape": prediction.labels.shape,
            "objects": {str(k): round(v, DIGITS) for k, v in prediction.scores.objects.items()},
            "save": save,
        }
        try:
            write_labels(self._beside(save, LABELS), prediction.labels, axes, spacing, units)
            maps = prediction.maps.astype(np.float32)
            write_image(self._beside(save, MAPS), maps, "C" + axes)
            if found is not None:
                table = {name: column.tolist() for name, column in found.table().items()}
                scores["instances"] = {"stars": False, **table}
                if found.points is not None and found.rays is not None:
                    save_stars(self._beside(save, STARS), found.points, found.rays)
                    scores["instances"]["stars"] = True
            write_text(self._scores(prediction.key), json.dumps(scores), overwrite=True)
        except BaseException:
            for kind in _PLACES:
                with suppress(OSError):  # if they stay, they are swept once they are old
                    self._beside(save, kind).unlink(missing_ok=True)
            raise
        self._place(prediction.key, save)

    def load(self, key: str) -> Prediction | None:
        """Read a prediction, or None where there is none.

        Raises
        ------
        NucleateError
            If one of its files is damaged.
        """
        return self._of_one_save(key, self._load)

    def load_labels(self, key: str) -> NDArray[np.int32] | None:
        """Read the labels of a prediction without its maps, or None where there is none."""
        return self._of_one_save(key, self._labels)

    def _of_one_save(self, key: str, read: Callable[[str, dict[str, Any]], T]) -> T | None:
        """Read files of one save; again, where another takes its place in that moment."""
        for attempt in range(ATTEMPTS):
            before, raw = self._stamp(key), self._read_scores(key)
            if raw is None:
                return None
            try:
                found = read(key, raw)
            except NucleateError:
                if attempt + 1 == ATTEMPTS or (self._stamp(key) == before and attempt):
                    raise
                continue  # a file may just have been given its name
            if self._stamp(key) == before:
                return found
        raise NucleateError(
            f"{self._scores(key)} is being written again and again; wait for its end."
        )

    def _stamp(self, key: str) -> tuple[int, ...]:
        """What tells one file of scores from the next."""
        try:
            found = self._scores(key).stat()
        except OSError:
            return ()
        return found.st_ino, found.st_mtime_ns, found.st_size

    def _load(self, key: str, raw: dict[str, Any]) -> Prediction:
        labels = self._labels(key, raw)
        maps = _pixels(self._file(key, raw["save"], MAPS), "C" + SPATIAL[labels.ndim])
        # A file tells neither a single map nor a single plane.
        maps = maps.reshape(-1, *labels.shape).astype(np.float16)
        return Prediction(key, maps, labels, _scored(raw), self._instances(key, raw, labels))

    def _labels(self, key: str, raw: dict[str, Any]) -> NDArray[np.int32]:
        shape, path = tuple(raw["shape"]), self._file(key, raw["save"], LABELS)
        labels = as_labels(_pixels(path, SPATIAL[len(shape)]))
        if labels.size != math.prod(shape):
            raise NucleateError(
                f"{path} has shape {labels.shape} instead of {shape}; predict the image again."
            )
        return labels.reshape(shape)

    def load_scores(self, key: str) -> Scores | None:
        """Read the scores of a prediction, or None where there is none.

        Raises
        ------
        NucleateError
            If the file is damaged.
        """
        raw = self._read_scores(key)
        return None if raw is None else _scored(raw)

    def load_table(self, key: str) -> dict[str, Mapping[int, float]]:
        """Read what is known of the objects of a prediction, by column and label; for tables.

        Raises
        ------
        NucleateError
            If the file is damaged.
        """
        raw = self._read_scores(key)
        if raw is None:
            return {}
        known = raw["instances"] or {}
        found: dict[str, Mapping[int, float]] = {
            name: {i: round(value, DIGITS) for i, value in enumerate(known[name].tolist(), 1)}
            for name in ("probability", "class")
            if known.get(name) is not None
        }
        return found | {"confidence": raw["objects"]}

    def settle(self) -> None:
        """Give files their names that wait, since a program was killed; drop old ones of no use."""
        waiting = {path.name[:16] for path in self._waiting.glob("*") if _SAVE.match(path.name)}
        if not waiting:
            return
        counting = set()
        for scores in self._folder.glob("*.json"):
            try:
                raw = self._read_scores(scores.stem)
            except NucleateError:
                return  # nobody knows which of them counts
            if raw is not None and raw["save"] in waiting:
                counting.add(raw["save"])
                self._place(scores.stem, raw["save"])
        before = time.time() - OLD
        for path in self._waiting.glob("*"):
            # One that counts may have to wait still: its place is open in another program.
            if path.name[:16] in counting or not _SAVE.match(path.name):
                continue
            with suppress(OSError):
                if path.stat().st_mtime < before:
                    path.unlink()

    def _place(self, key: str, save: str) -> None:
        """Give the files of a save that counts their names. Those that can't have them yet wait."""
        for kind in _PLACES:
            with suppress(OSError):
                self._beside(save, kind).replace(self._named(key, kind))

    def _instances(
        self, key: str, raw: Mapping[str, Any], labels: NDArray[np.int32]
    ) -> Instances | None:
        known = raw["instances"]
        if known is None:
            return None
        probability, classes = known["probability"], known["class"]
        n = int(labels.max(initial=0))
        if len(probability) != n or (classes is not None and len(classes) != n):
            raise NucleateError(
                f"{self._scores(key)} tells of {len(probability)} objects, the labels "
                f"beside it have {n}; predict the image again."
            )
        points, rays = None, None
        if known["stars"]:
            points, rays = load_stars(self._file(key, raw["save"], STARS), n, labels.ndim)
        return Instances(labels, probability, points, rays, classes)

    def _read_scores(self, key: str) -> dict[str, Any] | None:
        path = self._scores(key)
        if not path.is_file():
            return None
        try:
            raw = json_of(path)
            shape = [int(n) for n in raw["shape"]]
            if len(shape) not in SPATIAL:
                raise ValueError(f"shape {shape}")
            # Versions before wrote none. It becomes part of a path.
            save = str(raw.get("save", ""))
            if save and not _SAVE.fullmatch(save):
                raise ValueError(f"save {save[:40]!r}")
            return {
                "image": float(raw["image"]),
                "reason": str(raw["reason"]),
                "objects": {int(k): float(v) for k, v in raw["objects"].items()},
                "shape": shape,
                "save": save,
                "instances": _parsed(raw.get("instances")),
            }
        except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
            raise NucleateError(
                f"{path} is damaged ({one_line(error)}); predict the image again."
            ) from error

    def _scores(self, key: str) -> Path:
        return self._folder / f"{key}.json"

    def _named(self, key: str, kind: str) -> Path:
        return self._folder / _PLACES[kind].format(key)

    def _beside(self, save: str, kind: str) -> Path:
        return self._waiting / f"{save}.{kind}"

    def _file(self, key: str, save: str, kind: str) -> Path:
        """Where a file of a save is: under its name, but for a moment, or where it was killed."""
        beside = self._beside(save, kind)
        return beside if save and beside.is_file() else self._named(key, kind)

    def _make_folders(self) -> None:
        parts = (self._waiting, self._folder / "maps", self._folder / "stars")
        for folder in (self._folder, *parts):
            made(folder)


def _scored(raw: Mapping[str, Any]) -> Scores:
    return Scores(raw["image"], raw["objects"], raw["reason"])


def _parsed(instances: Any) -> dict[str, Any] | None:
    """What the JSON of a prediction says of its objects, as arrays; None in older files."""
    if instances is None:
        return None
    classes = instances.get("class")
    return {
        "stars": bool(instances["stars"]),
        "probability": np.array(instances["probability"], np.float32).reshape(-1),
        "class": None if classes is None else np.array(classes, np.int32).reshape(-1),
    }


def _pixels(path: Path, axes: str) -> NDArray[Any]:
    """Read a file, its axes in this order; those of length 1 are left out."""
    with advised(AGAIN):
        stack = read_stack(path)
        if not set(stack.axes) <= set(axes):
            raise NucleateError(f"{path} has axes {stack.axes} instead of {axes}; {AGAIN}.")
        pixels = np.asarray(stack.data[...])
    return pixels.transpose([stack.axes.index(a) for a in axes if a in stack.axes])
