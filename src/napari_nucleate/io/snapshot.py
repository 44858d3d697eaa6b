"""Interrupted trainings on disk: one file, so that its parts can't part. Loading runs no code.

`resume.safetensors` holds the arrays; the header, which safetensors keeps for such things, holds
the card and the progress as JSON, and a digest of all. A new one is written beside and renamed; the
one before it stays, as `resume.previous.safetensors`, for the case that the disk spoils the newer.
"""

from __future__ import annotations

import warnings
from contextlib import suppress
from typing import TYPE_CHECKING

from napari_nucleate.core.errors import DamagedError, NucleateError, NucleateWarning
from napari_nucleate.core.failures import reason
from napari_nucleate.core.foreign import parsed_json
from napari_nucleate.core.model import Card
from napari_nucleate.core.training.snapshot import Progress, Snapshot
from napari_nucleate.io.atomic import made, newest, write_bytes
from napari_nucleate.io.model import PREVIOUS as WEIGHTS_BEFORE
from napari_nucleate.io.tensors import damaged, pack, parsed, unpack, unpack_texts

if TYPE_CHECKING:
    from pathlib import Path

RESUME, PREVIOUS = "resume.safetensors", "resume.previous.safetensors"


def save_snapshot(snapshot: Snapshot, folder: Path) -> Path:
    """Write a snapshot over the last but one of the same training.

    Parameters
    ----------
    snapshot : Snapshot
    folder : Path
        That of the model; made where it doesn't exist. That which it is in must.

    Raises
    ------
    NucleateError
        If it can't be written.
    """
    made(folder)
    texts = {"card": snapshot.card.to_json(), "progress": snapshot.progress.to_json()}
    content = pack(snapshot.arrays, texts)
    write_bytes(folder / RESUME, content, overwrite=True, previous=folder / PREVIOUS)
    return folder / RESUME


def load_snapshot(folder: Path) -> Snapshot:
    """Read the last snapshot that `save_snapshot` wrote; where it is damaged, the one before it.

    Warns
    -----
    NucleateWarning
        If it is the one before.

    Raises
    ------
    NucleateError
        If there is none, or all are damaged or of a newer version.
    """
    path = newest(folder / RESUME, folder / PREVIOUS)
    if path is None:
        raise NucleateError(
            f"{folder} has no interrupted training to go on with: {RESUME} is missing."
        )
    try:
        return _read(path)
    except DamagedError as error:
        found = None
        if path.name == RESUME and (folder / PREVIOUS).is_file():
            with suppress(NucleateError):
                found = _read(folder / PREVIOUS)
        if found is None:
            raise DamagedError(f"{error} The training can't go on; start another.") from error
    warnings.warn(
        f"{path} is damaged; the training goes on from what was kept before it, at step "
        f"{found.progress.step}.",
        NucleateWarning,
        stacklevel=2,
    )
    return found


def has_snapshot(folder: Path) -> bool:
    """Whether the folder holds a training that was interrupted."""
    return newest(folder / RESUME, folder / PREVIOUS) is not None


def snapshot_card(folder: Path) -> Card | None:
    """What an interrupted training was to make; None where none was interrupted, or it is damaged.

    Reads the headers only.
    """
    for name in (RESUME, PREVIOUS):
        path = folder / name
        with suppress(NucleateError, KeyError, ValueError):
            if path.is_file():
                return Card.parse(parsed_json(unpack_texts(path)["card"]))
    return None


def drop_snapshot(folder: Path) -> None:
    """Remove what was kept besides the model of a training that came to its end."""
    # The older first: killed in between, what is left is what there was a moment ago.
    for path in (folder / PREVIOUS, folder / WEIGHTS_BEFORE, folder / RESUME):
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise NucleateError(f"{path} can't be removed: {reason(error)}.") from error


def _read(path: Path) -> Snapshot:
    arrays, texts = unpack(path)
    if not {"card", "progress"} <= set(texts):
        raise damaged(path, "it holds no training")
    progress = parsed(Progress, texts["progress"], path)
    return Snapshot(parsed(Card, texts["card"], path), progress, arrays)
