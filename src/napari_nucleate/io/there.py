"""Whether a file is there, for who may not look everywhere.

Python 3.11's `Path.exists` and `Path.is_file` raise errors for names that are too long, folders
that are closed to the user, and drives that were taken away; for a person the file isn't there.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def is_there(path: Path | str) -> bool:
    """Whether there is a file or folder that can be seen."""
    return os.path.exists(path)  # noqa: PTH110  see above


def is_file(path: Path | str) -> bool:
    """Whether there is a file that can be seen."""
    return os.path.isfile(path)  # noqa: PTH113  see above


def is_folder(path: Path | str) -> bool:
    """Whether there is a folder that can be seen."""
    return os.path.isdir(path)  # noqa: PTH112  see above
