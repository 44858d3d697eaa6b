"""Images of which a person painted a part only: boxes with about a tenth of the objects."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from skimage.measure import regionprops

from contest import Scene

GROW = 4
"""Pixels that a box grows by at each side until it touches as many objects as are wanted."""


def sparse_scene(
    full: Scene, share: float, seed: int, folder: Path
) -> tuple[Scene, dict[str, Any]]:
    """The same images with boxes that touch about a share of the objects, painted whole.

    Returns
    -------
    Scene, dict
        And how many objects and pixels are painted, of how many.
    """
    rng = np.random.default_rng([seed, 10])
    folder = folder / f"sparse-{full.name}-{share:g}-{seed}"
    folder.mkdir(parents=True, exist_ok=True)
    rows, counts = [], np.zeros(2, int)
    wanted, pixels, boxed = 0.0, 0, 0
    for row in full.fit:
        labels = tifffile.imread(row["mask"]).astype(np.int32)
        count = len(np.unique(labels[labels > 0]))
        wanted += share * count
        # What is still missing is asked of this image; those that are owed nothing stay unpainted.
        quota = round(wanted - counts[0])
        counts[1] += count
        pixels += labels.size
        if quota < 1 or not count:
            continue
        box = _box(labels, min(quota, count), rng)
        inside = labels[_slices(box)]
        touched = np.unique(inside[inside > 0])
        path = folder / Path(row["mask"]).name
        tifffile.imwrite(path, np.where(np.isin(labels, touched), labels, 0).astype(np.uint16))
        rows.append({"image": row["image"], "mask": str(path), "boxes": [box]})
        counts[0] += len(touched)
        boxed += inside.size
    facts = {
        "objects": counts.tolist(),
        "objects_share": round(float(counts[0] / max(counts[1], 1)), 4),
        "pixels_share": round(boxed / max(pixels, 1), 4),
        "images_with_a_box": len(rows),
    }
    return replace(full, name=f"{full.name}-sparse{share:g}", fit=rows), facts


def _box(labels: Any, quota: int, rng: np.random.Generator) -> list[list[int]]:
    """Around a random object, with a margin, grown until it touches so many objects."""
    objects = regionprops(labels)
    row, column, bottom, right = objects[rng.integers(len(objects))].bbox
    margin = max(2, (bottom - row + right - column) // 8)
    low, high = [row - margin, column - margin], [bottom + margin, right + margin]
    while True:
        box = [
            [max(n, 0) for n in low],
            [min(n, side) for n, side in zip(high, labels.shape, strict=True)],
        ]
        inside = labels[_slices(box)]
        if len(np.unique(inside[inside > 0])) >= quota:
            return box
        low, high = [n - GROW for n in low], [n + GROW for n in high]


def _slices(box: Sequence[Sequence[int]]) -> tuple[slice, ...]:
    return tuple(slice(a, b) for a, b in zip(*box, strict=True))
