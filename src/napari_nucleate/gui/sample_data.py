"""Synthetic nuclei for napari's Open Sample menu: images, and their truth as a hidden layer."""

from __future__ import annotations

from typing import Any

import numpy as np

from napari_nucleate.core.samples import NucleiSample

LayerData = tuple[Any, dict[str, Any], str]


def nuclei_2d() -> list[LayerData]:
    """Make 24 single images of nuclei."""
    return _layers(NucleiSample(kind="2d"))


def nuclei_3d() -> list[LayerData]:
    """Make four volumes of nuclei."""
    return _layers(NucleiSample(kind="3d", count=4, size=128, depth=24))


def nuclei_time_lapse() -> list[LayerData]:
    """Make 24 frames of one field of nuclei that move and divide."""
    return _layers(NucleiSample(kind="time-lapse"))


def _layers(options: NucleiSample) -> list[LayerData]:
    """Images with scale, units and axes; the exact labels hidden below, to compare with."""
    sample = options.make()
    shared = {
        "scale": sample.images.scale,
        "units": sample.images.units,
        "axis_labels": tuple(sample.images.axes.lower()),
    }
    name = f"nuclei {options.kind}"
    # A few bright specks of debris would leave the nuclei dark otherwise.
    low, high = _limits(sample.images.data)
    return [
        (sample.labels.data, {**shared, "name": f"{name} truth", "visible": False}, "labels"),
        (sample.images.data, {**shared, "name": name, "contrast_limits": (low, high)}, "image"),
    ]


def _limits(pixels: Any) -> tuple[float, float]:
    low, high = np.percentile(pixels, [0.5, 99.8])
    return float(low), float(high)
