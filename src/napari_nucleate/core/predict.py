"""Run a model over images of any size."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, TypeVar

import numpy as np
from pydantic import Field

from napari_nucleate.core.confidence import Confidence, score
from napari_nucleate.core.errors import MemoryRanOutError, NucleateError
from napari_nucleate.core.events import PredictEvent, Prediction, Tile
from napari_nucleate.core.failures import is_out_of_memory
from napari_nucleate.core.metrics import mutual_agreement
from napari_nucleate.core.params import Params
from napari_nucleate.core.zoom import LEAST, MOST, resized, zoomed_shape

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Sequence

    import torch
    from numpy.typing import NDArray
    from torch import nn

    from napari_nucleate.core.model import Model
    from napari_nucleate.core.recipe import Recipe


Result = TypeVar("Result")


class Source(Protocol):
    """An image that is read when its turn comes."""

    @property
    def key(self) -> str:
        """The image's name."""

    def read(self) -> NDArray[Any]:
        """Pixels of shape (C, Y, X) or (C, Z, Y, X)."""


class CalibratedSource(Source, Protocol):
    """A source that knows the size of its pixels."""

    @property
    def spacing(self) -> tuple[float, ...]:
        """Pixel size along (Z,) Y, X."""

    @property
    def units(self) -> tuple[str, ...]:
        """Units of the spacing."""


VIEWS = tuple((turns, mirrored) for mirrored in (False, True) for turns in range(4))
"""Quarter turns, and whether mirrored then, in the order in which views are added."""

COMPARED = 2
"""The first views are compared, to see what comes out the same."""

ZOOMS = (0.5, 2.0)
"""Other sizes at which an image is looked at. Of images of dsb2018_fluo, predicted by a network of
four others, the surest of three sizes has a mean AP of 0.63 (AP@0.5 0.81), the usual one 0.62
(0.78)."""

TRUSTED = 0.8
"""Where an image's confidence is as high, other sizes have nothing to add."""

SURER = 1.04
"""So many times as high must an image's confidence be, for another size to be taken."""

ALIKE = 0.6
"""Another size has to find about the same, by the mean IoU of its objects with those of the usual
one, and the other way round. Magnified, fragments come out alike in both views, too, and were
taken: in phase contrast (four images, 1,000 steps) 0.76 of the objects of confidence 0.8 and more
were right; at one size, and so, 0.93."""

SEEN = 0.5
"""Where no object of the usual size is as sure, there is nothing that another has to find again."""

FOUND = 0.5
"""Where nothing is found at its own size, this high: specks are found at any."""

MOST_VALUES = 2e8
"""Larger copies of an image are not looked at: that many numbers in its maps are a gigabyte."""

SMALLEST = 128
"""Side of the smallest tile, in pixels; what lies around it is seen, too."""

SHALLOWEST = 8
"""Planes of the thinnest tile."""


class Tiling(Params):
    """How images are handed to the network."""

    side: int = Field(1024, ge=32, le=8192, description="Side of a tile in pixels, 2D.")
    side_3d: int = Field(192, ge=32, le=1024, description="Side of a tile in pixels, 3D.")
    depth: int = Field(64, ge=8, le=1024, description="Planes of a tile, 3D.")
    views: Literal[1, 2, 4, 8] = Field(
        1,
        description="Predict so many turned and mirrored copies of an image and take the mean: "
        "slower, and a little better. Confidence takes two at least.",
    )
    zooms: bool = Field(
        False,
        description="Look at images whose masks can't be trusted at half and at twice their size, "
        "too, and keep what can be trusted most: for objects of very different sizes, in flat "
        "images. Up to six times slower.",
    )

    def shape(self, ndim: int) -> tuple[int, ...]:
        """Shape of a tile without its surroundings."""
        return (self.side,) * 2 if ndim == 2 else (self.depth, self.side_3d, self.side_3d)

    def halved(self) -> Tiling | None:
        """Tiles of half the side; None where they are as small as is sensible. Pure."""
        update = {
            "side": max(min(self.side, SMALLEST), self.side // 2),
            "side_3d": max(min(self.side_3d, SMALLEST // 2), self.side_3d // 2),
            "depth": max(min(self.depth, SHALLOWEST), self.depth // 2),
        }
        result = self.model_copy(update=update)
        return None if result == self else result


@dataclass(frozen=True)
class Piece:
    """Where a tile is read, and which part of the result it is responsible for."""

    read: tuple[slice, ...]
    keep: tuple[slice, ...]
    write: tuple[slice, ...]


def pieces(shape: tuple[int, ...], tile: tuple[int, ...], halo: int, multiple: int) -> list[Piece]:
    """Cut a shape into tiles with surroundings.

    Tiles begin at multiples of `multiple`, so that pooling falls on the same pixels as in the
    whole image, and see `halo` pixels beyond their part: the network sees all it would.

    Parameters
    ----------
    shape : tuple of int
        Spatial shape, sides divisible by `multiple`.
    tile : tuple of int
        Side of the part of each tile that is kept.
    halo, multiple : int
        Properties of the architecture; `halo` is divisible by `multiple`.
    """
    axes = []
    for n, side in zip(shape, tile, strict=True):
        step = max(side // multiple, 1) * multiple
        spans = []
        for start in range(0, n, step):
            stop = min(start + step, n)
            low, high = max(start - halo, 0), min(stop + halo, n)
            spans.append((slice(low, high), slice(start - low, stop - low), slice(start, stop)))
        axes.append(spans)
    return [Piece(*zip(*spans, strict=True)) for spans in itertools.product(*axes)]


def predict(
    model: Model,
    sources: Iterable[Source],
    *,
    tiling: Tiling | None = None,
    confidence: Confidence | None = None,
    device: str = "auto",
) -> Generator[PredictEvent, None, None]:
    """Predict images one after the other.

    Where memory runs out, an image is predicted again in smaller tiles, and so are those to come.

    Parameters
    ----------
    model : Model
    sources : iterable of Source
        Read one at a time.
    tiling : Tiling, optional
    confidence : Confidence, optional
        How predictions are scored.
    device : str
        See `choose_device`.

    Yields
    ------
    Tile
        After each tile.
    Prediction
        After each image.

    Raises
    ------
    NucleateError
        If an image's channels or dimensions aren't the model's, or memory runs out in the smallest
        tiles.
    """
    from napari_nucleate.core.device import choose_device

    where, recipe = choose_device(device), model.recipe
    looker = Looker(model.predictor(where), model, where, tiling, confidence)
    for source in sources:
        image = checked(source.read(), recipe, source.key)
        yield (yield from looker.surest(source.key, recipe.normalisation.apply(image)))


class Looker:
    """A network that looks at one image after the other.

    Parameters
    ----------
    network : torch.nn.Module
        To predict with.
    model : Model
        Its recipe, and how far its confidence can be trusted.
    device : torch.device
    tiling : Tiling, optional
    confidence : Confidence, optional
    """

    def __init__(
        self,
        network: nn.Module,
        model: Model,
        device: torch.device,
        tiling: Tiling | None = None,
        confidence: Confidence | None = None,
    ) -> None:
        self._network, self._recipe, self._device = network, model.recipe, device
        self._tiling = tiling or Tiling()
        self._compare = (confidence or Confidence()).agreement
        self._trust = None if model.recipe.target.semantic else model.card.trust

    def surest(self, key: str, pixels: NDArray[np.float32]) -> Generator[Tile, None, Prediction]:
        """Predict a normalised image at its own size, and where that helps at others."""
        best = usual = yield from self._look(key, pixels, 1.0)
        if not self._tiling.zooms or best.scores.image >= TRUSTED:
            return best
        least = best.scores.image * SURER if best.scores.objects else FOUND
        for zoom in self._others(pixels.shape[1:]):
            try:
                other = yield from self._look(key, pixels, zoom)
            except MemoryRanOutError:
                break  # at its own size it was enough
            if other.scores.image > least and _alike(other, usual):
                best, least = other, other.scores.image
        return best

    def _others(self, shape: Sequence[int]) -> list[float]:
        """The other sizes at which an image of this shape can be looked at."""
        recipe = self._recipe
        if not recipe.flat_objects:
            return []
        values = math.prod(shape) * recipe.target.n_maps * recipe.zoom**2
        return [
            zoom
            for zoom in ZOOMS
            if LEAST <= recipe.zoom * zoom <= MOST and values * zoom**2 <= MOST_VALUES
        ]

    def _look(
        self, key: str, pixels: NDArray[np.float32], zoom: float
    ) -> Generator[Tile, None, Prediction]:
        """Predict at one size; in smaller tiles from now on, where memory runs out."""
        target = self._recipe.target
        while True:
            run = _Run(
                self._network, self._recipe, self._device, self._tiling, key, self._compare, zoom
            )
            try:
                maps = yield from run.maps(pixels)
                break
            except MemoryRanOutError:
                less = self._tiling.halved()
                if less is None:
                    raise
                self._tiling = less
        found = target.find(maps)
        labels = target.decode(maps) if found is None else found.labels
        seen = None if self._trust is None else pixels
        diameter = self._recipe.diameter if self._recipe.flat_objects else 0.0
        alone = run.compared(labels)
        scores = score(target.maps(maps), labels, alone, self._trust, seen, diameter)
        return Prediction(key, in_half(maps), labels, scores, found)


def _alike(other: Prediction, usual: Prediction) -> bool:
    """Whether another size finds about the same, see `ALIKE` and `SEEN`. Pure."""
    if max(usual.scores.objects.values(), default=0) < SEEN:
        return True
    found = [i for one in mutual_agreement(other.labels, usual.labels) for i in one.values()]
    return sum(found) >= ALIKE * len(found)


def in_half(maps: NDArray[np.float32]) -> NDArray[np.float16]:
    """The same in half precision; numpy takes thirty times as long. Pure."""
    import torch

    halves: NDArray[np.float16] = torch.from_numpy(maps).half().numpy()
    return halves


def predict_maps(
    network: nn.Module,
    recipe: Recipe,
    pixels: NDArray[np.float32],
    device: torch.device,
    tiling: Tiling | None = None,
) -> NDArray[np.float32]:
    """Predict one normalised image (C, *spatial) at once; maps (K, *spatial)."""
    return through(_Run(network, recipe, device, tiling or Tiling(), "").maps(pixels))


def predict_averaged(
    network: nn.Module,
    recipe: Recipe,
    pixels: NDArray[np.float32],
    device: torch.device,
    tiling: Tiling | None = None,
) -> NDArray[np.float32]:
    """The same by the mean of two views: the maps of `predict_compared`, without any labels."""
    both = (tiling or Tiling()).model_copy(update={"views": COMPARED})
    return predict_maps(network, recipe, pixels, device, both)


class Compared(NamedTuple):
    """What two views of an image give.

    Parameters
    ----------
    maps : ndarray of float32, shape (K, *spatial)
    labels : ndarray of int32, shape (*spatial)
        Decoded from them.
    alone : sequence of two ndarray of int32, each of shape (*spatial)
        What each view gives by itself, turned back.
    pixels : ndarray of float32, shape (C, *spatial)
        The image, normalised.
    """

    maps: NDArray[np.float32]
    labels: NDArray[np.int32]
    alone: Sequence[NDArray[np.int32]]
    pixels: NDArray[np.float32]


def predict_compared(
    network: nn.Module,
    recipe: Recipe,
    pixels: NDArray[np.float32],
    device: torch.device,
    tiling: Tiling | None = None,
) -> Compared:
    """Predict one normalised image by two views, and what each gives alone."""
    run = _Run(network, recipe, device, tiling or Tiling(), "", compare=True)
    maps = through(run.maps(pixels))
    labels = recipe.target.decode(maps)
    return Compared(maps, labels, run.compared(labels), pixels)


def through(steps: Generator[Tile, None, Result]) -> Result:
    """Drain steps; what they return."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: Result = end.value
            return result


def checked(image: NDArray[Any], recipe: Recipe, key: str) -> NDArray[Any]:
    """Return the image if it has the recipe's dimensions and channels.

    Raises
    ------
    NucleateError
        Naming what differs.
    """
    if image.ndim != recipe.ndim + 1:
        raise NucleateError(
            f"{key} is a {image.ndim - 1}D image {image.shape[1:]} but the model is {recipe.ndim}D."
        )
    if len(image) != recipe.channels:
        raise NucleateError(
            f"{key} has {len(image)} channel(s) but the model was trained on {recipe.channels}; "
            "choose images with the same channels."
        )
    if not image.size:
        raise NucleateError(f"{key} is empty: its shape is {image.shape}.")
    return image


class _Run:
    """One image on its way through a network."""

    def __init__(
        self,
        network: nn.Module,
        recipe: Recipe,
        device: torch.device,
        tiling: Tiling,
        key: str,
        compare: bool = False,
        zoom: float = 1.0,
    ) -> None:
        self._network = network
        self._recipe = recipe
        self._zoom = recipe.zoom * zoom
        self._again = zoom != 1
        self._device = device
        self._tiling = tiling
        self._key = key
        self._compare = compare
        # Where maps can't be turned back, labels can: such views are compared, but not averaged.
        self._averaged = recipe.target.turns(recipe.ndim)
        views = tiling.views if self._averaged else 1
        self._views = VIEWS[: max(views, COMPARED if compare else 1)]
        # Without a mean, the first view's labels are those of the whole, and decoded once.
        compared = self._views[:COMPARED] if compare else ()
        self._decoded = compared if self._averaged else compared[1:]
        self._done = 0
        self._alone: list[NDArray[np.int32]] = []

    def maps(self, pixels: NDArray[np.float32]) -> Generator[Tile, None, NDArray[np.float32]]:
        """Predict all tiles of all views, yielding after each, and return maps (K, *spatial)."""
        mean = yield from self._seen(pixels, *self._views[0])
        for turns, mirrored in self._views[1:]:
            seen = yield from self._seen(pixels, turns, mirrored)
            if self._averaged:
                mean += seen
        if self._averaged:
            mean /= np.float32(len(self._views))
        return mean

    def _seen(
        self, pixels: NDArray[np.float32], turns: int, mirrored: bool
    ) -> Generator[Tile, None, NDArray[np.float32]]:
        """Predict one view, note its labels, and turn its maps back where that can be done."""
        target, view = self._recipe.target, np.rot90(pixels, turns, (-2, -1))
        drawn = yield from self._view(view[..., ::-1] if mirrored else view)
        if (turns, mirrored) in self._decoded:
            self._alone.append(np.rot90(target.decode(drawn), -turns, (-2, -1)))
        return target.seen(drawn, turns, mirrored) if self._averaged else drawn

    def compared(self, labels: NDArray[np.int32]) -> Sequence[NDArray[np.int32]]:
        """Labels of the views that are compared, one by one, turned back; none where none are.

        Parameters
        ----------
        labels : ndarray of int32, shape (*spatial)
            Decoded from the maps: where these are no mean, they are those of the first view.
        """
        return self._alone if self._averaged or not self._compare else [labels, *self._alone]

    def _view(self, pixels: NDArray[np.float32]) -> Generator[Tile, None, NDArray[np.float32]]:
        """Predict one view at the size of objects that the network knows."""
        shape, zoom = pixels.shape[1:], self._zoom
        if zoom == 1:
            return (yield from self._tiles(pixels))
        drawn = yield from self._tiles(resized(pixels, zoomed_shape(shape, zoom)))
        return self._recipe.target.rescaled(resized(drawn, shape), 1 / zoom)

    def _tiles(self, pixels: NDArray[np.float32]) -> Generator[Tile, None, NDArray[np.float32]]:
        """Predict all tiles of one view of the image."""
        recipe, architecture = self._recipe, self._recipe.architecture
        shape = pixels.shape[1:]
        n = architecture.multiple
        padded = np.pad(pixels, [(0, 0), *((0, -side % n) for side in shape)], mode="symmetric")
        cut = pieces(padded.shape[1:], self._tiling.shape(recipe.ndim), architecture.halo, n)
        result = np.empty((recipe.target.n_maps, *padded.shape[1:]), np.float32)
        for piece in cut:
            drawn = self._draw(np.ascontiguousarray(padded[(slice(None), *piece.read)]))
            result[(slice(None), *piece.write)] = drawn[(slice(None), *piece.keep)]
            self._done += 1
            total = len(self._views) * len(cut)
            # Whoever shows how far it is has seen all of the image after the first look.
            yield Tile(self._key, total if self._again else self._done, total)
        return result[(slice(None), *(slice(side) for side in shape))]

    def _draw(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        import torch

        from napari_nucleate.core.device import autocast, let_go

        try:
            with torch.inference_mode(), autocast(self._device):
                image = torch.from_numpy(pixels)[None].to(self._device)
                maps = self._recipe.target.activate(self._network(image).float())
                drawn: NDArray[np.float32] = maps[0].cpu().numpy()
                return drawn
        except (RuntimeError, MemoryError) as error:
            if is_out_of_memory(error):
                let_go(self._device)
                raise MemoryRanOutError(
                    f"Memory ran out while predicting {self._key} in tiles of {pixels.shape[1:]}; "
                    "close other programs, or train a thinner network."
                ) from error
            raise
