"""Arguments that several commands share, and how their results are printed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from napari_nucleate.cli.options import merged
from napari_nucleate.cli.progress import console
from napari_nucleate.core.annotation import Known
from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.recipe import Recipe
from napari_nucleate.io.boxes import Boxes, read_boxes

IMAGES = typer.Option(help="Folder of TIFF or PNG files, or one stack.")
MASKS = typer.Option(help="Folder of label images with the names of their images, or one stack.")
OUT = typer.Option(help="Folder to write; it must be new or empty.")
Images = Annotated[Path, IMAGES]
Masks = Annotated[Path, MASKS]
Out = Annotated[Path, OUT]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON, for machines.")]
RecipeFile = Annotated[
    Path | None, typer.Option("--recipe", help="Start from a recipe in a JSON file.")
]
KNOWN = typer.Option(
    help="dense: what isn't painted is background. boxes: only what lies in --boxes counts. "
    "sparse: only painted pixels count, label 1 is background."
)
KnownOption = Annotated[Known, KNOWN]
BoxesOption = Annotated[
    Path | None,
    typer.Option(
        "--boxes",
        help="JSON file of the boxes in which all is painted: by the name of an image, the corners "
        "of each in pixels, as in a project's annotations/boxes.json.",
    ),
]

RECIPE_PATHS = (
    "ndim",
    "architecture.width",
    "architecture.levels",
    "architecture.stem",
    "optimisation.patch",
    "optimisation.patch_depth",
    "optimisation.batch",
    "optimisation.learning_rate",
    "optimisation.validation",
    "optimisation.likely_background",
    "optimisation.patience",
    "optimisation.frozen",
    "optimisation.thaw",
    "optimisation.encoder_rate",
    "optimisation.seed",
    "optimisation.device",
)
Target = Annotated[
    Literal["boundary", "semantic", "star-convex"] | None,
    typer.Option(help="What the network learns to draw."),
]
Classes = Annotated[
    int | None, typer.Option(min=1, max=255, help="Classes besides background (semantic target).")
]
Seconds = Annotated[
    float | None, typer.Option(min=1, help="Train for so many seconds. (default: 60)")
]
Epochs = Annotated[
    int | None, typer.Option(min=1, help="Train for so many passes over the images instead.")
]
Steps = Annotated[
    int | None, typer.Option(min=1, help="Train for so many updates of the weights instead.")
]


def recipe_from(
    file: Path | None,
    given: dict[str, Any],
    target: str | None,
    classes: int | None,
    seconds: float | None,
    epochs: int | None,
    steps: int | None,
    begun: Recipe | None = None,
) -> Recipe:
    """Put a recipe together from a file and options; without a file, from `begun`, or the usual."""
    recipe = Recipe.load(file) if file else begun or Recipe()
    if classes and target not in (None, "semantic"):
        raise NucleateError(
            f"--classes {classes} goes with --target semantic; {target} tells objects apart."
        )
    if target or classes:
        given["target"] = {"kind": target or "semantic"}
        if classes:
            given["target"]["classes"] = classes
    budgets = {"seconds": seconds, "epochs": epochs, "steps": steps}
    chosen = {k: v for k, v in budgets.items() if v is not None}
    if len(chosen) > 1:
        both = " and ".join(f"--{k}" for k in chosen)
        raise NucleateError(f"{both} are both given; choose one.")
    for kind, value in chosen.items():
        given.setdefault("optimisation", {})["budget"] = {"kind": kind, "value": value}
    return merged(recipe, given)


def boxes_from(known: Known, path: Path | None) -> Boxes:
    """Read the boxes that are known, where boxes count.

    Raises
    ------
    NucleateError
        If one is given without the other, or the file can't be read.
    """
    if (known == "boxes") != (path is not None):
        raise NucleateError("--known boxes and --boxes FILE belong together; give both or neither.")
    return read_boxes(path) if path else {}


def report(result: dict[str, Any], as_json: bool, sentence: str) -> None:
    """Print a result, for machines or for people."""
    if as_json:
        typer.echo(json.dumps(result))
    else:
        console.print(sentence, soft_wrap=True)
