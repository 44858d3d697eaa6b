"""Models on disk: a folder with `weights.safetensors` and `model.json`. Loading runs no code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.foreign import one_line
from napari_nucleate.core.model import Card, Model
from napari_nucleate.io.atomic import atomic, write_text

if TYPE_CHECKING:
    from pathlib import Path

WEIGHTS = "weights.safetensors"
CARD = "model.json"


def save_model(model: Model, folder: Path, overwrite: bool = False) -> Path:
    """Write a model; the weights first, so that a folder with a card is complete.

    Parameters
    ----------
    model : Model
    folder : Path
        Made where it doesn't exist.
    overwrite : bool
        Replace a model that is there.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    NucleateError
        If a model is there already, or the folder can't be written.
    """
    from safetensors.numpy import save

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise NucleateError(f"{folder} can't be made: {error.strerror}.") from error
    tensors: dict[str, np.ndarray[Any, Any]] = {
        k: np.asarray(v, order="C") for k, v in model.weights.items()
    }
    with atomic(folder / WEIGHTS, overwrite=overwrite) as beside:
        beside.write_bytes(save(tensors))
    write_text(folder / CARD, model.card.to_json(), overwrite=overwrite)
    return folder


def load_model(folder: Path) -> Model:
    """Read a model that `save_model` wrote.

    Raises
    ------
    NucleateError
        If the folder isn't a model, or a file in it is damaged or of a newer version.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    card = load_card(folder)
    try:
        weights = load_file(folder / WEIGHTS)
    except FileNotFoundError as error:
        raise NucleateError(f"{folder} has no {WEIGHTS}; copy the whole folder.") from error
    except (SafetensorError, OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise NucleateError(f"{folder / WEIGHTS} is damaged: {one_line(error)}.") from error
    return Model(card, weights)


def load_card(folder: Path) -> Card:
    """Read what a model is and how it was trained, without its weights.

    Raises
    ------
    NucleateError
        If the folder isn't a model, or its card is damaged or of a newer version.
    """
    if not (folder / CARD).is_file():
        raise NucleateError(f"{folder} is not a model: it has no {CARD}; choose a model's folder.")
    return Card.load(folder / CARD)
