"""What every target can do."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

import numpy as np

from napari_nucleate.core.params import Params

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from napari_nucleate.core.annotation import Annotation
    from napari_nucleate.core.instances import Instances, Splitter
    from napari_nucleate.core.instances.maps import Maps


class TargetBase(Params):
    """What the network learns to draw, and how its maps become labels again.

    `encode` and `decode` are inverses: decode(encode(labels)) is close to the labels.
    """

    def margins(self, ndim: int) -> tuple[int, ...]:
        """How far beyond a pixel its target looks, in pixels along (Z,) Y and X."""
        return (0,) * ndim

    @property
    @abstractmethod
    def n_maps(self) -> int:
        """How many maps the network draws, K."""

    @property
    def semantic(self) -> bool:
        """True where labels are classes, False where they are objects."""
        return False

    @abstractmethod
    def encode(self, annotation: Annotation) -> NDArray[np.float32]:
        """Draw the maps that the network should draw. Pure.

        Parameters
        ----------
        annotation : Annotation
            Labels of shape (*spatial).

        Returns
        -------
        ndarray of float32, shape (K, *spatial)
            Values where nothing is known are arbitrary; the loss leaves them out.
        """

    def pixel_weights(self, annotations: Sequence[Annotation]) -> list[NDArray[np.float32]] | None:
        """How much each pixel of some images counts, besides being known. Pure.

        Parameters
        ----------
        annotations : sequence of Annotation
            All that is learned from.

        Returns
        -------
        list of ndarray of float32, each of its labels' shape; or None
            None where all pixels count alike.
        """
        del annotations
        return None

    def unsure(self, labels: NDArray[np.int32]) -> NDArray[np.bool_] | None:
        """Which known pixels have a target that depends on what is unknown beside them. Pure.

        Parameters
        ----------
        labels : ndarray of int32, shape (*spatial)
            -1 where nothing is known; as the network sees them.

        Returns
        -------
        ndarray of bool, shape (*spatial); or None
            None where no target does: it says by itself where it can't be known.
        """
        del labels
        return None

    @abstractmethod
    def loss(self, logits: Tensor, target: Tensor, weight: Tensor) -> Tensor:
        """Compare raw outputs (B, K, *spatial) with encoded ones; weight (B, 1, *spatial)."""

    @abstractmethod
    def activate(self, logits: Tensor) -> Tensor:
        """Turn raw outputs (B, K, *spatial) into maps, as `encode` draws them."""

    def turns(self, ndim: int) -> bool:
        """Whether maps of turned images can be turned back."""
        del ndim
        return True

    def seen(
        self, maps: NDArray[np.float32], turns: int = 0, mirrored: bool = False
    ) -> NDArray[np.float32]:
        """Turn maps of a view of an image back to the image. Pure.

        Parameters
        ----------
        maps : ndarray of float32, shape (K, *spatial)
            Of the image turned by so many quarters, as `numpy.rot90` does from Y to X, and then,
            if `mirrored`, mirrored along X.
        turns : int
        mirrored : bool

        Returns
        -------
        ndarray of float32, shape (K, *spatial)
        """
        back: NDArray[np.float32] = maps[..., ::-1] if mirrored else maps
        return np.rot90(back, -turns, (-2, -1))

    def rescaled(self, maps: NDArray[np.float32], zoom: float) -> NDArray[np.float32]:
        """What maps mean in an image that is so many times as large: lengths grow. Pure."""
        del zoom
        return maps

    @abstractmethod
    def maps(self, maps: NDArray[np.float32]) -> Maps:
        """Name the maps (K, *spatial) for a splitter."""

    @abstractmethod
    def decode(
        self, maps: NDArray[np.float32], splitter: Splitter | None = None
    ) -> NDArray[np.int32]:
        """Turn maps into labels. Pure.

        Parameters
        ----------
        maps : ndarray of float32, shape (K, *spatial)
            As drawn by `encode` or by the network.
        splitter : Splitter, optional
            Instead of the target's own.

        Returns
        -------
        ndarray of int32, shape (*spatial)
            0 is background.
        """

    def find(self, maps: NDArray[np.float32], splitter: Splitter | None = None) -> Instances | None:
        """Turn maps into objects with what is known of each; None where labels are classes. Pure.

        Parameters
        ----------
        maps : ndarray of float32, shape (K, *spatial)
        splitter : Splitter, optional
            Instead of the target's own.

        Returns
        -------
        Instances or None
            Its labels are those of `decode`.
        """
        chosen = splitter or getattr(self, "splitter", None)
        return None if chosen is None else chosen.find(self.maps(maps))
