"""What a TIFF says of itself, checked before anything is made as large as it says."""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.io.guard import what_to_do

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tifffile import TiffFile

IMAGES = 2**20
"""So many planes a file may claim to hold: each takes memory before any is read."""

# What a byte of a strip or tile may unfold into: by compression, as TIFF numbers it.
_RATIOS = {1: 8, 5: 4096, 7: 1024, 8: 1100, 32773: 128, 32946: 1100}
_OTHERS = 2**14


def check_chain(path: Path, tif: TiffFile) -> None:
    """Refuse pages that follow each other in a circle: tifffile walks in some for ever.

    Raises
    ------
    NucleateError
        If they do, or are more than can be.
    """
    form, file = tif.tiff, tif.filehandle
    seen: set[int] = set()
    at = int(tif.pages.first.offset)
    while 0 < at < file.size:
        if at in seen:
            raise NucleateError(
                f"{path} is damaged: its pages follow each other in a circle; "
                f"{what_to_do('copy it again')}."
            )
        seen.add(at)
        check_count(path, [len(seen)])
        file.seek(at)
        try:
            (count,) = struct.unpack(form.tagnoformat, file.read(form.tagnosize))
            file.seek(at + form.tagnosize + count * form.tagsize)
            (at,) = struct.unpack(form.offsetformat, file.read(form.offsetsize))
        except struct.error:
            return  # cut off there, as tifffile sees by itself


def check_ome(path: Path, tif: TiffFile) -> None:
    """Refuse OME metadata that tifffile would follow out of the folder or out of memory.

    Raises
    ------
    NucleateError
        If they name a file in another folder, or more planes than can be.
    """
    if not tif.is_ome or not tif.ome_metadata:
        return
    try:
        root = ET.fromstring(tif.ome_metadata)  # noqa: S314  # expat bounds entities
    except ET.ParseError:
        return  # tifffile reads the pages as they come
    for element in root.iter():
        kind = element.tag.rpartition("}")[2]
        if kind == "Pixels":
            check_count(path, [_whole(element.get(f"Size{axis}")) for axis in "CZT"])
        elif kind == "TiffData":
            values = (v for k, v in element.attrib.items() if k != "UUID")
            check_count(path, [max(map(_whole, values), default=1)])
        elif kind == "UUID":
            _check_inside(path, element.get("FileName", ""))
        elif kind.startswith("ModuloAlong"):
            _check_steps(path, element)


def check_count(path: Path, sizes: Iterable[int]) -> None:
    """Refuse a file that claims more planes than can be."""
    count = math.prod(sizes)
    if count > IMAGES:
        raise NucleateError(
            f"{path} claims to hold {count} images, more than {IMAGES}; its header is damaged: "
            f"{what_to_do('copy it again, or split it')}."
        )


def decoded_at_most(page: Any, size: int) -> int:
    """Bytes that a page can unfold into, by its strips or tiles in a file of `size` bytes."""
    there = min(sum(max(int(n), 0) for n in page.databytecounts), size)
    return there * _RATIOS.get(int(page.compression), _OTHERS)


def _check_inside(path: Path, name: str) -> None:
    if any(mark in name for mark in "/\\:\x00") or name == "..":
        raise NucleateError(
            f"{path} names another file in another folder ({name[:60]!a}); it isn't read, since "
            "files of a series lie side by side."
        )


def _check_steps(path: Path, element: ET.Element) -> None:
    if "Start" not in element.attrib:
        return
    start, end = float(element.get("Start", 0)), float(element.get("End", 0))
    steps = abs(end - start) / abs(float(element.get("Step", 1)))
    check_count(path, [int(steps)])


def _whole(value: str | None) -> int:
    return int(value or 1)
