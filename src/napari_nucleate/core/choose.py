"""Which images to label first: a few that stand for all."""

from __future__ import annotations

import itertools
import warnings
from typing import TYPE_CHECKING

import numpy as np

from napari_nucleate.core.normalise import Normalisation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_nucleate.core.predict import Source


def describe(image: NDArray[np.generic]) -> NDArray[np.float64]:
    """Describe an image by its grey levels and by the sizes of its structures. Pure.

    Parameters
    ----------
    image : ndarray, shape (C, Y, X) or (C, Z, Y, X)

    Returns
    -------
    ndarray of float64, shape (15,)
        Deciles of the normalised grey levels, and the share of variation that each of six
        doublings of blur takes away. Volumes are described by their brightest projection.
    """
    from scipy.ndimage import gaussian_filter

    plane = Normalisation().apply(image).mean(0)
    while plane.ndim > 2:
        plane = plane.max(0)
    deciles = np.percentile(plane, range(10, 100, 10))
    blurred = [plane] + [gaussian_filter(plane, 2.0**level) for level in range(6)]
    lost = [float(np.std(a - b)) for a, b in itertools.pairwise(blurred)]
    return np.concatenate([deciles, np.array(lost) / max(sum(lost), 1e-6)])


def representative(sources: Sequence[Source], count: int, seed: int = 0) -> list[int]:
    """Choose images that differ from each other and are each like many of the rest.

    The images nearest to the centres of k-means clusters of their descriptions.

    Parameters
    ----------
    sources : sequence of Source
        Each is read once.
    count : int
        How many to choose; all where there are fewer.
    seed : int
        Of the clustering.

    Returns
    -------
    list of int
        Positions in `sources`, in their order.
    """
    from scipy.cluster.vq import kmeans2
    from scipy.spatial.distance import cdist

    if count >= len(sources):
        return list(range(len(sources)))
    features = np.stack([describe(s.read()) for s in sources])
    features = (features - features.mean(0)) / (features.std(0) + 1e-6)
    rng = np.random.default_rng(seed)
    # Equal images would leave k-means without a second centre to draw.
    features = features + rng.normal(0, 1e-6, features.shape)
    with warnings.catch_warnings():
        # An empty cluster keeps its centre, and that one's nearest image is as good as another.
        warnings.filterwarnings("ignore", "One of the clusters is empty", UserWarning)
        centres, _ = kmeans2(features, count, minit="++", rng=rng)
    distance = cdist(centres, features)
    chosen: list[int] = []
    for row in distance:
        # Two centres may share their nearest image: each takes one that is still free.
        chosen.append(next(int(i) for i in np.argsort(row) if int(i) not in chosen))
    return sorted(chosen)
