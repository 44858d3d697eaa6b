"""Star-convex encoding: how far it is to the object's boundary, along rays and at the least."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.instances.clean import relabel

if TYPE_CHECKING:
    from numpy.typing import NDArray


def ray_distances(labels: NDArray[Any], n_rays: int = 32) -> NDArray[np.float32]:
    """Measure the distance from each pixel to the boundary of its object along equal angles.

    Parameters
    ----------
    labels : ndarray of int or bool, shape (Y, X)
        Objects, 0 is background. The edge of the image is a boundary.
    n_rays : int
        Rays R ≥ 3; ray k points to (sin, cos)(2πk / R) in Y and X: the first along X.

    Returns
    -------
    ndarray of float32, shape (R, Y, X)
        Distances in pixels from the centre of the pixel to where the ray leaves the pixels of the
        object, exact; 0 in the background.

    Raises
    ------
    NucleateError
        If the labels are not 2D or there are fewer than three rays.

    References
    ----------
    Schmidt, Weigert, Broaddus & Myers, Cell detection with star-convex polygons, MICCAI 2018.

    Examples
    --------
    >>> ray_distances(np.array([[0, 1, 1, 0]]), 4)[:, 0, 1]
    array([1.5, 0.5, 0.5, 0.5], dtype=float32)
    """
    from napari_nucleate.core.instances import _kernels

    if labels.ndim != 2:
        raise NucleateError(f"Rays need 2D labels; these have shape {labels.shape}.")
    if n_rays < 3:
        raise NucleateError(f"{n_rays} rays can't enclose an object; use 3 or more.")
    distances: NDArray[np.float32] = _kernels.rays_everywhere(relabel(labels), n_rays)
    return distances


def centre_probability(labels: NDArray[Any]) -> NDArray[np.float32]:
    """Measure how central each pixel is: distance to the object's boundary over its maximum.

    Parameters
    ----------
    labels : ndarray of int or bool, shape (Y, X) or (Z, Y, X)
        Objects, 0 is background. Touching objects and the edge of the image are boundaries.

    Returns
    -------
    ndarray of float32, same shape
        In (0, 1] within objects, 1 at the pixels farthest from the boundary; 0 elsewhere.

    References
    ----------
    Schmidt, Weigert, Broaddus & Myers, Cell detection with star-convex polygons, MICCAI 2018.

    Examples
    --------
    >>> centre_probability(np.array([[1, 1, 1], [1, 1, 1], [1, 1, 1], [2, 2, 2]]))
    array([[0.5, 0.5, 0.5],
           [0.5, 1. , 0.5],
           [0.5, 0.5, 0.5],
           [1. , 1. , 1. ]], dtype=float32)
    """
    from scipy import ndimage as ndi

    compact = relabel(labels)
    out = np.zeros(labels.shape, np.float32)
    inner = (slice(1, -1),) * labels.ndim
    boxes = ndi.find_objects(compact) if compact.size else []
    for label, box in enumerate(boxes, start=1):
        mask = compact[box] == label
        distance = ndi.distance_transform_edt(np.pad(mask, 1))[inner]
        out[box][mask] = (distance / distance.max())[mask]
    return out
