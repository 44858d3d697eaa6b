"""Stacks with named axes, and the single images that are labelled, trained on and predicted."""

from __future__ import annotations

import hashlib
import itertools
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import AfterValidator

from napari_nucleate.core.errors import NucleateError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

AXES = "NTCZYX"
SPATIAL: dict[int, str] = {2: "YX", 3: "ZYX"}
NDim = Literal[2, 3]


@dataclass(frozen=True)
class Stack:
    """An n-D image source with named axes, pixel size, units and channel names.

    Parameters
    ----------
    data : array-like
        Anything with `shape`, `dtype` and numpy indexing (numpy, dask, zarr); read lazily.
    axes : str
        One letter an axis: N (unrelated images), T, C, Z, Y, X; each at most once, in any order.
        Y and X are needed.
    scale : tuple of float
        Pixel size along each axis, in `units`; 1.0 where unknown.
    units : tuple of str
        Unit of each axis, as pint spells it ("micrometer", "second", "pixel").
    channels : tuple of str
        Names of the channels; empty where unknown.
    name : str
        What a person calls it; the stem of the file.
    source : Path or None
        The file it was read from.
    names : tuple of str
        What a person calls each image along N; empty where they have numbers only.
    extents : tuple of tuple of int
        Where what lies along the first axis has several sizes: the true length of each other axis,
        for each of them. What lies beyond is padding, and no part of any image.

    Raises
    ------
    NucleateError
        If axes and shape disagree, an axis is unknown, repeated or missing, two images along N
        have one name, or extents don't fit.
    """

    data: Any
    axes: str
    scale: tuple[float, ...] = ()
    units: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    name: str = "image"
    source: Path | None = field(default=None, compare=False)
    names: tuple[str, ...] = ()
    extents: tuple[tuple[int, ...], ...] = ()

    def __post_init__(self) -> None:
        shape = tuple(self.data.shape)
        if len(self.axes) != len(shape):
            raise NucleateError(
                f"{self.name} has {len(shape)} dimensions {shape} but {len(self.axes)} axes "
                f"{self.axes!r}; name one axis a dimension."
            )
        if len(set(self.axes)) != len(self.axes) or not set("YX") <= set(self.axes) <= set(AXES):
            raise NucleateError(
                f"Axes {self.axes!r} of {self.name} are not valid; use each of {AXES} at most "
                "once, with Y and X among them."
            )
        named = {as_file_name(name).lower() for name in self.names}
        count = shape[self.axes.index("N")] if "N" in self.axes else 0
        if self.names and (len(named), len(self.names)) != (count, count):
            raise NucleateError(
                f"{self.name} has {count} images, but {len(named)} different names; name each."
            )
        if self.extents and not fit(self.extents, shape):
            raise NucleateError(
                f"{self.name} has the shape {shape}, which isn't that of images of the sizes "
                f"{', '.join(map(str, sorted({*self.extents})[:3]))} and so on."
            )
        if not self.scale:
            object.__setattr__(self, "scale", (1.0,) * len(shape))
        if not self.units:
            object.__setattr__(self, "units", ("pixel",) * len(shape))

    @property
    def n_channels(self) -> int:
        """How many channels each image has; 1 without a channel axis."""
        return int(self.data.shape[self.axes.index("C")]) if "C" in self.axes else 1

    def sizes(self, position: Mapping[str, int]) -> dict[str, int]:
        """Length of each axis, without padding where images have several sizes.

        Parameters
        ----------
        position : mapping
            Where the image lies, by axis; without the first axis, all of the stack is measured.
        """
        shape = tuple(int(n) for n in self.data.shape)
        if self.extents and self.axes[0] in position:
            shape = (shape[0], *self.extents[position[self.axes[0]]])
        return dict(zip(self.axes, shape, strict=True))

    def spacing(self, ndim: NDim) -> tuple[float, ...]:
        """Pixel size along the spatial axes of an image, in (Z,) Y, X order."""
        return tuple(self.scale[self.axes.index(a)] for a in self._spatial(ndim))

    def spacing_units(self, ndim: NDim) -> tuple[str, ...]:
        """Units along the spatial axes of an image, in (Z,) Y, X order."""
        return tuple(self.units[self.axes.index(a)] for a in self._spatial(ndim))

    def images(self, ndim: NDim) -> list[ImageRef]:
        """Every image of the stack, in the order of its axes.

        Parameters
        ----------
        ndim : 2 or 3
            With 2, each Z slice is an image of its own; with 3, Z belongs to the image.

        Returns
        -------
        list of ImageRef
            One reference an image; nothing is read.

        Raises
        ------
        NucleateError
            If the stack lacks an axis, or what lies along one that is an image's has several sizes.
        """
        self._spatial(ndim)
        if self.extents and self.axes[0] in "C" + SPATIAL[ndim]:
            raise NucleateError(
                f"What lies along {self.axes[0]} in {self.name} has different sizes, and can't be "
                "parts of one image; say that this axis is N."
            )
        walked = [a for a in self.axes if a not in "C" + SPATIAL[ndim]]
        ranges = (range(int(self.data.shape[self.axes.index(a)])) for a in walked)
        refs = [
            ImageRef(self, ndim, tuple(zip(walked, index, strict=True)))
            for index in itertools.product(*ranges)
        ]
        return [ref for ref in refs if ref.exists] if self.extents else refs

    def _spatial(self, ndim: NDim) -> str:
        missing = set(SPATIAL[ndim]) - set(self.axes)
        if missing:
            raise NucleateError(
                f"{self.name} has axes {self.axes} without {''.join(missing)}; choose 2D."
            )
        return SPATIAL[ndim]


@dataclass(frozen=True)
class ImageRef:
    """One image of a stack, by its position along the axes that aren't part of an image."""

    stack: Stack = field(repr=False)
    ndim: NDim
    index: tuple[tuple[str, int], ...]

    @property
    def key(self) -> str:
        """A name that is unique within the stack and valid as the name of a file."""
        position, names = self.position, self.stack.names
        sizes = self.stack.sizes(position)
        parts = [as_file_name(names[position.pop("N")] if names else self.stack.name)]
        parts += [f"{a.lower()}{i:0{len(str(sizes[a] - 1))}d}" for a, i in position.items()]
        return "_".join(parts)

    @property
    def position(self) -> dict[str, int]:
        """The index along each walked axis."""
        return dict(self.index)

    @property
    def spacing(self) -> tuple[float, ...]:
        """Pixel size along (Z,) Y, X."""
        return self.stack.spacing(self.ndim)

    @property
    def units(self) -> tuple[str, ...]:
        """Units of the spacing along (Z,) Y, X."""
        return self.stack.spacing_units(self.ndim)

    @property
    def shape(self) -> tuple[int, ...]:
        """Size along (Z,) Y, X; without padding where the stack's images have several sizes."""
        sizes = self.stack.sizes(self.position)
        return tuple(sizes[a] for a in SPATIAL[self.ndim])

    @property
    def exists(self) -> bool:
        """Whether there is such an image: movies and volumes may be shorter than the longest."""
        sizes = self.stack.sizes(self.position)
        return all(0 <= at < sizes[axis] for axis, at in self.index)

    def read(self, region: tuple[slice, ...] = ()) -> NDArray[Any]:
        """Read the pixels.

        Parameters
        ----------
        region : tuple of slice
            Along (Z,) Y, X; all of the image without it.

        Returns
        -------
        ndarray, shape (C, Y, X) or (C, Z, Y, X)
            The image in its own dtype, with one channel where the stack has no channel axis.
        """
        position = self.position
        if self.stack.extents:  # padding is never read
            asked = region or (slice(None),) * self.ndim
            pairs = zip(asked, self.shape, strict=True)
            region = tuple(slice(*part.indices(n)) for part, n in pairs)
        parts = dict(zip(SPATIAL[self.ndim], region, strict=bool(region)))
        where = tuple(position.get(a, parts.get(a, slice(None))) for a in self.stack.axes)
        pixels = np.asarray(self.stack.data[where])
        left = [a for a in self.stack.axes if a not in position]
        order = [left.index(a) for a in "C" + SPATIAL[self.ndim] if a in left]
        pixels = pixels.transpose(order)
        return pixels if "C" in left else pixels[np.newaxis]


def fit(extents: Sequence[Sequence[int]], shape: Sequence[int]) -> bool:
    """Whether things of these sizes, side by side along a first axis, fill an array. Pure.

    Examples
    --------
    >>> fit([(4, 9), (6, 5)], (2, 6, 9)), fit([(4, 9), (6, 5)], (2, 8, 9))
    (True, False)
    """
    if len(extents) != shape[0] or any(len(one) != len(shape) - 1 for one in extents):
        return False
    largest = [max(sizes) for sizes in zip(*extents, strict=True)]
    return largest == list(shape[1:])


def within(extents: Sequence[Sequence[int]], shape: Sequence[int]) -> tuple[tuple[int, ...], ...]:
    """The sizes of things along a first axis in an array that may be shorter along others. Pure.

    Examples
    --------
    >>> within([(4, 9, 3), (6, 5, 3)], (2, 6, 9, 1))
    ((4, 9, 1), (6, 5, 1))
    """
    return tuple(tuple(map(min, one, map(int, shape[1:]))) for one in extents)


def same_size(shape: Sequence[int], other: Sequence[int]) -> bool:
    """Whether shapes differ only by axes of length 1, which files tell or don't. Pure.

    Examples
    --------
    >>> same_size((1, 64, 48), (64, 48)), same_size((48, 64), (64, 48))
    (True, False)
    """
    return [n for n in shape if n > 1] == [n for n in other if n > 1]


_LONG = 180
"""Bytes of a name; what is made of it gets an ending, and file systems take 255 in all."""


def as_file_name(name: str, otherwise: str = "image") -> str:
    """A name without what no file name may hold, and not too long for one. Pure.

    Parameters
    ----------
    name : str
    otherwise : str
        The name where nothing is left of it.

    Examples
    --------
    >>> as_file_name("a/b: c."), as_file_name("../..")
    ('a_b_ c', '_')
    >>> as_file_name("x" * 300)[-20:]
    'xxxxxxxxxxx~b12499e1'
    """
    clean = re.sub(r'[<>:"/\\|?*\x00-\x1f\x7f-\x9f\ud800-\udfff]', "_", name).strip(". ")
    if len(clean.encode()) > _LONG:
        # Long names often differ at their ends only.
        digest = hashlib.blake2b(clean.encode(), digest_size=4).hexdigest()
        clean = f"{clean.encode()[:_LONG].decode(errors='ignore').rstrip('. ')}~{digest}"
    return clean or otherwise


def checked_file_name(name: str) -> str:
    """The name, if it can be that of a file in a folder; for what comes from files of others.

    Raises
    ------
    ValueError
        If it would lie elsewhere, or is no name.
    """
    if re.search(r"[/\\:\x00-\x1f\x7f]", name) or (name and not name.strip(". ")):
        raise ValueError(f"{name[:60]!a} can't be the name of a file")
    return name


FileName = Annotated[str, AfterValidator(checked_file_name)]
"""Of a file or folder inside the project's."""
