"""Points from tables: one row a point, in pixels."""

from __future__ import annotations

import csv
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.foreign import one_line
from napari_nucleate.io.rows import read_rows

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

_LETTERS = ("n", "t", "z", "y", "x")
_NAPARI = re.compile(r"axis-(\d+)")


@dataclass(frozen=True)
class PointTable:
    """Points of one or several images.

    Parameters
    ----------
    places : ndarray of float64, shape (n, k)
        Coordinates in pixels, Y and X last.
    images : tuple of str, optional
        The image of each point, where the table says so.
    """

    places: NDArray[np.float64]
    images: tuple[str, ...] | None = None


def read_points(path: Path) -> PointTable:
    """Read points from CSV.

    Parameters
    ----------
    path : Path
        With columns y and x, z and t where there are, and image for the name of the image; as
        napari saves points (axis-0, axis-1, …); or without a header y, x or z, y, x.

    Returns
    -------
    PointTable

    Raises
    ------
    NucleateError
        If the file is missing, has no such columns, or a coordinate is no number.
    """
    try:
        rows = [[cell.strip() for cell in row] for row in read_rows(path) if any(row)]
    except FileNotFoundError as error:
        raise NucleateError(f"{path} does not exist.") from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise NucleateError(
            f"{path} can't be read as a table of points: {one_line(error)}."
        ) from error
    if not rows:
        raise NucleateError(f"{path} is empty; give a point a row, y and x in pixels.")
    header = [name.lower() for name in rows[0]]
    columns = _columns(header)
    if not columns and all(_is_number(cell) for cell in header):
        columns, body, at = list(range(len(header))), rows, 1
    else:
        body, at = rows[1:], 2
    if len(columns) < 2:
        raise NucleateError(
            f"{path} has columns {one_line(', '.join(rows[0]))}; give y and x, or z, y and x, in "
            "pixels."
        )
    places = np.array([_place(path, i, row, columns) for i, row in enumerate(body, at)], float)
    names = None
    if "image" in header:
        names = tuple(row[header.index("image")] for row in body)
    return PointTable(places.reshape(-1, len(columns)), names)


def _columns(header: Sequence[str]) -> list[int]:
    """Which columns are coordinates, in the order of axes."""
    if {"y", "x"} <= set(header):
        return [header.index(letter) for letter in _LETTERS if letter in header]
    numbered = [(int(m[1]), i) for i, name in enumerate(header) if (m := _NAPARI.fullmatch(name))]
    return [i for _, i in sorted(numbered)]


def _place(path: Path, line: int, row: Sequence[str], columns: Sequence[int]) -> list[float]:
    try:
        place = [float(row[i]) for i in columns]
    except (ValueError, IndexError) as error:
        raise NucleateError(
            f"Line {line} of {path} is no point ({one_line(', '.join(row))}); give numbers, in "
            "pixels."
        ) from error
    if not all(math.isfinite(value) for value in place):
        raise NucleateError(f"Line {line} of {path} has a coordinate that is not finite.")
    return place


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
