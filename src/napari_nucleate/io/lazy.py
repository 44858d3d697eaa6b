"""An array that lies in a file: what is indexed is read, nothing else."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_nucleate.io.guard import reading

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import DTypeLike, NDArray

Index = tuple[int | slice, ...]


class LazyArray:
    """Looks like a read-only numpy array, and reads from its file when it is indexed.

    Parameters
    ----------
    path : Path
        The file, for messages.
    read : callable
        Takes an index of the array *in the file*, one int or slice with positive step for each
        of its axes, and returns the pixels.
    shape : tuple of int
        Shape of the array in the file.
    dtype : dtype
        What comes out; pixels are converted.
    view : tuple of (int or slice), optional
        What of the array in the file is shown; slices start at 0 and have no step.

    Notes
    -----
    Every read gives a new array: no file stays open or mapped, so that it can be replaced.
    """

    def __init__(
        self,
        path: Path,
        read: Callable[[Index], NDArray[Any]],
        shape: tuple[int, ...],
        dtype: DTypeLike,
        view: Index | None = None,
    ) -> None:
        self._path = path
        self._read = read
        self._view: Index = view if view is not None else tuple(slice(n) for n in shape)
        self.dtype = np.dtype(dtype)
        self.shape = tuple(
            len(range(n)[v]) for n, v in zip(shape, self._view, strict=True) if isinstance(v, slice)
        )

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of pixels."""
        return int(np.prod(self.shape, dtype=np.int64))

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        return f"<LazyArray {self._path.name} {self.shape} {self.dtype}>"

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        if copy is False:
            raise ValueError("An array in a file can't be given without a copy.")
        return np.asarray(self[...], dtype)

    def __getitem__(self, key: Any) -> NDArray[Any]:
        """Read a part, as numpy indexing says.

        Raises
        ------
        NucleateError
            If the file is damaged, gone or too large for the memory.
        """
        index = _basic(key, self.shape)
        if index is None:
            return np.asarray(np.asarray(self)[key])
        given = iter(index)
        inside = tuple(next(given) if isinstance(v, slice) else v for v in self._view)
        with reading(self._path):
            return np.asarray(self._read(inside), self.dtype)


class Padded:
    """Looks like an array with zeros behind it along each axis; these are never read.

    Parameters
    ----------
    data : array-like
        Anything with `shape`, `dtype` and numpy indexing; read when this is indexed.
    shape : tuple of int
        Along each axis at least as long as `data`.
    """

    def __init__(self, data: Any, shape: tuple[int, ...]) -> None:
        self._data = data
        self.dtype = np.dtype(data.dtype)
        self.shape = shape
        self.ndim = len(shape)

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        if copy is False:
            raise ValueError("A padded array can't be given without a copy.")
        return np.asarray(self[...], dtype)

    def __getitem__(self, key: Any) -> NDArray[Any]:
        """Read a part, as numpy indexing says."""
        index = _basic(key, self.shape)
        if index is None:
            return np.asarray(np.asarray(self)[key])
        inside: list[int | slice] = []
        sizes, filled = [], []
        for at, n, length in zip(index, self._data.shape, self.shape, strict=True):
            if isinstance(at, slice):
                sizes.append(len(range(length)[at]))
                part = slice(at.start, min(at.stop, n), at.step)
                inside.append(part)
                filled.append(len(range(n)[part]))
            else:
                inside.append(at)
                filled += [] if at < n else [0]  # nothing lies there
        values = np.zeros(sizes, self.dtype)
        if all(filled):
            values[tuple(map(slice, filled))] = self._data[tuple(inside)]
        return values


def _basic(key: Any, shape: tuple[int, ...]) -> Index | None:
    """One int or forward slice for each axis; None where numpy has to do it."""
    keys = key if isinstance(key, tuple) else (key,)
    if sum(k is Ellipsis for k in keys) == 0:
        keys = (*keys, Ellipsis)
    if not all(k is Ellipsis or isinstance(k, int | np.integer | slice) for k in keys):
        return None
    if sum(k is Ellipsis for k in keys) > 1 or len(keys) - 1 > len(shape):
        raise IndexError(f"{key!r} does not index an array of shape {shape}.")
    at = next(i for i, k in enumerate(keys) if k is Ellipsis)
    filled = (slice(None),) * (len(shape) - len(keys) + 1)
    index = [_one(k, n) for k, n in zip(keys[:at] + filled + keys[at + 1 :], shape, strict=True)]
    if any(isinstance(i, slice) and i.step < 0 for i in index):
        return None
    return tuple(index)


def _one(key: Any, length: int) -> int | slice:
    if isinstance(key, slice):
        return slice(*key.indices(length))
    position = operator.index(key)
    if not -length <= position < length:
        raise IndexError(f"Index {position} is out of bounds for an axis of length {length}.")
    return position % length
