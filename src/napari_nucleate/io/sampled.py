"""Telling whether a file holds the image that it held, by a small part of its pixels."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING

import numpy as np

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.io.read import read_stack

if TYPE_CHECKING:
    from pathlib import Path

_PLANES, _ROWS, _COLUMNS = 3, 256, 1024


def checksum(path: Path) -> str:
    """Checksum of a sample of an image's pixels; the same however they are written.

    The sample is the middle of some planes, in one piece: of a large file little is read. Saved
    anew without loss, as another format or type of numbers, the pixels give the same checksum.

    Parameters
    ----------
    path : Path
        An image that `read_stack` can open.

    Returns
    -------
    str
        32 hexadecimal digits.

    Raises
    ------
    NucleateError
        If the file is missing, damaged or no image.
    """
    stack = read_stack(path)
    shape = tuple(int(n) for n in stack.data.shape)
    where = tuple(_part(a, n) for a, n in zip(stack.axes, shape, strict=True))
    pixels = np.ascontiguousarray(stack.data[where], "<f8")
    # Files tell axes of one plane, or don't.
    made = blake2b(repr([n for n in shape if n > 1]).encode(), digest_size=16)
    made.update(pixels.tobytes())
    return made.hexdigest()


def readable_checksum(path: Path) -> str:
    """The `checksum` of a file; empty where it can't be read."""
    try:
        return checksum(path)
    except NucleateError:
        return ""


def _part(axis: str, length: int) -> slice:
    """What is looked at along an axis."""
    if axis == "C":
        return slice(length)
    if axis in "YX":
        many = min(length, _ROWS if axis == "Y" else _COLUMNS)
        start = (length - many) // 2
        return slice(start, start + many)
    step = -(-length // _PLANES)
    return slice((length - 1) % step // 2, length, step)
