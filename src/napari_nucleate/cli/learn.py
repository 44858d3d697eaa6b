"""Commands that learn and predict."""

from __future__ import annotations

import shlex
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import typer

from napari_nucleate.cli.arguments import (
    IMAGES,
    KNOWN,
    MASKS,
    OUT,
    RECIPE_PATHS,
    BoxesOption,
    Classes,
    Epochs,
    Images,
    Json,
    KnownOption,
    Masks,
    Out,
    RecipeFile,
    Seconds,
    Steps,
    Target,
    boxes_from,
    recipe_from,
    report,
)
from napari_nucleate.cli.data import (
    LabelWriter,
    check_same_channels,
    example,
    matched,
    new_folder,
    references,
)
from napari_nucleate.cli.interrupt import Interrupt, check_not_interrupted
from napari_nucleate.cli.options import merged, with_options
from napari_nucleate.cli.progress import Follower, console
from napari_nucleate.cli.projects import state_of
from napari_nucleate.cli.tables import rounds_in_words
from napari_nucleate.core.annotation import Known
from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.events import Prediction, Started, Trained
from napari_nucleate.core.failures import breaking_off
from napari_nucleate.core.images import as_file_name
from napari_nucleate.core.model import Card, Record
from napari_nucleate.core.predict import Tiling
from napari_nucleate.core.recipe import Recipe
from napari_nucleate.core.rounds import SelfTraining
from napari_nucleate.project.best import BestKept
from napari_nucleate.project.log import Happened
from napari_nucleate.project.run import recovered
from napari_nucleate.project.store import Store

GO_ON = "The same command with --resume goes on where it was interrupted."
ROUNDS = ("form", "rounds", "best", "least", "sure", "sizes", "margin", "weight", "zooms")
LOST = "It was interrupted before there was anything to go on with."


@with_options("given", Recipe, *RECIPE_PATHS)
def train(
    images: Images,
    masks: Masks,
    out: Out,
    given: dict[str, Any],
    recipe: RecipeFile = None,
    known: KnownOption = "dense",
    boxes: BoxesOption = None,
    target: Target = None,
    classes: Classes = None,
    seconds: Seconds = None,
    epochs: Epochs = None,
    steps: Steps = None,
    initial: Annotated[
        Path | None,
        typer.Option(
            "--from",
            help="Start from the weights of this model, by its recipe, but for the time, the "
            "device and what is given.",
        ),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume", help="Go on with the training that was interrupted in this folder."
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Train a model on images and their masks. Ctrl+C interrupts; --resume goes on."""
    from napari_nucleate.core.training.train import train as training
    from napari_nucleate.io.atomic import sweep
    from napari_nucleate.io.model import load_model, save_model
    from napari_nucleate.io.snapshot import (
        drop_snapshot,
        has_snapshot,
        load_snapshot,
        save_snapshot,
    )

    where = boxes_from(known, boxes)
    snapshot = load_snapshot(out) if resume else None
    # What was interrupted has weights of its own already.
    start_from = load_model(initial) if initial and not resume else None
    begun = Recipe()
    if snapshot is not None:
        begun = snapshot.card.recipe
    elif start_from is not None:
        # For how long, and where, is a matter of the day.
        usual = begun.optimisation.model_dump(include={"budget", "device"})
        begun = merged(start_from.recipe, {"optimisation": usual})
    chosen = recipe_from(recipe, given, target, classes, seconds, epochs, steps, begun)
    refs = references(images, chosen.ndim)
    pairs = matched(refs, masks, chosen.ndim)
    chosen = merged(chosen, {"channels": check_same_channels([i for i, _ in pairs])})
    if snapshot is None:
        check_not_interrupted(out)
        new_folder(out)
    else:
        sweep(out)
    stack = pairs[0][0].stack
    card = Card(
        recipe=chosen,
        channels=stack.channels,
        spacing=stack.spacing(chosen.ndim),
        units=stack.spacing_units(chosen.ndim),
        record=Record(name=as_file_name(out.name, "model")),
    )
    examples = [example(i, m, known, where) for i, m in pairs]
    best = BestKept(lambda now: save_model(now, out, overwrite=True))

    def hint() -> str:
        return GO_ON if has_snapshot(out) else LOST

    def kept() -> str:
        return f"{best.in_words()} {GO_ON * has_snapshot(out)}".strip()

    with (
        breaking_off("training", kept),
        Follower() as follower,
        Interrupt(hint) as interrupt,
    ):
        events = training(
            examples,
            chosen,
            card=card,
            initial=start_from,
            snapshot=snapshot,
            keep=lambda now: save_snapshot(now, out),
        )
        for event in interrupt.between(follower.follow(best.of(events))):
            if isinstance(event, Started):
                follower.say(f"{len(pairs)} of {len(refs)} image(s) have a mask.")
            if isinstance(event, Trained):
                drop_snapshot(out)
    if best.model is not None:
        record = best.model.card.record
        report({"model": str(out), **record.model_dump()}, as_json, _told(record, out))


def _told(record: Record, out: Path) -> str:
    """Where the model is, and how good."""
    kept = f"of step {record.best_step}"
    if record.validation_ap is not None:
        kept += f", validation mean AP {record.validation_ap:.3f}"
    return f"Model: {out} ({kept})"


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
    from napari_nucleate.cli.exporting import OBJECTS, rows_of
    from napari_nucleate.core.images import SPATIAL
    from napari_nucleate.core.predict import predict as predicting
    from napari_nucleate.io.model import load_model
    from napari_nucleate.io.table import Row, write_table
    from napari_nucleate.io.write import write_image

    loaded, how = load_model(model), Tiling.parse(tiling)
    refs = references(images, loaded.recipe.ndim)
    new_folder(out)
    writer = LabelWriter(refs, out)
    rows: list[Row] = []
    objects: list[Row] = []

    def kept() -> str:
        return f"Kept: the labels of {len(rows)} image(s), in {out}." if rows else ""

    with breaking_off("prediction", kept), Follower(len(refs)) as follower:
        events = predicting(loaded, refs, tiling=how, device=device)
        for event in follower.follow(events):
            if not isinstance(event, Prediction):
                continue
            writer.add(event.key, event.labels)
            objects += rows_of(event.key, event.instances, event.scores.objects)
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
    write_table(out / OBJECTS, objects)
    report({"out": str(out), "images": rows}, as_json, f"{len(rows)} image(s) predicted: {out}")


@with_options("tiling", Tiling, "views")
@with_options("rounds", SelfTraining, *ROUNDS)
@with_options("given", Recipe, *RECIPE_PATHS)
def self_train(
    given: dict[str, Any],
    rounds: dict[str, Any],
    tiling: dict[str, Any],
    project: Annotated[
        Path | None,
        typer.Argument(
            help="Go on with this project, from its labels and its model. "
            "Without it, a new one is made of --images, --masks and --out."
        ),
    ] = None,
    images: Annotated[Path | None, IMAGES] = None,
    masks: Annotated[Path | None, MASKS] = None,
    out: Annotated[Path | None, OUT] = None,
    recipe: RecipeFile = None,
    known: Annotated[Known | None, KNOWN] = None,
    boxes: BoxesOption = None,
    target: Target = None,
    classes: Classes = None,
    seconds: Seconds = None,
    epochs: Epochs = None,
    steps: Steps = None,
    resume: Annotated[
        bool,
        typer.Option(
            help="Go on with the training of the project that was interrupted, if there is one; "
            "without, its best weights are in the history, and another begins."
        ),
    ] = True,
    as_json: Json = False,
) -> None:
    """Train on what has labels, predict the rest, learn from what is sure of that, too."""
    from napari_nucleate.cli.loop import SELF_TRAIN, Loop

    how = Tiling.parse(tiling)
    if project is not None and (images or masks or out or known or boxes):
        raise NucleateError(
            f"{project} is a project with images and labels of its own; leave out --images, "
            "--masks, --out, --known and --boxes, or leave out the project."
        )
    with ExitStack() as open_stores:
        if project is not None:
            store = open_stores.enter_context(Store(project, SELF_TRAIN))
            before = state_of(store)
            state, begun = recovered(before, store), before.recipe
            for entry in state.rounds[len(before.rounds) :]:
                told = f"Note: {entry.model} is in the history now. {entry.set_aside}"
                console.print(told, soft_wrap=True)
            chosen = recipe_from(recipe, given, target, classes, seconds, epochs, steps, begun)
            loop, out = Loop.go_on(store, state, chosen, rounds, resume), project
            store.note(Happened("opened", len(state.items)))
            if loop.begun is not None:
                at = loop.begun.snapshot
                told = f"Round {at.card.record.round}, which was interrupted."
                store.note(
                    Happened(
                        "gone on with", model=at.card.record.name, steps=at.progress.step, note=told
                    )
                )
        elif images is None or masks is None or out is None:
            raise NucleateError("Give a project to go on with, or --images, --masks and --out.")
        else:
            chosen = recipe_from(recipe, given, target, classes, seconds, epochs, steps)
            loop = Loop.prepare(
                references(images, chosen.ndim),
                masks,
                new_folder(out),
                chosen,
                SelfTraining.parse(rounds),
                known or "dense",
                boxes_from(known or "dense", boxes),
            )
            open_stores.enter_context(loop.store)
        kept = (
            "Stopped; finished rounds are kept, of the last one its best weights so far, if any. "
            f"Go on where it was by: nucleate self-train {shlex.quote(str(out))}"
        )
        with Follower(len(loop.pool), kept="") as follower, Interrupt(lambda: kept) as interrupt:
            for _ in interrupt.between(follower.follow(loop.run(tiling=how))):
                pass
    name = loop.state.model
    model = str(out / "models" / name) if name else ""
    rows = [entry.model_dump() for entry in loop.state.rounds]
    told = rounds_in_words(loop.state) + (
        f"Project: {out}; labels of the pool: {out / 'predictions'}; model: {model}"
    )
    report({"project": str(out), "model": model, "rounds": rows}, as_json, told)
