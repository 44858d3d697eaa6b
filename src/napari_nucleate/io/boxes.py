"""Boxes in a JSON file: the parts of images in which all is painted."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_nucleate.core.errors import DamagedError, NucleateError
from napari_nucleate.core.failures import reason
from napari_nucleate.core.foreign import json_of, one_line
from napari_nucleate.io.atomic import write_text

if TYPE_CHECKING:
    from collections.abc import Container, Mapping
    from pathlib import Path

Boxes = dict[str, list[Any]]
"""Corners ((start, ...), (stop, ...)) along (Z,) Y, X in pixels, by the image's name."""
FARTHEST = 2**31
"""Pixels from the first one to a corner: farther than in any image."""


def write_boxes(path: Path, boxes: Mapping[str, Any]) -> None:
    """Write boxes, over those of before."""
    write_text(path, json.dumps(boxes, indent=2) + "\n", overwrite=True)


def read_boxes(path: Path) -> Boxes:
    """Read boxes.

    Raises
    ------
    NucleateError
        If the file can't be read; a `DamagedError` if it doesn't hold boxes by the names of images.
    """
    try:
        raw = json_of(path)
        boxes = {str(name): [_corners(box) for box in drawn] for name, drawn in raw.items()}
    except OSError as error:
        raise NucleateError(f"{path} can't be read: {reason(error)}.") from error
    except (ValueError, TypeError, AttributeError, OverflowError) as error:
        raise DamagedError(
            f"{path} doesn't hold boxes ({one_line(error)}); it must give, by the name of an "
            'image, the corners of each box in pixels, as in {"cells": [[[0, 0], [64, 128]]]}.'
        ) from error
    return boxes


def check_boxes(path: Path, boxes: Boxes, images: Container[str], ndim: int) -> None:
    """Check that boxes are of these images.

    Parameters
    ----------
    path : Path
        Where they were read from.
    boxes : dict
    images : container of str
        Names of the images that there are.
    ndim : int
        Spatial axes of each: 2 or 3.

    Raises
    ------
    NucleateError
        Naming the first that isn't.
    """
    for name, drawn in boxes.items():
        if name not in images:
            raise NucleateError(
                f"{path} gives boxes of {one_line(name, 60)!r}, and the project has no image of "
                "that name; put the image back, or take its boxes out of the file."
            )
        if any(len(corner) != ndim for box in drawn for corner in box):
            raise NucleateError(
                f"{path} gives a box of {one_line(name, 60)!r} whose corners haven't {ndim} "
                f"numbers each, as its images need: {', '.join('ZYX'[-ndim:])}; mend it there."
            )


def _corners(box: Any) -> list[list[float]]:
    corners = np.asarray(box, float)
    if corners.ndim != 2 or len(corners) != 2 or corners.shape[1] not in (2, 3):
        message = f"{box} isn't a start and a stop along Y and X, or Z, Y and X"
        raise ValueError(message)
    if not np.isfinite(corners).all():
        message = f"{box} has no finite corners"
        raise ValueError(message)
    if (np.abs(corners) > FARTHEST).any():
        message = f"{box} has a corner more than {FARTHEST} pixels away"
        raise ValueError(message)
    return [[float(value) for value in corner] for corner in corners]
