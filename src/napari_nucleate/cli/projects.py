"""A project's folder on the command line: the person's labels in it, and where its images are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from napari_nucleate.cli.data import references
from napari_nucleate.cli.progress import console
from napari_nucleate.core.annotation import Annotation, annotate
from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.images import same_size
from napari_nucleate.core.patches import Example
from napari_nucleate.project.images import changed, changed_in_words, gone_in_words, look, noted
from napari_nucleate.project.model import HUMAN, PAINTED, rule_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_nucleate.core.images import ImageRef
    from napari_nucleate.project.model import State
    from napari_nucleate.project.store import Store

PROJECT_HELP = "A project, made by `nucleate self-train` or the window."
Project = Annotated[Path, typer.Argument(help=PROJECT_HELP)]


@dataclass(frozen=True)
class Found:
    """An image of a project in its file, by the project's name for it."""

    key: str
    ref: ImageRef

    @property
    def spacing(self) -> tuple[float, ...]:
        """Pixel size along (Z,) Y, X."""
        return self.ref.spacing

    @property
    def units(self) -> tuple[str, ...]:
        """Units of the spacing."""
        return self.ref.units

    def read(self) -> NDArray[Any]:
        """Pixels of shape (C, Y, X) or (C, Z, Y, X)."""
        return self.ref.read()


def state_of(store: Store) -> State:
    """Read a project's state; says it where that is one of before."""
    state = store.load_state()
    if store.restored:
        warn(store.restored)
    return state


def warn(sentence: str) -> None:
    """Tell a person what is otherwise than it should be; the work goes on."""
    console.print(f"Warning: {sentence}", style="yellow", soft_wrap=True)


def annotations_of(store: Store, state: State) -> dict[str, Annotation]:
    """A person's labels by image, as the project's rule reads them.

    Images that were confirmed to be empty may have no file of labels; they are left out then.

    Raises
    ------
    NucleateError
        If nothing is labelled, or a file of labels is gone, or boxes count and an image has none.
    """
    boxes, found = store.load_boxes(), {}
    for key in state.keys(*HUMAN):
        painted, status = store.load_annotation(key), state.item(key).status
        if painted is not None:
            try:
                found[key] = annotate(painted, rule_of(status, state.known), boxes.get(key, ()))
            except NucleateError as error:
                raise NucleateError(f"{key}: {error}") from error
        elif status in PAINTED:
            raise NucleateError(
                f"{key} is {status}, but its labels are gone from {store.folder / 'annotations'}; "
                f"put the file {key}.tif back."
            )
    if not state.keys(*HUMAN):
        raise NucleateError(f"No image of {store.folder} is labelled; label some first.")
    return found


def labelled_example(
    image: Found, annotation: Annotation | None, corrected: bool = False
) -> Example:
    """An image with a person's labels; without any, it was confirmed to be empty.

    Raises
    ------
    NucleateError
        If they have other sizes: then it is another image.
    """
    pixels = image.read()
    shape = pixels.shape[1:]
    if annotation is None:
        annotation = annotate(np.zeros(shape, np.int32), "dense")
    labels, known = annotation.labels, annotation.known
    if same_size(labels.shape, shape):
        # A file doesn't tell a single plane.
        annotation = Annotation(labels.reshape(shape), known.reshape(shape))
    return Example(image.key, pixels, annotation, corrected=corrected)


def images_of(state: State, keys: Sequence[str]) -> list[Found]:
    """Find images of a project in their files again.

    A layer may have another name than its file, or other axes: where none of a file's images has a
    name of the project's, and they are as many as the project has of it, their order tells.

    Raises
    ------
    NucleateError
        Naming an image that isn't found.
    """
    ndim = state.recipe.ndim
    wanted, files = set(keys), dict[str, list[str]]()
    for item in state.items:
        files.setdefault(item.source, []).append(item.key)
    found: dict[str, Found] = {}
    for path, all_keys in files.items():
        if not path or wanted.isdisjoint(all_keys):
            continue
        if not Path(path).exists():
            raise NucleateError(gone_in_words(path))
        refs = references(Path(path), ndim)
        by_name = {ref.key: ref for ref in refs}
        if not set(all_keys) & set(by_name) and len(refs) == len(all_keys):
            by_name = dict(zip(all_keys, refs, strict=True))
        found |= {key: Found(key, by_name[key]) for key in all_keys if key in by_name}
    for key in keys:
        if key not in found:
            path = state.item(key).source
            raise NucleateError(
                f"The image {key} isn't in {path}; put it back there."
                if path
                else f"The image {key} came from no file, but from napari; save the layer there as "
                "TIFF, and begin a project from the files."
            )
    return [found[key] for key in keys]


def checked(state: State, keys: Sequence[str]) -> State:
    """Say which files of these images hold other pixels than before; the work goes on.

    Returns
    -------
    State
        The same, with checksums of files that had none.
    """
    used = dict.fromkeys(state.item(key).source for key in keys)
    looked = list(look(filter(None, used)))
    if other := changed(state, looked):
        warn(changed_in_words(other))
    return noted(state, looked)
