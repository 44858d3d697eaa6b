"""Interrupted trainings on disk: one file, so that its parts can't part. Loading runs no code.

`resume.safetensors` holds the arrays; the header, which safetensors keeps for such things, holds
the card and the progress as JSON, and a digest of all. A new one is written beside and renamed.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.foreign import one_line, parsed_json
from napari_nucleate.core.model import Card
from napari_nucleate.core.params import Params
from napari_nucleate.core.training.snapshot import Progress, Snapshot
from napari_nucleate.io.atomic import atomic

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

P = TypeVar("P", bound=Params)

RESUME = "resume.safetensors"


def save_snapshot(snapshot: Snapshot, folder: Path) -> Path:
    """Write a snapshot over an earlier one of the same training.

    Parameters
    ----------
    snapshot : Snapshot
    folder : Path
        That of the model; made where it doesn't exist.

    Raises
    ------
    NucleateError
        If it can't be written.
    """
    from safetensors.numpy import save

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise NucleateError(f"{folder} can't be made: {error.strerror}.") from error
    arrays: dict[str, NDArray[Any]] = {
        k: np.asarray(v, order="C") for k, v in snapshot.arrays.items()
    }
    card, progress = snapshot.card.to_json(), snapshot.progress.to_json()
    header = {"card": card, "progress": progress, "digest": _digest(card, progress, arrays)}
    with atomic(folder / RESUME, overwrite=True) as beside:
        beside.write_bytes(save(arrays, metadata=header))
    return folder / RESUME


def load_snapshot(folder: Path) -> Snapshot:
    """Read a snapshot that `save_snapshot` wrote.

    Raises
    ------
    NucleateError
        If there is none, or it is damaged or of a newer version.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    path = folder / RESUME
    header = _header(path)
    try:
        arrays = load_file(path)
        whole = header["digest"] == _digest(header["card"], header["progress"], arrays)
    except (SafetensorError, OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise _damaged(path, str(error)) from error
    if not whole:
        raise _damaged(path, "its content isn't what was written")
    progress = _parsed(Progress, header["progress"], path)
    card = _parsed(Card, header["card"], path)
    return Snapshot(card, progress, arrays)


def snapshot_card(folder: Path) -> Card | None:
    """What an interrupted training was to make; None where none was interrupted, or it is damaged.

    Reads the header only.
    """
    try:
        return Card.parse(parsed_json(_header(folder / RESUME)["card"]))
    except (NucleateError, KeyError, ValueError):
        return None


def drop_snapshot(folder: Path) -> None:
    """Remove the snapshot of a training that came to its end."""
    try:
        (folder / RESUME).unlink(missing_ok=True)
    except OSError as error:
        raise NucleateError(f"{folder / RESUME} can't be removed: {error.strerror}.") from error


def _header(path: Path) -> dict[str, str]:
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise NucleateError(
            f"{path.parent} has no interrupted training to go on with: {path.name} is missing."
        )
    try:
        with safe_open(path, framework="numpy") as file:
            return dict(file.metadata() or {})
    except (SafetensorError, OSError, ValueError) as error:
        raise _damaged(path, str(error)) from error


def _parsed(kind: type[P], text: str, path: Path) -> P:
    try:
        values = dict(parsed_json(text))
    except (ValueError, TypeError) as error:
        raise _damaged(path, str(error)) from error
    known = kind.model_fields[kind.version_field].default
    written = values.get(kind.version_field, known)
    if isinstance(written, int) and written > known:
        raise NucleateError(
            f"{path} has format {written} of a newer napari-nucleate, this one reads {known}; "
            "update napari-nucleate."
        )
    try:
        return kind.parse(values)
    except NucleateError as error:
        raise _damaged(path, str(error)) from error


def _damaged(path: Path, why: str) -> NucleateError:
    return NucleateError(
        f"{path} is damaged ({one_line(why)}); the training can't go on, start another."
    )


def _digest(card: str, progress: str, arrays: dict[str, NDArray[Any]]) -> str:
    found = hashlib.blake2b(digest_size=16)
    for text in (card, progress):
        found.update(f"{len(text)}:{text}".encode())
    for name in sorted(arrays):
        array = arrays[name]
        found.update(f"{name}:{array.dtype.str}{array.shape}".encode())
        found.update(np.ascontiguousarray(array).data)
    return found.hexdigest()
