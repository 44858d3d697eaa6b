"""Whether confidence is what it says: of the objects given 0.9, nine in ten should be right."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from napari_nucleate.core.params import Params

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

BINS = 10


class Bin(Params):
    """Objects of nearly the same confidence."""

    said: float = Field(ge=0, le=1, description="Their mean confidence.")
    right: float = Field(ge=0, le=1, description="The share of them that is right.")
    count: int = Field(ge=1, description="How many they are.")


def reliability(likely: NDArray[np.float64], right: NDArray[np.bool_]) -> tuple[Bin, ...]:
    """Compare what was said of objects with what is true of them, in `BINS` steps of confidence.

    The reliability diagram of Niculescu-Mizil and Caruana (2005). Pure.

    Parameters
    ----------
    likely : ndarray of float, shape (n,)
        Confidences, 0 to 1.
    right : ndarray of bool, shape (n,)

    Returns
    -------
    tuple of Bin
        Those with objects, lowest confidence first.

    Examples
    --------
    >>> for one in reliability(np.array([0.9, 0.92, 0.1]), np.array([True, False, False])):
    ...     print(f"{one.said:.2f} {one.right:.2f} {one.count}")
    0.10 0.00 1
    0.91 0.50 2
    """
    where = np.minimum((likely * BINS).astype(int), BINS - 1)
    return tuple(
        Bin(
            said=float(likely[where == i].mean()),
            right=float(right[where == i].mean()),
            count=int(np.count_nonzero(where == i)),
        )
        for i in np.unique(where)
    )


def calibration_error(bins: Sequence[Bin]) -> float:
    """How far what was said is from what is true, on average over objects (ECE, Naeini 2015). Pure.

    Examples
    --------
    >>> bins = [Bin(said=0.9, right=0.8, count=3), Bin(said=0.5, right=0.5, count=1)]
    >>> round(calibration_error(bins), 3)
    0.075
    """
    total = sum(one.count for one in bins)
    return sum(one.count * abs(one.said - one.right) for one in bins) / max(total, 1)
