"""Models on disk: a folder with `weights.safetensors` and `model.json`. Loading runs no code.

`model.json`, the card, is for people too. The weights hold a copy of the card that they were saved
with, so that the two files make one model whenever the program is killed: see `load_card`. The
weights before them stay, as `weights.previous.safetensors`.
"""

from __future__ import annotations

import hashlib
import warnings
from typing import TYPE_CHECKING

from napari_nucleate.core.errors import DamagedError, NucleateError, NucleateWarning
from napari_nucleate.core.model import Card, Model
from napari_nucleate.io.atomic import made, newest, write_bytes, write_text
from napari_nucleate.io.tensors import pack, parsed, unpack, unpack_texts

if TYPE_CHECKING:
    from pathlib import Path

WEIGHTS, PREVIOUS = "weights.safetensors", "weights.previous.safetensors"
CARD = "model.json"

_OTHERWISE = "Copy the model's folder again if there is another; else use another model, or train."
_COPY, _REPLACES = "card", "replaces"
"""In the header of the weights: their card, and the digest of the `model.json` that it replaces."""


def save_model(model: Model, folder: Path, overwrite: bool = False) -> Path:
    """Write a model; with the weights' file, all of it is there.

    Parameters
    ----------
    model : Model
    folder : Path
        Made where it doesn't exist; that which it is in must.
    overwrite : bool
        Replace a model that is there; its weights are kept as those before.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    NucleateError
        If a model is there already, or the folder can't be written.
    """
    made(folder)
    card = model.card.to_json()
    content = pack(model.weights, {_COPY: card, _REPLACES: _digest(folder / CARD)})
    write_bytes(folder / WEIGHTS, content, overwrite, previous=folder / PREVIOUS)
    write_text(folder / CARD, card, overwrite)
    return folder


def load_model(folder: Path) -> Model:
    """Read a model that `save_model` wrote; where its weights are damaged, the state before them.

    Warns
    -----
    NucleateWarning
        If it is the state before.

    Raises
    ------
    NucleateError
        If the folder isn't a model, or a file in it is damaged or of a newer version.
    """
    card, path = load_card(folder), newest(folder / WEIGHTS, folder / PREVIOUS)
    if path is None:
        raise NucleateError(f"{folder} has no {WEIGHTS}; copy the whole folder.")
    try:
        return Model(card, unpack(path)[0])
    except DamagedError as error:
        before = _before(folder) if path.name == WEIGHTS else None
        if before is None:
            raise DamagedError(f"{error} {_OTHERWISE}") from error
    warnings.warn(
        f"{path} is damaged; the weights kept before them, of step "
        f"{before.card.record.best_step}, are used.",
        NucleateWarning,
        stacklevel=2,
    )
    return before


def load_card(folder: Path) -> Card:
    """Read what a model is and how it was trained, without its weights.

    It is `model.json`, but for one case: it is still the one that the weights' own copy of it was
    to replace, since the program was killed, or the disk full, just then.

    Raises
    ------
    NucleateError
        If the folder isn't a model, or its card is damaged or of a newer version.
    """
    weights, card = newest(folder / WEIGHTS, folder / PREVIOUS), folder / CARD
    texts: dict[str, str] = {}
    if weights is not None:
        try:
            texts = unpack_texts(weights)
        except DamagedError:
            texts = {}
    if _COPY in texts and _digest(card) == texts.get(_REPLACES):
        return parsed(Card, texts[_COPY], folder / WEIGHTS)
    if not card.is_file():
        raise NucleateError(f"{folder} is not a model: it has no {CARD}; choose a model's folder.")
    try:
        return Card.load(card)
    except DamagedError as error:
        raise DamagedError(f"{error} {_OTHERWISE}") from error


def _before(folder: Path) -> Model | None:
    """The model before the last one, if it is there and whole."""
    path = folder / PREVIOUS
    try:
        weights, texts = unpack(path)
        return Model(parsed(Card, texts[_COPY], path), weights)
    except (NucleateError, KeyError):
        return None


def _digest(path: Path) -> str:
    """A fingerprint of a file; empty where there is none."""
    try:
        return hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()
    except OSError:
        return ""
