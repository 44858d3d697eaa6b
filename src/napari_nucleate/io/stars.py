"""Star-convex objects on disk: their centres and rays. Loading runs no code."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.foreign import one_line
from napari_nucleate.io.atomic import write_bytes

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


def save_stars(path: Path, points: NDArray[np.float32], rays: NDArray[np.float32]) -> None:
    """Write centres (n, ndim) and rays (n, R) as safetensors, over what is there."""
    from safetensors.numpy import save

    tensors = {"points": np.asarray(points, order="C"), "rays": np.asarray(rays, order="C")}
    write_bytes(path, save(tensors), overwrite=True)


def load_stars(path: Path, n: int, ndim: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Read centres and rays of n objects, as `save_stars` wrote them.

    Raises
    ------
    NucleateError
        If the file is missing, damaged, or of other objects.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        found = load_file(path)
        points, rays = found["points"], found["rays"]
    except (SafetensorError, OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise NucleateError(
            f"{path} is damaged ({one_line(error)}); predict the image again."
        ) from error
    if points.shape != (n, ndim) or rays.ndim != 2 or len(rays) != n:
        raise NucleateError(
            f"{path} has centres {points.shape} and rays {rays.shape} for {n} objects; predict "
            "the image again."
        )
    if any(a.dtype.kind != "f" or not np.isfinite(a).all() for a in (points, rays)):
        raise NucleateError(f"{path} holds values that are no places; predict the image again.")
    return points.astype(np.float32), rays.astype(np.float32)
