"""Cutting a landscape for seeds that a person put anywhere on its hills."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

ROOM = 0.5
"""A seed's reach beyond another's, at most this part of the distance between them."""

MANY = 50
"""More seeds than this on one hill share it by nearness alone: each costs time for all of it."""


def shared_out(
    hills: NDArray[np.int32],
    height: NDArray[np.float32],
    seeds: NDArray[np.int32],
    within: NDArray[np.bool_],
) -> NDArray[np.int32]:
    """Give hills to the seeds on them. Pure.

    A hill belongs to the seed on it. Several seeds on one hill share it as discs would that are as
    large as the hill is high under each: the cut between them lies nearer to the smaller. Hills
    without a seed join the neighbour over the highest pass, if any has one.

    Parameters
    ----------
    hills : ndarray of int32, shape (Y, X) or (Z, Y, X)
        Labels 1..n.
    height : ndarray of float32, same shape
        Distance to the boundary, or what rises like it.
    seeds : ndarray of int32, same shape
        Labels 1..m.
    within : ndarray of bool, same shape
        What is shared out.

    Returns
    -------
    ndarray of int32, same shape
        The seed of each pixel, 0 for none.

    Examples
    --------
    >>> hills = np.array([[1, 1, 1, 1, 1, 2, 2]])
    >>> seeds = np.array([[1, 0, 0, 0, 2, 0, 0]])
    >>> level = np.ones((1, 7), np.float32)
    >>> shared_out(hills, level, seeds, hills > 0)
    array([[1, 1, 1, 2, 2, 2, 2]], dtype=int32)
    """
    from skimage.segmentation import watershed

    there = (seeds > 0) & within & (hills > 0)
    pairs = np.unique(np.stack((hills[there], seeds[there]), 1), axis=0)
    count = np.bincount(pairs[:, 0], minlength=int(hills.max(initial=0)) + 1)
    owner = np.zeros(len(count), np.int32)
    owner[pairs[:, 0]] = pairs[:, 1]
    owner[count > 1] = 0
    shared = owner[hills]
    several = np.flatnonzero(count > 1)
    if several.size:
        _share_several(hills, height, np.where(there, seeds, 0), several, shared)
    if ((shared == 0) & within).any():
        shared = watershed(-height, shared, mask=within).astype(np.int32)
    return shared


def _share_several(
    hills: NDArray[np.int32],
    height: NDArray[np.float32],
    seeds: NDArray[np.int32],
    several: NDArray[np.intp],
    shared: NDArray[np.int32],
) -> None:
    """Write who owns the pixels of hills with several seeds."""
    from scipy import ndimage as ndi

    boxes = ndi.find_objects(hills)
    for hill in several:
        box = boxes[hill - 1]
        inside = hills[box] == hill
        marks = np.where(inside, seeds[box], 0)
        names = np.unique(marks[marks > 0])
        if len(names) > MANY:
            nearest = ndi.distance_transform_edt(marks == 0, return_indices=True)[1]
            winner = marks[tuple(nearest)]
        else:
            far = np.stack([ndi.distance_transform_edt(marks != name) for name in names])
            reach = np.array([height[box][marks == name].max() for name in names])
            apart = np.array([far[:, marks == name].min(1) for name in names])
            column = _fair(reach, apart).reshape(-1, *[1] * hills.ndim)
            winner = names[np.argmin(far - column, axis=0)]
        shared[box][inside] = winner[inside]


def _fair(reach: NDArray[np.float64], apart: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far each seed reaches; none so far that another has no room left.

    Examples
    --------
    >>> _fair(np.array([9.0, 2.0]), np.array([[0.0, 6.0], [6.0, 0.0]])).tolist()
    [5.0, 2.0]
    """
    fair = reach.astype(np.float64)
    for i in np.argsort(reach):
        fair[i] = (fair + ROOM * apart[i]).min()
    return fair
