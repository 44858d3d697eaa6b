"""Objects as star-convex polygons and polyhedra."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import Field

from napari_nucleate.core.instances import Instances, Splitter, StarConvex
from napari_nucleate.core.instances.maps import Maps
from napari_nucleate.core.losses import Loss, Mixture, binary
from napari_nucleate.core.targets.base import TargetBase

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from napari_nucleate.core.annotation import Annotation


UNIT = 8.0
"""Distances are drawn in this many pixels: an untrained network starts near a nucleus's radius."""


class StarConvexTarget(TargetBase):
    """How near the middle of an object is, and how far its edge.

    StarDist (Schmidt et al. 2018; in 3D, Weigert et al. 2020).
    """

    kind: Literal["star-convex"] = "star-convex"
    rays: int = Field(32, ge=8, le=128, description="How many directions describe an outline.")
    anisotropy: float = Field(
        1.0,
        ge=0.01,
        le=100,
        description="Distance between slices divided by the pixel size within them (3D only); 1 "
        "takes it from the images.",
    )
    distance_weight: float = Field(
        0.2, gt=0, le=10, description="How much the distances count against the probabilities."
    )
    loss_function: Loss = Field(Mixture(), description="Loss of the foreground.")
    splitter: Splitter = Field(StarConvex(), description="How maps become objects.")

    def margins(self, ndim: int) -> tuple[int, ...]:
        """As long as rays usually are; an object cut farther out looks as if it ended there."""
        return (ceil(16 / self.anisotropy), 16, 16) if ndim == 3 else (32, 32)

    @property
    def n_maps(self) -> int:
        """Foreground, centre, one map a ray."""
        return 2 + self.rays

    def encode(self, annotation: Annotation) -> NDArray[np.float32]:
        """Foreground, object probability and ray distances in pixels of X.

        NaN where the labels don't tell, as beside pixels of which nothing is known.
        """
        from napari_nucleate.core.instances.rays import centre_probability, ray_distances

        labels, known = annotation.labels, annotation.known
        return np.concatenate(
            [
                (labels > 0).astype(np.float32)[np.newaxis],
                centre_probability(labels, self.anisotropy, known)[np.newaxis],
                ray_distances(labels, self.rays, self.anisotropy, known),
            ]
        )

    def loss(self, logits: Tensor, target: Tensor, weight: Tensor) -> Tensor:
        """Foreground loss + cross-entropy of the centre + distances weighted by the centre."""
        from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy
        from torch.nn.functional import softplus

        foreground = self.loss_function(*binary(logits[:, :1], target[:, :1]), weight)
        # What is not a number isn't known: neither it nor its gradient may reach the sums.
        seen = target[:, 1:2].isfinite()
        centre = target[:, 1:2].nan_to_num(nan=0.0)
        believed = weight * seen
        probability = (cross_entropy(logits[:, 1:2], centre, reduction="none") * believed).sum()
        probability = probability / believed.sum().clamp(min=1e-6)
        # Rays matter most where centres are; in objects that may go on, alike everywhere.
        inside = (weight * centre.where(seen, target[:, :1] / 2))[:, 0]
        # Pixels of objects are few: on a processor, the others' rays would take most of a step.
        at = inside > 0
        drawn, wanted = (maps[:, 2:].movedim(1, -1)[at] for maps in (logits, target))  # (n, R)
        ends = wanted.isfinite()
        error = (UNIT * softplus(drawn) - wanted.nan_to_num(nan=0.0)).abs() * ends
        error = error.sum(1) / ends.sum(1).clamp(min=1)
        share = inside[at] * ends.any(1)
        distance = (error * share).sum() / share.sum().clamp(min=1e-6)
        return foreground + probability + self.distance_weight * distance

    def activate(self, logits: Tensor) -> Tensor:
        """Probabilities, and distances of at least 0 pixels."""
        import torch
        from torch.nn.functional import softplus

        return torch.cat([logits[:, :2].sigmoid(), UNIT * softplus(logits[:, 2:])], 1)

    def turns(self, ndim: int) -> bool:
        """Only where every ray falls upon another."""
        return ndim == 2 and self.rays % 4 == 0

    def seen(
        self, maps: NDArray[np.float32], turns: int = 0, mirrored: bool = False
    ) -> NDArray[np.float32]:
        """Turn maps back; rays too, which in 2D must be a multiple of four."""
        back = super().seen(maps, turns, mirrored)
        k = np.arange(self.rays)
        # A quarter turn from Y to X takes ray k to ray k + R/4; a mirror along X, to R/2 - k.
        origin = ((self.rays // 2 - k if mirrored else k) + turns * self.rays // 4) % self.rays
        result = back.copy()
        result[2 + origin] = back[2:]
        return result

    def rescaled(self, maps: NDArray[np.float32], zoom: float) -> NDArray[np.float32]:
        """Rays grow with the image."""
        result = maps.copy()
        result[2:] *= np.float32(zoom)
        return result

    def maps(self, maps: NDArray[np.float32]) -> Maps:
        """All of them."""
        return Maps(foreground=maps[0], centre=maps[1], distances=maps[2:])

    def decode(
        self, maps: NDArray[np.float32], splitter: Splitter | None = None
    ) -> NDArray[np.int32]:
        """Objects by non-maximum suppression, or by the splitter given."""
        return self._chosen(splitter).split(self.maps(maps))

    def find(self, maps: NDArray[np.float32], splitter: Splitter | None = None) -> Instances:
        """The same with what is known of each object."""
        return self._chosen(splitter).find(self.maps(maps))

    def _chosen(self, splitter: Splitter | None) -> Splitter:
        chosen = splitter or self.splitter
        if isinstance(chosen, StarConvex):  # rays lie where they were measured
            return chosen.model_copy(update={"anisotropy": self.anisotropy})
        return chosen
