"""From paths on the command line to images, labels and files of labels."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from napari_nucleate.cli.progress import console
from napari_nucleate.core.annotation import Known, annotate, as_labels
from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.failures import reason
from napari_nucleate.core.images import SPATIAL
from napari_nucleate.core.patches import Example
from napari_nucleate.io.read import pair, read_images
from napari_nucleate.io.scratch import scratch
from napari_nucleate.io.write import write_labels

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_nucleate.core.images import ImageRef, NDim, Stack
    from napari_nucleate.io.boxes import Boxes


def references(path: Path, ndim: NDim, axes: str | None = None) -> list[ImageRef]:
    """Every image of a folder or file.

    Raises
    ------
    NucleateError
        If two files give images of the same name, or one can't be read.
    """
    refs = [ref for stack in read_images(path, axes) for ref in stack.images(ndim)]
    name, count = Counter(ref.key for ref in refs).most_common(1)[0]
    if count > 1:
        raise NucleateError(f"{path} has {count} images called {name}; rename the files.")
    stacks = sum("Z" in ref.stack.axes for ref in refs)
    if ndim == 2 and stacks:
        console.print(f"Volumes in {path} are read as {stacks} planes; --ndim 3 keeps them whole.")
    return refs


def matched(images: Sequence[ImageRef], masks: Path, ndim: NDim) -> list[tuple[ImageRef, ImageRef]]:
    """Images that have masks, with their masks.

    Raises
    ------
    NucleateError
        If masks can't be matched, or there is none.
    """
    pairs = pair(images, [r for s in read_images(masks) for r in s.images(ndim)])
    if not pairs:
        raise NucleateError(f"{masks} has no mask for any image; names must be equal.")
    return pairs


def truth(mask: ImageRef) -> NDArray[np.int32]:
    """Labels of a mask, (*spatial).

    Raises
    ------
    NucleateError
        If it has several channels or no whole numbers.
    """
    pixels = mask.read()
    if len(pixels) != 1:
        raise NucleateError(
            f"Mask {mask.key} has {len(pixels)} channels; save labels as a single channel."
        )
    try:
        return as_labels(pixels[0])
    except NucleateError as error:
        raise NucleateError(f"{mask.key}: {error}") from error


def example(image: ImageRef, mask: ImageRef, known: Known, boxes: Boxes) -> Example:
    """An image with its mask as a person's labels.

    Raises
    ------
    NucleateError
        If the mask isn't one, or boxes count and the image has none.
    """
    labels = truth(mask)
    if known == "boxes" and not boxes.get(image.key):
        raise NucleateError(
            f"{image.key} has a mask, but no box; add one, or leave its mask out. There are boxes "
            f"of {', '.join(sorted(boxes)[:3]) or 'no image'}."
        )
    return Example(image.key, image.read(), annotate(labels, known, boxes.get(image.key, ())))


def check_same_channels(refs: Sequence[ImageRef]) -> int:
    """Number of channels, the same in all images.

    Raises
    ------
    NucleateError
        Naming two images that differ.
    """
    first = refs[0]
    for ref in refs:
        if ref.stack.n_channels != first.stack.n_channels:
            raise NucleateError(
                f"{ref.key} has {ref.stack.n_channels} channel(s) but {first.key} has "
                f"{first.stack.n_channels}; put images with other channels in another folder."
            )
    return first.stack.n_channels


class LabelWriter:
    """Gathers the labels of images and writes one file a stack, as soon as it is complete.

    Parameters
    ----------
    refs : sequence of ImageRef
        All images whose labels will come.
    folder : Path
        Where `NAME.tif` goes for each stack.
    """

    def __init__(self, refs: Sequence[ImageRef], folder: Path) -> None:
        self._refs = {ref.key: ref for ref in refs}
        self._left: dict[int, int] = {}
        for ref in refs:
            self._left[id(ref.stack)] = self._left.get(id(ref.stack), 0) + 1
        self._arrays: dict[int, NDArray[np.int32]] = {}
        self._folder = folder

    def add(self, key: str, labels: NDArray[np.int32]) -> Path | None:
        """Take the labels of one image; returns the file where its stack is complete."""
        self.place(key)[...] = labels
        return self.done(key)

    def place(self, key: str) -> NDArray[np.int32]:
        """Where to write the labels of one image, (*spatial); zeros. Call `done` when they are."""
        ref = self._refs[key]
        stack, at, axes = ref.stack, id(ref.stack), self._axes(ref)
        sizes = dict(zip(stack.axes, stack.data.shape, strict=True))
        if at not in self._arrays:
            shape = [sizes[a] for a in axes]
            self._arrays[at] = scratch(shape, np.int32, self._folder)
        position = ref.position
        left = [a for a in axes if a not in position]
        order = [left.index(a) for a in SPATIAL[ref.ndim]]
        where = tuple(position.get(a, slice(None)) for a in axes)
        return self._arrays[at][where].transpose(order)

    def done(self, key: str) -> Path | None:
        """Count one image as written; returns the file where its stack is complete."""
        ref = self._refs[key]
        stack, at, axes = ref.stack, id(ref.stack), self._axes(ref)
        self._left[at] -= 1
        if self._left[at]:
            return None
        path = self._folder / f"{file_name(stack)}.tif"
        path.parent.mkdir(parents=True, exist_ok=True)
        kept = [stack.axes.index(a) for a in axes]
        write_labels(
            path,
            self._arrays.pop(at),
            axes,
            tuple(stack.scale[i] for i in kept),
            tuple(stack.units[i] for i in kept),
        )
        return path

    @staticmethod
    def _axes(ref: ImageRef) -> str:
        return "".join(a for a in ref.stack.axes if a != "C")


def file_name(stack: Stack) -> str:
    """The stack's name without what no file system takes at its end."""
    return stack.name.rstrip(". ") or "image"


def new_folder(path: Path) -> Path:
    """Make a folder to write into.

    Raises
    ------
    NucleateError
        If it has files already: nothing is overwritten.
    """
    try:
        if path.is_dir() and any(path.iterdir()):
            raise NucleateError(
                f"{path} is not empty; choose a new folder, nothing is overwritten."
            )
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise NucleateError(f"{path} can't be made: {reason(error)}.") from error
    return path


def in_lockstep(
    truths: Path, predictions: Path
) -> tuple[list[tuple[ImageRef, ImageRef]], list[str]]:
    """Pair the true and the predicted labels of two folders or stacks, by name.

    Returns
    -------
    pairs : list of (ImageRef, ImageRef)
        Truth and prediction.
    missing : list of str
        True images without a prediction.

    Raises
    ------
    NucleateError
        If no name occurs on both sides.
    """
    wanted = _flat(truths)
    pairs = pair(wanted, _flat(predictions))
    if not pairs:
        raise NucleateError(f"No file of {predictions} has the name of one of {truths}.")
    found = {one.key for one, _ in pairs}
    return pairs, [ref.key for ref in wanted if ref.key not in found]


def _flat(path: Path) -> list[ImageRef]:
    """Images as large as they come: volumes where there is depth, planes elsewhere."""
    return [r for s in read_images(path) for r in s.images(3 if "Z" in s.axes else 2)]
