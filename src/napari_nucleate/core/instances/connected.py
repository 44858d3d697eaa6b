"""Connected pieces of a mask, of its foreground or of its background."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Pieces:
    """The connected pieces 0..n-1 of a mask, in the order of the image.

    Kept as runs of pixels along X, which are few, instead of an image of labels.

    Parameters
    ----------
    shape : tuple of int
        Of the mask, (Y, X) or (Z, Y, X).
    first : ndarray of int64, shape (rows + 1,)
        Where the runs of each row begin in the lists, and the last ones end.
    begin, end : ndarray of int32
        The first X of each run, and the one after its last.
    piece : ndarray of int32
        The piece of each run.
    n : int
        How many pieces there are.
    """

    shape: tuple[int, ...]
    first: NDArray[np.int64] = field(repr=False)
    begin: NDArray[np.int32] = field(repr=False)
    end: NDArray[np.int32] = field(repr=False)
    piece: NDArray[np.int32] = field(repr=False)
    n: int

    def __len__(self) -> int:
        return self.n

    def sizes(self) -> NDArray[np.int64]:
        """Pixels of each piece."""
        sizes: NDArray[np.int64] = np.bincount(
            self.piece, self.end - self.begin, minlength=self.n
        ).astype(np.int64)
        return sizes

    def at_edge(self) -> NDArray[np.bool_]:
        """Whether each piece reaches the edge of the image."""
        rows, cols = self.shape[-2:]
        row = np.repeat(np.arange(len(self.first) - 1), np.diff(self.first))
        edge = (self.begin == 0) | (self.end == cols) | np.isin(row % rows, (0, rows - 1))
        if len(self.shape) == 3:
            edge |= np.isin(row // rows, (0, self.shape[0] - 1))
        reaches = np.zeros(self.n, bool)
        reaches[self.piece[edge]] = True
        return reaches

    def pixels(self, number: NDArray[np.int32]) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """List the pixels of some pieces.

        Parameters
        ----------
        number : ndarray of int32, shape (n,)
            A number for each piece; those of 0 are left out.

        Returns
        -------
        flat : ndarray of int64
            Flat indices of the mask, rising.
        numbers : ndarray of int32
            The number of each.
        """
        from napari_nucleate.core.instances import _piece_kernels as kernels

        return kernels.chosen(
            self.first, self.begin, self.end, self.piece, number, max(self.shape[-1], 1)
        )

    def labels(self, number: NDArray[np.int32] | None = None) -> NDArray[np.int32]:
        """Draw the pieces.

        Parameters
        ----------
        number : ndarray of int32, shape (n,), optional
            What each piece is drawn with; 1..n by default.

        Returns
        -------
        ndarray of int32, shape of the mask
            0 where no piece is.
        """
        flat, numbers = self.pixels(
            np.arange(1, self.n + 1, dtype=np.int32) if number is None else number
        )
        labels = np.zeros(self.shape, np.int32)
        labels.reshape(-1)[flat] = numbers
        return labels


def numbered(kept: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Number what is kept 1..m in its order; 0 for the rest. Pure.

    Examples
    --------
    >>> numbered(np.array([True, False, True]))
    array([1, 0, 2], dtype=int32)
    """
    return np.where(kept, np.cumsum(kept), 0).astype(np.int32)


def connected(mask: NDArray[np.bool_], *, of: bool = True, corners: bool = False) -> Pieces:
    """Find the connected pieces of a mask. Pure.

    Parameters
    ----------
    mask : ndarray of bool, shape (Y, X) or (Z, Y, X)
    of : bool
        False finds the pieces of the background.
    corners : bool
        Whether pixels that meet only at a corner or an edge are connected.

    Returns
    -------
    Pieces

    Examples
    --------
    >>> connected(np.array([[True, False, True], [True, False, False]])).labels()
    array([[1, 0, 2],
           [1, 0, 0]], dtype=int32)
    """
    from napari_nucleate.core.instances import _piece_kernels as kernels

    rows, cols = mask.shape[-2:]
    flat = np.ascontiguousarray(mask).reshape(-1, cols) if cols else np.zeros((0, 0), bool)
    found = kernels.runs(flat, of)
    piece, n = kernels.pieces(*found, max(rows, 1), corners)
    return Pieces(mask.shape, *found, piece, int(n))
