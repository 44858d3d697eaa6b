"""Pixels that are longer along Z than within planes, as splitters need to know it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_nucleate.core.instances.base import SplitterBase

S = TypeVar("S", bound="SplitterBase")
LIMITS = (0.01, 100.0)
"""What splitters take; a microscope has nothing beyond."""


def anisotropy_of(spacing: Sequence[float]) -> float:
    """Distance between planes divided by the pixel size within them; 1 where there are no planes.

    Examples
    --------
    >>> anisotropy_of((2.0, 0.5, 0.5)), anisotropy_of((0.5, 0.5))
    (4.0, 1.0)
    """
    if len(spacing) != 3:
        return 1.0
    z, x = abs(spacing[0]), abs(spacing[2])
    if not (z and x and math.isfinite(z) and math.isfinite(x)):
        return 1.0
    return min(max(z / x, LIMITS[0]), LIMITS[1])


def suited(splitter: S, spacing: Sequence[float]) -> S:
    """The splitter for pixels of this size. Pure.

    An anisotropy of 1, the default, is replaced; one that a person set stays.

    Parameters
    ----------
    splitter : Splitter
    spacing : sequence of float
        Pixel size along (Z,) Y, X.

    Returns
    -------
    Splitter

    Examples
    --------
    >>> from napari_nucleate.core.instances import Watershed
    >>> suited(Watershed(), (2.0, 0.5, 0.5)).anisotropy
    4.0
    >>> suited(Watershed(anisotropy=3), (2.0, 0.5, 0.5)).anisotropy
    3.0
    """
    if getattr(splitter, "anisotropy", None) != 1.0:
        return splitter
    return splitter.model_copy(update={"anisotropy": anisotropy_of(spacing)})
