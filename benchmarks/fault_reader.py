"""The process that reads strangers' files: a line of JSON a file, and one for how it ended."""

import json
import os
import shutil
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from napari_nucleate.cli.exporting import scores_beside
from napari_nucleate.cli.projects import images_of
from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.recipe import Recipe
from napari_nucleate.io.archive import unpack
from napari_nucleate.io.points import read_points
from napari_nucleate.io.read import read_stack
from napari_nucleate.project.state_file import STATE
from napari_nucleate.project.store import Store


def image(path: Path) -> None:
    """Open an image file, and read its first and its last image."""
    stack = read_stack(path)
    refs = stack.images(2)
    for ref in (refs[0], refs[-1]):
        pixels = ref.read()
        assert pixels.shape == (stack.n_channels, *ref.shape), pixels.shape
        assert pixels.dtype.kind in "uif", pixels.dtype
    assert len(stack.scale) == len(stack.units) == len(stack.axes)


def project(path: Path) -> None:
    """Read all of a project."""
    inside = next(p for p in path.parents if (p / STATE).is_file())
    store = Store(inside)
    state = store.load_state()
    boxes = store.load_boxes()
    assert all(np.isfinite(drawn).all() for drawn in boxes.values())
    for key in [item.key for item in state.items]:
        painted, found = store.load_annotation(key), store.load_prediction(key)
        store.load_table(key)
        assert painted is None or painted.ndim in (2, 3)
        assert found is None or found.maps.shape[1:] == found.labels.shape
    _models(store, {entry.model for entry in state.rounds})
    images_of(state, [item.key for item in state.items if item.source])


def _models(store: Store, names: set[str]) -> None:
    interrupted = store.interrupted()
    for name in sorted(names):
        store.load_card(name)
        network = store.load_model(name).predictor(torch.device("cpu"))
        assert all(p.ndim < 6 for p in network.parameters())
    if interrupted:
        assert store.load_snapshot(interrupted).arrays


def table(path: Path) -> None:
    """Read points, what is known of objects, or a recipe."""
    if path.suffix == ".json":
        Recipe.load(path)
    elif path.name.endswith("objects.csv"):
        alone = path.parent / "alone"
        alone.mkdir(exist_ok=True)
        shutil.copy(path, alone / "objects.csv")
        scores_beside(alone, ["cells"])
    else:
        assert np.isfinite(read_points(path).places).all()


def packed(path: Path) -> None:
    """Unpack a project, and read it."""
    folder = path.parent / "unpacked"
    shutil.rmtree(folder, ignore_errors=True)
    unpack(path, folder)
    assert folder.is_dir()
    if (folder / STATE).is_file():
        project(folder / STATE)


READERS: dict[str, Callable[[Path], None]] = {
    "image": image,
    "project": project,
    "table": table,
    "zip": packed,
}


def read(reader: str, path: Path) -> dict[str, Any]:
    """How reading a file ended, and what was said."""
    try:
        READERS[reader](path)
    except NucleateError as error:
        said = str(error)
        return {"end": "refused" if _clear(said, reader, path) else "unclear", "said": said[:1000]}
    except BaseException as error:  # noqa: BLE001  # that is what is counted
        at = error.__traceback__
        while at is not None and at.tb_next is not None:
            at = at.tb_next
        where = f"{at.tb_frame.f_code.co_filename}:{at.tb_lineno}" if at else ""
        return {"end": "exception", "said": f"{error!r:.300} {where}"}
    return {"end": "array", "said": ""}


def _clear(said: str, reader: str, path: Path) -> bool:
    """One sentence, not too long, that names the file, or what the file sent it to."""
    short = said.replace(str(path.parent), "")
    names = {
        "project": ("work", "round-0"),
        "table": (path.name, "objects.csv"),
        "zip": (path.name, "unpacked"),
    }
    named = any(name in said for name in names.get(reader, (path.name,)))
    if not named and said.startswith(("/", "\\")):
        named = said.split(maxsplit=1)[0] in path.read_text("utf-8", errors="replace")
    return "\n" not in said and len(short) < 600 and said.endswith(".") and named


def main() -> None:
    """Answer until there is no more question."""
    warnings.simplefilter("ignore")
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer
    out.write("ready\n")
    out.flush()
    for line in sys.stdin:
        asked = json.loads(line)
        out.write(json.dumps(read(asked["reader"], Path(asked["path"]))) + "\n")
        out.flush()


if __name__ == "__main__":
    main()
