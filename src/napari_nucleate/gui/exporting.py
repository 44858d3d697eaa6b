"""Label layers to files: TIFF with scale and units, measurements as CSV."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.images import SPATIAL, ImageRef
from napari_nucleate.io.atomic import made
from napari_nucleate.io.table import Row, measure, write_table
from napari_nucleate.io.write import write_labels

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_nucleate.gui.layers import LayerSource


Scores = Callable[[ImageRef], Mapping[str, Mapping[int, Any]]]
"""Gives what is known of the objects of an image, by column and label."""


@dataclass(frozen=True)
class Wanted:
    """What is written, and where.

    Parameters
    ----------
    folder : Path
    one_file : bool
        One TIFF for a whole layer; otherwise one for each image, in a folder of the layer's name.
        Images of several sizes are written one by one in any case: a TIFF has one size.
    table : bool
        Write measurements too, as LAYER.csv.
    overwrite : bool
        Replace files that exist.
    """

    folder: Path
    one_file: bool = True
    table: bool = True
    overwrite: bool = False


@dataclass(frozen=True)
class LabelExport:
    """One label layer to write.

    Parameters
    ----------
    labels : LayerSource
        Its stack has the labels as they are written; they may not be the layer's own.
    image : LayerSource, optional
        What intensities are measured on, and what images are called.
    scores : Scores, optional
        Columns for the table of measurements.
    """

    labels: LayerSource
    image: LayerSource | None = None
    scores: Scores | None = None

    @property
    def name(self) -> str:
        """The layer's name, valid as the name of a file."""
        return ImageRef(self.labels.stack, self.labels.ndim, ()).key

    @property
    def refs(self) -> list[ImageRef]:
        """All images of the layer."""
        return self.labels.stack.images(self.labels.ndim)

    def in_one(self, wanted: Wanted) -> bool:
        """Whether all images are written into one file."""
        return wanted.one_file and not self.labels.stack.extents

    def image_of(self, ref: ImageRef) -> ImageRef:
        """The image that labels belong to; the labels' own reference without an image layer."""
        return ref if self.image is None else ImageRef(self.image.stack, ref.ndim, ref.index)

    def check(self) -> None:
        """Check that the image layer has an image for all labels.

        Raises
        ------
        NucleateError
            If axes or sizes differ.
        """
        if self.image is None:
            return
        sizes = [
            {a: n for a, n in zip(s.axes, s.shape, strict=True) if a != "C"}
            for s in (self.labels, self.image)
        ]
        shapes = [[ref.shape for ref in s.stack.images(s.ndim)] for s in (self.labels, self.image)]
        if sizes[0] == sizes[1] and shapes[0] != shapes[1]:
            raise NucleateError(
                f"Images of {self.labels.layer.name!r} have other sizes than those of "
                f"{self.image.layer.name!r}; choose the image that the labels belong to, or none."
            )
        if sizes[0] != sizes[1]:
            raise NucleateError(
                f"{self.labels.layer.name!r} has axes {_in_words(sizes[0])} and "
                f"{self.image.layer.name!r} has {_in_words(sizes[1])}; choose the image that the "
                "labels belong to, or none."
            )


@dataclass(frozen=True)
class Progress:
    """So much is done; `path` was written, where it is not None."""

    done: int
    total: int
    path: Path | None = None


def files(exports: Sequence[LabelExport], wanted: Wanted) -> list[Path]:
    """List the files that will be written. Pure.

    Raises
    ------
    NucleateError
        If two would have the same name.
    """
    paths = [path for export in exports for path in _files(export, wanted)]
    twice = [path for path, count in Counter(paths).items() if count > 1]
    if twice:
        raise NucleateError(f"Two layers would be written as {twice[0].name}; rename one.")
    return paths


def write(exports: Sequence[LabelExport], wanted: Wanted) -> Generator[Progress, None, None]:
    """Write the layers, each file whole or not at all.

    Raises
    ------
    NucleateError
        If a file exists and may not be replaced, or can't be written or measured.
    """
    total, done = sum(len(export.refs) + 1 for export in exports), 0
    for export in exports:
        one_file = export.in_one(wanted)
        made(wanted.folder if one_file else wanted.folder / export.name, parents=True)
        rows: list[Row] = []
        for ref in export.refs:
            path = None
            if wanted.table or not one_file:
                # A copy: the person may paint on, and the table is to be that of the file.
                labels = np.array(_pixels(export, export.labels.place(ref)))
            if not one_file:
                path = _image_file(export, wanted, ref)
                _write_image(path, labels, ref, wanted.overwrite)
            if wanted.table:
                rows += _measured(export, ref, labels)
            done += 1
            yield Progress(done, total, path)
        if one_file:
            path = wanted.folder / f"{export.name}.tif"
            _write_stack(path, export, wanted.overwrite)
            yield Progress(done, total, path)
        done += 1
        if wanted.table:
            path = wanted.folder / f"{export.name}.csv"
            write_table(path, rows, wanted.overwrite)
            yield Progress(done, total, path)


def _files(export: LabelExport, wanted: Wanted) -> list[Path]:
    table = [wanted.folder / f"{export.name}.csv"] if wanted.table else []
    if export.in_one(wanted):
        return [wanted.folder / f"{export.name}.tif", *table]
    return [*(_image_file(export, wanted, ref) for ref in export.refs), *table]


def _image_file(export: LabelExport, wanted: Wanted, ref: ImageRef) -> Path:
    return wanted.folder / export.name / f"{export.image_of(ref).key}.tif"


def _pixels(export: LabelExport, where: tuple[int | slice, ...]) -> NDArray[Any]:
    """Labels at a place of the layer."""
    return np.asarray(export.labels.stack.data[where])


def _write_image(path: Path, labels: NDArray[Any], ref: ImageRef, overwrite: bool) -> None:
    spacing, units = ref.spacing, ref.units
    write_labels(path, labels, SPATIAL[ref.ndim], spacing, units, overwrite)


def _write_stack(path: Path, export: LabelExport, overwrite: bool) -> None:
    stack = export.labels.stack
    kept = [i for i, axis in enumerate(stack.axes) if axis != "C"]
    where = tuple(0 if axis == "C" else slice(None) for axis in stack.axes)
    write_labels(
        path,
        _pixels(export, where),
        "".join(stack.axes[i] for i in kept),
        tuple(stack.scale[i] for i in kept),
        tuple(stack.units[i] for i in kept),
        overwrite,
    )


def _measured(export: LabelExport, ref: ImageRef, labels: NDArray[Any]) -> list[Row]:
    image = export.image_of(ref)
    rows = measure(
        labels,
        None if export.image is None else image.read(),
        ref.spacing,
        ref.units,
        export.scores(ref) if export.scores else None,
        (image.stack.name,) if image.stack.n_channels == 1 else image.stack.channels,
    )
    place: Row = {axis.lower(): at for axis, at in ref.index}
    return [{"image": image.key, **place, **row} for row in rows]


def _in_words(sizes: Mapping[str, int]) -> str:
    """Say axes and their lengths, as in "T 5, Y 64, X 64"."""
    return ", ".join(f"{axis} {n}" for axis, n in sizes.items())
