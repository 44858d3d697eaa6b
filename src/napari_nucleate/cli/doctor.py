"""The command that writes what somebody who is to help must know."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from napari_nucleate.cli.arguments import Json
from napari_nucleate.cli.progress import console
from napari_nucleate.core.errors import NucleateError
from napari_nucleate.io.atomic import write_text
from napari_nucleate.project.doctor import diagnose


def doctor(
    project: Annotated[Path | None, typer.Argument(help="A project to look at, too.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="File to write it to; it must not exist.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Tell versions, machine, device, settings and the last errors, to send to who helps.

    User and machine aren't named, and of other folders than the program's only the files.
    """
    if project is not None and not project.is_dir():
        raise NucleateError(f"{project} is no folder; give that of a project, or none.")
    found = diagnose(project)
    text = json.dumps(found.to_dict(), indent=1) + "\n" if as_json else found.text()
    if out is None:
        typer.echo(text, nl=False)
        return
    write_text(out, text)
    console.print(f"{out} written; read it before you send it.", soft_wrap=True)
