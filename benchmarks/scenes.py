"""Nuclei to split: labels of many touching ellipses, and what a young network makes of them."""

import numpy as np
from scipy import ndimage as ndi

from napari_nucleate.core.instances import Maps, centre_probability, ray_distances


def nuclei(shape: tuple[int, ...], count: int, radii: tuple[float, float], seed: int = 0):
    """Labels 1..n of ellipses or ellipsoids that touch, and overlap a little."""
    rng = np.random.default_rng(seed)
    labels, n = np.zeros(shape, np.int32), 0
    for _ in range(50 * count):
        if n == count:
            break
        centre = rng.uniform(0, shape)
        axes = rng.uniform(*radii) * rng.uniform(0.7, 1, len(shape))
        low = np.maximum(np.floor(centre - axes.max() - 1), 0).astype(int)
        high = np.minimum(np.ceil(centre + axes.max() + 2), shape).astype(int)
        box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
        away = np.stack(np.mgrid[box]).astype(float) - centre.reshape(-1, *[1] * len(shape))
        turn, _ = np.linalg.qr(rng.standard_normal((len(shape), len(shape))))
        turned = np.tensordot(turn, away, 1) / axes.reshape(-1, *[1] * len(shape))
        inside = (turned**2).sum(0) <= 1
        if inside.sum() < 30 or (labels[box][inside] > 0).mean() > 0.05:
            continue
        n += 1
        labels[box][inside & (labels[box] == 0)] = n
    return labels


def imperfect(labels, n_rays: int, noise: float = 0.15, seed: int = 0) -> Maps:
    """The true maps blurred and disturbed by smooth noise, as after a training of some minutes."""
    rng = np.random.default_rng(seed)

    def waves(width: float):
        field = ndi.gaussian_filter(rng.standard_normal(labels.shape), width)
        return (field / max(field.std(), 1e-9)).astype(np.float32)

    mask = labels > 0
    centre = ndi.gaussian_filter(centre_probability(labels), 1.0) + 0.3 * noise * waves(3) * mask
    distances = ray_distances(labels, n_rays)
    for ray in distances:
        ray[:] = np.maximum(ndi.gaussian_filter(ray, 1.0) * (1 + noise * waves(4)), 0.5)
    foreground = ndi.gaussian_filter(mask.astype(np.float32), 1.0) + 0.3 * noise * waves(2)
    return Maps(
        foreground.clip(0, 1).astype(np.float32),
        centre=centre.clip(0, 1).astype(np.float32),
        distances=distances,
    )
