"""Matching objects in a few passes over their pixels: the loop, for any number of dimensions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_nucleate.core.instances._compile import compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray


@compiled
def matched(
    truth: NDArray[np.int32], found: NDArray[np.int32], n: int, m: int, min_size: int
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """For each object 1..m the IoU of its match, where that is one half or more.

    No table of overlaps is needed: of two objects with such an IoU, one has most of its pixels in
    the other, or all of them, and who has most of an object's pixels is found by voting (Boyer &
    Moore, 1981).

    Parameters
    ----------
    truth : ndarray of int32, shape (P,)
        Objects 1..n, 0 for background; what is below 0 is left out.
    found : ndarray of int32, shape (P,)
        Objects 1..m, 0 for background.
    n, m : int
    min_size : int
        Objects of fewer pixels, those left out among them, count as background.

    Returns
    -------
    iou : ndarray of float64, shape (m + 1,)
        0 where nothing matches. Of two halves of a true object only the first matches.
    seen : ndarray of bool, shape (m + 1,)
        Which objects have pixels that aren't left out.
    """
    t_area, f_area = np.zeros(n + 1, np.int64), np.zeros(m + 1, np.int64)
    t_vote, f_vote = np.zeros(n + 1, np.int32), np.zeros(m + 1, np.int32)
    t_lead, f_lead = np.zeros(n + 1, np.int64), np.zeros(m + 1, np.int64)
    size = np.zeros(m + 1, np.int64)
    for i in range(found.size):
        size[found[i]] += 1
    number = np.zeros(m + 1, np.int32)
    for f in range(1, m + 1):
        number[f] = f if size[f] >= min_size else 0
    for i in range(truth.size):
        t, f = truth[i], number[found[i]]
        if t < 0:
            continue
        t_area[t] += 1
        f_area[f] += 1
        if t > 0:
            if t_lead[t] == 0:
                t_vote[t] = f
            t_lead[t] += 1 if t_vote[t] == f else -1
        if f > 0:
            if f_lead[f] == 0:
                f_vote[f] = t
            f_lead[f] += 1 if f_vote[f] == t else -1
    t_shared, f_shared = np.zeros(n + 1, np.int64), np.zeros(m + 1, np.int64)
    for i in range(truth.size):
        t, f = truth[i], number[found[i]]
        if t > 0 and f > 0:
            t_shared[t] += t_vote[t] == f
            f_shared[f] += f_vote[f] == t
    iou, taken = np.zeros(m + 1), np.zeros(n + 1, np.bool_)
    for f in range(1, m + 1):
        t = f_vote[f]
        value = f_shared[f] / max(t_area[t] + f_area[f] - f_shared[f], 1)
        if t > 0 and value >= 0.5 and not taken[t]:
            iou[f], taken[t] = value, True
    for t in range(1, n + 1):
        f = t_vote[t]
        value = t_shared[t] / max(t_area[t] + f_area[f] - t_shared[t], 1)
        if f > 0 and value >= 0.5 and not taken[t] and iou[f] == 0:
            iou[f], taken[t] = value, True
    return iou, f_area > 0
