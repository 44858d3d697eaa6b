"""Rows of CSV files of others, as they come: no line and no table without end."""

from __future__ import annotations

import csv
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import TextIO

_LINE, _ROWS = 2**16, 2**20
# Excel, LibreOffice and Google Sheets begin a formula with these; a ' shows what follows as text.
_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_NUMBER = re.compile(r"[+-]?\d+(\.\d*)?(e[+-]?\d+)?", re.IGNORECASE)


def read_rows(path: Path) -> Iterator[list[str]]:
    """Read a table row by row.

    Raises
    ------
    csv.Error
        If it isn't one, or has longer lines or more rows than a table can have.
    OSError, UnicodeDecodeError
        If it can't be read.
    """
    with path.open(encoding="utf-8-sig", newline="") as file:
        for number, row in enumerate(csv.reader(_lines(file))):
            if number > _ROWS:
                raise csv.Error(f"it has more than {_ROWS} rows")
            yield [read_cell(cell) for cell in row]


def plain_cell(text: str) -> str:
    """A text that no spreadsheet takes for a formula: with a ' in front where it would. Pure.

    Examples
    --------
    >>> plain_cell("=1+1"), plain_cell("-1"), plain_cell("cell-1")
    ("'=1+1", '-1', 'cell-1')
    """
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text


def read_cell(text: str) -> str:
    """The inverse of `plain_cell`. Pure.

    Examples
    --------
    >>> read_cell(plain_cell("'=1"))
    "'=1"
    """
    return text[1:] if text.startswith("'") and _FORMULA.match(text[1:]) else text


def _lines(file: TextIO) -> Iterator[str]:
    while line := file.readline(_LINE):
        if len(line) == _LINE:
            raise csv.Error(f"a line is longer than {_LINE} letters")
        yield line
