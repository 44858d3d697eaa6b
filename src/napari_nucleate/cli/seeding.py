"""Seeds from files: points in a table, or labels of the same images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_nucleate.cli.data import references, truth
from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.instances.evidence import outside, seeds_at
from napari_nucleate.io.points import PointTable, read_points
from napari_nucleate.io.read import pair

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_nucleate.core.images import ImageRef, NDim

    Region = tuple[slice, ...]


class LabelFileSeeds:
    """Labels with the names of the images, or of one stack; each label is a seed."""

    outside = 0

    def __init__(self, path: Path, refs: Sequence[ImageRef], ndim: NDim) -> None:
        self._seeds = {one.key: seeds for one, seeds in pair(refs, references(path, ndim))}

    def labels(self, ref: ImageRef, shape: tuple[int, ...], region: Region) -> NDArray[Any]:
        """Seeds of a region of an image; none where there is no file for it.

        Raises
        ------
        NucleateError
            If they are no labels.
        """
        seeds = self._seeds.get(ref.key)
        if seeds is None:
            return np.zeros(shape, np.int32)
        try:
            return truth(seeds)[region]
        except NucleateError as error:
            raise NucleateError(f"These seeds can't be used. {error}") from error


class PointFileSeeds:
    """Points of a table, each a seed.

    Raises
    ------
    NucleateError
        If the points' coordinates don't fit the images, or it can't be told which image they
        belong to.
    """

    def __init__(self, path: Path, refs: Sequence[ImageRef]) -> None:
        self._table: PointTable = read_points(path)
        ndim, walked = refs[0].ndim, len(refs[0].index)
        self._many = self._table.places.shape[1] == ndim + walked
        if self._table.places.shape[1] not in (ndim, ndim + walked):
            more = f", or {ndim + walked} with its place in the stack" if walked else ""
            raise NucleateError(
                f"{path} has points of {self._table.places.shape[1]} coordinates; an image has "
                f"{ndim}{more}."
            )
        names = self._table.images
        if names is None and len({id(ref.stack) for ref in refs}) > 1:
            raise NucleateError(
                f"{path} doesn't say which image its points are on; add a column image with names "
                f"such as {refs[0].key}."
            )
        known = {name for ref in refs for name in (ref.key, ref.stack.name)}
        unknown = sorted(set(names or ()) - known)
        if unknown:
            raise NucleateError(
                f"{path} has points on {unknown[0]}, and there is no such image; names are "
                f"{', '.join(sorted(ref.key for ref in refs)[:3])}{' …' * (len(refs) > 3)}."
            )
        lost = np.ones(len(self._table.places), bool)
        for ref in refs:
            on = np.flatnonzero(self._on(ref))
            lost[on] &= outside(self._table.places[on, -ndim:], ref.shape)
        self.outside = int(np.count_nonzero(lost))
        """So many lie in none of the images."""

    def labels(self, ref: ImageRef, shape: tuple[int, ...], region: Region) -> NDArray[Any]:
        """Seeds of a region of an image."""
        offset = tuple(part.start or 0 for part in region)
        return seeds_at(self._table.places[self._on(ref), -ref.ndim :], shape, offset)

    def _on(self, ref: ImageRef) -> NDArray[np.bool_]:
        """Which points belong to an image."""
        places = self._table.places
        on = np.ones(len(places), bool)
        if self._table.images is not None:
            on = np.isin(self._table.images, [ref.key, ref.stack.name])
        if self._many:
            for column, (_, at) in enumerate(ref.index):
                on &= np.round(places[:, column]) == at
        return on


FileSeeds = LabelFileSeeds | PointFileSeeds


def seeds_from(path: Path, refs: Sequence[ImageRef], ndim: NDim) -> FileSeeds:
    """Read seeds: points from a .csv, labels from anything else.

    Raises
    ------
    NucleateError
        If they can't be read or don't fit the images.
    """
    if path.suffix.lower() == ".csv":
        return PointFileSeeds(path, refs)
    return LabelFileSeeds(path, refs, ndim)
