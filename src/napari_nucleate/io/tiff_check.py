"""Whether a TIFF that was just written holds the pixels that it was to hold."""

from __future__ import annotations

import math
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
from tifffile import TiffFile

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray


class PixelCheck:
    """Sums up pixels on their way into a file, and those that are read from it.

    Parts of planes come and go one by one: neither on the way in nor on the way back is there ever
    a second copy of the whole.

    Parameters
    ----------
    shape : sequence of int
        Of all pixels; planes last.
    dtype : dtype
        In the file.
    """

    def __init__(self, shape: Sequence[int], dtype: np.dtype[Any]) -> None:
        self._planes, self._plane = math.prod(shape[:-2]), tuple(shape[-2:])
        self._dtype = dtype
        self._sum = 0

    def passing(self, parts: Iterable[NDArray[Any]]) -> Iterator[NDArray[Any]]:
        """Pass planes, or tiles of them, on to the writer, in its type, and note what they hold."""
        self._sum = 0
        for part in parts:
            # A copy, so that what somebody paints meanwhile isn't in one of both only.
            own = np.array(part, self._dtype, order="C")
            self._sum = zlib.crc32(own.data, self._sum)
            yield own

    def __call__(self, path: Path) -> bool:
        """Whether the file holds what passed. May raise whatever decoders do."""
        found = 0
        with TiffFile(path) as tif:
            if len(tif.pages) != self._planes:
                return False
            for page in tif.pages:
                if page.shape != self._plane or page.dtype != self._dtype:
                    return False
                for part, at, _ in page.aspage().segments(maxworkers=1):
                    if part is None:
                        return False
                    # The last tiles reach beyond the plane.
                    inside = part[:, : self._plane[0] - at[2], : self._plane[1] - at[3]]
                    found = zlib.crc32(np.ascontiguousarray(inside, self._dtype).data, found)
        return found == self._sum
