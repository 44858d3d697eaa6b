"""The window from the command line: napari with images, or the sample, and the docks."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.io.read import read_images

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from napari import Viewer
    from napari.layers import Image

    from napari_nucleate.core.images import Stack


def run(paths: Sequence[Path]) -> None:
    """Open the window and stay until it is closed.

    Parameters
    ----------
    paths : sequence of Path
        Folders of images, or files; the sample where there are none.

    Raises
    ------
    NucleateError
        If there is no screen, no Qt, or an image can't be read.
    """
    check_screen()
    stacks = [stack for path in paths for stack in read_images(path)]
    import napari

    viewer = napari.Viewer(title="Nucleate")
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

    from napari_nucleate.gui.launch import open_docks
    from napari_nucleate.gui.sample_data import nuclei_2d

    if stacks:
        for group in alike(stacks):
            add_stacks(viewer, group)
    else:
        for data in nuclei_2d():
            viewer.add_layer(Layer.create(*data))
    open_docks(viewer)


def alike(stacks: Sequence[Stack]) -> list[list[Stack]]:
    """Group stacks of the same axes, shape and dtype; one layer can show all of a group."""
    groups: dict[Any, list[Stack]] = {}
    for stack in stacks:
        groups.setdefault((stack.axes, tuple(stack.data.shape), str(stack.data.dtype)), []).append(
            stack
        )
    return list(groups.values())


def add_stacks(viewer: Viewer, group: Sequence[Stack]) -> Image:
    """Add stacks of one shape as one layer, side by side along a new axis N; read lazily."""
    import dask.array

    from napari_nucleate.gui.layers import FILES

    first = group[0]
    arrays = [dask.array.from_array(s.data, chunks=tuple(s.data.shape)) for s in group]
    axes, scale, units = first.axes, first.scale, first.units
    data, name = arrays[0], first.name
    if len(group) > 1:
        data, name = dask.array.stack(arrays), f"{len(group)} images of {_size(first)}"
        axes, scale, units = "N" + axes, (1.0, *scale), ("pixel", *units)
    rgb = axes.endswith("C") and data.shape[-1] in (3, 4) and data.dtype == "uint8"
    shown = len(axes) - 1 if rgb else len(axes)
    layer: Image = viewer.add_image(
        data,
        name=name,
        rgb=rgb,
        scale=scale[:shown],
        units=units[:shown],
        axis_labels=tuple(axes[:shown].lower()),
        metadata={FILES: [str(stack.source or "") for stack in group]},
    )
    return layer


def _size(stack: Stack) -> str:
    sizes = dict(zip(stack.axes, stack.data.shape, strict=True))
    return f"{sizes['Y']}×{sizes['X']}"
