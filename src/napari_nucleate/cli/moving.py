"""Commands that move projects: images found again, a zip file for somebody else and out of one."""

from __future__ import annotations

import os
import shlex
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from napari_nucleate.cli.arguments import Json, report
from napari_nucleate.cli.projects import Project, state_of
from napari_nucleate.core.errors import NucleateError
from napari_nucleate.project.images import (
    accepted_as,
    changed,
    look,
    missing,
    moved,
    noted,
    sources,
)
from napari_nucleate.project.locate import Located, locating
from napari_nucleate.project.log import Happened
from napari_nucleate.project.store import Store


def locate(
    project: Project,
    folder: Annotated[
        Path | None,
        typer.Argument(help="A folder that missing images lie in, or in folders below it."),
    ] = None,
    accept: Annotated[
        bool,
        typer.Option("--accept", help="Keep files that hold other pixels than before as they are."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Say where a project's images are now, after they moved; without a folder, which are gone."""
    writes = folder is not None or accept
    with ExitStack() as open_stores:
        store = Store(project, "nucleate locate")
        if writes:
            open_stores.enter_context(store)
        state = state_of(store)
        located = Located(nowhere=tuple(missing(state)))
        if folder is not None:
            for event in locating(state, folder):
                located = event if isinstance(event, Located) else located
            state = moved(state, located.found)
        looked = list(look(sources(state)))
        other = changed(state, looked)
        if writes:
            state = accepted_as(state, looked) if accept else noted(state, looked)
            store.save_state(state)
            if located.found:
                store.note(Happened("located", len(located.found), note=str(folder)))
            if accept and other:
                store.note(Happened("accepted files", len(other), note=", ".join(other)))
    gone = missing(state)
    result = {"found": located.found, "missing": gone, "changed": [] if accept else other}
    report(result, as_json, _told(located, gone, other, accept))
    if gone:
        raise NucleateError(
            f"{len(gone)} image file(s) of {project} aren't found yet; give the folder that they "
            f"are in: nucleate locate {shlex.quote(str(project))} FOLDER"
        )
    if other and not accept:
        raise NucleateError(
            f"{len(other)} image file(s) of {project} hold other pixels than before; labels would "
            "lie on the wrong ones."
        )


def _told(located: Located, gone: list[str], other: list[str], accept: bool) -> str:
    """What was found and what wasn't, in words."""
    lines = [located.in_words()] if located.found or gone else []
    if other:
        kept = "kept as they are" if accept else "put the right ones back, or give --accept"
        lines.append(f"Other pixels than before are in {', '.join(other)}: {kept}.")
    return "\n".join(lines) or "All images are there, as they were."


def pack(
    project: Project,
    archive: Annotated[Path, typer.Argument(help="The zip file to write; it must be new.")],
    with_images: Annotated[
        bool,
        typer.Option(
            "--with-images",
            help="Pack images that lie outside the project's folder, too; those inside always go "
            "along.",
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Write a project into a zip file, to send it to somebody or to keep it."""
    from napari_nucleate.project.copying import packing

    with ExitStack() as open_stores:
        store = Store(project, "nucleate pack")
        # Of a folder that can't be written nobody changes anything meanwhile.
        if os.access(project, os.W_OK):
            open_stores.enter_context(store)
        state = state_of(store)
        for _ in packing(state, project, archive, images=with_images):
            pass
    size = archive.stat().st_size
    told = f"{archive} written, {size / 1e6:.1f} MB."
    if not with_images and sources(state):
        told += " Images outside of the project aren't in it; --with-images packs them, too."
    report({"archive": str(archive), "bytes": size}, as_json, told)


def unpack(
    archive: Annotated[Path, typer.Argument(help="A zip file that `nucleate pack` made.")],
    folder: Annotated[Path, typer.Argument(help="The project's folder to make; it must be new.")],
    as_json: Json = False,
) -> None:
    """Make a project of a zip file that somebody sent."""
    from napari_nucleate.project.copying import unpacking

    state = unpacking(archive, folder)
    gone = missing(state)
    told = f"Project: {folder}"
    if gone:
        told += (
            f"\n{len(gone)} image file(s) aren't in it; say where they are by: nucleate locate "
            f"{shlex.quote(str(folder))} FOLDER"
        )
    Store(folder, "nucleate unpack").note(Happened("unpacked", len(state.items), note=str(archive)))
    report({"project": str(folder), "missing": gone}, as_json, told)
