"""Classes of pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import Field

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.instances.maps import Maps
from napari_nucleate.core.losses import Loss, Mixture
from napari_nucleate.core.targets.base import TargetBase
from napari_nucleate.core.weighting import class_weights

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from napari_nucleate.core.annotation import Annotation
    from napari_nucleate.core.instances import Splitter


class Semantic(TargetBase):
    """A class for each pixel; objects are not told apart."""

    kind: Literal["semantic"] = "semantic"
    classes: int = Field(1, ge=1, le=255, description="How many classes besides background.")
    balanced: bool = Field(
        False, description="Rare classes count more, by the inverse of how often they are painted."
    )
    loss_function: Loss = Field(Mixture(), description="What the training minimises.")

    @property
    def n_maps(self) -> int:
        """Background and the classes."""
        return self.classes + 1

    @property
    def semantic(self) -> bool:
        """Labels are classes."""
        return True

    def encode(self, annotation: Annotation) -> NDArray[np.float32]:
        """One-hot maps of background and classes.

        Raises
        ------
        NucleateError
            If a known label is larger than the number of classes.
        """
        labels = np.where(annotation.known, annotation.labels, 0)
        top = int(labels.max(initial=0))
        if top > self.classes:
            raise NucleateError(
                f"Label {top} is painted but the target has {self.classes} class(es); "
                "raise the number of classes, or choose the boundary target to separate objects."
            )
        classes = np.arange(self.n_maps).reshape(-1, *[1] * labels.ndim)
        one_hot: NDArray[np.float32] = (labels == classes).astype(np.float32)
        return one_hot

    def pixel_weights(self, annotations: Sequence[Annotation]) -> list[NDArray[np.float32]] | None:
        """More for pixels of rare classes."""
        if not self.balanced:
            return None
        weights = class_weights(annotations, self.n_maps)
        return [weights[a.labels.clip(0, self.classes)] for a in annotations]

    def loss(self, logits: Tensor, target: Tensor, weight: Tensor) -> Tensor:
        """The chosen loss over all classes."""
        return self.loss_function(logits, target, weight)

    def activate(self, logits: Tensor) -> Tensor:
        """Probabilities that sum to 1."""
        return logits.softmax(1)

    def maps(self, maps: NDArray[np.float32]) -> Maps:
        """Foreground is everything that is not background; several classes are kept apart."""
        return Maps(foreground=1 - maps[0], classes=maps[1:] if self.classes > 1 else None)

    def decode(
        self, maps: NDArray[np.float32], splitter: Splitter | None = None
    ) -> NDArray[np.int32]:
        """The likeliest class of each pixel, or objects of the foreground with a splitter."""
        if splitter is not None:
            return splitter.split(self.maps(maps))
        likeliest: NDArray[np.int32] = maps.argmax(0).astype(np.int32)
        return likeliest
