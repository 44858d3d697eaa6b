"""What others wrote: bounded before it is parsed, and before it is shown."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

LARGEST = 2**26
"""Bytes of a JSON file; Python holds lists of lists twenty times as large."""


def json_of(path: Path, values: int = LARGEST) -> Any:
    """Read a JSON file, of a size that can be true.

    Parameters
    ----------
    path : Path
        Of UTF-8.
    values : int
        So many values it may hold at most.

    Raises
    ------
    ValueError
        If it is too large, or isn't JSON.
    OSError
        If it can't be read.
    """
    size = path.stat().st_size
    if size > LARGEST:
        raise ValueError(f"it has {size} bytes, the most that is read is {LARGEST}")
    text = path.read_text("utf-8")
    if text.count(",") >= values:
        raise ValueError(f"it holds more than {values} values")
    return parsed_json(text)


def parsed_json(text: str) -> Any:
    """Parse JSON; whole numbers beyond 64 bits are refused.

    Raises
    ------
    ValueError
        If it isn't JSON, or too deeply nested.

    Examples
    --------
    >>> parsed_json('{"a": [1, 2.5]}')
    {'a': [1, 2.5]}
    """
    try:
        return json.loads(text, parse_int=_whole)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def one_line(text: object, most: int = 120) -> str:
    r"""A text on one line, cut at its end where it is long. Pure.

    Examples
    --------
    >>> one_line("a\nb \x1b[31mc", 6)
    'a b […'
    """
    line = " ".join(printable(str(text)[: 9 * most]).split())
    return line if len(line) <= most else line[: most - 1] + "…"


def printable(text: str) -> str:
    r"""A text with spaces in the place of what moves a cursor or colours a screen. Pure.

    Examples
    --------
    >>> printable("a\x1b[31mb\nc")
    'a [31mb\nc'
    """
    return "".join(c if c.isprintable() or c == "\n" else " " for c in text)


def _whole(digits: str) -> int:
    # Larger ones overflow where they become floats, or machine numbers.
    if len(digits) > 20 or not -(2**63) <= (number := int(digits)) < 2**64:
        raise ValueError(f"{digits[:20]}… is too large a number")
    return number
