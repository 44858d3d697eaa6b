"""Commands on labels: split, export, evaluate."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from napari_nucleate.cli.arguments import Json, Out, report
from napari_nucleate.cli.data import (
    LabelWriter,
    check_same_channels,
    in_lockstep,
    new_folder,
    references,
)
from napari_nucleate.cli.data import truth as labels_of
from napari_nucleate.cli.progress import console
from napari_nucleate.cli.tables import print_evaluation
from napari_nucleate.core.errors import NucleateError


def split(
    masks: Annotated[Path, typer.Argument(help="Masks or probabilities: a folder or one stack.")],
    out: Out,
    method: Annotated[
        Literal["watershed", "components", "star-convex"], typer.Option(help="How objects part.")
    ] = "watershed",
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
    as_json: Json = False,
) -> None:
    """Split the touching objects of masks or probability maps."""
    from napari_nucleate.cli.splitting import splitter_from
    from napari_nucleate.core.instances import from_mask_like

    splitter = splitter_from(method, threshold, min_size, settings)
    refs = references(masks, 3 if ndim == 3 else 2)
    if check_same_channels(refs) != 1:
        raise NucleateError(
            f"{refs[0].key} has {refs[0].stack.n_channels} channels; give one mask or probability."
        )
    new_folder(out)
    writer = LabelWriter(refs, out)
    counts = {}
    for ref in refs:
        labels = splitter.split(from_mask_like(ref.read()[0]))
        counts[ref.key] = int(labels.max(initial=0))
        writer.add(ref.key, labels)
    report(
        {"out": str(out), "objects": counts},
        as_json,
        f"{sum(counts.values())} objects in {len(counts)} image(s): {out}",
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
    as_json: Json = False,
) -> None:
    """Compare predicted labels with the truth: IoU, Dice, accuracy, AP, precision, recall, F1."""
    from napari_nucleate.core.metrics import evaluate as evaluating

    pairs, missing = in_lockstep(truth, prediction)
    result = evaluating((one.key, labels_of(one), labels_of(other)) for one, other in pairs)
    if missing:
        console.print(
            f"{len(missing)} true image(s) have no prediction and are left out: "
            f"{', '.join(missing[:5])}{' …' if len(missing) > 5 else ''}",
            markup=False,
        )
    if as_json:
        typer.echo(json.dumps(result.to_dict() | {"without_prediction": missing}))
    else:
        print_evaluation(result)
