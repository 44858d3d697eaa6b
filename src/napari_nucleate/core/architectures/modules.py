"""The pieces of networks, in two and three dimensions. The only file here that loads torch."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn

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


class UNetModule(nn.Module):
    """Encoder, decoder and skips; with a stem of 2 the levels run at half resolution.

    Then a thin full-resolution skip keeps outlines sharp: it costs a tenth of the time.
    """

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
        self.sharp: nn.Module | None = None
        last = width
        if stem > 1:
            fine = max(8, width // 4)
            self.sharp = convolution(ndim, n_inputs, fine)
            self.restore = TRANSPOSED[ndim](width, fine, stem, stem)
            self.blend = convolution(ndim, 2 * fine, 2 * fine)
            last = 2 * fine
        self.head = CONVOLUTION[ndim](last, n_outputs, 1)

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
        if self.sharp is not None:
            x = self.blend(torch.cat([self.restore(x), self.sharp(image)], 1))
        result: Tensor = self.head(x)
        return result
