"""StarDist as in its example notebooks, ended by the clock."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import task as tasks

tasks.quiet()

import keras  # noqa: E402
import stardist  # noqa: E402
import tensorflow as tf  # noqa: E402
from csbdeep.utils import normalize  # noqa: E402
from stardist import (  # noqa: E402
    Rays_GoldenSpiral,
    calculate_extents,
    fill_label_holes,
)
from stardist.models import Config2D, Config3D, StarDist2D, StarDist3D  # noqa: E402

MOST_FOR_THRESHOLDS = 16
"""Images that thresholds are chosen on, at most: it takes minutes, which nobody counts."""


class Deadline(keras.callbacks.Callback):
    """Ends the training when its time is over; keeps the best weights of earlier times.

    An earlier time's weights are those that StarDist would have kept at the end of the epoch
    that began before it: the peer is given up to an epoch more, never less. The rate of learning
    doesn't depend on the length of the training, so a shorter one is the beginning of a longer.
    """

    def __init__(self, seconds: float, earlier: list[float], best: Path) -> None:
        super().__init__()
        self._seconds, self._best = seconds, best
        self._left = sorted(earlier)
        self.kept: list[tuple[float, float, int, bytes]] = []
        self.steps = 0

    def on_train_begin(self, logs: Any = None) -> None:  # noqa: ARG002
        """Keras calls it."""
        self.start = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:  # noqa: ARG002
        """Keras calls it."""
        self.steps += 1
        if time.perf_counter() - self.start >= self._seconds:
            self.model.stop_training = True

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
        """Keras calls it, after StarDist's own callbacks have kept the best weights."""
        now = time.perf_counter() - self.start
        while self._left and now >= self._left[0]:
            self.kept.append((self._left.pop(0), now, self.steps, self._best.read_bytes()))


def prepared(images: list[Any], ndim: int) -> list[Any]:
    axes = tuple(range(ndim))
    return [normalize(image, 1, 99.8, axis=axes) for image in images]


def augmented(image: Any, mask: Any) -> tuple[Any, Any]:
    """Flips and turns, in 3D not along Z; brightness; noise. From the example notebooks."""
    image, mask = fliprot(image, mask)
    image = image * np.random.uniform(0.6, 2) + np.random.uniform(-0.2, 0.2)  # noqa: NPY002
    if mask.ndim == 2:
        sigma = 0.02 * np.random.uniform(0, 1)  # noqa: NPY002
        image = image + sigma * np.random.normal(0, 1, image.shape)  # noqa: NPY002
    return image, mask


def fliprot(image: Any, mask: Any) -> tuple[Any, Any]:
    flat = (mask.ndim - 2, mask.ndim - 1)
    swapped = list(range(mask.ndim))
    if mask.shape[-2] == mask.shape[-1] and np.random.rand() < 0.5:  # noqa: NPY002
        swapped[flat[0]], swapped[flat[1]] = flat[1], flat[0]
    mask = mask.transpose(swapped)
    image = image.transpose(*swapped, *range(mask.ndim, image.ndim))
    for axis in flat:
        if np.random.rand() > 0.5:  # noqa: NPY002
            mask, image = np.flip(mask, axis), np.flip(image, axis)
    return image, mask


def split(count: int, seed: int) -> tuple[list[int], list[int]]:
    """15 % are held out, as in the notebooks; of fewer than five images none is, as in ours."""
    order = np.random.RandomState(seed).permutation(count).tolist()
    if count < 5:
        return order, order
    held_out = max(1, round(0.15 * count))
    return order[:-held_out], order[-held_out:]


def built(task: tasks.Task, images: list[Any], masks: list[Any]) -> Any:
    channels = 1 if images[0].ndim == task.ndim else images[0].shape[-1]
    where = {"name": "model", "basedir": str(task.out)}
    if task.ndim == 2:
        config = Config2D(n_rays=32, grid=(2, 2), n_channel_in=channels, train_tensorboard=False)
        return StarDist2D(config, **where)
    extents = np.median([calculate_extents(m) for m in masks], axis=0)
    anisotropy = tuple((extents.max() / extents).tolist())
    grid = tuple(1 if a > 1.5 else 2 for a in anisotropy)
    smallest = np.min([m.shape for m in masks], axis=0)
    patch = [min(n, m) // 8 * 8 for n, m in zip(smallest.tolist(), (48, 96, 96), strict=True)]
    config = Config3D(
        rays=Rays_GoldenSpiral(96, anisotropy=anisotropy),
        grid=grid,
        anisotropy=anisotropy,
        n_channel_in=channels,
        train_patch_size=patch,
        train_batch_size=2,
        train_tensorboard=False,
    )
    task.note(f"patches of {patch}, as large as the smallest image allows; grid {grid}")
    return StarDist3D(config, **where)


def learn(task: tasks.Task) -> None:
    images, masks = task.fit()
    images = prepared(images, task.ndim)
    masks = [fill_label_holes(mask) for mask in masks]
    fit, held_out = split(len(images), task.seed)
    task.note(f"{len(held_out)} of {len(images)} labelled images choose weights and thresholds")
    keras.utils.set_random_seed(task.seed)
    model = built(task, images, masks)
    earlier = task.given.get("earlier", [])
    best = Path(model.logdir) / model.config.train_checkpoint
    deadline = Deadline(task.seconds, earlier, best)
    start = time.perf_counter()
    model.prepare_for_training()
    model.callbacks.append(deadline)
    of = {"augmenter": augmented, "seed": task.seed}
    data = ([images[i] for i in held_out], [masks[i] for i in held_out])
    model.train([images[i] for i in fit], [masks[i] for i in fit], validation_data=data, **of)
    seconds = time.perf_counter() - start
    last = (task.seconds, seconds, deadline.steps, best.read_bytes())
    if len(held_out) > MOST_FOR_THRESHOLDS:
        task.note(f"thresholds are chosen on {MOST_FOR_THRESHOLDS} of the held-out images")
    for asked, took, steps, weights in [*deadline.kept, last]:
        then = Path(model.logdir) / "then.h5"
        then.write_bytes(weights)
        model.load_weights(then.name)
        then.unlink()
        start = time.perf_counter()
        model.optimize_thresholds(*(d[:MOST_FOR_THRESHOLDS] for d in data))
        task.write(
            f"labels-{asked:g}",
            lambda image: found(model, image, task.ndim),
            asked=asked,
            seconds=round(took, 1),
            steps=steps,
            thresholds=[model.thresholds.prob, model.thresholds.nms],
            thresholds_seconds=round(time.perf_counter() - start, 1),
        )


def found(model: Any, image: Any, ndim: int) -> Any:
    return model.predict_instances(prepared([image], ndim)[0])[0]


def clock(task: tasks.Task) -> None:
    kind = StarDist2D if task.ndim == 2 else StarDist3D
    model = kind(None, name="model", basedir=task.given["model"])
    task.clock(lambda image: found(model, image, task.ndim))


def main() -> None:
    task = tasks.task()
    learn(task) if task.do == "learn" else clock(task)
    task.done(stardist=stardist.__version__, tensorflow=tf.__version__, keras=keras.__version__)


if __name__ == "__main__":
    main()
