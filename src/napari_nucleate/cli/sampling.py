"""Synthetic samples as files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from napari_nucleate.core.samples import NucleiSample
from napari_nucleate.io.write import write_image, write_labels


def write_sample(options: NucleiSample, out: Path) -> tuple[Path, Path]:
    """Write `images` and `masks` into a folder: a file an image, or one for a time-lapse.

    Returns
    -------
    (Path, Path)
        The folders of images and of masks.
    """
    made = options.make()
    width = len(str(options.count - 1))
    folders = out / "images", out / "masks"
    for folder, stack in zip(folders, (made.images, made.labels), strict=True):
        write: Callable[..., None] = write_image if stack is made.images else write_labels
        folder.mkdir(parents=True)
        if options.kind == "time-lapse":
            write(folder / "nuclei.tif", stack.data, stack.axes, stack.scale, stack.units)
            continue
        for i, pixels in enumerate(stack.data):
            path = folder / f"nuclei_{i:0{width}d}.tif"
            write(path, pixels, stack.axes[1:], stack.scale[1:], stack.units[1:])
    return folders
