"""Background that nobody painted, told by its grey values."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_nucleate.core.annotation import Annotation

SMOOTH = 1.0
"""Width in pixels of the Gaussian that takes the noise out of grey values, in the plane."""

OBJECTS_BEYOND = 0.001
"""Of a person's objects, so small a share of the pixels may look like what is taken."""

BACKGROUND_WITHIN = 0.5
"""Of a person's background, no more than this share: what is taken looks as surely like it."""

LEAST = 0.1
"""Where less of a person's background looks like it, grey values don't tell."""

FEWEST = 40
"""Pixels of objects and of background that must be known."""

OF_KNOWN = 1 / 4
"""Where objects fill what is known, dark parts of others may look like background."""


def likely_background(
    pixels: NDArray[np.float32],
    annotation: Annotation,
    excluded: NDArray[np.bool_] | None = None,
) -> NDArray[np.bool_] | None:
    """Find the unknown pixels that look farther from objects than objects ever do. Pure.

    Boxes around a few objects show the background between them only. What lies elsewhere, and is
    beyond the middle of this background, seen from the objects, is background as well: seen along
    the direction in which the channels tell both apart best (Fisher's discriminant, 1936).

    Parameters
    ----------
    pixels : ndarray of float32, shape (C, Y, X) or (C, Z, Y, X)
        Normalised.
    annotation : Annotation
        Of the same spatial shape.
    excluded : ndarray of bool, shape (*spatial), optional
        Pixels that are never taken.

    Returns
    -------
    ndarray of bool, shape (*spatial); or None
        None where all is known, or grey values don't tell.
    """
    from scipy.ndimage import gaussian_filter

    known, painted = annotation.known, annotation.labels > 0
    inside, outside = known & painted, known & ~painted
    asked = ~known if excluded is None else ~(known | excluded)
    few = min(np.count_nonzero(inside), np.count_nonzero(outside)) < FEWEST
    if few or not asked.any() or np.count_nonzero(outside) < OF_KNOWN * np.count_nonzero(known):
        return None
    sigma = (0.0,) * (pixels.ndim - 3) + (SMOOTH,) * 2
    smooth = np.stack([gaussian_filter(channel, sigma) for channel in pixels])
    objects, background = (smooth[:, where].astype(np.float64) for where in (inside, outside))
    scatter = np.cov(objects) + np.cov(background) + 1e-6 * np.eye(len(pixels))
    towards = np.linalg.solve(scatter, objects.mean(1) - background.mean(1))
    one, other = towards @ objects, towards @ background
    limit = min(np.quantile(one, OBJECTS_BEYOND), np.quantile(other, BACKGROUND_WITHIN))
    # Where many pixels are equal, more lie at the limit than below it.
    if np.mean(other <= limit) < LEAST or np.mean(one <= limit) > 2 * OBJECTS_BEYOND:
        return None
    far = np.tensordot(towards.astype(np.float32), smooth, 1) <= limit
    return np.asarray(far & asked)
