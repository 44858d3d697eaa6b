"""The U-Net, in two and in three dimensions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from napari_nucleate.core.params import Params

if TYPE_CHECKING:
    from napari_nucleate.core.architectures.modules import Network


class UNet(Params):
    """U-Net (Ronneberger et al. 2015) with batch normalisation, in 2D or 3D."""

    kind: Literal["unet"] = "unet"
    width: int = Field(16, ge=4, le=256, description="Channels of the first level; doubled below.")
    levels: int = Field(4, ge=2, le=6, description="Resolutions the network sees.")
    stem: Literal[1, 2] = Field(
        2, description="2 works at half resolution inside: four times faster; 1 for tiny objects."
    )

    @property
    def multiple(self) -> int:
        """Sides of an image must be a multiple of this many pixels."""
        return int(self.stem * 2 ** (self.levels - 1))

    @property
    def halo(self) -> int:
        """How far, in pixels, a pixel of the output looks; a multiple of `multiple`."""
        strides = [self.stem * 2**level for level in range(self.levels)]
        # Two 3-wide convolutions down and two up a level, and the alignment of each pooling.
        reach = sum(5 * stride for stride in strides) + 4
        return int(-(-reach // self.multiple) * self.multiple)

    def build(self, ndim: int, n_inputs: int, n_outputs: int) -> Network:
        """Make the network with random weights.

        Parameters
        ----------
        ndim : 2 or 3
        n_inputs : int
            Channels of the image.
        n_outputs : int
            Maps to draw.

        Returns
        -------
        Network
            From (B, n_inputs, *spatial) to (B, n_outputs, *spatial); sides divisible by
            `multiple`.
        """
        from napari_nucleate.core.architectures.modules import UNetModule

        return UNetModule(ndim, n_inputs, n_outputs, self.width, self.levels, self.stem)
