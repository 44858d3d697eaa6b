"""What a splitter gets to see of an image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_nucleate.core.errors import NucleateError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Maps:
    """Per-pixel evidence for objects, from a network, a threshold or a painted mask.

    Parameters
    ----------
    foreground : ndarray of float32, shape (Y, X) or (Z, Y, X)
        Probability that the pixel belongs to any object, in [0, 1].
    border : ndarray of float32, same shape, optional
        Probability that the pixel separates touching objects.
    centre : ndarray of float32, same shape, optional
        Star-convex object probability (normalised distance to the object's boundary).
    distances : ndarray of float32, shape (R, Y, X), optional
        Distance in pixels from each pixel to the boundary of its object along R rays.

    Raises
    ------
    NucleateError
        If the shapes disagree or the foreground is not 2D or 3D.
    """

    foreground: NDArray[np.float32]
    border: NDArray[np.float32] | None = None
    centre: NDArray[np.float32] | None = None
    distances: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        shape = self.foreground.shape
        if len(shape) not in (2, 3):
            raise NucleateError(f"The foreground has shape {shape}; 2D or 3D is needed.")
        for name in ("border", "centre"):
            value = getattr(self, name)
            if value is not None and value.shape != shape:
                raise NucleateError(f"{name} has shape {value.shape}, foreground {shape}.")
        if self.distances is not None and self.distances.shape[1:] != shape:
            raise NucleateError(f"distances have shape {self.distances.shape}, foreground {shape}.")
