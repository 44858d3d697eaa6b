"""The commands."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from napari_nucleate.cli.data import (
    LabelWriter,
    check_same_channels,
    example,
    in_lockstep,
    matched,
    new_folder,
    references,
)
from napari_nucleate.cli.options import merged, with_options
from napari_nucleate.cli.progress import Follower, console
from napari_nucleate.cli.tables import print_evaluation
from napari_nucleate.core.annotation import Known
from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.events import Prediction, Trained, Validated
from napari_nucleate.core.model import Card, Model, Record
from napari_nucleate.core.predict import Tiling
from napari_nucleate.core.recipe import Recipe
from napari_nucleate.core.rounds import SelfTraining
from napari_nucleate.core.samples import NucleiSample

app = typer.Typer(
    name="nucleate",
    help="Teach a network your own microscopy images: label a few, train, predict, keep the best.",
    no_args_is_help=False,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Images = Annotated[Path, typer.Option(help="Folder of TIFF or PNG files, or one stack.")]
Masks = Annotated[
    Path, typer.Option(help="Folder of label images with the names of their images, or one stack.")
]
Out = Annotated[Path, typer.Option(help="Folder to write; it must be new or empty.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON, for machines.")]
RecipeFile = Annotated[
    Path | None, typer.Option("--recipe", help="Start from a recipe in a JSON file.")
]
KnownOption = Annotated[
    Literal["dense", "sparse"],
    typer.Option(
        help="dense: what isn't painted is background. sparse: only painted pixels count, "
        "label 1 is background."
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
    float | None, typer.Option(min=1, help="Train for so many seconds. [default: 60]")
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
) -> Recipe:
    """Put a recipe together from a file and options."""
    recipe = Recipe.load(file) if file else Recipe()
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


@app.callback(invoke_without_command=True)
def start(context: typer.Context) -> None:
    """Without a command: open napari with the docks and the sample."""
    if context.invoked_subcommand is None:
        gui(None)


@app.command()
@with_options("given", NucleiSample)
def sample(
    out: Annotated[Path, typer.Argument(help="Folder to write; it must be new or empty.")],
    given: dict[str, Any],
) -> None:
    """Write synthetic nuclei and their true labels, to try things on."""
    from napari_nucleate.io.write import write_image, write_labels

    options = NucleiSample.parse(given)
    made = options.make()
    new_folder(out)
    width = len(str(options.count - 1))
    for folder, stack, write in (
        ("images", made.images, write_image),
        ("masks", made.labels, write_labels),
    ):
        (out / folder).mkdir()
        if options.kind == "time-lapse":
            write(out / folder / "nuclei.tif", stack.data, stack.axes, stack.scale, stack.units)
            continue
        for i, pixels in enumerate(stack.data):
            path = out / folder / f"nuclei_{i:0{width}d}.tif"
            write(path, pixels, stack.axes[1:], stack.scale[1:], stack.units[1:])
    console.print(f"{out / 'images'} and {out / 'masks'} written.")


@app.command()
@with_options("given", Recipe, *RECIPE_PATHS)
def train(
    images: Images,
    masks: Masks,
    out: Out,
    given: dict[str, Any],
    recipe: RecipeFile = None,
    known: KnownOption = "dense",
    target: Target = None,
    classes: Classes = None,
    seconds: Seconds = None,
    epochs: Epochs = None,
    steps: Steps = None,
    initial: Annotated[
        Path | None, typer.Option("--from", help="Start from the weights of this model.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Train a model on images and their masks."""
    from napari_nucleate.core.train import train as training
    from napari_nucleate.io.model import load_model, save_model

    chosen = recipe_from(recipe, given, target, classes, seconds, epochs, steps)
    pairs = matched(references(images, chosen.ndim), masks, chosen.ndim)
    chosen = merged(chosen, {"channels": check_same_channels([i for i, _ in pairs])})
    new_folder(out)
    stack = pairs[0][0].stack
    card = Card(
        recipe=chosen,
        channels=stack.channels,
        spacing=stack.spacing(chosen.ndim),
        units=stack.spacing_units(chosen.ndim),
        record=Record(name=out.name),
    )
    examples = [example(i, m, _known(known)) for i, m in pairs]
    start_from = load_model(initial) if initial else None
    model: Model | None = None
    with Follower() as follower:
        events = training(examples, chosen, card=card, initial=start_from)
        for event in follower.follow(events):
            if isinstance(event, Validated | Trained) and event.model is not None:
                model = event.model
                save_model(model, out, overwrite=True)
    if model is not None:
        report({"model": str(out), **model.card.record.model_dump()}, as_json, f"Model: {out}")


@app.command()
@with_options("tiling", Tiling)
def predict(
    model: Annotated[Path, typer.Argument(help="Folder of the model.")],
    images: Images,
    out: Out,
    tiling: dict[str, Any],
    maps: Annotated[bool, typer.Option(help="Write the network's maps too.")] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.")] = "auto",
    as_json: Json = False,
) -> None:
    """Predict labels of images, with a confidence for each image and object."""
    from napari_nucleate.core.images import SPATIAL
    from napari_nucleate.core.predict import predict as predicting
    from napari_nucleate.io.model import load_model
    from napari_nucleate.io.table import write_table
    from napari_nucleate.io.write import write_image

    loaded = load_model(model)
    refs = references(images, loaded.recipe.ndim)
    new_folder(out)
    writer = LabelWriter(refs, lambda stack: out / f"{_file_name(stack.name)}.tif")
    rows: list[dict[str, float | int | str]] = []
    with Follower(len(refs)) as follower:
        events = predicting(loaded, refs, tiling=Tiling.parse(tiling), device=device)
        for event in follower.follow(events):
            if not isinstance(event, Prediction):
                continue
            writer.add(event.key, event.labels)
            rows.append(
                {
                    "image": event.key,
                    "objects": len(event.scores.objects),
                    "confidence": round(event.scores.image, 4),
                    "weakness": event.scores.reason,
                }
            )
            if maps:
                path = out / "maps" / f"{event.key}.tif"
                path.parent.mkdir(exist_ok=True)
                write_image(path, event.maps.astype("float32"), "C" + SPATIAL[event.labels.ndim])
    write_table(out / "confidence.csv", rows)
    report({"out": str(out), "images": rows}, as_json, f"{len(rows)} image(s) predicted: {out}")


@app.command("self-train")
@with_options("rounds", SelfTraining, "rounds", "best", "least", "sure", "margin", "weight")
@with_options("given", Recipe, *RECIPE_PATHS)
def self_train(
    images: Images,
    masks: Masks,
    out: Out,
    given: dict[str, Any],
    rounds: dict[str, Any],
    recipe: RecipeFile = None,
    known: KnownOption = "dense",
    target: Target = None,
    classes: Classes = None,
    seconds: Seconds = None,
    epochs: Epochs = None,
    steps: Steps = None,
    as_json: Json = False,
) -> None:
    """Train on the images that have masks, predict the others, keep the best, train again."""
    from napari_nucleate.cli.loop import Loop

    chosen = recipe_from(recipe, given, target, classes, seconds, epochs, steps)
    loop = Loop.prepare(
        references(images, chosen.ndim),
        masks,
        new_folder(out),
        chosen,
        SelfTraining.parse(rounds),
        _known(known),
    )
    with Follower(len(loop.pool)) as follower:
        for _ in follower.follow(loop.run()):
            pass
    result = {"project": str(out), "rounds": [r.model_dump() for r in loop.state.rounds]}
    report(result, as_json, f"Project: {out}; labels of the pool: {out / 'predictions'}")


@app.command()
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
        str, typer.Option(help='More parameters of the method as JSON, such as \'{"sigma": 2}\'.')
    ] = "{}",
    ndim: Annotated[int, typer.Option(min=2, max=3, help="Dimensions of an image.")] = 2,
    as_json: Json = False,
) -> None:
    """Split the touching objects of masks or probability maps."""
    from napari_nucleate.cli.splitting import splitter_from
    from napari_nucleate.core.instances import from_mask_like

    splitter = splitter_from(method, threshold, min_size, settings)
    refs = references(masks, 3 if ndim == 3 else 2)
    check_single_channel(refs)
    new_folder(out)
    writer = LabelWriter(refs, lambda stack: out / f"{_file_name(stack.name)}.tif")
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


@app.command()
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


@app.command()
def evaluate(
    truth: Annotated[Path, typer.Argument(help="True labels: a folder or one stack.")],
    prediction: Annotated[Path, typer.Argument(help="Predicted labels with the same names.")],
    as_json: Json = False,
) -> None:
    """Compare predicted labels with the truth: IoU, Dice, accuracy, AP, precision, recall, F1."""
    from napari_nucleate.core.metrics import evaluate as evaluating

    result = evaluating(in_lockstep(truth, prediction))
    if as_json:
        typer.echo(json.dumps(result.to_dict()))
    else:
        print_evaluation(result)


@app.command()
def demo(
    images: Annotated[
        Path | None, typer.Option(help="Real images; the synthetic sample without.")
    ] = None,
    masks: Annotated[Path | None, typer.Option(help="The true masks of the images.")] = None,
    labelled: Annotated[
        int, typer.Option(min=1, help="How many images' masks play the person's labels.")
    ] = 4,
    seconds: Annotated[
        float, typer.Option(min=2, help="Seconds of training, both rounds together.")
    ] = 60,
    seed: Annotated[int, typer.Option(min=0, help="Seed of every random draw.")] = 0,
    out: Annotated[
        Path | None, typer.Option(help="Folder to write. [default: nucleate-demo]")
    ] = None,
    as_json: Json = False,
) -> None:
    """Run the whole loop on a sample with known truth, and show what it brings."""
    from napari_nucleate.cli.demo import run_demo

    if (images is None) != (masks is None):
        raise NucleateError("--images and --masks belong together; give both or neither.")
    result = run_demo(images, masks, labelled, seconds, seed, out, quiet=as_json)
    if as_json:
        typer.echo(json.dumps(result))


@app.command()
def gui(
    images: Annotated[
        list[Path] | None, typer.Argument(help="Images to open; the sample without.")
    ] = None,
) -> None:
    """Open napari with the five docks."""
    from napari_nucleate.gui.launch import run

    run(images or [])


def check_single_channel(refs: list[Any]) -> None:
    """Refuse masks with several channels, in a sentence."""
    if check_same_channels(refs) != 1:
        raise NucleateError(
            f"{refs[0].key} has {refs[0].stack.n_channels} channels; give one mask or probability."
        )


def report(result: dict[str, Any], as_json: bool, sentence: str) -> None:
    """Print a result, for machines or for people."""
    if as_json:
        typer.echo(json.dumps(result))
    else:
        console.print(sentence)


def main() -> None:
    """Run the command line; errors that a person can mend are one sentence and status 1."""
    try:
        app()
    except NucleateError as error:
        console.print(f"[red]Error:[/red] {error}", highlight=False, soft_wrap=True)
        sys.exit(1)
    except KeyboardInterrupt:
        console.print("Stopped; what was best so far is kept.")
        sys.exit(130)


def _known(word: str) -> Known:
    return "sparse" if word == "sparse" else "dense"


def _file_name(name: str) -> str:
    return name.rstrip(". ") or "image"
