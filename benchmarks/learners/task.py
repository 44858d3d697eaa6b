"""What a learner is asked, and how it answers: files that scripts in other environments read.

A task is JSON. `do` is "learn" (train on `fit` for `seconds`, write label images of `test`),
"self-train" (the same with the best predictions of `pool`, ours alone) or "time" (predict `image`
a few times with the model in `model`). The answer is `answer.json` in the folder `out`. This file,
and the scripts beside it, import nothing of napari-nucleate but `with_ours.py`: each runs in the
environment of its own tool.
"""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import tifffile


class Task:
    """A task as it was read, with what all learners do alike."""

    def __init__(self, path: Path) -> None:
        self.given: dict[str, Any] = json.loads(path.read_text())
        self.do: str = self.given["do"]
        self.out = Path(self.given["out"])
        self.seconds: float = self.given.get("seconds", 0.0)
        self.seed: int = self.given.get("seed", 0)
        self.ndim: int = self.given.get("ndim", 2)
        self.spacing: tuple[float, ...] = tuple(self.given.get("spacing", ()))
        self.answer: dict[str, Any] = {"runs": [], "notes": []}

    def note(self, text: str) -> None:
        """Say what a reader of the figures must know."""
        self.answer["notes"].append(text)

    def fit(self) -> tuple[list[Any], list[Any]]:
        """Images and masks to learn from, channels last."""
        images = [tifffile.imread(row["image"]) for row in self.given["fit"]]
        masks = [tifffile.imread(row["mask"]).astype(np.int32) for row in self.given["fit"]]
        return images, masks

    def write(self, label: str, predict: Any, **facts: Any) -> None:
        """Predict all test images, write their labels, note facts and the seconds it took."""
        folder = self.out / label
        folder.mkdir(parents=True, exist_ok=True)
        start = time.perf_counter()
        for path in self.given["test"]:
            labels = np.asarray(predict(tifffile.imread(path)))
            tifffile.imwrite(folder / f"{Path(path).stem}.tif", labels.astype(np.uint16))
        seconds = time.perf_counter() - start
        self.answer["runs"].append({"labels": label, "predict_seconds": round(seconds, 2), **facts})

    def clock(self, predict: Any) -> None:
        """Predict one image once to warm up, then a few times by the clock."""
        image = tifffile.imread(self.given["image"])
        found = predict(image)
        times = []
        for _ in range(self.given["repeats"]):
            start = time.perf_counter()
            predict(image)
            times.append(round(time.perf_counter() - start, 3))
        self.answer["runs"].append({"seconds": times, "objects": int(np.max(found))})

    def done(self, **versions: str) -> None:
        """Write the answer."""
        self.answer["versions"] = {"python": sys.version.split()[0], **versions}
        self.answer["cpu_seconds"] = round(time.process_time(), 1)
        (self.out / "answer.json").write_text(json.dumps(self.answer, indent=1))


def task() -> Task:
    """The task that the command line names."""
    return Task(Path(sys.argv[1]))


def channels_first(image: Any, ndim: int) -> Any:
    """An image with an axis of channels in front."""
    return np.moveaxis(image, -1, 0) if image.ndim > ndim else image[np.newaxis]


def quiet() -> None:
    """Keep TensorFlow from telling what it found on the machine."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
