"""Labels that a person corrects while a network learns from them: for a while they count more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

BATCHES = 50
"""For so many batches a correction is drawn more often: as long as averaged weights remember."""

SHARE = 0.5
"""Share of the patches, meanwhile, that have a corrected pixel near their middle."""


def changed(before: NDArray[np.int32] | None, now: NDArray[np.int32]) -> NDArray[np.intp]:
    """Where labels that are known now differ from those before. Pure.

    Parameters
    ----------
    before : ndarray of int32, shape (*spatial), or None
        Labels, -1 where they are unknown; None where all of the image was.
    now : ndarray of int32, same shape

    Returns
    -------
    ndarray of intp
        Flat indices.

    Examples
    --------
    >>> changed(np.array([-1, 0, 3, 3], np.int32), np.array([0, 0, -1, 4], np.int32))
    array([0, 3])
    """
    if before is None:
        return np.flatnonzero(now >= 0)
    return np.flatnonzero((now >= 0) & (now != before))


@dataclass(frozen=True)
class _Correction:
    """Corrected pixels of one image, and for how many batches they are still drawn more often."""

    key: str
    pixels: NDArray[np.intp]
    left: int


class Corrections:
    """What was corrected lately. Each correction is drawn equally often, whatever its size."""

    def __init__(self) -> None:
        self._lately: list[_Correction] = []

    def note(self, key: str, before: NDArray[np.int32] | None, now: NDArray[np.int32]) -> int:
        """Note what changed in an image; returns how many pixels that are known now did.

        Parameters
        ----------
        key : str
            The image's name.
        before, now : ndarray of int32, shape (*spatial)
            See `changed`.
        """
        pixels = changed(before, now)
        kept = []
        for one in self._lately:
            # What was corrected once and isn't known any more can't be learned from.
            there = one.pixels if one.key != key else one.pixels[now.ravel()[one.pixels] >= 0]
            if there.size:
                kept.append(_Correction(one.key, there, one.left))
        if pixels.size:
            kept.append(_Correction(key, pixels, BATCHES))
        self._lately = kept
        return int(pixels.size)

    def draw(self, rng: np.random.Generator) -> tuple[str, int] | None:
        """The image and the flat index of a corrected pixel, for `SHARE` of the patches.

        Where nothing was corrected lately, nothing is drawn from the generator either.
        """
        if not self._lately or rng.random() >= SHARE:
            return None
        one = self._lately[rng.integers(len(self._lately))]
        return one.key, int(one.pixels[rng.integers(len(one.pixels))])

    def age(self) -> None:
        """A batch was drawn."""
        self._lately = [
            _Correction(one.key, one.pixels, one.left - 1) for one in self._lately if one.left > 1
        ]
