"""Labels and images to TIFF files, with their axes, pixel sizes and units."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import tifffile

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.images import Stack
from napari_nucleate.io.atomic import atomic
from napari_nucleate.io.tiff_check import PixelCheck
from napari_nucleate.io.tiff_metadata import AXES_KEY
from napari_nucleate.io.units import UNITS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

_ORDER = "TZCYX"
_IMAGEJ_TYPES = ("uint8", "uint16", "float32")
_OME_TYPES = (*_IMAGEJ_TYPES, "int8", "int16", "int32", "uint32", "float64")
# A classic TIFF ends at 4 GiB; ImageJ has no other.
_IMAGEJ_LARGEST = 2**32 - 2**25
_LARGE_PLANE, _TILE = 2**26, 1024
"""Planes of more pixels are written in tiles of this side, where the format knows tiles."""


def write_labels(
    path: Path,
    labels: NDArray[Any],
    axes: str,
    scale: tuple[float, ...] = (),
    units: tuple[str, ...] = (),
    overwrite: bool = False,
) -> None:
    """Write labels without loss, whole or not at all.

    Parameters
    ----------
    path : Path
        A name that ends in .tif or .tiff; .ome.tif gives an OME-TIFF.
    labels : ndarray of int
        May lie in a file (memmap): it is copied plane by plane, large planes tile by tile.
        0 is background. Written as uint16 if the largest is below 65536, otherwise as int32 or
        uint32, in an OME-TIFF since ImageJ has no such type.
    axes : str
        One letter a dimension: N, T, C, Z, Y, X, in any order; N and T not together.
    scale : tuple of float
        Pixel size along each axis, in `units`.
    units : tuple of str
        Unit of each axis, as pint spells it.
    overwrite : bool
        Whether an existing file may be replaced.

    Raises
    ------
    NucleateError
        If a label is negative or too large, axes don't fit, or the file can't be written.
    """
    labels = np.asarray(labels)
    if labels.dtype.kind not in "biu":
        raise NucleateError(f"Labels have the type {labels.dtype}; they must be whole numbers.")
    low, high = (int(labels.min()), int(labels.max())) if labels.size else (0, 0)
    if low < 0 or high >= 2**32:
        wrong = low if low < 0 else high
        raise NucleateError(f"Label {wrong} can't be written; labels go from 0 to {2**32 - 1}.")
    dtype = np.uint16 if high < 2**16 else np.int32 if high < 2**31 else np.uint32
    _write(
        path, labels, np.dtype(dtype), Stack(labels, axes, scale, units, name=path.name), overwrite
    )


def write_image(
    path: Path,
    image: NDArray[Any],
    axes: str,
    scale: tuple[float, ...] = (),
    units: tuple[str, ...] = (),
    channels: tuple[str, ...] = (),
    overwrite: bool = False,
) -> None:
    """Write an image or stack, compressed with zlib, whole or not at all.

    Parameters
    ----------
    path : Path
        A name that ends in .tif or .tiff; .ome.tif gives an OME-TIFF, others a TIFF as ImageJ
        writes it where its types (uint8, uint16, float32) and 4 GiB allow, else OME too.
    image : ndarray
        Whole numbers up to 32 bits, or floats.
    axes, scale, units, overwrite
        As in `write_labels`.
    channels : tuple of str
        Names of the channels.

    Raises
    ------
    NucleateError
        If type or axes can't be written, or the file can't.
    """
    image = np.asarray(image)
    dtype = np.dtype(np.uint8) if image.dtype == bool else image.dtype.newbyteorder("=")
    stack = Stack(image, axes, scale, units, channels, name=path.name)
    _write(path, image, dtype, stack, overwrite)


def _write(
    path: Path, image: NDArray[Any], dtype: np.dtype[Any], stack: Stack, overwrite: bool
) -> None:
    _check(path, stack, dtype)
    # Files know T but not N; `AXES_KEY` tells a reader of ours which it was.
    letters = stack.axes.replace("N", "T")
    order = [letters.index(a) for a in _ORDER if a in letters]
    pixels = image.transpose(order)
    as_imagej = (
        ".ome." not in path.name.lower()
        and dtype.name in _IMAGEJ_TYPES
        and image.size * dtype.itemsize < _IMAGEJ_LARGEST
        and len({stack.units[stack.axes.index(a)] for a in stack.axes if a in "ZYX"}) == 1
    )
    options = _imagej(stack) if as_imagej else _ome(stack)
    options["metadata"] |= {"axes": "".join(letters[i] for i in order)}
    # ImageJ knows no tiles; a plane of the largest file that it reads fits into memory.
    tile = not as_imagej and pixels.shape[-2] * pixels.shape[-1] > _LARGE_PLANE
    if tile:
        options["tile"] = (_TILE, _TILE)
    check = PixelCheck(pixels.shape, dtype)
    with atomic(path, overwrite, check=check) as part:
        tifffile.imwrite(
            part,
            check.passing(_parts(pixels, _TILE if tile else 0)),
            shape=pixels.shape,
            dtype=dtype,
            compression="zlib",
            photometric="minisblack",
            **options,
        )


def _parts(pixels: NDArray[Any], tile: int) -> Iterator[NDArray[Any]]:
    """The planes, or tiles of them, one after the other: never a copy of the whole."""
    for at in np.ndindex(pixels.shape[:-2]):
        plane = pixels[at]
        if not tile:
            yield plane
            continue
        for y in range(0, plane.shape[0], tile):
            for x in range(0, plane.shape[1], tile):
                yield plane[y : y + tile, x : x + tile]


def _check(path: Path, stack: Stack, dtype: np.dtype[Any]) -> None:
    if path.suffix.lower() not in (".tif", ".tiff"):
        raise NucleateError(f"{path} must end in .tif, .tiff or .ome.tif.")
    if {"N", "T"} <= set(stack.axes):
        raise NucleateError(f"{path} can't hold both N and T; write one file for each N.")
    if dtype.name not in _OME_TYPES:
        raise NucleateError(
            f"{path} can't hold {dtype} values; convert them to one of {', '.join(_OME_TYPES)}."
        )
    if 0 in stack.data.shape:
        raise NucleateError(f"{path} would be empty: its shape is {stack.data.shape}.")
    if len(stack.scale) != len(stack.axes) or len(stack.units) != len(stack.axes):
        raise NucleateError(
            f"Axes {stack.axes} of {path} need as many scales {stack.scale} and units "
            f"{stack.units}."
        )
    wrong = [u for u in stack.units if u not in UNITS]
    if wrong:
        raise NucleateError(f"{wrong[0]!r} is no unit that TIFF knows; use one of {list(UNITS)}.")


def _step(stack: Stack, axis: str) -> tuple[float, str]:
    i = stack.axes.index(axis)
    return stack.scale[i], stack.units[i]


def _imagej(stack: Stack) -> dict[str, Any]:
    """Options for a hyperstack: one unit for space, pixels per unit, spacing, frame interval."""
    metadata: dict[str, Any] = {AXES_KEY: stack.axes, "unit": UNITS[_step(stack, "X")[1]].imagej}
    if "Z" in stack.axes:
        metadata["spacing"] = _step(stack, "Z")[0]
    if "T" in stack.axes and _step(stack, "T")[1] != "pixel":
        interval, unit = _step(stack, "T")
        metadata |= {"finterval": interval, "tunit": UNITS[unit].imagej}
    if stack.n_channels > 1:
        metadata["mode"] = "composite"
        if len(stack.channels) == stack.n_channels:
            planes = int(np.prod([n for a, n in _sizes(stack) if a not in "CYX"]))
            metadata["Labels"] = list(stack.channels) * planes
    per_unit = tuple(1 / _step(stack, a)[0] for a in "XY")
    return {"imagej": True, "resolution": per_unit, "metadata": metadata}


def _sizes(stack: Stack) -> list[tuple[str, int]]:
    return list(zip(stack.axes, stack.data.shape, strict=True))


def _ome(stack: Stack) -> dict[str, Any]:
    metadata: dict[str, Any] = {"MapAnnotation": {AXES_KEY: stack.axes}}
    for axis in "XYZT":
        if axis in stack.axes:
            step, unit = _step(stack, axis)
            key = "TimeIncrement" if axis == "T" else f"PhysicalSize{axis}"
            # "pixel" is no unit of time: leave the interval out.
            if axis != "T" or unit != "pixel":
                metadata |= {key: step, f"{key}Unit": UNITS[unit].ome}
    if stack.channels and len(stack.channels) == stack.n_channels:
        metadata["Channel"] = {"Name": list(stack.channels)}
    return {"ome": True, "metadata": metadata}
