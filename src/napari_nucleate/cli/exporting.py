"""Labels out of the program: TIFF with scale and units, and a table of measurements."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_nucleate.cli.data import references, truth
from napari_nucleate.core.images import SPATIAL, ImageRef, NDim
from napari_nucleate.io.read import pair
from napari_nucleate.io.table import Row, measure, write_table
from napari_nucleate.io.write import write_labels

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def measured(
    labels: ImageRef, image: ImageRef | None, scores: Mapping[int, float] | None = None
) -> list[Row]:
    """Measure the objects of one image, with its scale where the labels have none."""
    calibrated = image or labels
    rows = measure(
        truth(labels),
        image.read() if image else None,
        calibrated.spacing,
        calibrated.units,
        scores,
        image.stack.channels if image else (),
    )
    return [{"image": labels.key, **row} for row in rows]


def export_labels(labels: Path, images: Path | None, out: Path, ndim: NDim) -> int:
    """Write `labels/NAME.tif` and `measurements.csv`; returns the number of objects.

    Parameters
    ----------
    labels : Path
        Label images: a folder or one stack.
    images : Path, optional
        What intensities are measured on, and where scale and units come from.
    out : Path
        A new folder.
    ndim : 2 or 3
        Dimensions of an image.
    """
    refs = references(labels, ndim)
    image_of: dict[str, ImageRef] = {}
    if images is not None:
        image_of = {m.key: i for i, m in pair(references(images, ndim), refs)}
    rows: list[Row] = []
    (out / "labels").mkdir()
    for ref in refs:
        image = image_of.get(ref.key)
        rows += measured(ref, image)
        write_labels(
            out / "labels" / f"{ref.key}.tif",
            truth(ref),
            SPATIAL[ndim],
            (image or ref).spacing,
            (image or ref).units,
        )
    write_table(out / "measurements.csv", rows)
    return len(rows)
