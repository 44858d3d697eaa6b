"""Splitting what is visible, again and again while parameters move; the newest request wins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, QTimer, Signal

from napari_nucleate.core.images import SPATIAL
from napari_nucleate.core.instances.drawn import outlines
from napari_nucleate.core.instances.evidence import astray
from napari_nucleate.gui.active import staying
from napari_nucleate.gui.job import Failed, Job
from napari_nucleate.gui.layers import corners_of
from napari_nucleate.gui.warming import SENTENCE, Preparing, preparing
from napari_nucleate.gui.widgets import follow

if TYPE_CHECKING:
    from collections.abc import Generator

    from napari import Viewer
    from napari.layers import Labels
    from numpy.typing import NDArray

    from napari_nucleate.core.images import ImageRef
    from napari_nucleate.core.instances import Splitter
    from napari_nucleate.gui.evidence import Evidence
    from napari_nucleate.gui.layers import LayerSource

NAME = "split (live)"
LARGEST = {2: (2048, 2048), 3: (32, 256, 256)}
"""Longest sides of the region split live, in pixels, by the dimensions of an image."""
MARGIN = 2
"""Pixels beyond the edge of what is visible that are split too; napari rounds it inwards."""
WAIT = 100
"""Milliseconds that the view must rest before the work starts; a new parameter needn't wait."""
EVERY = 4
"""Milliseconds between looks at whether the work is done."""


@dataclass(frozen=True)
class Request:
    """Split a region of an image."""

    evidence: Evidence
    splitter: Splitter
    ref: ImageRef
    region: tuple[slice, ...]


@dataclass(frozen=True)
class Answer:
    """What a request found.

    Parameters
    ----------
    request : Request
    drawn : ndarray of int32
        Of the region's shape: outlines in 2D, whole objects in 3D.
    count : int
        Objects.
    astray : int
        How many seeds are no help.
    """

    request: Request
    drawn: NDArray[np.int32]
    count: int
    astray: int


class Live(QObject):
    """Keeps a layer with the visible region split, while there is something to split.

    The layer belongs to the program: it is made, changed and removed here.

    Parameters
    ----------
    viewer : napari.Viewer
    parent : QObject, optional

    Signals
    -------
    waiting(str)
        Nothing can be split yet; the sentence says what is waited for. It goes on by itself.
    shown(int)
        The layer was redrawn, with so many objects.
    failed(str)
        The region can't be split; the sentence says why.
    dismissed
        The person removed the layer; nothing is split until `split` is called.
    """

    waiting = Signal(str)
    shown = Signal(int)
    failed = Signal(str)
    dismissed = Signal()

    def __init__(self, viewer: Viewer, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self.layer: Labels | None = None
        self._task: tuple[Evidence, Splitter] | None = None
        self._drawn_for: Evidence | None = None
        self._again = False
        self.astray = 0
        """How many seeds in the region lie outside the mask."""
        self.job = Job(self, every=EVERY)
        self.job.happened.connect(self._on_event)
        self.job.ended.connect(self._on_ended)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._start)
        for emitter in (viewer.dims.events.point, viewer.dims.events.order):
            follow(self, emitter, self._moved)
        for emitter in (viewer.scene.camera.events.center, viewer.scene.camera.events.zoom):
            follow(self, emitter, self._moved)
        follow(self, viewer.layers.events.removed, self._on_removed)

    def split(self, evidence: Evidence, splitter: Splitter, *, at_once: bool = False) -> None:
        """Split the visible region with these parameters, and again whenever it moves.

        While an earlier one is at work, the newest waits; those between are left out.

        Parameters
        ----------
        evidence : Evidence
        splitter : Splitter
        at_once : bool
            Whether the work starts before this returns: painting the form that was just edited
            takes longer than a timer's 0 ms. Otherwise more may change first.
        """
        self._task = evidence, splitter
        if at_once:
            self._timer.stop()
            self._start()
        else:
            self._timer.start(0)

    def end(self) -> None:
        """Stop, and remove the layer."""
        self._task = None
        self._timer.stop()
        self._remove()

    def close(self) -> None:
        """End the thread; the layer stays as it is, for the window closes."""
        self._task = None
        self._timer.stop()
        self.job.close()

    def _remove(self) -> None:
        layer, self.layer = self.layer, None
        if layer is not None and layer in self._viewer.layers:
            self._viewer.layers.remove(layer)

    def _moved(self, event: Any = None) -> None:
        del event
        if self._task is not None:
            self._timer.start(WAIT)

    def _start(self) -> None:
        if self._task is None:
            return
        if self.job.running:
            self._again = True
            return
        evidence, splitter = self._task
        ref = evidence.source.in_view(self._viewer)
        request = Request(evidence, splitter, ref, visible_region(evidence.source, self._viewer))

        def work() -> Generator[Preparing | Answer, None, None]:
            yield from preparing()
            maps = request.evidence.maps(request.ref, request.region)
            found = request.splitter.find(maps)
            # napari draws outlines too, but slowly, while the window waits.
            drawn = outlines(found.labels) if ref.ndim == 2 else found.labels
            yield Answer(request, drawn, len(found), astray(maps, request.splitter))

        self.job.start("live splitting", work)

    def _on_ended(self, ending: object) -> None:
        if isinstance(ending, Failed) and self._task is not None:
            self._remove()  # it shows what was split before
            self.failed.emit(ending.message)
        if self._again:
            self._again = False
            self._start()

    def _on_removed(self, event: Any) -> None:
        if event.value is self.layer:
            self.layer, self._task = None, None
            self.dismissed.emit()

    def _on_event(self, event: Preparing | Answer) -> None:
        if isinstance(event, Preparing):
            self.waiting.emit(SENTENCE)
        elif self._task is not None and self._task[0] is event.request.evidence:
            self._show(event)

    def _show(self, answer: Answer) -> None:
        request = answer.request
        source = request.evidence.source
        offset = tuple(part.start for part in request.region)
        values, geometry = source.expand(answer.drawn), source.geometry_at(request.ref, offset)
        if self._drawn_for is not request.evidence:
            self._remove()  # it may lie below what it is to be seen upon, or elsewhere
            self._drawn_for = request.evidence
        if self.layer is None:
            with staying(self._viewer):
                self.layer = self._viewer.add_labels(values, name=NAME, **geometry)
            self.layer.contour = 0 if source.ndim == 2 else 2
            self.layer.opacity = 1
            self.layer.editable = False
        else:
            self._redraw(self.layer, values, geometry["translate"])
        self.astray = answer.astray
        self.shown.emit(answer.count)

    def _redraw(self, layer: Labels, values: NDArray[Any], translate: Any) -> None:
        if layer.data.shape == values.shape:
            # In place: for a new array napari checks all dimensions and compiles its shaders anew.
            layer.data[...] = values
            layer.refresh(thumbnail=False, highlight=False, extent=False)
        else:
            layer.data = values
        if not np.array_equal(layer.translate, translate):
            layer.translate = translate


def visible_region(source: LayerSource, viewer: Viewer) -> tuple[slice, ...]:
    """The part of the image in view (*spatial) on the screen, at most `LARGEST` long."""
    layer, sizes = source.layer, source.in_view(viewer).shape
    corners = corners_of(layer)
    shown = [axis - (viewer.dims.ndim - layer.ndim) for axis in viewer.dims.displayed]
    point = np.asarray(layer.world_to_data(np.asarray(viewer.dims.point, float)[-layer.ndim :]))
    region = []
    for axis, longest, size in zip(SPATIAL[source.ndim], LARGEST[source.ndim], sizes, strict=True):
        at = source.axes.index(axis)
        low, high = int(corners[0, at]), int(corners[1, at]) + 1
        if at not in shown or not 0 <= low < high - 1 <= source.shape[at] or low >= size:
            low, high = 0, size
        low, high = max(low - MARGIN, 0), min(high + MARGIN, size)
        if high - low > longest:
            middle = (low + high) / 2 if at in shown else point[at]
            low = int(np.clip(middle - longest / 2, 0, size - longest))
            high = low + longest
        region.append(slice(low, high))
    return tuple(region)
