"""TIFF stacks: OME, ImageJ hyperstacks, plain; read page by page when they are needed."""

from __future__ import annotations

import itertools
import math
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from tifffile import TiffFile

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.images import AXES, Stack
from napari_nucleate.io.guard import check_size, reading, what_to_do
from napari_nucleate.io.lazy import Index, LazyArray
from napari_nucleate.io.tiff_claims import check_chain, check_count, check_ome, decoded_at_most
from napari_nucleate.io.tiff_metadata import TiffFacts, facts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

SUFFIXES = (".tif", ".tiff", ".btf", ".stk", ".lsm")


def open_tiff(path: Path, axes: str | None = None) -> Stack:
    """Open the first image series of a TIFF file; pixels are read when they are needed.

    Parameters
    ----------
    path : Path
        The file.
    axes : str, optional
        One letter a dimension (N, T, C, Z, Y, X), where the file doesn't say them right; with
        or without the dimensions of length 1.

    Returns
    -------
    Stack
        Axes, scale, units and channel names as the file gives them: samples of a colour image
        are C, unnamed pages N; axes of length 1 are dropped, and so is an alpha channel.

    Raises
    ------
    NucleateError
        If the file is damaged, claims an absurd size, or its axes can't be told.
    """
    with reading(path), TiffFile(path) as tif:
        check_chain(path, tif)
        check_ome(path, tif)
        if not tif.series:
            raise NucleateError(f"{path} holds no image.")
        series = tif.series[0]
        known = facts(tif)
        letters = _letters(path, series, axes, known)
        view = _view(series, letters)
        check_count(path, [n for a, n in zip(letters, series.shape, strict=True) if a in "NTCZ"])
        data = LazyArray(path, _reader(path, tif, series), series.shape, _dtype(path, series), view)
    kept = "".join(a for a, v in zip(letters, view, strict=True) if isinstance(v, slice))
    if not {"Y", "X"} <= set(kept):
        raise NucleateError(f"{path} holds no image with Y and X, but {series.axes or 'nothing'}.")
    return Stack(
        data=data,
        axes=kept,
        scale=tuple(known.steps.get(a, (1.0, "pixel"))[0] for a in kept),
        units=tuple(known.steps.get(a, (1.0, "pixel"))[1] for a in kept),
        channels=known.channels if "C" in kept and len(known.channels) == _size(data, kept) else (),
        name=path.stem.removesuffix(".ome"),
        source=path,
    )


def series_files(path: Path) -> list[Path]:
    """The files that the first image series of a file lies in: of OME several may be one image.

    Parameters
    ----------
    path : Path
        The file; one that is no TIFF is alone.

    Returns
    -------
    list of Path
        In one folder, each once; `path` is the first.

    Raises
    ------
    NucleateError
        If the file is damaged, or claims an absurd size.
    """
    if path.suffix.lower() not in SUFFIXES:
        return [path]
    with reading(path), TiffFile(path) as tif:
        check_chain(path, tif)
        check_ome(path, tif)
        if not tif.is_ome or not tif.series:
            return [path]
        names = {page.parent.filehandle.name for page in tif.series[0] if page is not None}
    return [path, *(path.with_name(name) for name in sorted(names - {path.name}))]


def _size(data: LazyArray, axes: str) -> int:
    return data.shape[axes.index("C")]


def _letters(path: Path, series: Any, axes: str | None, known: TiffFacts) -> str:
    """One of our letters for each axis of the series; lower case where it is to be dropped."""
    long = [n > 1 or a in "YX" for n, a in zip(series.shape, series.axes, strict=True)]
    if axes is not None and len(axes) == len(series.shape):
        return axes
    if axes is not None and len(axes) == sum(long):
        given = iter(axes)
        return "".join(next(given) if keep else "q" for keep in long)
    if axes is not None:
        raise NucleateError(f"{path} has shape {series.shape}; axes {axes!r} don't fit to it.")
    letters = "".join(known.rename.get(a, a) for a in series.axes)
    letters = "".join({"S": "C"}.get(a, a if a in AXES else "N") for a in letters)
    kept = [a for a, keep in zip(letters, long, strict=True) if keep]
    if len(set(kept)) < len(kept):
        raise NucleateError(
            f"{path} has axes {series.axes} of shape {series.shape}, which can't be told apart; "
            "name them, such as TZYX."
        )
    return "".join(a if keep else "q" for a, keep in zip(letters, long, strict=True))


def _view(series: Any, letters: str) -> Index:
    """Tell what of the series is shown: without axes of length 1, without alpha."""
    alpha = _has_alpha(series)
    view: list[int | slice] = []
    for letter, old, length in zip(letters, series.axes, series.shape, strict=True):
        if letter == "q":
            view.append(0)
        else:
            view.append(slice(length - 1 if old == "S" and alpha else length))
    return tuple(view)


def _has_alpha(series: Any) -> bool:
    extra = tuple(int(e) for e in series.keyframe.extrasamples)
    # 1 and 2 are associated and unassociated alpha; it comes last.
    return len(extra) == 1 and extra[0] in (1, 2) and series.keyframe.samplesperpixel in (2, 4)


def _dtype(path: Path, series: Any) -> np.dtype[Any]:
    dtype: np.dtype[Any] = np.dtype(series.dtype).newbyteorder("=")
    if dtype.kind == "b":
        return np.dtype(np.uint8)
    if dtype.kind not in "uif":
        raise NucleateError(
            f"{path} holds {dtype} values; {what_to_do('save it as integers or floats')}."
        )
    return dtype


def _reader(path: Path, tif: TiffFile, series: Any) -> Callable[[Index], NDArray[Any]]:
    """Choose the cheapest way to read: map the file, decode pages, or decode all of it once."""
    total = math.prod(series.shape) * series.dtype.itemsize
    if series.dataoffset is not None:
        if path.stat().st_size < series.dataoffset + total:
            check_size(path, total, total)
            raise NucleateError(
                f"{path} is cut off: {series.dataoffset + total} bytes are needed, it has "
                f"{path.stat().st_size}; {what_to_do('copy it again')}."
            )
        return _mapped(path, series, tif.byteorder)
    page = tuple(series.keyframe.shape)
    lead = series.shape[: len(series.shape) - len(page)]
    if lead + page == tuple(series.shape) and math.prod(lead) == len(series):
        most = decoded_at_most(series.keyframe, path.stat().st_size)
        check_size(path, total, math.prod(page) * series.dtype.itemsize, most)
        return _paged(tif, series, lead)
    check_size(path, total, total)
    return _whole(tif, series)


@contextmanager
def _opened(tif: TiffFile) -> Iterator[None]:
    """Open the file of a `TiffFile` that has been closed, and close it again."""
    handle = tif.filehandle
    if not handle.closed:
        yield
        return
    handle.open()
    try:
        yield
    finally:
        handle.close()


def _mapped(path: Path, series: Any, byteorder: str) -> Callable[[Index], NDArray[Any]]:
    dtype = np.dtype(series.dtype).newbyteorder("<" if byteorder == "<" else ">")
    offset, shape = series.dataoffset, tuple(series.shape)

    def read(index: Index) -> NDArray[Any]:
        return np.array(np.memmap(path, dtype, "r", offset, shape)[index])

    return read


def _paged(tif: TiffFile, series: Any, lead: tuple[int, ...]) -> Callable[[Index], NDArray[Any]]:
    lock = threading.Lock()

    def page(number: int, rest: Index) -> NDArray[Any]:
        found = series[number]
        if found is None:  # OME files may leave planes out
            return np.zeros(series.keyframe.shape, series.dtype)[rest]
        # The planes of an OME series may lie in several files.
        with _opened(found.parent):
            if _in_parts(found, rest):
                return _part(found, rest)
            pixels = np.asarray(found.asarray(maxworkers=1))
        if pixels.shape != tuple(series.keyframe.shape):
            raise ValueError(f"page {number} has shape {pixels.shape}")
        return pixels[rest]

    def read(index: Index) -> NDArray[Any]:
        first, rest = index[: len(lead)], index[len(lead) :]
        rows = [
            [i] if isinstance(i, int) else range(n)[i] for i, n in zip(first, lead, strict=True)
        ]
        shape = tuple(
            len(range(n)[i]) for i, n in zip(first, lead, strict=True) if isinstance(i, slice)
        )
        with lock, _opened(tif):
            pages = [
                page(int(np.ravel_multi_index(p, lead)) if lead else 0, rest)
                for p in itertools.product(*rows)
            ]
        if not pages:
            return np.empty(
                (*shape, *np.empty(series.keyframe.shape, bool)[rest].shape), series.dtype
            )
        stacked = pages[0] if len(pages) == 1 else np.stack(pages)
        return stacked.reshape(*shape, *pages[0].shape)

    return read


def _in_parts(page: Any, rest: Index) -> bool:
    """Whether decoding some strips or tiles of a page is enough, and worth it."""
    return (
        len(page.shape) == 2
        and len(page.dataoffsets) == math.prod(page.chunked) > 1
        and page.keyframe.jpegtables is None
        and all(isinstance(i, slice) and i.step in (None, 1) for i in rest)
        and math.prod(len(span) for span in _spans(page, rest)) <= page.size // 2
    )


def _spans(page: Any, rest: Index) -> list[range]:
    return [range(n)[i] for i, n in zip(rest, page.shape, strict=True) if isinstance(i, slice)]


def _part(page: Any, rest: Index) -> NDArray[Any]:
    """Decode the strips or tiles of a page that a region lies in."""
    spans = _spans(page, rest)
    pixels = np.zeros([len(span) for span in spans], page.dtype)
    if not pixels.size:
        return pixels
    y, x = spans
    rows, cols = page.chunks
    across = page.chunked[1]
    handle = page.parent.filehandle
    for i, j in itertools.product(
        range(y.start // rows, (y.stop - 1) // rows + 1),
        range(x.start // cols, (x.stop - 1) // cols + 1),
    ):
        number = i * across + j
        handle.seek(page.dataoffsets[number])
        data = handle.read(page.databytecounts[number])
        decoded = page.decode(data or None, number)[0]
        if decoded is None:  # files may leave parts out
            continue
        plane = decoded.reshape(decoded.shape[1:3])
        top, left = i * rows, j * cols
        low, high = max(y.start - top, 0), min(y.stop - top, plane.shape[0])
        begin, end = max(x.start - left, 0), min(x.stop - left, plane.shape[1])
        pixels[
            low + top - y.start : high + top - y.start,
            begin + left - x.start : end + left - x.start,
        ] = plane[low:high, begin:end]
    return pixels


def _whole(tif: TiffFile, series: Any) -> Callable[[Index], NDArray[Any]]:
    lock = threading.Lock()
    kept: list[NDArray[Any]] = []

    def read(index: Index) -> NDArray[Any]:
        with lock:
            if not kept:
                with _opened(tif):
                    pixels = np.asarray(series.asarray(maxworkers=1))
                if pixels.shape != tuple(series.shape):
                    raise ValueError(f"shape {pixels.shape} instead of {tuple(series.shape)}")
                kept.append(pixels)
        return np.array(kept[0][index])

    return read
