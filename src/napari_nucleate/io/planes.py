"""Planes of a volume written alone, beside its file: a stroke doesn't write the rest again.

`NAME.planes/0012.tif` is newer than plane 12 of `NAME.tif`. Reading takes it instead; joining
writes the volume with all of them, and removes them. Whatever is killed in between, what is read is
the newest.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.failures import reason
from napari_nucleate.io.atomic import made
from napari_nucleate.io.guard import advised
from napari_nucleate.io.read import read_stack
from napari_nucleate.io.write import write_labels

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

SUFFIX = ".planes"


def save_planes(path: Path, planes: Mapping[int, NDArray[Any]]) -> None:
    """Write planes of the labels that the file `path` holds, each whole or not at all.

    Parameters
    ----------
    path : Path
        The volume's file; it must exist.
    planes : mapping of int to ndarray of int, shape (Y, X)
        By their place along Z.

    Raises
    ------
    NucleateError
        If one can't be written.
    """
    folder = _beside(path)
    made(folder)
    for at, plane in planes.items():
        write_labels(folder / f"{at:04d}.tif", plane, "YX", overwrite=True)


def newer_planes(path: Path, shape: tuple[int, ...]) -> dict[int, NDArray[Any]]:
    """Read the planes that are newer than a volume's file.

    Parameters
    ----------
    path : Path
        The volume's file.
    shape : tuple of int
        Its (Z, Y, X).

    Returns
    -------
    dict of int to ndarray, shape (Y, X)

    Raises
    ------
    NucleateError
        If one is damaged, or isn't a plane of such a volume.
    """
    found = {}
    for file in sorted(_beside(path).glob("*.tif")):
        if file.name.startswith("."):
            continue  # of a writer that was killed
        with advised(f"move it elsewhere; the plane is then as it was before, in {path.name}"):
            plane = np.asarray(read_stack(file).data[...])
        fits = len(shape) == 3 and file.stem.isdecimal() and int(file.stem) < shape[0]
        if not fits or plane.size != shape[1] * shape[2]:
            raise NucleateError(
                f"{file} has the shape {plane.shape} and isn't a plane of {path.name}, whose shape "
                f"is {shape}; move it elsewhere."
            )
        found[int(file.stem)] = plane.reshape(shape[1:])
    return found


def places(path: Path) -> list[int]:
    """Which planes of a volume's file are written alone, damaged ones too."""
    names = (file.stem for file in _beside(path).glob("*.tif"))
    return sorted(int(name) for name in names if name.isdecimal())


def loose(folder: Path) -> list[Path]:
    """Files in a folder of which planes are written alone."""
    beside = sorted(folder.glob(f"*{SUFFIX}"))
    return [found.with_name(found.name.removesuffix(SUFFIX) + ".tif") for found in beside]


def drop_planes(path: Path) -> None:
    """Remove planes that the file `path` holds by now.

    Raises
    ------
    NucleateError
        If they can't be removed.
    """
    folder = _beside(path)
    if not folder.exists():
        return
    try:
        shutil.rmtree(folder)
    except OSError as error:
        raise NucleateError(f"{folder} can't be removed: {reason(error)}.") from error


def _beside(path: Path) -> Path:
    return path.with_name(path.stem + SUFFIX)
