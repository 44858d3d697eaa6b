"""Reading what a project kept: labels, to paint them again, and predictions, to show them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.events import Prediction, Warned
from napari_nucleate.core.images import same_size
from napari_nucleate.project.model import PAINTED

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from napari_nucleate.core.images import ImageRef
    from napari_nucleate.project.model import State
    from napari_nucleate.project.store import Store


@dataclass(frozen=True)
class Kept:
    """A prediction of before: what became of it since is in the state."""

    prediction: Prediction


def read_predictions(store: Store, keys: Sequence[str]) -> Generator[Kept | Warned, None, None]:
    """Read predictions; in a thread."""
    for key in keys:
        try:
            prediction = store.load_prediction(key)
        except NucleateError as error:
            yield Warned(str(error))
            continue
        if prediction is not None:
            yield Kept(prediction)


def read_labels(
    store: Store, state: State, refs: Sequence[ImageRef]
) -> dict[str, NDArray[np.int32]]:
    """Read what is painted on images, to paint it again.

    Raises
    ------
    NucleateError
        Naming a file that is gone, damaged or of another image.
    """
    found, statuses = {}, {item.key: item.status for item in state.items}
    for ref in refs:
        kept = store.load_annotation(ref.key) if ref.key in statuses else None
        file = store.folder / "annotations" / f"{ref.key}.tif"
        if kept is not None:
            if not same_size(kept.shape, ref.shape):
                raise NucleateError(
                    f"{file} has the shape {kept.shape}, its image {ref.shape}; put the one back "
                    "that was there."
                )
            found[ref.key] = kept
        elif statuses.get(ref.key) in PAINTED:
            raise NucleateError(f"The labels of {ref.key} are gone; put {file} back.")
    return found
