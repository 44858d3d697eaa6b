"""Small pictures of images with the outlines of their objects, drawn beside the window."""

from __future__ import annotations

import time
from collections import Counter, OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, Qt, Signal
from qtpy.QtGui import QImage, QPixmap

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.instances.drawn import rims
from napari_nucleate.core.normalise import Normalisation
from napari_nucleate.gui.job import Job

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from numpy.typing import NDArray

SIDE = 240
"""Longest side of a thumbnail in pixels; shown smaller, to look sharp on dense screens too."""
OUTLINE = (255, 214, 64)
KEPT = 600
"""How many thumbnails stay in memory: about 100 MB."""
LONGEST_REST = 0.1
"""Seconds. After each thumbnail the thread rests as long as it drew, or as this at most."""
_TINTS = {
    1: ((1, 1, 1),),
    2: ((0, 1, 0), (1, 0, 1)),
    3: ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
}

Read = tuple["NDArray[Any]", "NDArray[np.int32] | None"]


@dataclass(frozen=True)
class Drawn:
    """The thumbnail of one image; `version` is that of the request."""

    key: str
    version: tuple[int, int]
    picture: NDArray[np.uint8] | None


class Thumbnails(QObject):
    """Draws thumbnails when they are asked for, the latest asked first, and keeps some.

    Parameters
    ----------
    read : callable
        Gives an image (C, *spatial) and its labels (*spatial) or None, by the image's name.
        Called in a thread.
    parent : QObject, optional

    Signals
    -------
    ready(str)
        The thumbnail of an image is another one now; ask for it again.
    """

    ready = Signal(str)

    def __init__(self, read: Callable[[str], Read], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._read = read
        self._job = Job(self)
        self._job.happened.connect(self._on_drawn)
        self._job.ended.connect(self._on_ended)
        self._kept: OrderedDict[str, QPixmap | None] = OrderedDict()
        self._wanted: OrderedDict[str, tuple[int, int]] = OrderedDict()
        # How often all was cleared, and how often each image was forgotten since.
        self._epoch, self._forgotten = 0, Counter[str]()

    def get(self, key: str) -> QPixmap | None:
        """The thumbnail of an image; None where it isn't drawn yet, and `ready` will tell."""
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        self._wanted[key] = self._version(key)
        self._wanted.move_to_end(key)
        # What was scrolled past long ago is not drawn.
        while len(self._wanted) > KEPT // 4:
            self._wanted.popitem(last=False)
        if not self._job.running:
            self._job.start("drawing thumbnails", self._draw)
        return None

    def forget(self, key: str) -> None:
        """The image is another now: its thumbnail is drawn anew when it is next asked for."""
        self._forgotten[key] += 1
        self._kept.pop(key, None)
        self.ready.emit(key)

    def clear(self) -> None:
        """Forget all: the images are others now."""
        self._epoch += 1
        self._forgotten.clear()
        self._kept.clear()
        self._wanted.clear()

    def close(self) -> None:
        """End the thread."""
        self._wanted.clear()
        self._job.close()

    def _version(self, key: str) -> tuple[int, int]:
        return self._epoch, self._forgotten[key]

    def _draw(self) -> Generator[Drawn, None, None]:
        while self._wanted:
            try:
                key, version = self._wanted.popitem()
            except KeyError:  # emptied by the GUI's side meanwhile
                return
            began = time.perf_counter()
            try:
                picture = draw(*self._read(key))
            except (NucleateError, OSError, KeyError):
                picture = None  # the image is gone, or its file damaged; an empty frame shows it
            yield Drawn(key, version, picture)
            # Threads of one Python take turns of 5 ms: a window that scrolls would wait at each.
            time.sleep(min(time.perf_counter() - began, LONGEST_REST))

    def _on_drawn(self, drawn: Drawn) -> None:
        if drawn.version != self._version(drawn.key):
            self.ready.emit(drawn.key)  # drawn too early; asked for again if it is in view
            return
        self._kept[drawn.key] = None if drawn.picture is None else _pixmap(drawn.picture)
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        self.ready.emit(drawn.key)

    def _on_ended(self) -> None:
        if self._wanted:
            self._job.start("drawing thumbnails", self._draw)


def draw(image: NDArray[Any], labels: NDArray[np.int32] | None, side: int = SIDE) -> Any:
    """Draw an image and the outlines of its objects, at most `side` pixels long. Pure.

    Parameters
    ----------
    image : ndarray, shape (C, Y, X) or (C, Z, Y, X)
        Volumes are shown as their brightest values along Z, up to three channels as colours,
        more as their mean.
    labels : ndarray of int32, shape (Y, X) or (Z, Y, X), optional
        Of volumes, those of the largest number along Z are outlined.

    Returns
    -------
    ndarray of uint8, shape (Y, X, 3)

    Examples
    --------
    >>> draw(np.zeros((1, 480, 240)), None).shape
    (240, 120, 3)
    """
    if image.ndim == 4:
        image = image.max(1)
        labels = None if labels is None else labels.max(0)
    factor = max(image.shape[-2:]) / side
    small = Normalisation().apply(_shrink(image, factor))
    small = small if len(small) in _TINTS else small.mean(0, keepdims=True)
    tints = np.array(_TINTS[len(small)], np.float32)  # (C, 3)
    # The power brings up what is faint, as a person would turn the gamma.
    colours = np.einsum("cyx,ck->yxk", small.clip(0, 1) ** 0.7, tints).clip(0, 1)
    picture = (colours * 235).astype(np.uint8)
    if labels is not None:
        at = [
            np.minimum((np.arange(n) + 0.5) * factor, m - 1).astype(int)
            for n, m in zip(picture.shape, labels.shape, strict=False)
        ]
        picture[rims(labels[np.ix_(*at)])] = OUTLINE
    return picture


def _shrink(image: NDArray[Any], factor: float) -> NDArray[np.float32]:
    """Means of small blocks, then every so many pixels; or pixels repeated to enlarge."""
    block = int(factor)
    values = image.astype(np.float32)
    if block > 1:
        rows, cols = (n // block * block for n in values.shape[-2:])
        shape = len(values), rows // block, block, cols // block, block
        values = values[:, :rows, :cols].reshape(shape).mean((2, 4))
    rest = factor / max(block, 1)
    sizes = [max(round(n / factor), 1) for n in image.shape[-2:]]
    at = [
        np.minimum((np.arange(n) + 0.5) * rest, m - 1).astype(int)
        for n, m in zip(sizes, values.shape[-2:], strict=True)
    ]
    return values[:, at[0][:, np.newaxis], at[1]]


def _pixmap(picture: NDArray[np.uint8]) -> QPixmap:
    picture = np.ascontiguousarray(picture)
    height, width = picture.shape[:2]
    image = QImage(picture.data, width, height, 3 * width, QImage.Format.Format_RGB888)
    return QPixmap.fromImage(image, Qt.ImageConversionFlag.AutoColor)
