"""Commands on labels: split, export, evaluate."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from napari_nucleate.cli.arguments import Json, Out, report
from napari_nucleate.cli.data import (
    LabelWriter,
    in_lockstep,
    new_folder,
)
from napari_nucleate.cli.data import truth as labels_of
from napari_nucleate.cli.progress import Follower, console
from napari_nucleate.cli.tables import print_evaluation
from napari_nucleate.core.errors import NucleateError


def split(
    masks: Annotated[
        Path, typer.Argument(help="Masks, probabilities or maps: a folder or one stack.")
    ],
    out: Out,
    method: Annotated[
        Literal["watershed", "components", "star-convex", "linked-planes"] | None,
        typer.Option(help="How objects part. (default: watershed, or as --model does)"),
    ] = None,
    model: Annotated[
        Path | None, typer.Option(help="Folder of the model whose `predict --maps` wrote these.")
    ] = None,
    threshold: Annotated[
        float | None, typer.Option(min=0, max=1, help="Foreground above this probability.")
    ] = None,
    min_size: Annotated[
        int | None, typer.Option(min=0, help="Objects with fewer pixels are dropped.")
    ] = None,
    settings: Annotated[
        str, typer.Option(help="More parameters of the method as JSON, such as '{\"sigma\": 2}'.")
    ] = "{}",
    ndim: Annotated[int, typer.Option(min=2, max=3, help="Dimensions of an image.")] = 2,
    block: Annotated[
        int | None,
        typer.Option(min=16, help="Split in blocks of this side; large images are anyway."),
    ] = None,
    kind: Annotated[
        Literal["mask", "borders", "distances"],
        typer.Option(
            "--as",
            help="What the images are: masks or probabilities; bright lines between objects; or "
            "distances to the boundary.",
        ),
    ] = "mask",
    seeds: Annotated[
        Path | None,
        typer.Option(
            help="Where objects are: a .csv of points (y, x or z, y, x in pixels; image for the "
            "name), or labels with the names of the images."
        ),
    ] = None,
    table: Annotated[
        bool,
        typer.Option("--table", help="Write objects.csv too: how probable each object is."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Split the touching objects of masks, of probabilities or of a network's maps."""
    from napari_nucleate.cli.exporting import OBJECTS, rows_of
    from napari_nucleate.cli.splitting import COMPILING, Source, splitter_from
    from napari_nucleate.core.instances.warm import compilations
    from napari_nucleate.io.model import load_card
    from napari_nucleate.io.table import Row, write_table

    card = load_card(model) if model else None
    own = getattr(card.recipe.target, "splitter", None) if card else None
    splitter = splitter_from(method, threshold, min_size, settings, own)
    dimensions = card.recipe.ndim if card else 3 if ndim == 3 else 2
    if splitter.kind == "linked-planes" and dimensions == 2:
        raise NucleateError(
            "linked-planes links the planes of volumes, but each plane is read by itself; "
            "give volumes with --ndim 3."
        )
    if seeds and splitter.kind != "watershed":
        raise NucleateError(f"--seeds act in the watershed only, not in {splitter.kind}.")
    if card and kind != "mask":
        raise NucleateError(f"--model says what its maps are; leave --as {kind} out.")
    source = Source.of(masks, dimensions, card, kind, seeds)
    person_set = "anisotropy" in json.loads(settings)
    writer = LabelWriter(source.refs, new_folder(out))
    counts: dict[str, int] = {}
    rows: list[Row] = []
    with Follower() as follower, compilations(lambda: follower.say(COMPILING)):
        for ref in source.refs:
            chosen = splitter if person_set else source.suited(splitter, ref)
            found = follower.through(source.split(ref, chosen, writer.place(ref.key), block))
            counts[ref.key] = len(found)
            rows += rows_of(ref.key, found)
            writer.done(ref.key)
    if table:
        write_table(out / OBJECTS, rows)
    stray = sum(source.astray) + (source.seeds.outside if source.seeds else 0)
    outside = f"; {stray} seed(s) lie outside the mask" if stray else ""
    report(
        {"out": str(out), "objects": counts} | ({"seeds_outside": stray} if seeds else {}),
        as_json,
        f"{sum(counts.values())} objects in {len(counts)} image(s): {out}{outside}",
    )


def export(
    labels: Annotated[Path, typer.Argument(help="Label images: a folder or one stack.")],
    out: Out,
    images: Annotated[
        Path | None, typer.Option(help="Images to measure intensities on, and for the scale.")
    ] = None,
    ndim: Annotated[int, typer.Option(min=2, max=3, help="Dimensions of an image.")] = 2,
    as_json: Json = False,
) -> None:
    """Write labels as TIFF with scale and units, and a table of measurements."""
    from napari_nucleate.cli.exporting import export_labels

    rows = export_labels(labels, images, new_folder(out), 3 if ndim == 3 else 2)
    report(
        {"out": str(out), "objects": rows},
        as_json,
        f"{rows} objects measured: {out / 'measurements.csv'}",
    )


def evaluate(
    truth: Annotated[Path, typer.Argument(help="True labels: a folder or one stack.")],
    prediction: Annotated[Path, typer.Argument(help="Predicted labels with the same names.")],
    membranes: Annotated[
        bool,
        typer.Option(
            help="Also the errors of the ISBI 2012 challenge, for cells between membranes: Rand "
            "(pairs of pixels) and warping (topology; 2D)."
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Compare predicted labels with the truth: IoU, Dice, accuracy, AP, precision, recall, F1."""
    from napari_nucleate.core.membranes import mean_errors
    from napari_nucleate.core.metrics import evaluate as evaluating

    pairs, missing = in_lockstep(truth, prediction)
    result = evaluating((one.key, labels_of(one), labels_of(other)) for one, other in pairs)
    if missing:
        console.print(
            f"{len(missing)} true image(s) have no prediction and are left out: "
            f"{', '.join(missing[:5])}{' …' if len(missing) > 5 else ''}",
            markup=False,
        )
    errors = {}
    if membranes:
        errors = mean_errors((labels_of(one), labels_of(other)) for one, other in pairs)
    if as_json:
        typer.echo(json.dumps(result.to_dict() | errors | {"without_prediction": missing}))
    else:
        print_evaluation(result)
        for name, value in errors.items():
            typer.echo(f"mean {name.replace('_', ' ')}: {value:.5f}")
