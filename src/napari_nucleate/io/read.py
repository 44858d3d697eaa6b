"""Images from files and folders, and masks paired with their images."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.images import SPATIAL, ImageRef, Stack
from napari_nucleate.io import png, tiff
from napari_nucleate.io.guard import check_file

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_Key = tuple[str, tuple[int, ...]]
SUFFIXES = (*tiff.SUFFIXES, *png.SUFFIXES)
_MASK = re.compile(
    r"[ ._-]+(masks?|labels?|gt|seg|segmentation|instances?|annotations?)$", re.IGNORECASE
)


def read_stack(path: Path, axes: str | None = None) -> Stack:
    """Open an image file as a stack; pixels are read when they are needed.

    Parameters
    ----------
    path : Path
        A TIFF (OME, ImageJ or plain), PNG, JPEG or BMP file.
    axes : str, optional
        One letter a dimension (N, T, C, Z, Y, X), where the file doesn't say them right.

    Returns
    -------
    Stack

    Raises
    ------
    NucleateError
        If the file is missing, empty, damaged, of an absurd size, or of an unknown format.
        Damage within the pixels shows when they are read, by the same error.
    """
    check_file(path)
    suffix = path.suffix.lower()
    if suffix in tiff.SUFFIXES:
        return tiff.open_tiff(path, axes)
    if suffix in png.SUFFIXES:
        return png.open_png(path, axes)
    raise NucleateError(
        f"{path} has the suffix {suffix!r}, which isn't one of {', '.join(SUFFIXES)}; "
        "save it as OME-TIFF with Fiji (Bio-Formats)."
    )


def read_folder(folder: Path, axes: str | None = None) -> list[Stack]:
    """Open all images in a folder, in natural order: image2 before image10.

    Parameters
    ----------
    folder : Path
        The folder; its subfolders and hidden files are left out.
    axes : str, optional
        As in `read_stack`, for all files.

    Returns
    -------
    list of Stack
        At least one.

    Raises
    ------
    NucleateError
        If there is no such folder or no image in it, or one of them can't be opened.
    """
    if not folder.is_dir():
        raise NucleateError(f"{folder} is not a folder.")
    found = [
        p
        for p in folder.iterdir()
        if p.is_file() and p.suffix.lower() in SUFFIXES and not p.name.startswith(".")
    ]
    if not found:
        raise NucleateError(f"{folder} holds no image; wanted are {', '.join(SUFFIXES)} files.")
    return [read_stack(p, axes) for p in sorted(found, key=lambda p: natural(p.name))]


def read_images(path: Path, axes: str | None = None) -> list[Stack]:
    """Open a folder of images, or one file; see `read_folder` and `read_stack`."""
    return read_folder(path, axes) if path.is_dir() else [read_stack(path, axes)]


def natural(name: str) -> list[tuple[int, str]]:
    """Make a key that sorts names by the numbers in them.

    Examples
    --------
    >>> sorted(["b10.tif", "b9.tif", "a.tif"], key=natural)
    ['a.tif', 'b9.tif', 'b10.tif']
    """
    parts = re.split(r"([0-9]+)", name.lower())
    return [(int(p), "") if p.isdigit() else (0, p) for p in parts]


def pair(images: Sequence[ImageRef], masks: Sequence[ImageRef]) -> list[tuple[ImageRef, ImageRef]]:
    """Match masks to their images by name and position; images without a mask are left out.

    Names are equal, or equal but for an ending of the mask's such as `_mask`, `_labels`, `_gt` or
    `_seg`. If all images come from one stack and all masks from another, names don't matter.

    Parameters
    ----------
    images, masks : sequence of ImageRef
        In any order.

    Returns
    -------
    list of (ImageRef, ImageRef)
        Image and mask, in the order of the images.

    Raises
    ------
    NucleateError
        If a mask has no image or more than one, an image more than one mask, or their sizes
        differ.
    """
    # Within one stack on each side, the position alone tells.
    named = len({id(r.stack) for r in images}) > 1 or len({id(r.stack) for r in masks}) > 1
    by_key: dict[_Key, int] = {}
    for i, image in enumerate(images):
        if by_key.setdefault(_key(image, named), i) != i:
            raise NucleateError(f"Two images are called {image.key}; rename one of them.")
    matched: dict[int, ImageRef] = {}
    for mask in masks:
        i = _image_of(mask, by_key, named)
        _check_mask(images[i], mask)
        if i in matched:
            raise NucleateError(
                f"Both {matched[i].key} and {mask.key} are masks of {images[i].key}; keep one."
            )
        matched[i] = mask
    return [(images[i], matched[i]) for i in sorted(matched)]


def _key(ref: ImageRef, named: bool) -> _Key:
    return ref.stack.name if named else "", tuple(i for _, i in ref.index)


def _image_of(mask: ImageRef, images: dict[_Key, int], named: bool) -> int:
    name, place = _key(mask, named)
    for key in ((name, place), (_MASK.sub("", name), place)):
        if key in images:
            return images[key]
    raise NucleateError(
        f"The mask {mask.key} has no image; give both the same name, with or without _mask."
    )


def _check_mask(image: ImageRef, mask: ImageRef) -> None:
    if mask.stack.n_channels > 1:
        raise NucleateError(
            f"The mask {mask.key} has {mask.stack.n_channels} channels; save it as a label "
            "image, with one number for each object."
        )
    if _size(image) != _size(mask):
        raise NucleateError(
            f"The mask {mask.key} is {_size(mask)} pixels large, its image {image.key} "
            f"{_size(image)}; both must have the same size."
        )


def _size(ref: ImageRef) -> tuple[int, ...]:
    stack = ref.stack
    return tuple(int(stack.data.shape[stack.axes.index(a)]) for a in SPATIAL[ref.ndim])
