"""Objects as an inside and a border where they touch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import Field

from napari_nucleate.core.instances import Splitter, Watershed
from napari_nucleate.core.instances.maps import Maps
from napari_nucleate.core.losses import Loss, Mixture
from napari_nucleate.core.targets.base import TargetBase
from napari_nucleate.core.warp import near_another
from napari_nucleate.core.weighting import gap_weights

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from napari_nucleate.core.annotation import Annotation


USUAL = Watershed(threshold=0.6, seed_threshold=0.4)
"""Young networks draw objects a little wide and their borders thin: by these thresholds the maps of
two trainings (16 images of dsb2018_fluo) have 0.014 and 0.013 more mean AP than by 0.5 and 0.5."""


class Boundary(TargetBase):
    """The inside of objects, and the border where they touch.

    Background, inside and border are classes of pixels, which a watershed makes objects of: after
    the U-Net's separating borders (Ronneberger et al. 2015) and the winners of the 2018 Data
    Science Bowl.
    """

    kind: Literal["boundary"] = "boundary"
    width: int = Field(
        2,
        ge=1,
        le=10,
        description="How deep the border reaches into touching objects, in pixels; one plane in Z.",
    )
    border_weight: float = Field(
        3.0, ge=1, le=50, description="How much more a border pixel counts than others."
    )
    gap_weight: float = Field(
        0.0,
        ge=0,
        le=100,
        description="How much more the background in narrow gaps counts: the weight map of the "
        "U-Net (2015) has 10; 0 weighs all background alike.",
    )
    gap_width: float = Field(
        5.0, gt=0, le=50, description="How wide such a gap may be, in pixels (the map's sigma)."
    )
    loss_function: Loss = Field(Mixture(), description="What the training minimises.")
    splitter: Splitter = Field(USUAL, description="How maps become objects.")

    @property
    def n_maps(self) -> int:
        """Background, inside, border."""
        return 3

    def encode(self, annotation: Annotation) -> NDArray[np.float32]:
        """One-hot maps of background, inside and touching border.

        Examples
        --------
        >>> from napari_nucleate.core.annotation import annotate
        >>> row = np.repeat([[0, 1, 1, 1, 2, 2, 2]], 3, axis=0)
        >>> Boundary(width=1).encode(annotate(row)).argmax(0)[1]
        array([0, 1, 1, 2, 2, 1, 1])
        """
        labels = annotation.labels
        foreground = labels > 0
        # One plane in Z: objects are a few planes high, and a border as deep as in Y leaves no
        # inside of them (synthetic stacks, planes four pixels apart: mean AP 0.78 for 0.91).
        border = near_another(labels, self.width)
        return np.stack([~foreground, foreground & ~border, border]).astype(np.float32)

    def pixel_weights(self, annotations: Sequence[Annotation]) -> list[NDArray[np.float32]] | None:
        """The U-Net's weight map: more in narrow gaps between objects."""
        if not self.gap_weight:
            return None
        weight = np.float32(self.gap_weight)
        return [1 + weight * gap_weights(a.labels, self.gap_width) for a in annotations]

    def unsure(self, labels: NDArray[np.int32]) -> NDArray[np.bool_] | None:
        """Rims of objects beside what is unknown: that may be an object which they touch.

        A stroke that is all rim is a scribble in the middle of an object: it teaches the inside.

        Examples
        --------
        >>> row = np.repeat([[-1, 3, 3, 3, 3, 3, 3, 0]], 3, axis=0)
        >>> Boundary(width=1).unsure(row)[1].astype(int)
        array([0, 1, 1, 0, 0, 0, 0, 0])
        """
        from scipy.ndimage import maximum_filter

        unknown, inside = labels < 0, labels > 0
        if not unknown.any():
            return None
        # Patches are enlarged, too: a pixel more than the border is wide.
        reach = (3,) * (labels.ndim - 2) + (2 * self.width + 3,) * 2
        rim = inside & maximum_filter(unknown, reach)
        whole = np.unique(labels[inside & ~rim])
        return np.asarray(rim & np.isin(labels, whole))

    def loss(self, logits: Tensor, target: Tensor, weight: Tensor) -> Tensor:
        """The chosen loss, with border pixels weighing more."""
        weight = weight * (1 + (self.border_weight - 1) * target[:, 2:])
        return self.loss_function(logits, target, weight)

    def activate(self, logits: Tensor) -> Tensor:
        """Probabilities that sum to 1."""
        return logits.softmax(1)

    def maps(self, maps: NDArray[np.float32]) -> Maps:
        """Inside and border together are the foreground."""
        return Maps(foreground=maps[1] + maps[2], border=maps[2])

    def decode(
        self, maps: NDArray[np.float32], splitter: Splitter | None = None
    ) -> NDArray[np.int32]:
        """Objects by the target's splitter, or by the one given."""
        return (splitter or self.splitter).split(self.maps(maps))
