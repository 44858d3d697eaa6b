"""What goes wrong while a file is read is told apart: its drive, or the file."""

from pathlib import Path

import pytest

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.io.guard import reading


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(5, "Input/output error"), "a.tif can't be read: its drive doesn't answer"),
        (OSError(116, "Stale file handle"), "a.tif can't be read: its drive doesn't answer"),
        (OSError("image file is truncated"), "it may be damaged or incomplete"),
        (MemoryError(), "does not fit into memory"),
        (PermissionError(13, "no"), "may not be read"),
    ],
)
def test_what_goes_wrong_is_said(error, words):
    with pytest.raises(NucleateError, match=words), reading(Path("a.tif")):
        raise error
