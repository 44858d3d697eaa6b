"""The command `nucleate` and the commands that belong to no other file."""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from napari_nucleate import __version__
from napari_nucleate.cli import labels, learn, moving, suggesting, tuning
from napari_nucleate.cli.arguments import Json
from napari_nucleate.cli.data import new_folder
from napari_nucleate.cli.doctor import doctor
from napari_nucleate.cli.options import with_options
from napari_nucleate.cli.progress import console
from napari_nucleate.cli.sampling import write_sample
from napari_nucleate.core.errors import BrokeOffError, NucleateError, NucleateWarning
from napari_nucleate.core.failures import in_words
from napari_nucleate.core.memory import keep_memory
from napari_nucleate.core.samples import NucleiSample
from napari_nucleate.io.error_log import keep_error

app = typer.Typer(
    name="nucleate",
    help="Teach a network your own microscopy images: label a few, train, predict, keep the best.",
    no_args_is_help=False,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback(invoke_without_command=True)
def start(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Without a command: open napari with the docks and the sample."""
    if version:
        typer.echo(__version__)
    elif context.invoked_subcommand is None:
        gui(None)


@app.command()
@with_options("given", NucleiSample)
def sample(
    out: Annotated[Path, typer.Argument(help="Folder to write; it must be new or empty.")],
    given: dict[str, Any],
) -> None:
    """Write synthetic nuclei and their true labels, to try things on."""
    new_folder(out)
    write_sample(NucleiSample.parse(given), out)
    console.print(f"{out / 'images'} and {out / 'masks'} written.")


app.command()(learn.train)
app.command()(learn.predict)
app.command("self-train")(learn.self_train)
app.command()(labels.split)
app.command()(tuning.tune)
app.command()(suggesting.suggest)
app.command()(labels.export)
app.command()(labels.evaluate)
app.command()(doctor)
app.command()(moving.locate)
app.command()(moving.pack)
app.command()(moving.unpack)


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
        Path | None, typer.Option(help="Folder to write. (default: nucleate-demo)")
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
        list[Path] | None, typer.Argument(help="Images to open, or a project; the sample without.")
    ] = None,
) -> None:
    """Open napari with the six docks."""
    from napari_nucleate.gui.start import run

    run(images or [])


def _in_words(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> str:
    """A warning for a person as its sentence alone, others with the place in the code."""
    if issubclass(category, NucleateWarning):
        return f"Note: {message}\n"
    return _with_place(message, category, *where, **more)


_with_place = warnings.formatwarning


def main() -> None:
    """Run the command line; whatever goes wrong is one sentence and status 1."""
    warnings.formatwarning = _in_words
    if sys.argv[1:2] not in ([], ["gui"]):  # these open a window
        keep_memory()
    try:
        app()
    except Exception as error:  # noqa: BLE001  # the last that can say it in words
        message = in_words(error, "the command")
        # What a person mistyped needs no diagnosis.
        if isinstance(error, BrokeOffError) or not isinstance(error, NucleateError):
            keep_error(error, f"nucleate {' '.join(sys.argv[1:2])}", message)
        console.print(Text.assemble(("Error: ", "red"), message), soft_wrap=True)
        sys.exit(1)
