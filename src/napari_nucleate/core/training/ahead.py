"""The next batch is drawn while the network learns from the one before."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_nucleate.core.training.snapshot import Draws

if TYPE_CHECKING:
    import numpy as np

    from napari_nucleate.core.patches import Batch, Sampler


@dataclass(frozen=True)
class _Next:
    """A batch in the making, and where the random generator was before it was chosen."""

    size: int
    before: Draws
    batch: Future[Batch]


class Ahead:
    """Batches of a sampler, one ahead, by a thread beside; the same ones as without it.

    What is drawn is chosen here, in the caller's thread: the other only cuts and augments, so that
    the generator's draws don't depend on which of the two is faster.

    Parameters
    ----------
    sampler : Sampler
    rng : numpy.random.Generator
        The sampler's. Nothing else may draw from it.
    """

    def __init__(self, sampler: Sampler, rng: np.random.Generator) -> None:
        self._sampler, self._rng = sampler, rng
        self._thread = ThreadPoolExecutor(1, "next batch")
        self._next: _Next | None = None

    @property
    def draws(self) -> Draws:
        """The generator's state as if nothing were drawn ahead."""
        return self._next.before if self._next is not None else Draws.of(self._rng)

    def batch(self, size: int) -> Batch:
        """Take a batch of so many patches, and begin to draw one of the same size."""
        if self._next is not None and self._next.size != size:
            self.forget()
        taken, self._next = self._next or self._begun(size), None
        batch = taken.batch.result()
        self._sampler.age()
        self._next = self._begun(size)
        return batch

    def forget(self) -> None:
        """Draw anew what was drawn ahead: labels change now, or there is less memory."""
        if self._next is not None:
            self._next.batch.cancel()
            self._next.before.put(self._rng)
            self._next = None

    def close(self) -> None:
        """End the thread; `batch` can't be called any more."""
        self.forget()
        self._thread.shutdown(cancel_futures=True)

    def _begun(self, size: int) -> _Next:
        before = Draws.of(self._rng)
        chosen = self._sampler.choose(size)
        return _Next(size, before, self._thread.submit(self._sampler.draw, chosen))
