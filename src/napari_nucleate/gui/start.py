"""The window from the command line: napari with images, a project or the sample, and the docks."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.io.read import read_images
from napari_nucleate.project.store import Store

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from napari import Viewer

    from napari_nucleate.core.images import Stack


def run(paths: Sequence[Path]) -> None:
    """Open the window and stay until it is closed, or the system ends the program.

    Parameters
    ----------
    paths : sequence of Path
        A project's folder; or folders of images, or files; the sample where there are none.

    Raises
    ------
    NucleateError
        If there is no screen, no Qt, an image can't be read, or a project is given with other
        paths or can't be opened.
    """
    check_screen()
    projects = [path for path in paths if Store(path).exists]
    if projects and len(paths) > 1:
        raise NucleateError(f"{projects[0]} is a project; open it alone, without other paths.")
    stacks = [stack for path in paths for stack in read_images(path)] if not projects else []
    import napari

    from napari_nucleate.gui.ending import ending_in_order
    from napari_nucleate.gui.opening import open_project

    viewer = napari.Viewer(title="Nucleate")
    with ending_in_order():
        if projects:
            try:
                open_project(viewer, projects[0])
            except NucleateError:
                viewer.close()
                raise
        else:
            fill(viewer, stacks)
        napari.run()


def check_screen() -> None:
    """Make sure that a window can be opened.

    Raises
    ------
    NucleateError
        Saying what is missing, a screen or Qt.
    """
    screen = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if sys.platform.startswith("linux") and not screen:
        raise NucleateError(
            "There is no screen to open a window on; `nucleate demo` and the other commands need "
            "none, see `nucleate --help`."
        )
    try:
        import qtpy  # noqa: F401
    except ImportError as error:
        raise NucleateError(
            "No Qt is installed; install it with: python -m pip install 'napari-nucleate[all]'"
        ) from error


def fill(viewer: Viewer, stacks: Sequence[Stack]) -> None:
    """Add images, or the sample where there are none, and open the six docks."""
    from napari.layers import Layer

    from napari_nucleate.gui.files import add_stacks, alike
    from napari_nucleate.gui.launch import open_docks
    from napari_nucleate.gui.sample_data import nuclei_2d

    if stacks:
        for group in alike(stacks):
            add_stacks(viewer, group)
    else:
        for data in nuclei_2d():
            viewer.add_layer(Layer.create(*data))
    open_docks(viewer)
