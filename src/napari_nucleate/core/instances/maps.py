"""What a splitter gets to see of an image."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

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
    distances : ndarray of float32, shape (R, Y, X) or (R, Z, Y, X), optional
        Distance in pixels from each pixel to the boundary of its object along R rays.
    depth : ndarray of float32, same shape as the foreground, optional
        Distance from each pixel to the nearest boundary of its object, or anything that rises
        towards the middle of objects, ≥ 0.
    seeds : ndarray of int, same shape as the foreground, optional
        One label an object that a person pointed at, 0 elsewhere.
    classes : ndarray of float32, shape (C, Y, X) or (C, Z, Y, X), optional
        Probability of each class 1..C.

    Raises
    ------
    NucleateError
        If the shapes disagree or the foreground is not 2D or 3D.
    """

    foreground: NDArray[np.float32]
    border: NDArray[np.float32] | None = None
    centre: NDArray[np.float32] | None = None
    distances: NDArray[np.float32] | None = None
    depth: NDArray[np.float32] | None = None
    seeds: NDArray[np.integer[Any]] | None = None
    classes: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        shape = self.foreground.shape
        if len(shape) not in (2, 3):
            raise NucleateError(f"The foreground has shape {shape}; 2D or 3D is needed.")
        for name in ("border", "centre", "depth", "seeds"):
            value = getattr(self, name)
            if value is not None and value.shape != shape:
                raise NucleateError(f"{name} has shape {value.shape}, foreground {shape}.")
        for name in ("distances", "classes"):
            value = getattr(self, name)
            if value is not None and value.shape[1:] != shape:
                raise NucleateError(f"{name} have shape {value.shape}, foreground {shape}.")

    def __getitem__(self, region: tuple[slice, ...]) -> Maps:
        """Cut a region (*spatial) out of all maps; views, not copies."""
        return self._cut(region)

    def plane(self, z: int) -> Maps:
        """One plane of 3D maps, as 2D maps; views, not copies."""
        return self._cut((z,))

    def _cut(self, region: tuple[slice | int, ...]) -> Maps:
        cut = {}
        for each in fields(self):
            value = getattr(self, each.name)
            if value is not None:
                ahead = (slice(None),) * (value.ndim - self.foreground.ndim)
                value = value[(*ahead, *region)]
            cut[each.name] = value
        return Maps(**cut)
