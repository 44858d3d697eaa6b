"""The pieces of networks, in two and three dimensions. The only file here that loads torch."""

from __future__ import annotations

import itertools
from abc import abstractmethod
from typing import Literal

import torch
from torch import Tensor, nn

Part = Literal["encoder", "decoder", "head"]

CONVOLUTION: dict[int, type[nn.Module]] = {2: nn.Conv2d, 3: nn.Conv3d}
TRANSPOSED: dict[int, type[nn.Module]] = {2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}
NORM: dict[int, type[nn.Module]] = {2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
POOL: dict[int, type[nn.Module]] = {2: nn.MaxPool2d, 3: nn.MaxPool3d}


def convolution(ndim: int, n_in: int, n_out: int, stride: int = 1) -> nn.Sequential:
    """A 3-wide convolution, batch normalisation and ReLU."""
    return nn.Sequential(
        CONVOLUTION[ndim](n_in, n_out, 3, stride=stride, padding=1, bias=False),
        NORM[ndim](n_out),
        nn.ReLU(inplace=True),
    )


def double(ndim: int, n_in: int, n_out: int) -> nn.Sequential:
    """Two convolutions."""
    return nn.Sequential(convolution(ndim, n_in, n_out), convolution(ndim, n_out, n_out))


class Network(nn.Module):
    """What every network can do, besides drawing maps."""

    @abstractmethod
    def parts(self) -> dict[Part, list[nn.Module]]:
        """Its modules, each in one part, from the image to the maps, for those that go on learning.

        The encoder sees, the decoder puts together what was seen, and the head draws the maps:
        another target needs another head.
        """


class Restore(nn.Module):
    """From the stem's resolution back to the image's.

    The image itself joins there, and one more convolution draws the outlines: that costs less than
    a level of features at full resolution would, and brought 0.03 of mean AP against drawing the
    maps at once (dsb2018_fluo, 16 images, 600 steps, one seed).
    """

    def __init__(self, ndim: int, n_in: int, n_inputs: int, n_out: int, stem: int) -> None:
        super().__init__()
        enlarged = max(8, n_in // 2)
        self.enlarge = TRANSPOSED[ndim](n_in, enlarged, stem, stem)
        self.refine = convolution(ndim, enlarged + n_inputs, n_out)

    def forward(self, x: Tensor, image: Tensor) -> Tensor:
        """Features (B, n_out, *spatial) of the image's shape."""
        result: Tensor = self.refine(torch.cat([self.enlarge(x), image], 1))
        return result


class UNetModule(Network):
    """Encoder, decoder and skips; with a stem of 2 the levels run at half resolution."""

    def __init__(
        self, ndim: int, n_inputs: int, n_outputs: int, width: int, levels: int, stem: int
    ) -> None:
        super().__init__()
        widths = [width * 2**level for level in range(levels)]
        self.pool = POOL[ndim](2)
        self.stem = convolution(ndim, n_inputs, width, stem)
        self.first = convolution(ndim, width, width)
        self.down = nn.ModuleList(
            double(ndim, n_in, n_out) for n_in, n_out in itertools.pairwise(widths)
        )
        pairs = list(zip(widths[1:], widths, strict=False))[::-1]
        self.up = nn.ModuleList(TRANSPOSED[ndim](n_in, n_out, 2, 2) for n_in, n_out in pairs)
        self.join = nn.ModuleList(double(ndim, 2 * n_out, n_out) for _, n_out in pairs)
        fine = max(16, width) if stem > 1 else width
        self.restore = Restore(ndim, width, n_inputs, fine, stem) if stem > 1 else None
        self.head = CONVOLUTION[ndim](
            fine, n_outputs, 3 if stem == 1 else 1, padding=int(stem == 1)
        )

    def parts(self) -> dict[Part, list[nn.Module]]:
        """The way down, the way up, and the last convolution."""
        levels = zip(self.up, self.join, strict=True)
        decoder: list[nn.Module] = [module for level in levels for module in level]
        if self.restore is not None:
            decoder.append(self.restore)
        encoder = [self.stem, self.first, *self.down]
        return {"encoder": encoder, "decoder": decoder, "head": [self.head]}

    def forward(self, image: Tensor) -> Tensor:
        """From (B, C, *spatial) to (B, K, *spatial)."""
        x = self.first(self.stem(image))
        skips = [x]
        for down in self.down:
            x = down(self.pool(x))
            skips.append(x)
        skips.pop()
        for up, join in zip(self.up, self.join, strict=True):
            x = join(torch.cat([up(x), skips.pop()], 1))
        if self.restore is not None:
            x = self.restore(x, image)
        result: Tensor = self.head(x)
        return result
