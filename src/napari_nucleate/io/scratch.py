"""Arrays for a while: in memory where they fit well, in a file that goes away where they don't."""

from __future__ import annotations

import math
import os
import tempfile
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.failures import reason

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import DTypeLike, NDArray

LARGE = 2**30
"""Arrays of more bytes lie in a file."""


def scratch(shape: Sequence[int], dtype: DTypeLike, folder: Path | None = None) -> NDArray[Any]:
    """Make an array of zeros, of any size that the disk holds.

    Parameters
    ----------
    shape : sequence of int
    dtype : dtype
    folder : Path, optional
        Where the file of a large array lies; the system's folder for temporary files without it.

    Returns
    -------
    ndarray
        A memmap where it is large. Its file has no name, or is deleted with the array, also
        where the program is killed.

    Raises
    ------
    NucleateError
        If the disk has no room.
    """
    size = math.prod(shape) * np.dtype(dtype).itemsize
    if size <= LARGE:
        return np.zeros(shape, dtype)
    try:
        with tempfile.TemporaryFile(dir=folder, prefix=".nucleate-") as file:
            # A file with holes would kill the program when the disk is full, not tell it now.
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, size)
            return np.memmap(file, dtype, "r+", shape=tuple(shape))
    except OSError as error:
        where = folder or tempfile.gettempdir()
        raise NucleateError(
            f"{where} has no room for {size / 1e9:.1f} GB of labels: {reason(error)}."
        ) from error
