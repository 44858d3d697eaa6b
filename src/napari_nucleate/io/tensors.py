"""Arrays and a few texts in one safetensors file, with a digest of all. Loading runs no code."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from napari_nucleate.core.errors import DamagedError, NucleateError
from napari_nucleate.core.foreign import one_line, parsed_json
from napari_nucleate.core.params import Params

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

P = TypeVar("P", bound=Params)

_DIGEST = "digest"


def pack(arrays: Mapping[str, NDArray[Any]], texts: Mapping[str, str]) -> bytes:
    """The content of a safetensors file: arrays, and texts with a digest of all in its header."""
    from safetensors.numpy import save

    ordered = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    content: bytes = save(ordered, metadata={**texts, _DIGEST: digest(ordered, texts)})
    return content


def unpack(path: Path) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
    """Read the arrays and the texts of a file; of one without a digest, as it is.

    Raises
    ------
    DamagedError
        If the file can't be read, or doesn't hold what was written.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    texts = unpack_texts(path)
    try:
        arrays = load_file(path)
        whole = texts.pop(_DIGEST, None) in (None, digest(arrays, texts))
    except (SafetensorError, OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise damaged(path, str(error)) from error
    if not whole:
        raise damaged(path, "its content isn't what was written")
    return arrays, texts


def unpack_texts(path: Path) -> dict[str, str]:
    """Read the texts of a file, with the digest but unchecked, and not its arrays.

    Raises
    ------
    DamagedError
        If the file can't be read.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            return dict(file.metadata() or {})
    except (SafetensorError, OSError, ValueError) as error:
        raise damaged(path, str(error)) from error


def parsed(kind: type[P], text: str, path: Path) -> P:
    """Parameters from a text of a file.

    Raises
    ------
    NucleateError
        If it is of a newer version; a `DamagedError` if it makes no sense.
    """
    try:
        values = dict(parsed_json(text))
    except (ValueError, TypeError) as error:
        raise damaged(path, str(error)) from error
    kind.check_version(values, path)
    try:
        return kind.parse(values)
    except NucleateError as error:
        raise damaged(path, str(error)) from error


def damaged(path: Path, why: str) -> DamagedError:
    """The error that says so, in one line."""
    return DamagedError(f"{path} is damaged: {one_line(why).rstrip('.')}.")


def digest(arrays: Mapping[str, NDArray[Any]], texts: Mapping[str, str]) -> str:
    """A fingerprint of arrays, by name, and of texts."""
    found = hashlib.blake2b(digest_size=16)
    for name in sorted(texts):
        found.update(f"{len(texts[name])}:{texts[name]}".encode())
    for name in sorted(arrays):
        array = arrays[name]
        found.update(f"{name}:{array.dtype.str}{array.shape}".encode())
        found.update(np.ascontiguousarray(array).data)
    return found.hexdigest()
