"""Image layers made of files, and those of a project found again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.images import same_size
from napari_nucleate.gui.layers import FILES, NAMES, LayerSource
from napari_nucleate.io.read import read_stack
from napari_nucleate.project.images import gone_in_words, missing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari import Viewer
    from napari.layers import Image

    from napari_nucleate.core.images import Stack
    from napari_nucleate.gui.layers import Colour
    from napari_nucleate.project.model import State, View


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
    first, data = group[0], _together(group)
    axes, scale, units, name = first.axes, first.scale, first.units, first.name
    if len(group) > 1:
        name = f"{len(group)} images of {_size(first)}"
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
        metadata=_made_of(group),
    )
    return layer


def add_project(viewer: Viewer, state: State) -> LayerSource:
    """Add the layer that a project works on, from its files, as the person saw it last.

    Raises
    ------
    NucleateError
        If a file isn't where it was, holds other images, or they don't fit into one layer.
    """
    paths = list(state.view.files) if state.view else []
    paths = paths or list(dict.fromkeys(item.source for item in state.items))
    if not paths or "" in paths:
        raise NucleateError(
            f"The images of {state.name!r} came from no file, but from napari: only there they "
            "were. Its labels are in the folder annotations, as TIFF."
        )
    if gone := missing(state):
        raise NucleateError(gone_in_words(gone[0]))
    group, *others = alike([read_stack(Path(path)) for path in paths])
    if others:
        raise NucleateError(
            f"The images of {state.name!r} have different sizes or types, such as {_size(group[0])}"
            f" and {_size(others[0][0])}; one layer can't show them. Go on with `nucleate "
            "self-train`, or begin projects of one size."
        )
    colour: Colour | None
    if state.view is None:  # made on the command line, which reads axes as files tell them
        layer = add_stacks(viewer, group)
        axes, colour = "".join(layer.axis_labels).upper(), "channels" if layer.rgb else None
    else:
        layer = _as_seen(viewer, group, state.view)
        axes, colour = state.view.axes, state.view.colour or None
    try:
        source = LayerSource.of(layer, axes, state.recipe.ndim, colour)
        keys = {ref.key for ref in source.stack.images(source.ndim)}
        if unknown := [item.key for item in state.items if item.key not in keys]:
            raise NucleateError(
                f"{unknown[0]} isn't among the images in {paths[0]} and the other files; put those "
                f"back that {state.name!r} was begun with."
            )
    except NucleateError:
        viewer.layers.remove(layer)
        raise
    return source


def _as_seen(viewer: Viewer, group: Sequence[Stack], view: View) -> Image:
    """Add stacks of one shape as one layer that a person described before."""
    data, shape = _together(group), view.shape
    if view.colour:  # napari shows how clear colours are, which nothing is learned from
        shape = (*shape[:-1], data.shape[-1])
    # Files tell axes of one plane, or don't, whoever reads them.
    if not same_size(data.shape, shape):
        raise NucleateError(
            f"{group[0].source or group[0].name} has the shape {tuple(data.shape)} instead of "
            f"{view.shape}: it is another image, or one of several that napari opened together. "
            "Put the one back that was there; open several by `nucleate gui FOLDER`."
        )
    layer: Image = viewer.add_image(
        data.reshape(shape),
        name=view.name,
        rgb=bool(view.colour),
        scale=view.scale or None,
        units=view.units or None,
        axis_labels=tuple(view.axes.lower()),
        metadata=_made_of(group) | ({NAMES: [view.name]} if len(group) == 1 else {}),
    )
    return layer


def _made_of(group: Sequence[Stack]) -> dict[str, list[str]]:
    """The metadata of a layer made of files."""
    return {
        FILES: [str(stack.source or "") for stack in group],
        NAMES: [stack.name for stack in group],
    }


def _together(group: Sequence[Stack]) -> Any:
    """The pixels of all, lazily; along a new first axis, where they are several."""
    import dask.array

    arrays = [dask.array.from_array(s.data, chunks=tuple(s.data.shape)) for s in group]
    return dask.array.stack(arrays) if len(arrays) > 1 else arrays[0]


def _size(stack: Stack) -> str:
    sizes = dict(zip(stack.axes, stack.data.shape, strict=True))
    return f"{sizes['Y']}×{sizes['X']}"
