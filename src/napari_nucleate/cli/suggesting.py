"""The command that proposes what to annotate next."""

from __future__ import annotations

from typing import Annotated

import typer

from napari_nucleate.cli.arguments import Json, report
from napari_nucleate.cli.progress import Follower
from napari_nucleate.cli.projects import Project, checked, images_of, state_of
from napari_nucleate.core.images import SPATIAL
from napari_nucleate.project.store import Store
from napari_nucleate.project.suggest import Suggestion, as_dict, suggesting


def suggest(
    project: Project,
    count: Annotated[int, typer.Option(min=1, help="How many images to propose.")] = 8,
    as_json: Json = False,
) -> None:
    """Propose images to annotate next: typical, unlike those labelled, badly predicted."""
    store = Store(project)
    state = state_of(store)
    images = images_of(state, state.keys())
    checked(state, state.keys())
    with Follower(len(images), quiet=as_json) as follower:
        events = list(follower.follow(suggesting(state, store, images, count)))
    found = [event for event in events if isinstance(event, Suggestion)]
    lines = "\n".join(f"{n}. {one.why}{_place(one)}" for n, one in enumerate(found, 1))
    report({"suggestions": [as_dict(one) for one in found]}, as_json, lines)


def _place(suggestion: Suggestion) -> str:
    """Where to look, in words; nothing where that isn't known."""
    axes = SPATIAL.get(len(suggestion.region), "")
    parts = zip(axes, suggestion.region, strict=True) if axes else ()
    spans = [f"{axis} {part.start}…{part.stop - 1}" for axis, part in parts]
    return f" It is least sure at {', '.join(spans)}." if spans else ""
