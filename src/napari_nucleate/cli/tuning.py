"""The command that chooses thresholds by a project's labelled images."""

from __future__ import annotations

import json
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer

from napari_nucleate.cli.arguments import Json
from napari_nucleate.cli.progress import Follower, console
from napari_nucleate.cli.projects import Project, annotations_of, checked, images_of, state_of
from napari_nucleate.cli.tables import print_tuned
from napari_nucleate.core.events import Tile
from napari_nucleate.project import tune as project_tune
from napari_nucleate.project.store import Store

if TYPE_CHECKING:
    from napari_nucleate.core.instances.tune import Tuned
    from napari_nucleate.project.model import State


def tune(
    project: Project,
    apply: Annotated[
        bool, typer.Option("--apply", help="Write the values into the model in use and the recipe.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Choose the thresholds that part objects best on the labelled images."""
    with ExitStack() as open_stores:
        store = Store(project, "nucleate tune --apply")
        if apply:
            open_stores.enter_context(store)
        state = state_of(store)
        chosen = _chosen(store, state, as_json)
        if chosen is None:
            return
        applied = apply and chosen.splitter != chosen.begun
        if applied:
            project_tune.apply(store, state, chosen.splitter)
    if as_json:
        typer.echo(json.dumps(_as_dict(chosen, applied)))
        return
    print_tuned(chosen, project_tune.in_words(chosen))
    name = project_tune.in_use(state)
    if applied:
        told = f"Written into model {name}; what it predicts from now on is parted so."
    elif apply:
        told = f"Model {name} keeps its values."
    else:
        told = f"Nothing is changed; --apply writes the values into model {name}."
    console.print(told)


def _chosen(store: Store, state: State, quiet: bool) -> Tuned | None:
    """The best values; None where the work was stopped before its end."""
    from napari_nucleate.core.instances.tune import Tuned
    from napari_nucleate.core.instances.warm import compilations

    annotations = annotations_of(store, state)
    checked(state, list(annotations))
    chosen: Tuned | None = None
    events = project_tune.tuning(store, state, annotations, lambda key: images_of(state, [key])[0])
    compiling = "Compiling the loops, once after installation: up to a minute…"
    with (
        Follower(quiet=quiet) as follower,
        closing(events),
        compilations(lambda: follower.say(compiling)),
    ):
        for event in events:
            if isinstance(event, project_tune.Measuring):
                follower.say(_measured_on(event))
            elif isinstance(event, Tile) and event.done == event.total:
                follower.say(f"{event.key} is predicted.")
            elif isinstance(event, Tuned):
                chosen = event
    return chosen


def _measured_on(event: project_tune.Measuring) -> str:
    images = f"{len(event.keys)} labelled image" + "s" * (len(event.keys) != 1)
    if event.held_out:
        return f"Measured on {images} that the model didn't learn from."
    return (
        f"Measured on {images} that the model learned from, others being too few: elsewhere "
        "the AP is likely lower."
    )


def _as_dict(chosen: Tuned, applied: bool) -> dict[str, object]:
    return {
        "splitter": chosen.splitter.model_dump(),
        "AP": round(chosen.ap, 4),
        "begun_with": chosen.begun.model_dump(),
        "begun_AP": round(chosen.begun_ap, 4),
        "images": chosen.images,
        "objects": chosen.objects,
        "tried": chosen.tried,
        "applied": applied,
        "curves": {
            curve.field: {"values": curve.values, "AP": np.round(curve.ap, 4).tolist()}
            for curve in chosen.curves
        },
    }
