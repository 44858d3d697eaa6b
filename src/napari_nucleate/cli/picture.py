"""The picture of a demo: image, truth and predictions, side by side."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_nucleate.core.normalise import Normalisation
from napari_nucleate.io.atomic import write_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

SIDE = 320
GAP = 12
TITLE = 34


@dataclass(frozen=True)
class Panel:
    """One image with what was found in it: titles and labels in columns."""

    name: str
    image: NDArray[Any]
    columns: Sequence[tuple[str, NDArray[np.int32]]]


def draw(path: Path, panels: Sequence[Panel]) -> None:
    """Write a PNG: a row a panel, first the image, then each column's labels in colour."""
    from PIL import Image, ImageDraw, ImageFont

    count = 1 + max(len(p.columns) for p in panels)
    width = GAP + count * (SIDE + GAP)
    height = GAP + len(panels) * (SIDE + TITLE + GAP)
    canvas = Image.new("RGB", (width, height), (24, 26, 30))
    pen = ImageDraw.Draw(canvas)
    font = ImageFont.load_default(16)
    for row, panel in enumerate(panels):
        top = GAP + row * (SIDE + TITLE + GAP)
        grey = plane(Normalisation().apply(panel.image).clip(0, 1).max(0))
        cells = [(panel.name, np.repeat(grey[..., None], 3, -1))]
        cells += [(title, coloured(grey, plane(labels))) for title, labels in panel.columns]
        for column, (title, pixels) in enumerate(cells):
            left = GAP + column * (SIDE + GAP)
            shown = Image.fromarray((pixels * 255).astype(np.uint8))
            shown.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
            scale = min(SIDE / shown.width, SIDE / shown.height)
            if scale > 1:
                size = (round(shown.width * scale), round(shown.height * scale))
                shown = shown.resize(size, Image.Resampling.BICUBIC)
            pen.text((left, top + 6), title[:38], fill=(225, 228, 232), font=font)
            canvas.paste(shown, (left, top + TITLE))
    drawn = io.BytesIO()
    canvas.save(drawn, "PNG")
    write_bytes(path, drawn.getvalue())


def plane(values: NDArray[Any]) -> NDArray[Any]:
    """Give a plane of an image: the middle one of a volume."""
    return values if values.ndim == 2 else values[len(values) // 2]


def coloured(grey: NDArray[np.float32], labels: NDArray[np.int32]) -> NDArray[np.float32]:
    """Paint labels over an image, each in a colour of its own with a bright outline."""
    from skimage.segmentation import find_boundaries

    ids = np.arange(int(labels.max(initial=0)) + 1)
    hue = (ids * 0.61803398875) % 1  # the golden ratio keeps neighbours' colours apart
    colours = np.stack([0.5 + 0.5 * np.cos(2 * np.pi * (hue + k / 3)) for k in range(3)], -1)
    colours[0] = 0
    paint = colours[labels].astype(np.float32)
    mixed = np.where(
        (labels > 0)[..., None], 0.55 * grey[..., None] + 0.45 * paint, grey[..., None]
    )
    outline = find_boundaries(labels, mode="inner")
    mixed[outline] = 0.25 + 0.75 * paint[outline]
    return mixed.clip(0, 1).astype(np.float32)
