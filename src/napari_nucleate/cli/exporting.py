"""Labels out of the program: TIFF with scale and units, and a table of measurements."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any

from napari_nucleate.cli.data import references, truth
from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.foreign import one_line
from napari_nucleate.core.images import SPATIAL, ImageRef, NDim
from napari_nucleate.io.read import pair
from napari_nucleate.io.rows import read_rows
from napari_nucleate.io.table import Row, measure, write_table
from napari_nucleate.io.write import write_labels
from napari_nucleate.project.log import Happened
from napari_nucleate.project.store import Store

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from napari_nucleate.core.instances import Instances


OBJECTS = "objects.csv"
"""What `predict` and `split` know of objects beside their labels: a row each."""


def measured(
    labels: ImageRef,
    image: ImageRef | None,
    scores: Mapping[str, Mapping[int, Any]] | None = None,
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
        Label images: a folder or one stack. What `predict` and `split` wrote about the objects
        beside them goes into the table too.
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
    known = scores_beside(labels, [ref.key for ref in refs])
    (out / "labels").mkdir()
    for ref in refs:
        image = image_of.get(ref.key)
        rows += measured(ref, image, known.get(ref.key))
        write_labels(
            out / "labels" / f"{ref.key}.tif",
            truth(ref),
            SPATIAL[ndim],
            (image or ref).spacing,
            (image or ref).units,
        )
    write_table(out / "measurements.csv", rows)
    if (project := project_of(labels)) is not None:
        names = tuple(ref.key for ref in refs)
        project.note(Happened("exported", len(refs), note=str(out), names=names))
    return len(rows)


def rows_of(
    key: str, found: Instances | None, confidence: Mapping[int, float] | None = None
) -> list[Row]:
    """A row for each object of an image: its name, the label, and what is known."""
    if found is None:
        return [
            {"image": key, "label": label, "confidence": round(value, 4)}
            for label, value in (confidence or {}).items()
        ]
    table = {name: column.tolist() for name, column in found.table(confidence).items()}
    rows = zip(*table.values(), strict=True)
    return [
        {"image": key, "label": i, **dict(zip(table, row, strict=True))}
        for i, row in enumerate(rows, 1)
    ]


def project_of(labels: Path) -> Store | None:
    """The project that labels are predictions of, or None."""
    folder = labels if labels.is_dir() else labels.parent
    store = Store(folder.parent, "nucleate export")
    return store if store.exists and folder.name == "predictions" else None


def scores_beside(
    labels: Path, keys: Sequence[str]
) -> Mapping[str, Mapping[str, Mapping[int, float]]]:
    """Read what is known of objects beside their labels: by image, column and label.

    From the table that `predict` and `split` write, or the scores in a project's predictions.

    Raises
    ------
    NucleateError
        If it is damaged.
    """
    project = project_of(labels)
    if project is not None:
        return {key: project.load_table(key) for key in keys}
    path = (labels if labels.is_dir() else labels.parent) / OBJECTS
    if not path.is_file():
        return {}
    found: dict[str, dict[str, dict[int, float]]] = {}
    try:
        rows = read_rows(path)
        names = next(rows, [])
        for cells in filter(None, rows):
            row = dict(zip(names, cells, strict=True))
            columns, label = found.setdefault(row.pop("image"), {}), int(row.pop("label"))
            for name, value in row.items():
                if value:
                    number = float(value)
                    whole = number.is_integer() and name == "class"
                    columns.setdefault(name, {})[label] = int(number) if whole else number
    except (OSError, KeyError, ValueError, TypeError, csv.Error) as error:
        raise NucleateError(
            f"{path} is no table of objects ({one_line(error)}); move it away, or predict again."
        ) from error
    return found
