"""Whatever goes wrong inside a reader ends in one sentence that names the file."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from napari_nucleate.core import failures
from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.failures import may_pass
from napari_nucleate.core.foreign import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# No header is believed beyond these: 1 TiB for a file; for what is decoded at once, 256 MiB or
# 2**14 times its file (deflate reaches 1032, LZW and zstd a little more on empty planes).
_LARGEST = 2**40
_LARGE_PAGE = 2**28
_COMPRESSION = 2**14

TIFF_ADVICE = "copy it again, or save it as TIFF with Fiji"

_reading: ContextVar[bool] = ContextVar("napari_nucleate_reading", default=False)
_advice: ContextVar[str] = ContextVar("napari_nucleate_advice", default="")
# tifffile logs every oddity of a file; what matters of it ends in a NucleateError. Silent only
# while this package reads, and only in the thread that reads.
logging.getLogger("tifffile").addFilter(lambda _record: not _reading.get())


@contextmanager
def advised(advice: str) -> Iterator[None]:
    """Have sentences about damaged files say this, and not what to do with images of a person's.

    Parameters
    ----------
    advice : str
        The end of a sentence, without its full stop, as in "predict the image again".
    """
    token = _advice.set(advice)
    try:
        yield
    finally:
        _advice.reset(token)


def what_to_do(otherwise: str) -> str:
    """The advice for the file that is read; `otherwise` where it isn't one of the program's."""
    return _advice.get() or otherwise


@contextmanager
def reading(path: Path, advice: str = TIFF_ADVICE) -> Iterator[None]:
    """Turn any exception of the block into a `NucleateError` that names `path`.

    Parameters
    ----------
    path : Path
        The file that the block reads.
    advice : str
        What to do where it is damaged.

    Raises
    ------
    NucleateError
        If the block raises anything; a `NucleateError` passes as it is.
    """
    token = _reading.set(True)
    try:
        yield
    except NucleateError:
        raise
    except FileNotFoundError as error:
        raise NucleateError(_gone(path)) from error
    except PermissionError as error:
        raise NucleateError(f"{path} may not be read; check its permissions.") from error
    except MemoryError as error:
        raise NucleateError(f"{path} does not fit into memory; crop or split it.") from error
    except Exception as error:  # a damaged file makes the decoders raise whatever they like
        if may_pass(error):  # the file may be whole, and its drive away
            raise NucleateError(f"{path} can't be read: {failures.reason(error)}.") from error
        reason = one_line(error) or type(error).__name__
        raise NucleateError(
            f"{path} can't be read ({reason}); it may be damaged or incomplete: "
            f"{what_to_do(advice)}."
        ) from error
    finally:
        _reading.reset(token)


def check_file(path: Path) -> None:
    """Raise a `NucleateError` unless `path` is a file that holds something."""
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        raise NucleateError(f"{str(path)!a} has a name that isn't Unicode; rename it.") from error
    if not path.exists():
        raise NucleateError(_gone(path))
    if not path.is_file():
        raise NucleateError(f"{path} is a folder, not an image file.")
    if path.stat().st_size == 0:
        raise NucleateError(f"{path} is empty (0 bytes); {what_to_do('copy it again')}.")


def check_size(path: Path, total: int, page: int, most: int = 0) -> None:
    """Raise a `NucleateError` if a header claims more than can be true.

    Parameters
    ----------
    path : Path
        The file.
    total, page : int
        Bytes that all pixels, and those that are decoded at once, would take.
    most : int
        Bytes that can be decoded at once, where that is known.
    """
    size = path.stat().st_size
    if total > _LARGEST or page > max(_LARGE_PAGE, most or _COMPRESSION * size):
        raise NucleateError(
            f"{path} claims to hold {total / 2**30:.0f} GiB of pixels in a file of {size} bytes; "
            f"its header is damaged: {what_to_do('copy the file again')}."
        )


def _gone(path: Path) -> str:
    return f"{path} does not exist{_advice.get() and '; '}{_advice.get()}."
