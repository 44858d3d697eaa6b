"""How much each pixel counts in the loss: gaps between objects, and rare classes, count more."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_nucleate.core.instances.clean import relabel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_nucleate.core.annotation import Annotation

REACH = 3.0
"""Gaps are looked at to this many sigmas from objects: beyond, a gap weighs a hundredth."""


def gap_weights(labels: NDArray[np.int32], sigma: float) -> NDArray[np.float32]:
    """How narrow the gap is that a background pixel lies in. Pure.

    Parameters
    ----------
    labels : ndarray of int32, shape (Y, X) or (Z, Y, X)
        Objects, 0 is background.
    sigma : float
        How wide a gap may be to count, in pixels.

    Returns
    -------
    ndarray of float32, same shape
        exp(-(d1 + d2)² / 2σ²) in the background, where d1 and d2 are the distances to the nearest
        and the second nearest object; 0 in objects.

    References
    ----------
    Ronneberger, Fischer & Brox, U-Net: convolutional networks for biomedical image segmentation,
    MICCAI 2015, equation 2.

    Examples
    --------
    >>> gap_weights(np.array([[1, 0, 2, 0, 0]], np.int32), 2.0).round(2)
    array([[0.  , 0.61, 0.  , 0.14, 0.01]], dtype=float32)
    """
    from scipy import ndimage as ndi

    labels = relabel(labels)  # there may be few, with huge numbers
    reach = int(np.ceil(REACH * sigma))
    nearest = np.full(labels.shape, np.inf, np.float32)
    second = nearest.copy()
    for index, box in enumerate(ndi.find_objects(labels), 1):
        if box is None:
            continue
        around = tuple(
            slice(max(s.start - reach, 0), min(s.stop + reach, n))
            for s, n in zip(box, labels.shape, strict=True)
        )
        away = ndi.distance_transform_edt(labels[around] != index).astype(np.float32)
        away[away > reach] = np.inf
        second[around] = np.minimum(second[around], np.maximum(nearest[around], away))
        nearest[around] = np.minimum(nearest[around], away)
    weights: NDArray[np.float32] = np.exp(-((nearest + second) ** 2) / (2 * sigma**2))
    weights[labels > 0] = 0
    return weights


def class_weights(annotations: Sequence[Annotation], n: int) -> NDArray[np.float32]:
    """Weights that give every class the same say, by inverse frequency. Pure.

    Parameters
    ----------
    annotations : sequence of Annotation
        Labels are classes, 0 the background.
    n : int
        Classes, the background among them.

    Returns
    -------
    ndarray of float32, shape (n,)
        1 on average over the known pixels; 0 for classes that nobody painted.

    Examples
    --------
    >>> from napari_nucleate.core.annotation import annotate
    >>> class_weights([annotate(np.array([[0, 0, 0, 1]]))], 2)
    array([0.6666667, 2.       ], dtype=float32)
    """
    counts = sum(
        (np.bincount(a.labels[a.known].clip(0, n - 1), minlength=n) for a in annotations),
        np.zeros(n),
    )
    there = counts > 0
    weights = np.zeros(n, np.float32)
    weights[there] = counts.sum() / (there.sum() * counts[there])
    return weights
