"""Choosing and drawing star-convex objects: the loops, for 2D (one plane) and 3D alike.

A star is a fan of simplices: triangles of its centre and an edge of the outline in 2D, tetrahedra
of its centre and a facet in 3D. Along a row of pixels each is one run, found by a few divisions.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from napari_nucleate.core.instances._compile import compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHIFT = (1.37e-4, 2.11e-4, 3.29e-4)
"""Centres are moved by so much in Z, Y and X: no pixel then lies just between two simplices."""

SHELLS = (0.5, 0.8660254)
"""Where samples lie on a ray: the middles of two rings of one area (of nearly one volume in 3D)."""

DOUBT = 0.1
"""Samples decide where they find an overlap by this much above or below the limit."""

BURIED = 0.75
"""An object of which more than this part is drawn over already isn't drawn at all."""


@compiled
def candidates(
    probability: NDArray[np.float32], distances: NDArray[np.float32], threshold: float
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """List the places (flat) above a threshold and their scores.

    Where a network is so sure that its probabilities are all alike, the widest place is best.

    Parameters
    ----------
    probability : ndarray of float32, shape (P,)
    distances : ndarray of float32, shape (R, P)
    threshold : float
        NaN probabilities are never above it.

    Returns
    -------
    places : ndarray of int64, shape (N,)
    scores : ndarray of float32, shape (N,)
    """
    n = 0
    for i in range(probability.size):
        n += probability[i] > threshold
    places, scores = np.empty(n, np.int64), np.empty(n, np.float32)
    n = 0
    for i in range(probability.size):
        if probability[i] > threshold:
            places[n], scores[n] = i, probability[i]
            if probability[i] > 0.99:
                width = 1000.0
                for k in range(len(distances)):
                    width = min(width, distances[k, i])
                scores[n] += 1e-4 * max(width, 0.0)
            n += 1
    return places, scores


@compiled
def _runs_of(simplex: NDArray[np.float64], flat: bool, pz: float, py: float) -> tuple[float, float]:
    """The run of x, as seen from the centre, that lies in a simplex on the row (pz, py).

    `simplex` holds half-spaces a·p ≥ d as rows (az, ay, ax, d).
    """
    low, high = -math.inf, math.inf
    for i in range(3 if flat else 4):
        az, ay, ax, d = simplex[i]
        rest = d - az * pz - ay * py
        if ax > 0:
            low = max(low, rest / ax)
        elif ax < 0:
            high = min(high, rest / ax)
        elif rest > 0:
            return 1.0, -1.0
    return low, high


@compiled
def _half_spaces(
    corners: NDArray[np.float64], facet: NDArray[np.int64], simplex: NDArray[np.float64]
) -> None:
    """Write the half-spaces of the simplex of the centre and a facet."""
    a, b = corners[facet[0]], corners[facet[1]]
    if len(facet) == 2:
        # Left of the first side, right of the second, inside of the edge.
        simplex[0] = (0.0, a[2], -a[1], 0.0)
        simplex[1] = (0.0, -b[2], b[1], 0.0)
        ny, nx = b[2] - a[2], a[1] - b[1]
        simplex[2] = (0.0, ny, nx, ny * a[1] + nx * a[2])
        return
    c = corners[facet[2]]
    simplex[0, :3], simplex[1, :3], simplex[2, :3] = _cross(a, b), _cross(b, c), _cross(c, a)
    simplex[:3, 3] = 0
    out = _cross(b - a, c - a)
    simplex[3, :3] = -out
    simplex[3, 3] = -(out[0] * a[0] + out[1] * a[1] + out[2] * a[2])


@compiled
def _cross(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """The vector product, in the order Z, Y, X as a right-handed system."""
    out = np.empty(3)
    out[0] = a[1] * b[2] - a[2] * b[1]
    out[1] = a[2] * b[0] - a[0] * b[2]
    out[2] = a[0] * b[1] - a[1] * b[0]
    return out


@compiled
def _each_run(
    labels: NDArray[np.int32],
    point: NDArray[np.int64],
    corners: NDArray[np.float64],
    facets: NDArray[np.int64],
    paint: int,
    shared: NDArray[np.float64],
    touched: NDArray[np.int64],
) -> tuple[int, int]:
    """Go through the pixels of a star: paint those that are free, or count whose they are.

    With `paint` = 0, how many pixels belong to each label is added to `shared`, and the labels
    found are written to `touched`. Returns the number of pixels, and of labels found.
    """
    depth, rows, cols = labels.shape
    flat = facets.shape[1] == 2
    simplex = np.empty((4, 4))
    z0, y0, x0 = point[0] + SHIFT[0], point[1] + SHIFT[1], point[2] + SHIFT[2]
    count, n = 0, 0
    lows, highs = np.zeros(3), np.zeros(3)
    for facet in facets:
        _half_spaces(corners, facet, simplex)
        lows[:], highs[:] = 0, 0
        for corner in facet:
            for axis in range(3):
                lows[axis] = min(lows[axis], corners[corner, axis])
                highs[axis] = max(highs[axis], corners[corner, axis])
        first, last = max(math.ceil(z0 + lows[0]), 0), min(math.floor(z0 + highs[0]), depth - 1)
        if flat:
            first, last = 0, 0
        top = max(math.ceil(y0 + lows[1]), 0)
        bottom = min(math.floor(y0 + highs[1]), rows - 1)
        for z in range(first, last + 1):
            for y in range(top, bottom + 1):
                low, high = _runs_of(simplex, flat, z - z0, y - y0)
                left = max(math.ceil(x0 + max(low, lows[2])), 0)
                right = min(math.floor(x0 + min(high, highs[2])), cols - 1)
                row = labels[z, y]
                for x in range(left, right + 1):
                    label = row[x]
                    count += 1
                    if label == 0:
                        row[x] = paint
                    elif paint == 0:
                        if shared[label] == 0:
                            touched[n] = label
                            n += 1
                        shared[label] += 1
    return count, n


@compiled
def rows_at(
    distances: NDArray[np.float32],
    places: NDArray[np.int64],
    rows: NDArray[np.float32],
    start: int,
    stop: int,
) -> None:
    """Copy the rays of places start..stop side by side, where they are near each other in memory.

    Parameters
    ----------
    distances : ndarray of float32, shape (R, P)
    places : ndarray of int64, shape (N,)
        Ascending, or nearly: then each map is read from its beginning to its end.
    rows : ndarray of float32, shape (N, R)
        Written.
    start, stop : int
    """
    for k in range(len(distances)):
        for i in range(start, stop):
            rows[i, k] = distances[k, places[i]]


@compiled
def _gather(
    rays: NDArray[np.float32],
    steps: NDArray[np.float64],
    every: int,
    longest: float,
    corners: NDArray[np.float64],
    lengths: NDArray[np.float64],
) -> None:
    """Write every n-th ray of a star, and its corner as seen from the centre."""
    for k in range(0, len(steps), every):
        length = float(rays[k])
        # Where the network drew nonsense, an outline still encloses its centre.
        lengths[k] = min(max(length, 0.5), longest) if length == length else 0.5
        for axis in range(3):
            corners[k, axis] = lengths[k] * steps[k, axis]


@compiled
def _sample(
    labels: NDArray[np.int32],
    point: NDArray[np.int64],
    corners: NDArray[np.float64],
    lengths: NDArray[np.float64],
    every: int,
    flat: bool,
    shared: NDArray[np.float64],
    touched: NDArray[np.int64],
) -> tuple[float, int]:
    """Estimate how much of a star belongs to each label, from a few pixels on every n-th ray.

    A ray stands for a cone: its length squared, or cubed in 3D, is the unit of size. Writes to
    `shared` and `touched` as `_each_run` does. Returns how large the part of the star is that lies
    in the image, and the number of labels found.
    """
    depth, rows, cols = labels.shape
    inside, n = 0.0, 0
    for k in range(0, len(corners), every):
        weight = every * lengths[k] * lengths[k] / len(SHELLS)
        if not flat:
            weight *= lengths[k]
        for f in SHELLS:
            z = math.floor(point[0] + f * corners[k, 0] + 0.5)
            y = math.floor(point[1] + f * corners[k, 1] + 0.5)
            x = math.floor(point[2] + f * corners[k, 2] + 0.5)
            if 0 <= z < depth and 0 <= y < rows and 0 <= x < cols:
                inside += weight
                label = labels[z, y, x]
                if label > 0:
                    if shared[label] == 0:
                        touched[n] = label
                        n += 1
                    shared[label] += weight
    return inside, n


@compiled
def _worst(
    shared: NDArray[np.float64],
    touched: NDArray[np.int64],
    n: int,
    whole: float,
    size: float,
    sizes: NDArray[np.float64],
    limit: float,
) -> float:
    """The largest overlap: with one drawn object, by the smaller; with all of them, by `BURIED`.

    On a scale where `limit` is as much as is allowed. `whole` is the star's size in the units of
    `shared`, which is emptied; `size` the same in those of `sizes`.
    """
    worst, covered = 0.0, 0.0
    for i in range(n):
        label = touched[i]
        part = shared[label] / whole
        shared[label] = 0
        covered += part
        worst = max(worst, part * size / min(size, sizes[label]))
    return max(worst, covered - BURIED + limit)


@compiled
def select(
    points: NDArray[np.int64],
    rays: NDArray[np.float32],
    order: NDArray[np.int64],
    steps: NDArray[np.float64],
    facets: NDArray[np.int64],
    overlap: float,
    labels: NDArray[np.int32],
) -> NDArray[np.int64]:
    """Draw stars in the order given, but for those that overlap drawn ones too much.

    A star is left out if it shares more than `overlap` of the smaller of the two with one that is
    drawn. Samples on its rays tell; only where they leave a doubt are pixels counted. A pixel
    within several stars belongs to the first.

    Parameters
    ----------
    points : ndarray of int64, shape (N, 3)
        Centres in pixels.
    rays : ndarray of float32, shape (N, R)
        Their lengths.
    order : ndarray of int64, shape (N,)
        Which star comes first, which second and so on.
    steps : ndarray of float64, shape (R, 3)
        As from `directions`.
    facets : ndarray of int64, shape (F, 2) or (F, 3)
    overlap : float
    labels : ndarray of int32, shape (Z, Y, X)
        Zeros; drawn into.

    Returns
    -------
    ndarray of int64, shape (n,)
        Indices of the stars that became labels 1..n.
    """
    n_rays = len(steps)
    drawn, sizes = np.empty(len(points), np.int64), np.empty(len(points) + 1)
    shared, touched = np.zeros(len(points) + 1), np.empty(len(points) + 1, np.int64)
    corners, lengths = np.empty((n_rays, 3)), np.empty(n_rays)
    flat = facets.shape[1] == 2
    every = max(n_rays // (8 if flat else 16), 1)
    longest = math.sqrt(labels.shape[0] ** 2 + labels.shape[1] ** 2 + labels.shape[2] ** 2)
    n = 0
    for i in order:
        point = points[i]
        if labels[point[0], point[1], point[2]] > 0:
            # Most stars end here, their centre being deep in a drawn object.
            _gather(rays[i], steps, every, longest, corners, lengths)
            size, found = _sample(labels, point, corners, lengths, every, flat, shared, touched)
            if _worst(shared, touched, found, size, size, sizes, overlap) > overlap + 3 * DOUBT:
                continue
        _gather(rays[i], steps, 1, longest, corners, lengths)
        size, found = _sample(labels, point, corners, lengths, 1, flat, shared, touched)
        worst = _worst(shared, touched, found, size, size, sizes, overlap)
        if worst > overlap + DOUBT:
            continue
        if worst > overlap - DOUBT:
            count, found = _each_run(labels, point, corners, facets, 0, shared, touched)
            worst = _worst(shared, touched, found, max(count, 1), size, sizes, overlap)
            if worst > overlap:
                continue
        drawn[n] = i
        n += 1
        sizes[n] = size
        _each_run(labels, point, corners, facets, n, shared, touched)
    return drawn[:n]


@compiled
def draw(
    points: NDArray[np.int64],
    rays: NDArray[np.float32],
    steps: NDArray[np.float64],
    facets: NDArray[np.int64],
    labels: NDArray[np.int32],
) -> None:
    """Draw stars as labels 1..N; a pixel within several belongs to the first.

    Parameters
    ----------
    points : ndarray of int64, shape (N, 3)
    rays : ndarray of float32, shape (N, R)
    steps : ndarray of float64, shape (R, 3)
    facets : ndarray of int64, shape (F, 2) or (F, 3)
    labels : ndarray of int32, shape (Z, Y, X)
        Zeros; drawn into.
    """
    corners, lengths = np.empty((len(steps), 3)), np.empty(len(steps))
    shared, touched = np.zeros(1), np.empty(1, np.int64)
    longest = math.sqrt(labels.shape[0] ** 2 + labels.shape[1] ** 2 + labels.shape[2] ** 2)
    for i in range(len(points)):
        _gather(rays[i], steps, 1, longest, corners, lengths)
        _each_run(labels, points[i], corners, facets, i + 1, shared, touched)
