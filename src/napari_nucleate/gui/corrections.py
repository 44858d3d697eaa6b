"""What can be corrected by hand: every tool and button of the Correct dock, with its key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_nucleate.core.instances import cut as cuts
from napari_nucleate.core.instances import edit as edits
from napari_nucleate.core.instances import reshape

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

    from napari_nucleate.core.instances.edit import Edit

UNDO = "Ctrl+Z undoes it."


@dataclass(frozen=True)
class Numbers:
    """What the person set beside the tools."""

    pixels: int = 1
    gap: int = 2
    size: int = 50
    ends: bool = False


@dataclass(frozen=True)
class Given:
    """What an edit is made from, besides the labels of its image.

    Parameters
    ----------
    points : ndarray of float, shape (K, ndim)
        Where the person clicked, or the corners of what they drew, in pixels of the image.
    along : int
        The axis of the image along which they looked.
    spacing : ndarray of float, shape (ndim,)
        Pixel size.
    largest : int or None
        The largest label in use.
    numbers : Numbers
    """

    points: NDArray[np.float64]
    along: int
    spacing: NDArray[np.float64]
    largest: int | None
    numbers: Numbers

    @property
    def clicked(self) -> list[int]:
        """The pixel clicked last."""
        return [int(p) for p in np.round(self.points[-1])]

    def ids(self, image: NDArray[Any]) -> list[int]:
        """The object clicked on."""
        return [edits.label_at(image, self.clicked)]


@dataclass(frozen=True)
class Correction:
    """A tool, or a button that acts at once.

    Parameters
    ----------
    name : str
        On the button.
    key : str
        As napari spells it.
    tip : str
        What it does.
    gesture : {"click", "points", "line", "all"}
        What the person does in the image; "all" acts on all objects without one.
    next : str
        What to do now that the tool was chosen.
    done : str
        What became of an object, as in "was deleted".
    make : callable
        From labels (*spatial) and `Given` to an `Edit`.
    """

    name: str
    key: str
    tip: str
    gesture: Literal["click", "points", "line", "all"]
    next: str
    done: str
    make: Callable[[NDArray[Any], Given], Edit]


SPLIT = Correction(
    "Split at points",
    "S",
    "Split an object into as many as you click points in it; the cut falls on its neck.",
    "points",
    "Click two or more points in one object, then press Enter.",
    "split",
    lambda image, g: cuts.split(image, np.round(g.points).astype(int), g.spacing, g.largest),
)
CUT = Correction(
    "Split by a line",
    "K",
    "Split an object along a line, like a knife: in 3D through all planes.",
    "line",
    "Draw a line across an object, from one side to the other.",
    "split",
    lambda image, g: cuts.cut(image, g.points, g.along, g.largest),
)
MERGE = Correction(
    "Merge",
    "J",
    "Join the objects under a stroke into the one it begins with.",
    "line",
    "Draw a stroke over the objects to merge.",
    "merged",
    lambda image, g: cuts.merge(image, g.points, g.along, g.numbers.gap),
)
DELETE = Correction(
    "Delete",
    "D",
    "Delete an object.",
    "click",
    "Click the objects to delete.",
    "deleted",
    lambda image, g: edits.delete(image, g.ids(image)),
)
KEEP = Correction(
    "Keep this part",
    "I",
    "Where an object is in several parts, keep the one clicked and delete the others.",
    "click",
    "Click the part of an object to keep.",
    "reduced to the part clicked",
    lambda image, g: reshape.keep_part(image, g.clicked),
)
FILL = Correction(
    "Fill holes",
    "H",
    "Fill the holes that an object encloses.",
    "click",
    "Click the objects whose holes to fill.",
    "filled",
    lambda image, g: reshape.fill(image, g.ids(image)),
)
SMOOTH = Correction(
    "Smooth",
    "O",
    "Smooth the outline of an object where it borders on the background.",
    "click",
    "Click the objects to smooth.",
    "smoothed",
    lambda image, g: reshape.smooth(image, g.ids(image), g.numbers.pixels, g.spacing),
)
GROW = Correction(
    "Grow",
    "G",
    "Grow an object into the background, never into its neighbours.",
    "click",
    "Click the objects to grow.",
    "grown",
    lambda image, g: reshape.grow(image, g.ids(image), g.numbers.pixels, g.spacing),
)
SHRINK = Correction(
    "Shrink",
    "Shift-G",
    "Shrink an object.",
    "click",
    "Click the objects to shrink.",
    "shrunk",
    lambda image, g: reshape.shrink(image, g.ids(image), g.numbers.pixels, g.spacing),
)
REDRAW = Correction(
    "Re-draw as star",
    "R",
    "Draw an object anew as a star-convex shape around its middle, without dents and holes.",
    "click",
    "Click the objects to re-draw.",
    "re-drawn",
    lambda image, g: reshape.redraw(image, g.ids(image), spacing=g.spacing),
)
TOOLS = (SPLIT, CUT, MERGE, DELETE, KEEP, FILL, SMOOTH, REDRAW, GROW, SHRINK)

FILL_ALL = Correction(
    "Fill all holes",
    "Shift-H",
    "Fill the holes of all objects of the image in view.",
    "all",
    "",
    "filled",
    lambda image, _: reshape.fill(image),
)
SMOOTH_ALL = Correction(
    "Smooth all",
    "Shift-O",
    "Smooth all objects of the image in view.",
    "all",
    "",
    "smoothed",
    lambda image, g: reshape.smooth(image, None, g.numbers.pixels, g.spacing),
)
BORDER = Correction(
    "Clear border",
    "Shift-B",
    "Delete the objects that touch the border of the image in view, which may be cut.",
    "all",
    "",
    "deleted",
    lambda image, g: edits.remove_touching(image, g.numbers.ends),
)
SMALL = Correction(
    "Remove small",
    "Shift-D",
    "Delete the objects of the image in view with fewer pixels than set.",
    "all",
    "",
    "deleted",
    lambda image, g: edits.remove_smaller(image, g.numbers.size),
)
ALL = (FILL_ALL, SMOOTH_ALL, BORDER, SMALL)


def shown_key(key: str) -> str:
    """A key as it is written on the button.

    Examples
    --------
    >>> shown_key("Shift-G")
    'Shift+G'
    """
    return key.replace("-", "+")


def in_words(correction: Correction, edit: Edit) -> str:
    """Say what an edit did.

    Examples
    --------
    >>> edit = edits.Edit((), np.zeros(0, int), {12: {12: 8}, 57: {12: 9}})
    >>> in_words(CUT, edit)
    'Object 12 was split into 12 and 57; Ctrl+Z undoes it.'
    """
    if correction.done == "merged":
        (into, of), *_ = edit.parents.items()
        first = f"Objects {_and(sorted(of))} were merged into {into}"
    elif correction.done == "split":
        families: dict[int, list[int]] = {}
        for child, parents in edit.parents.items():
            families.setdefault(next(iter(parents)), []).append(child)
        said = [f"{old} was split into {_and(sorted(new))}" for old, new in families.items()]
        first = f"Object {', '.join(said)}"
    else:
        touched = edit.gone or edit.reshaped
        many = f"{len(touched)} objects were"
        first = f"{f'Object {touched[0]} was' if len(touched) == 1 else many} {correction.done}"
    return f"{first}; {UNDO}"


def _and(labels: Iterable[int]) -> str:
    *most, last = map(str, labels)
    return f"{', '.join(most)} and {last}" if most else last
