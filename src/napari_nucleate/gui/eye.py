"""What the person looks at, for the live preview."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_nucleate.core.events import Preview, Viewed
from napari_nucleate.core.images import SPATIAL
from napari_nucleate.gui.layers import corners_of

if TYPE_CHECKING:
    from napari_nucleate.core.images import ImageRef
    from napari_nucleate.gui.layers import LayerSource
    from napari_nucleate.gui.session import Session

LARGEST_PREVIEW = {2: 1024, 3: 128}
"""Longest side of the region previewed, in pixels, by the dimensions of an image."""

SECONDS_APART = 2.0
"""Nobody looks more often; where previews take long, the training spaces them further still."""


class Eye:
    """Tells a training what the person looks at. Asked in the training's thread.

    Parameters
    ----------
    session : Session
        Whose viewer and image are looked at.

    Attributes
    ----------
    normalisation : Normalisation
        That of the training.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._lock = threading.Lock()
        self._looked: tuple[ImageRef, tuple[slice, ...]] | None = None
        self.normalisation = session.state.recipe.normalisation
        self._next = 0.0
        # The limits of the image that was drawn last: reading all of it takes long.
        self._measured: tuple[Any, ...] = (None, None, None)

    def look(self) -> None:
        """Note the image in view and its visible part; on the GUI's side.

        Who hides or removes the layer of previews looks at none: the training has that time for
        itself.
        """
        session = self._session
        source, preview = session.source, session.preview
        seen = not session.life.gone("preview") if preview is None else preview.visible
        looked = None
        if source is not None and seen:
            ref = source.in_view(session.viewer)
            looked = ref, self._visible(source, ref)
        with self._lock:
            self._looked = looked

    def blank(self) -> Preview | None:
        """A preview in which nothing is seen yet; on the GUI's side."""
        if self._looked is None:
            return None
        ref, region = self._looked
        shape = [s.stop - s.start for s in region]
        offset = tuple(s.start for s in region)
        return Preview(0, ref.key, offset, np.zeros(shape, np.float32))

    def __call__(self) -> Viewed | None:
        """What to draw, or None while the last preview is fresh."""
        now = time.perf_counter()
        if now < self._next:
            return None
        with self._lock:
            looked = self._looked
        if looked is None:
            return None
        ref, region = looked
        stack, what, limits = self._measured
        if stack is not ref.stack or what != (ref.key, self.normalisation):
            # Of a part alone, an empty corner would be stretched until its noise looks like cells.
            what, limits = (ref.key, self.normalisation), self.normalisation.limits(ref.read())
            self._measured = ref.stack, what, limits
        self._next = now + SECONDS_APART
        return Viewed(ref.key, tuple(s.start for s in region), ref.read(region), limits)

    @staticmethod
    def _visible(source: LayerSource, ref: ImageRef) -> tuple[slice, ...]:
        """The middle of what is on the screen, at most `LARGEST_PREVIEW` a side."""
        layer, longest = source.layer, LARGEST_PREVIEW[source.ndim]
        corners = corners_of(layer)
        region = []
        for axis, size in zip(SPATIAL[source.ndim], ref.shape, strict=True):
            at = source.axes.index(axis)
            low, high = 0, size
            if size > longest:
                middle = int(corners[:, at].mean())
                low = int(np.clip(middle - longest // 2, 0, size - longest))
                high = low + longest
            region.append(slice(low, high))
        return tuple(region)
