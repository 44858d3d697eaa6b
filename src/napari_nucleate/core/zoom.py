"""Objects of any size, brought to the size that networks are made for."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_nucleate.core.annotation import Annotation

USUAL = 24.0
"""Diameter in pixels to which objects are brought: the default U-Net sees three of them across."""

AS_IT_IS = (0.6, 2.0)
"""Images whose zoom would lie between these stay as they are: resampling costs sharpness."""

LEAST, MOST = 0.2, 3.0
"""Limits of the zoom: what is smaller or larger is hardly one object."""

SMALLEST = 10
"""Objects of fewer pixels are specks, and aren't measured."""


def measured_diameter(annotations: Sequence[Annotation]) -> float:
    """The median diameter of a person's objects, as that of discs of the same area. Pure.

    Only objects that are known whole count: a scribble, and what is cut off where nothing is known
    or at the edge of the image, may be larger than it looks.

    Parameters
    ----------
    annotations : sequence of Annotation
        2D.

    Returns
    -------
    float
        In pixels; 0 where no such object of at least `SMALLEST` pixels is known.

    Examples
    --------
    >>> from napari_nucleate.core.annotation import annotate
    >>> round(measured_diameter([annotate(np.pad(np.ones((10, 10), int), 1))]), 2)
    11.28
    """
    sizes = [_sizes_of_whole(a) for a in annotations]
    areas = np.concatenate([np.zeros(0, int), *sizes])
    areas = areas[areas >= SMALLEST]
    return float(np.median(diameters(areas))) if areas.size else 0.0


def diameters(areas: NDArray[np.integer[Any]]) -> NDArray[np.float64]:
    """Diameters of discs of these areas. Pure.

    Examples
    --------
    >>> diameters(np.array([100])).round(2)
    array([11.28])
    """
    return np.asarray(2 * np.sqrt(areas / math.pi), np.float64)


def _sizes_of_whole(annotation: Annotation) -> NDArray[np.intp]:
    """Pixels of each object that ends at known pixels everywhere."""
    from scipy.ndimage import binary_dilation

    labels = np.where(annotation.known, annotation.labels, 0)
    names, sizes = np.unique(labels, return_counts=True)
    # Outside of the image nothing is known.
    unknown = binary_dilation(~annotation.known, border_value=1)
    return sizes[(names > 0) & ~np.isin(names, labels[unknown])]


def zoom_for(diameter: float) -> float:
    """How much images with objects of this diameter are enlarged; 1 where that isn't needed. Pure.

    Examples
    --------
    >>> [zoom_for(d) for d in (0, 20, 96, 6, 1000)]
    [1.0, 1.0, 0.25, 3.0, 0.2]
    """
    if not diameter:
        return 1.0
    zoom = USUAL / diameter
    if AS_IT_IS[0] <= zoom <= AS_IT_IS[1]:
        return 1.0
    return min(max(zoom, LEAST), MOST)


def zoomed_shape(shape: Sequence[int], zoom: float) -> tuple[int, ...]:
    """The shape (Y, X) after zooming, at least one pixel each. Pure."""
    return tuple(max(round(n * zoom), 1) for n in shape)


def resized(values: NDArray[np.float32], shape: Sequence[int]) -> NDArray[np.float32]:
    """Resample channels bilinearly, averaging where they shrink. Pure.

    Parameters
    ----------
    values : ndarray of float32, shape (C, Y, X)
    shape : (int, int)

    Returns
    -------
    ndarray of float32, shape (C, *shape)
    """
    import torch

    if tuple(values.shape[1:]) == tuple(shape):
        return values
    # A copy: of axes of length 1, numpy takes any stride for contiguous, and torch no negative one.
    tensor = torch.from_numpy(values.copy())[None]
    result: NDArray[np.float32] = (
        torch.nn.functional.interpolate(
            tensor, tuple(shape), mode="bilinear", align_corners=False, antialias=True
        )[0]
        .numpy()
        .copy()
    )
    return result


def resized_labels(labels: NDArray[Any], shape: Sequence[int]) -> NDArray[Any]:
    """Resample labels or a mask (Y, X) by the nearest pixel. Pure.

    Examples
    --------
    >>> resized_labels(np.array([[1, 2, 3, 4]], np.int32), (1, 2))
    array([[2, 4]], dtype=int32)
    """
    rows, cols = (
        ((np.arange(n) + 0.5) * old / n).astype(np.intp)
        for n, old in zip(shape, labels.shape, strict=True)
    )
    result: NDArray[Any] = labels[rows[:, np.newaxis], cols]
    return result
