"""Star-convex encoding: how far it is to the object's boundary, along rays and at the least."""

from __future__ import annotations

from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.instances.clean import relabel

if TYPE_CHECKING:
    from numpy.typing import NDArray


@lru_cache(maxsize=32)
def directions(n_rays: int, ndim: int = 2, anisotropy: float = 1.0) -> NDArray[np.float64]:
    """Where rays point: at equal angles in 2D, on a Fibonacci sphere in 3D.

    Parameters
    ----------
    n_rays : int
        Rays R ≥ 3 in 2D, where ray k points to (sin, cos)(2πk / R) in Y and X, the first along X;
        R ≥ 4 in 3D.
    ndim : 2 or 3
    anisotropy : float
        Distance between planes divided by the pixel size within them (3D only).

    Returns
    -------
    ndarray of float64, shape (R, 3)
        Pixels along Z, Y and X that a ray covers while it gets one pixel of X longer; read-only.

    Raises
    ------
    NucleateError
        If there are too few rays to enclose an object.

    References
    ----------
    Schmidt et al., Cell detection with star-convex polygons, MICCAI 2018; Weigert et al.,
    Star-convex polyhedra for 3D object detection and segmentation in microscopy, WACV 2020.
    """
    if n_rays < ndim + 1:
        raise NucleateError(f"{n_rays} rays can't enclose an object; use {ndim + 1} or more.")
    k = np.arange(n_rays)
    if ndim == 2:
        angle = 2 * np.pi * k / n_rays
        rays = np.stack((np.zeros(n_rays), np.sin(angle), np.cos(angle)), axis=1)
    else:
        z = 1 - 2 * (k + 0.5) / n_rays
        angle = np.pi * (3 - np.sqrt(5)) * k
        across = np.sqrt(1 - z**2)
        rays = np.stack((z / anisotropy, across * np.sin(angle), across * np.cos(angle)), axis=1)
    rays.flags.writeable = False
    return rays


@lru_cache(maxsize=32)
def facets(n_rays: int, ndim: int = 2) -> NDArray[np.int64]:
    """Which neighbouring rays span the outline: edges of polygons, triangles of polyhedra.

    Parameters
    ----------
    n_rays : int
    ndim : 2 or 3

    Returns
    -------
    ndarray of int64, shape (F, 2) or (F, 3)
        Indices of rays, turning alike as seen from the centre; read-only.
    """
    if ndim == 2:
        k = np.arange(n_rays)
        found = np.stack((k, (k + 1) % n_rays), axis=1)
    else:
        from scipy.spatial import ConvexHull

        rays = directions(n_rays, 3)
        found = ConvexHull(rays).simplices.astype(np.int64)
        inward = np.linalg.det(rays[found]) < 0
        found[inward] = found[inward][:, ::-1]
    found.flags.writeable = False
    return found


def ray_distances(
    labels: NDArray[Any],
    n_rays: int = 32,
    anisotropy: float = 1.0,
    known: NDArray[np.bool_] | None = None,
) -> NDArray[np.float32]:
    """Measure the distance from each pixel to the boundary of its object along rays.

    Parameters
    ----------
    labels : ndarray of int or bool, shape (Y, X) or (Z, Y, X)
        Objects, 0 is background. The edge of the image is a boundary.
    n_rays : int
        Rays R, that point to `directions`.
    anisotropy : float
        Distance between planes divided by the pixel size within them (3D only).
    known : ndarray of bool, same shape, optional
        Where the labels are to be believed; everywhere, if it isn't given.

    Returns
    -------
    ndarray of float32, shape (R, Y, X) or (R, Z, Y, X)
        Distances, in pixels of X, from the middle of the pixel to where the ray leaves the pixels
        of the object; 0 in the background. A corner cut by less than one pixel is no end. NaN for
        rays that leave for pixels of which nothing is known: the object may go on there.

    Raises
    ------
    NucleateError
        If the labels are not 2D or 3D, negative, or there are too few rays.

    References
    ----------
    Schmidt et al., Cell detection with star-convex polygons, MICCAI 2018.

    Examples
    --------
    >>> ray_distances(np.array([[0, 1, 1, 0]]), 4)[:, 0, 1]
    array([1.5, 0.5, 0.5, 0.5], dtype=float32)
    """
    from napari_nucleate.core.instances import _ray_kernels
    from napari_nucleate.core.instances._compile import in_bands

    if labels.ndim not in (2, 3):
        raise NucleateError(f"Rays need 2D or 3D labels; these have shape {labels.shape}.")
    rays = directions(n_rays, labels.ndim, anisotropy)
    compact = np.ascontiguousarray(relabel(labels))
    volume = compact if labels.ndim == 3 else compact[np.newaxis]
    out = np.zeros((n_rays, *volume.shape), np.float32)
    boxes = bounding_boxes(volume)
    if len(boxes):
        sides = (boxes[:, 3:] - boxes[:, :3]) * (anisotropy, 1, 1)
        longest = int(np.sqrt((sides.astype(float) ** 2).sum(1).max())) + 3
        # A few lengths serve all: the paths of a batch of patches are found once.
        ways = _paths(n_rays, labels.ndim, anisotropy, -(-longest // 32) * 32)
        counter = np.empty(0, np.uint8 if longest < 255 else np.uint16)

        def work(start: int, stop: int) -> None:
            _ray_kernels.rays_of_objects(volume, boxes, *ways, counter, out, start, stop)

        in_bands(work, len(boxes))
        if known is not None and not known.all():
            believed = np.ascontiguousarray(known).reshape(volume.shape)
            forget = partial(_ray_kernels.forget, volume, believed, rays, out)
            in_bands(forget, volume.shape[0] * volume.shape[1], 16)
    return out.reshape(n_rays, *labels.shape)


@lru_cache(maxsize=32)
def _paths(
    n_rays: int, ndim: int, anisotropy: float, longest: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """Where rays are after each unit of length; see the kernel."""
    from napari_nucleate.core.instances import _ray_kernels

    ways: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]] = _ray_kernels.paths(
        directions(n_rays, ndim, anisotropy), longest
    )
    return ways


def centre_probability(
    labels: NDArray[Any], anisotropy: float = 1.0, known: NDArray[np.bool_] | None = None
) -> NDArray[np.float32]:
    """Measure how central each pixel is: distance to the object's boundary over its maximum.

    Parameters
    ----------
    labels : ndarray of int or bool, shape (Y, X) or (Z, Y, X)
        Objects, 0 is background. Other objects are boundaries; the edge of the image is none, so
        that the middle of an object that it cuts lies there.
    anisotropy : float
        Distance between planes divided by the pixel size within them (3D only).
    known : ndarray of bool, same shape, optional
        Where the labels are to be believed; everywhere, if it isn't given.

    Returns
    -------
    ndarray of float32, same shape
        In (0, 1] within objects, 1 at the pixels farthest from the boundary; 0 elsewhere. NaN in
        objects beside pixels of which nothing is known: their middle may be elsewhere.

    References
    ----------
    Schmidt, Weigert, Broaddus & Myers, Cell detection with star-convex polygons, MICCAI 2018.

    Examples
    --------
    >>> centre_probability(np.repeat([[1], [1], [1], [1], [2]], 3, axis=1))
    array([[1.  , 1.  , 1.  ],
           [0.75, 0.75, 0.75],
           [0.5 , 0.5 , 0.5 ],
           [0.25, 0.25, 0.25],
           [1.  , 1.  , 1.  ]], dtype=float32)
    """
    from napari_nucleate.core.instances import _label_kernels
    from napari_nucleate.core.instances.distance import distance_to_boundary

    compact = relabel(labels)
    depth = distance_to_boundary(compact, anisotropy)
    n = int(compact.max(initial=0))
    highest = _label_kernels.highest(compact.reshape(-1), depth.reshape(-1), n)
    if known is not None and not known.all():
        # Grown by one pixel, the unknown touches the objects that may go on in it.
        from scipy.ndimage import binary_dilation

        highest[np.setdiff1d(compact[binary_dilation(~known)], [0]) - 1] = np.nan
    central: NDArray[np.float32] = depth / np.concatenate(([np.float32(1)], highest))[compact]
    return central


def bounding_boxes(volume: NDArray[np.int32]) -> NDArray[np.int64]:
    """Find where objects lie.

    Parameters
    ----------
    volume : ndarray of int32, shape (Z, Y, X)
        Labels 1..n.

    Returns
    -------
    ndarray of int64, shape (n, 6)
        First Z, Y and X of each object, and those after its last; all 0 for one that isn't there.
    """
    from scipy import ndimage as ndi

    boxes = np.zeros((int(volume.max(initial=0)), 6), np.int64)
    for index, box in enumerate(ndi.find_objects(volume) if volume.size else []):
        if box is not None:
            boxes[index] = [s.start for s in box] + [s.stop for s in box]
    return boxes
