"""PNG, JPEG and BMP images, through imageio."""

from __future__ import annotations

import math
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import imagecodecs
import imageio.v3 as iio
import numpy as np

from napari_nucleate.core.images import Stack
from napari_nucleate.io.guard import check_size, reading
from napari_nucleate.io.lazy import Index, LazyArray

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp")


def open_png(path: Path, axes: str | None = None) -> Stack:
    """Open a PNG, JPEG or BMP image; pixels are read when they are needed.

    Colour, and a palette, becomes a channel axis of red, green and blue; an alpha channel is
    dropped; 1-bit images become 0 and 1.

    Parameters
    ----------
    path : Path
        The file.
    axes : str, optional
        "YX" or "YXC", where the file doesn't say it right.

    Returns
    -------
    Stack
        Axes YX or YXC; uint8 or uint16.

    Raises
    ------
    NucleateError
        If the file is damaged or no such image.
    """
    with reading(path):
        shape, dtype = _header(path)
        check_size(path, *[math.prod(shape) * dtype.itemsize] * 2)
    data = LazyArray(path, lambda index: _pixels(path, index), shape, dtype)
    colour = len(shape) == 3
    return Stack(
        data=data,
        axes=axes or ("YXC" if colour else "YX"),
        channels=("red", "green", "blue") if colour else (),
        name=path.stem,
        source=path,
    )


@contextmanager
def _pillow(path: Path) -> Iterator[Any]:
    """Open with Pillow, without its warnings of large images and of transparent palettes."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        with iio.imopen(path, "r", plugin="pillow") as file:
            yield file


def _header(path: Path) -> tuple[tuple[int, ...], np.dtype[Any]]:
    with _pillow(path) as file:
        properties = file.properties(index=0)
    colour = len(properties.shape) == 3 and properties.shape[2] >= 3
    shape = (*properties.shape[:2], 3) if colour else properties.shape[:2]
    if _is_deep(path):
        return shape, np.dtype(np.uint16)
    dtype = np.dtype(properties.dtype)
    return shape, np.dtype(np.uint8) if dtype.kind == "b" else dtype


def _pixels(path: Path, index: Index) -> NDArray[Any]:
    if _is_deep(path):
        pixels = np.asarray(imagecodecs.png_decode(path.read_bytes()))
    else:
        with _pillow(path) as file:
            properties = file.properties(index=0)
            colour = len(properties.shape) == 3 and properties.shape[2] >= 3
            # Asked for RGB, Pillow resolves palettes and CMYK, and drops alpha.
            pixels = file.read(index=0, mode="RGB") if colour else file.read(index=0)
    if pixels.ndim == 3:
        pixels = pixels[..., :3] if pixels.shape[2] >= 3 else pixels[..., 0]
    return np.asarray(pixels[index])


def _is_deep(path: Path) -> bool:
    """Whether it is a PNG of 16 bits with colour or alpha, which Pillow would cut to 8 bits."""
    with path.open("rb") as file:
        head = file.read(26)
    return head[:4] == b"\x89PNG" and len(head) == 26 and head[24] == 16 and head[25] != 0
