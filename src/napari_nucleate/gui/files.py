"""Image layers made of files, and those of a project found again."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.images import same_size
from napari_nucleate.gui.layers import FILES, NAMES, SHAPES, LayerSource
from napari_nucleate.io.lazy import Padded
from napari_nucleate.io.read import read_stack
from napari_nucleate.project.images import gone_in_words, missing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari import Viewer
    from napari.layers import Image

    from napari_nucleate.core.images import Stack
    from napari_nucleate.gui.layers import Colour
    from napari_nucleate.project.model import State, View


LARGEST = 2**31
"""Pixels of a layer for images of several sizes, most of it padding; 8 GB of labels, if painted."""


def alike(stacks: Sequence[Stack]) -> list[list[Stack]]:
    """Group stacks of the same axes, dtype and channels; one layer can show all of a group.

    Those of a group may have several sizes, unless nearly all of the layer would be padding.
    """
    groups: dict[Any, list[Stack]] = {}
    for stack in stacks:
        # Images side by side in one file have one size: they can't lie beside others.
        one = tuple(stack.data.shape) if "N" in stack.axes else stack.n_channels
        groups.setdefault((stack.axes, one, str(stack.data.dtype)), []).append(stack)
    together: list[list[Stack]] = []
    for group in groups.values():
        if _sparse(group):
            sizes: dict[Any, list[Stack]] = {}
            for stack in group:
                sizes.setdefault(tuple(stack.data.shape), []).append(stack)
            together += sizes.values()
        else:
            together.append(group)
    return together


def add_stacks(viewer: Viewer, group: Sequence[Stack]) -> Image:
    """Add stacks that are alike as one layer, side by side along a new axis N; read lazily.

    The layer is as large as the largest; smaller images lie in its upper left corner.
    """
    first, data = group[0], _together(group)
    axes, scale, units, name = first.axes, first.scale, first.units, first.name
    if len(group) > 1:
        sizes = dict(zip(axes, data.shape[1:], strict=True))
        most = f"{'up to ' * several(group)}{sizes['Y']}×{sizes['X']}"
        name = f"{len(group)} images of {most}"
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
        contrast_limits=_limits(group),
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
            f"The images of {state.name!r} have different axes, types or numbers of channels, such "
            f"as {_kind(group[0])} and {_kind(others[0][0])}, or sizes that are too different; one "
            "layer can't show them. Go on with `nucleate self-train`, or begin projects of images "
            "that are alike."
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
    """Add stacks that are alike as one layer that a person described before."""
    # napari shows how clear colours are, which nothing is learned from.
    kept = -1 if view.colour else None
    if view.shapes or several(group):
        before = view.shapes or (view.shape[1:],) * len(group)
        for stack, one in zip(group, before, strict=False):
            if tuple(stack.data.shape)[:kept] != one[:kept]:
                raise _other(stack, stack.data.shape, one)
    data, shape = _together(group), view.shape
    if view.colour:
        shape = (*shape[:-1], data.shape[-1])
    # Files tell axes of one plane, or don't, whoever reads them.
    if not same_size(data.shape, shape):
        raise _other(group[0], data.shape, shape)
    layer: Image = viewer.add_image(
        data.reshape(shape),
        name=view.name,
        rgb=bool(view.colour),
        scale=view.scale or None,
        units=view.units or None,
        axis_labels=tuple(view.axes.lower()),
        contrast_limits=_limits(group),
        metadata=_made_of(group) | ({NAMES: [view.name]} if len(group) == 1 else {}),
    )
    return layer


def _made_of(group: Sequence[Stack]) -> dict[str, Any]:
    """The metadata of a layer made of files."""
    made: dict[str, Any] = {
        FILES: [str(stack.source or "") for stack in group],
        NAMES: [stack.name for stack in group],
    }
    if several(group):
        made[SHAPES] = [tuple(map(int, stack.data.shape)) for stack in group]
    return made


def several(group: Sequence[Stack]) -> bool:
    """Whether stacks have several sizes. Pure."""
    return len({tuple(stack.data.shape) for stack in group}) > 1


def _limits(group: Sequence[Stack]) -> tuple[float, float] | None:
    """Grey values to show, of a few planes, where napari would take padding for black pixels."""
    if not several(group) or np.dtype(group[0].data.dtype) == np.uint8:
        return None
    few = [stack.images(2) for stack in (group[0], group[len(group) // 2], group[-1])]
    planes = [refs[len(refs) // 2].read() for refs in few if refs]
    low, high = min(float(p.min()) for p in planes), max(float(p.max()) for p in planes)
    return (low, high) if low < high and math.isfinite(high - low) else None


def _together(group: Sequence[Stack]) -> Any:
    """The pixels of all, lazily; along a new first axis, where they are several."""
    import dask.array

    shape = _largest(group)
    # Padding of dask's own would cut all images where one of them ends.
    pixels = (s.data if tuple(s.data.shape) == shape else Padded(s.data, shape) for s in group)
    arrays = [dask.array.from_array(one, chunks=shape) for one in pixels]
    return dask.array.stack(arrays) if len(arrays) > 1 else arrays[0]


def _largest(group: Sequence[Stack]) -> tuple[int, ...]:
    """The shape that all of a group lie in."""
    return tuple(int(max(sizes)) for sizes in zip(*(s.data.shape for s in group), strict=True))


def _sparse(group: Sequence[Stack]) -> bool:
    """Whether a layer of all would be large, and most of it padding."""
    whole = len(group) * math.prod(_largest(group))
    return whole > max(LARGEST, 4 * sum(math.prod(map(int, s.data.shape)) for s in group))


def _other(stack: Stack, now: Sequence[int], before: Sequence[int]) -> NucleateError:
    """The sentence that a file has another shape than it had."""
    return NucleateError(
        f"{stack.source or stack.name} has the shape {tuple(now)} instead of {tuple(before)}: "
        "it is another image, or one of several that napari opened together. Put the one back "
        "that was there; open several by `nucleate gui FOLDER`."
    )


def _kind(stack: Stack) -> str:
    sizes = dict(zip(stack.axes, stack.data.shape, strict=True))
    return f"{sizes['Y']}×{sizes['X']} ({stack.axes}, {stack.data.dtype})"
