"""What went wrong, in words: the one place that makes sentences of other people's exceptions."""

from __future__ import annotations

import errno
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeGuard

from napari_nucleate.core.errors import BrokeOffError, NucleateError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

AWAY = "its drive doesn't answer; see that it is connected and the network works, then try again"
BLOCKED = "a file is in its way; choose another folder"
FULL = "the disk is full; make space there, or choose another disk"
SHUT = "there is no permission; change its permissions, or choose another folder"

GONE = (
    "EIO",
    "ESTALE",
    "ENOTCONN",
    "ENODEV",
    "ENXIO",
    "ETIMEDOUT",
    "EHOSTDOWN",
    "EHOSTUNREACH",
    "ENETDOWN",
    "ENETUNREACH",
    "ENETRESET",
    "ECONNRESET",
    "ECONNABORTED",
    "ESHUTDOWN",
    "EREMOTEIO",
    "ENOMEDIUM",
)

REASONS: dict[str, str] = {
    "ENOSPC": FULL,
    "EDQUOT": "your share of the disk (the quota) is used up; delete what you don't need there, "
    "or choose another disk",
    "EROFS": "it is on a disk that can only be read; choose another folder",
    "EACCES": f"{SHUT}, or close the program that has it open",
    "EPERM": SHUT,
    "ENOENT": "it isn't there any more; put it back, or see that its drive is connected",
    "ENOTDIR": BLOCKED,
    "EEXIST": BLOCKED,
    "EFBIG": "it is too large for this disk; choose another disk",
    "EMFILE": "too many files are open; close other programs, then try again",
    "ENFILE": "too many files are open; close other programs, then try again",
    "ENOMEM": "memory ran out; close other programs, then try again",
    "ENAMETOOLONG": "its name is too long; choose a shorter one",
    **dict.fromkeys(GONE, AWAY),
}
"""What is wrong with a file, and what to do, by the system's name of the error."""

WINDOWS: dict[int, str] = {
    code: name
    for name, codes in {
        "ENOSPC": (39, 112),
        "EROFS": (19,),
        "ENOMEM": (8, 14, 1455),
        "EIO": (21, 53, 55, 59, 64, 67, 121, 1117, 1167, 1231),
    }.items()
    for code in codes
}
"""Codes of Windows that Python gives no errno of this meaning."""

PASSING = ("ENOSPC", "EDQUOT", AWAY)

MEMORY = ("out of memory", "not enough memory", "can't allocate memory", "_alloc_failed")

GPU: tuple[tuple[tuple[str, ...], str], ...] = (
    (
        ("driver on your system is too old", "driver version is insufficient"),
        "the driver of the graphics card is too old for this PyTorch; update the driver, or choose "
        "the device cpu",
    ),
    (
        (
            "no kernel image is available",
            "no longer supports this gpu",
            "not compatible with the current pytorch",
        ),
        "this PyTorch wasn't made for this graphics card; install one that was (pytorch.org), or "
        "choose the device cpu",
    ),
    (
        (
            "found no nvidia driver",
            "no cuda gpus are available",
            "not compiled with cuda",
            "no cuda-capable device",
        ),
        "PyTorch finds no NVIDIA graphics card that it can use; choose the device auto or cpu",
    ),
    (
        ("cuda", "cudnn", "cublas", "hip error", "mps backend"),
        "the graphics card, or its driver, broke off ({}); close other programs that use it, start "
        "again, or choose the device cpu",
    ),
)
"""What PyTorch says of graphics cards, small letters, and what that means; the first counts."""


def reason(error: OSError) -> str:
    """Say what is wrong with a file or folder, and what to do, without a full stop. Pure.

    For the end of a sentence such as "results.csv can't be written: …".

    Examples
    --------
    >>> reason(OSError(errno.ENOSPC, "No space left on device"))
    'the disk is full; make space there, or choose another disk'
    >>> reason(OSError(errno.EISDIR, "Is a directory"))
    'Is a directory'
    """
    return REASONS.get(_name(error), error.strerror or str(error) or type(error).__name__)


def may_pass(error: BaseException | None) -> TypeGuard[OSError]:
    """Tell whether the same may work a while later: a disk was full, or a drive was away. Pure."""
    if not isinstance(error, OSError):
        return False
    name = _name(error)
    return name in PASSING or REASONS.get(name) in PASSING


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an error says that memory ran out, on a GPU or on the processor. Pure."""
    if isinstance(error, OSError):
        return _name(error) == "ENOMEM"
    # PyTorch's own class is a RuntimeError whose text says so.
    said = isinstance(error, RuntimeError) and any(w in str(error).lower() for w in MEMORY)
    return said or isinstance(error, MemoryError)


def explained(error: BaseException) -> str:
    """Say what an exception means and what to do, without a full stop; empty: not known. Pure.

    Examples
    --------
    >>> explained(MemoryError())
    'memory ran out; close other programs, or choose smaller patches or smaller images'
    >>> explained(KeyError("x"))
    ''
    """
    if is_out_of_memory(error):
        return "memory ran out; close other programs, or choose smaller patches or smaller images"
    if isinstance(error, OSError):
        name = error.filename
        if name is None:
            return f"a file can't be read or written: {reason(error)}"
        return f"{name} can't be read or written: {reason(error)}"
    # An AssertionError says that PyTorch was made without CUDA.
    if isinstance(error, RuntimeError | AssertionError):
        text = " ".join(str(error).split())
        for words, meaning in GPU:
            if any(word in text.lower() for word in words):
                return meaning.format(text[:120])
    return ""


def in_words(error: BaseException, what: str, kept: str = "") -> str:
    """Say what happened, what was kept and what to do. Pure.

    Parameters
    ----------
    error : BaseException
        Errors for people are said as they are.
    what : str
        What was under way, as in "training".
    kept : str
        A sentence on what is safe.

    Examples
    --------
    >>> in_words(RuntimeError("CUDA out of memory."), "training", "The best weights are kept.")
    'Training failed: memory ran out; close other programs, or choose smaller patches or smaller \
images. The best weights are kept.'
    >>> in_words(KeyError("x"), "export")
    "Export failed by a fault of the program (KeyError: 'x'); please report it, with the file that \
Save a diagnosis… in the Train dock, or `nucleate doctor --out FILE`, writes."
    """
    if isinstance(error, NucleateError):
        return f"{error} {kept}".strip()
    meaning = explained(error)
    if not meaning:
        text = " ".join(str(error).split())[:200]
        said = f"{type(error).__name__}: {text}" if text else type(error).__name__
        meaning = (
            f"by a fault of the program ({said}); please report it, with the file that Save a "
            "diagnosis… in the Train dock, or `nucleate doctor --out FILE`, writes"
        )
        return f"{what.capitalize()} failed {meaning}. {kept}".strip()
    return f"{what.capitalize()} failed: {meaning}. {kept}".strip()


@contextmanager
def breaking_off(what: str, kept: Callable[[], str]) -> Iterator[None]:
    """Have whatever ends the block say what was kept, too.

    Parameters
    ----------
    what : str
        What is under way, as in "training".
    kept : callable
        Gives a sentence on what is safe; empty where nothing was begun, and errors for people are
        left as they are.

    Raises
    ------
    BrokeOffError
        With the sentence, from what ended the block.
    """
    try:
        yield
    except BrokeOffError:
        raise
    except Exception as error:
        said = kept()
        if isinstance(error, NucleateError) and not said:
            raise
        raise BrokeOffError(in_words(error, what, said)) from error


def _name(error: OSError) -> str:
    """The system's name of an error, such as "ENOSPC"; empty where it has none."""
    windows = WINDOWS.get(getattr(error, "winerror", None) or 0)
    return windows or errno.errorcode.get(error.errno or 0, "")
