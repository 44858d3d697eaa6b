"""The last errors, kept for `nucleate doctor`: what failed, and where in the program."""

from __future__ import annotations

import json
import logging
from datetime import datetime
from pathlib import Path

from platformdirs import user_log_path
from pydantic import Field

from napari_nucleate import __version__
from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.params import Params
from napari_nucleate.io.atomic import write_text
from napari_nucleate.io.private import code_path, without_private

log = logging.getLogger(__name__)

MOST = 5
"""So many errors are kept: one that is looked into may bring another."""

LONGEST, LARGEST = 12_000, 1_000_000
"""Letters of what is kept of an error, and bytes of a file that is read."""


class KeptError(Params):
    """An error of before; without private paths."""

    when: str = Field(description="Local time.")
    what: str = Field(description="What was under way.")
    said: str = Field(description="What the person was told.")
    trace: str = Field(description="The errors, each with the places in the program.")
    version: str = Field("", description="Version of the program.")


def keep_error(error: BaseException, what: str, said: str) -> None:
    """Keep an error beside the last ones. Never raises: it must not hide the error itself.

    Parameters
    ----------
    error : BaseException
    what : str
        What was under way, as in "training".
    said : str
        What the person is told.
    """
    try:
        kept = KeptError(
            when=datetime.now().astimezone().strftime("%Y-%m-%d %H:%M:%S"),
            what=what,
            said=without_private(said[:LONGEST]),
            trace=trace_of(error),
            version=__version__,
        )
        path = log_file()
        path.parent.mkdir(parents=True, exist_ok=True)
        known = [one.model_dump() for one in [*kept_errors(), kept][-MOST:]]
        write_text(path, json.dumps(known, indent=1), overwrite=True)
    except Exception:  # whatever it is, the first error is the one to tell of
        log.info("An error isn't kept for `nucleate doctor`.", exc_info=True)


def kept_errors() -> list[KeptError]:
    """The last errors, the newest last; none where the file is damaged or gone."""
    path = log_file()
    try:
        if path.stat().st_size > LARGEST:
            return []
        return [KeptError.parse(raw) for raw in json.loads(path.read_text("utf-8"))]
    except (OSError, ValueError, TypeError, RecursionError, NucleateError):
        return []


def trace_of(error: BaseException) -> str:
    """Say an error, what it came of, and where; without private paths and without source lines.

    Examples
    --------
    >>> print(trace_of(OSError("/home/ann/x.tif is odd")))
    OSError: …/x.tif is odd
    """
    parts: list[str] = []
    seen: list[BaseException] = []
    one: BaseException | None = error
    while one is not None and one not in seen:
        seen.append(one)
        lines = [f"{type(one).__name__}: {without_private(str(one)[:LONGEST])}".removesuffix(": ")]
        # What was added comes from a process beside the window, and is without private paths.
        lines += getattr(one, "__notes__", [])
        step = one.__traceback__
        while step is not None:
            code = step.tb_frame.f_code
            lines.append(f"  {code_path(code.co_filename)}:{step.tb_lineno} {code.co_name}")
            step = step.tb_next
        parts.append("\n".join(lines))
        one = one.__cause__ or one.__context__
    text = "\nwhich came of\n".join(parts)
    return text if len(text) <= LONGEST else f"{text[: LONGEST // 2]}\n…\n{text[-LONGEST // 2 :]}"


def log_file() -> Path:
    """Where they are kept."""
    return Path(user_log_path("napari-nucleate", appauthor=False)) / "errors.json"
