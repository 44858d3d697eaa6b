"""Measurements of objects, and tables of them."""

from __future__ import annotations

import csv
import io
import math
from typing import TYPE_CHECKING, Any

import numpy as np
from skimage.measure import regionprops_table

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.io.atomic import write_text
from napari_nucleate.io.rows import plain_cell
from napari_nucleate.io.units import UNITS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

Row = dict[str, float | int | str]


def measure(
    labels: NDArray[Any],
    image: NDArray[Any] | None = None,
    spacing: tuple[float, ...] = (),
    units: tuple[str, ...] = (),
    scores: Mapping[str, Mapping[int, Any]] | None = None,
    channels: Sequence[str] = (),
) -> list[Row]:
    """Measure each object of one image.

    Parameters
    ----------
    labels : ndarray of int, shape (Y, X) or (Z, Y, X)
        0 is background.
    image : ndarray, shape (C, Y, X) or (C, Z, Y, X), optional
        What intensities are measured on.
    spacing : tuple of float
        Pixel size along each axis of `labels`, in `units`; 1 by default.
    units : tuple of str
        As pint spells them; lengths of different units are converted to that of X.
    scores : mapping of str to mapping of int to value, optional
        What else is known of the objects, by column and label: probability, confidence, class.
    channels : sequence of str
        Names for the columns of intensities; c0, c1, ... by default.

    Returns
    -------
    list of dict
        One row an object, in the order of labels. Column names carry the unit: `area_um2`,
        `centroid_y_um`. In 2D: area, perimeter (square pixels only), eccentricity, solidity,
        orientation of the long axis in degrees from the Y axis; in 3D: volume. Axis lengths are
        those of the ellipsoid with the same second moments. NaN where there is no value. Scores
        come last; those with the name of a measurement are left out.

    Raises
    ------
    NucleateError
        If the shapes don't fit, or units can't be converted.
    """
    labels = np.asarray(labels)
    spacing, unit = _common_unit(labels, spacing, units)
    if image is not None and image.shape[1:] != labels.shape:
        raise NucleateError(f"Labels have shape {labels.shape}, the image {image.shape}.")
    if not labels.any():
        return []
    columns = _shape_columns(labels, spacing, unit)
    index = columns["label"]
    if image is not None:
        columns |= _intensity_columns(labels, image, index, channels)
    for name, values in (scores or {}).items():
        if name not in columns:
            columns[name] = [values.get(int(i), math.nan) for i in index]
    names = list(columns)
    return [dict(zip(names, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def write_table(path: Path, rows: Sequence[Row], overwrite: bool = False) -> None:
    """Write rows as CSV, whole or not at all; NaN becomes an empty cell.

    Texts that a spreadsheet would take for a formula get a ' in front, see `plain_cell`.

    Parameters
    ----------
    path : Path
        The file.
    rows : sequence of dict
        Columns are those of all rows, in the order in which they occur first.
    overwrite : bool
        Whether an existing file may be replaced.

    Raises
    ------
    NucleateError
        If the file exists and may not be replaced, or can't be written.
    """
    names = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(map(_cell, names))
    writer.writerows([_cell(row.get(name, "")) for name in names] for row in rows)
    write_text(path, text.getvalue(), overwrite)


def _cell(value: float | str) -> float | str:
    if isinstance(value, str):
        return plain_cell(value)
    return "" if value != value else value


def _common_unit(
    labels: NDArray[Any], spacing: tuple[float, ...], units: tuple[str, ...]
) -> tuple[tuple[float, ...], str]:
    spacing = spacing or (1.0,) * labels.ndim
    units = units or ("pixel",) * labels.ndim
    if labels.ndim not in (2, 3) or not labels.ndim == len(spacing) == len(units):
        raise NucleateError(
            f"Labels of shape {labels.shape} must have 2 or 3 axes, with a spacing {spacing} and "
            f"a unit {units} for each."
        )
    if len(set(units)) == 1:
        return spacing, UNITS[units[-1]].short if units[-1] in UNITS else units[-1]
    sizes = [UNITS[u].size if u in UNITS else 0.0 for u in units]
    if not all(sizes):
        raise NucleateError(f"Units {units} can't be converted into one; set them equal.")
    converted = tuple(s * size / sizes[-1] for s, size in zip(spacing, sizes, strict=True))
    return converted, UNITS[units[-1]].short


def _shape_columns(
    labels: NDArray[Any], spacing: tuple[float, ...], unit: str
) -> dict[str, list[Any]]:
    ndim = labels.ndim
    flat = ndim == 2
    square = flat and math.isclose(spacing[0], spacing[1], rel_tol=1e-6)
    wanted = ["label", "centroid", "area", "num_pixels", "inertia_tensor_eigvals"]
    wanted += ["solidity", "orientation"] if flat else []
    wanted += ["perimeter"] if square else []
    # scikit-image compares both spacings exactly before it gives a perimeter.
    spacing = (spacing[-1],) * 2 if square else spacing
    found = regionprops_table(labels, properties=wanted, spacing=spacing)
    size = found["area"].astype(float)
    eigenvalues = np.stack([found[f"inertia_tensor_eigvals-{i}"] for i in range(ndim)])
    lengths = _axis_lengths(eigenvalues)
    columns: dict[str, Any] = {"label": found["label"], "pixels": found["num_pixels"]}
    for i, axis in enumerate("zyx"[-ndim:]):
        columns[f"centroid_{axis}_{unit}"] = found[f"centroid-{i}"]
    columns[f"area_{unit}2" if flat else f"volume_{unit}3"] = size
    ball = math.pi / 4 if flat else math.pi / 6
    columns[f"equivalent_diameter_{unit}"] = (size / ball) ** (1 / ndim)
    for name, length in zip(
        ("major", "middle", "minor") if not flat else ("major", "minor"), lengths, strict=True
    ):
        columns[f"axis_{name}_{unit}"] = length
    if square:
        columns[f"perimeter_{unit}"] = found["perimeter"]
    if flat:
        columns["eccentricity"] = _eccentricity(lengths)
        columns["solidity"] = found["solidity"]
        columns["orientation_deg"] = np.degrees(found["orientation"])
    return {name: np.asarray(values).tolist() for name, values in columns.items()}


def _axis_lengths(eigenvalues: NDArray[np.float64]) -> NDArray[np.float64]:
    """Full axes of the ellipsoid with these moments of inertia, longest first.

    The variance along an axis is half the sum of all moments minus the moment about it in 3D, and
    in 2D the moment about the other one; an ellipsoid's half axis is sqrt(ndim + 2) deviations.
    Rounding makes the variance of a flat object slightly negative; it is 0.

    Parameters
    ----------
    eigenvalues : ndarray of float64, shape (ndim, objects)

    Returns
    -------
    ndarray of float64, shape (ndim, objects)
    """
    ndim = len(eigenvalues)
    variance = eigenvalues.sum(axis=0) / (ndim - 1) - eigenvalues
    variance = -np.sort(-np.maximum(variance, 0), axis=0)
    return np.asarray(2 * np.sqrt((ndim + 2) * variance))


def _eccentricity(lengths: NDArray[np.float64]) -> NDArray[np.float64]:
    major = np.where(lengths[0] > 0, lengths[0], 1)
    ratio = np.where(lengths[0] > 0, lengths[1] / major, 1)
    return np.asarray(np.sqrt(np.maximum(1 - ratio**2, 0)))


def _intensity_columns(
    labels: NDArray[Any], image: NDArray[Any], index: list[int], channels: Sequence[str]
) -> dict[str, list[float]]:
    names = channels if len(channels) == len(image) else [f"c{i}" for i in range(len(image))]
    inside = labels > 0
    which = np.searchsorted(index, labels[inside])
    count = np.bincount(which)
    columns: dict[str, list[float]] = {}
    for name, channel in zip(names, image, strict=True):
        pixels = channel[inside].astype(np.float64)
        mean = np.bincount(which, pixels) / count
        low, high = np.full(len(count), np.inf), np.full(len(count), -np.inf)
        np.minimum.at(low, which, pixels)
        np.maximum.at(high, which, pixels)
        deviation = np.sqrt(np.bincount(which, (pixels - mean[which]) ** 2) / count)
        measured = {"mean": mean, "min": low, "max": high, "std": deviation}
        columns |= {f"intensity_{what}_{name}": v.tolist() for what, v in measured.items()}
    return columns
