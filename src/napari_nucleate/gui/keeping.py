"""Writing what the person painted and decided, soon after they did, in a thread."""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, QTimer, Signal

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.failures import reason
from napari_nucleate.gui.layers import boxes_of
from napari_nucleate.gui.notices import show_info, show_warning
from napari_nucleate.gui.viewpoint import noted
from napari_nucleate.project.model import HUMAN

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from numpy.typing import NDArray

    from napari_nucleate.core.images import ImageRef
    from napari_nucleate.gui.session import Session
    from napari_nucleate.project.model import State
    from napari_nucleate.project.store import Store

PAUSE, LATEST = 400, 1000
"""Milliseconds after the last stroke, or after the first that isn't written, until it is."""
AGAIN = 5000
"""Milliseconds after which what couldn't be written is tried again."""
BAND = 2**20
"""Pixels copied at once: a millisecond or two, in which the window doesn't answer."""


@dataclass(frozen=True)
class _Painted:
    """Copies of what is painted on an image: all of a flat one, by plane of a volume."""

    ref: ImageRef
    planes: dict[int, NDArray[Any]]

    def save(self, store: Store) -> None:
        """Write them; in a thread."""
        ref = self.ref
        if ref.ndim == 2:
            store.save_annotation(ref.key, self.planes[0], ref.spacing, ref.units)
        else:
            store.save_planes(ref.key, self.planes, ref.shape, ref.spacing, ref.units)


@dataclass(frozen=True)
class _Work:
    """What is to be written, as it was at one moment."""

    store: Store
    state: State
    painted: tuple[_Painted, ...]
    boxes: dict[str, Any] | None

    def save(self) -> None:
        """Write it; in a thread. Labels first: a state never tells of some that have no file."""
        for one in self.painted:
            one.save(self.store)
        if self.boxes is not None:
            self.store.save_boxes(self.boxes)
        self.store.save_state(self.state)


class Keeper(QObject):
    """Writes the state and the images painted on, a moment after the last change.

    Layers are copied on the GUI's side, a band of pixels at a time, and written in a thread; of a
    volume, only the planes that changed. Nothing is written before there is something to keep: a
    painted image, or a model.

    Parameters
    ----------
    session : Session
        Whose work is kept.

    Signals
    -------
    told
        `pending` or `failure` may be another now.
    """

    told = Signal()
    _written = Signal()

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._session = session
        # Planes painted on, by image; None: all of them.
        self._painted: dict[str, set[int] | None] = {}
        self._changed = self._boxes = False
        self._since: float | None = None
        self._copying: Iterator[_Work | None] | None = None
        self._writer = ThreadPoolExecutor(1, "nucleate-keeper")
        self._writing: list[tuple[_Work, Future[None]]] = []
        self._failure = ""
        self._timer = self._timed(self._begin)
        self._copier = self._timed(self._copy)
        self._written.connect(self._settle)

    @property
    def begun(self) -> bool:
        """Whether there is something to keep: somebody painted, or trained a model."""
        state = self._session.state
        return bool(state.rounds or self._painted or state.keys(*HUMAN))

    @property
    def pending(self) -> bool:
        """Whether something isn't written yet."""
        return self._changed or self._copying is not None or bool(self._writing)

    @property
    def failure(self) -> str:
        """Why what isn't written couldn't be; empty where nothing was tried in vain."""
        return self._failure

    def touch(self, *painted: str) -> None:
        """Note that the state changed, and which images were painted on, anywhere."""
        self._painted |= dict.fromkeys(painted)
        self._note(PAUSE)

    def touch_planes(self, key: str, planes: Iterable[int] | None) -> None:
        """Note which planes of an image were painted on; None: all of them."""
        known = self._painted.get(key, set())
        self._painted[key] = None if known is None or planes is None else {*known, *planes}
        self._note(PAUSE)

    def touch_boxes(self) -> None:
        """Note that boxes were drawn, moved or deleted."""
        self._boxes = True
        self._note(PAUSE)

    def forget(self) -> None:
        """Begin anew: another image is worked on. What wasn't written is still in its layer."""
        self._timer.stop()
        self._copier.stop()
        self._painted, self._since, self._copying = {}, None, None
        self._changed = self._boxes = False
        self._failure = ""
        self.told.emit()

    def flush(self) -> None:
        """Write what changed, now. What can't be written is said, and tried again."""
        self._session.strokes.catch_up()
        self._timer.stop()
        self._copier.stop()
        copying, self._copying = self._copying, None
        for step in (copying, self._work()):
            self._write(work for work in step or () if work is not None)
        wait([future for _, future in self._writing])
        self._settle()

    def finish(self) -> None:
        """Write what changed, and leave whole files behind: another project is worked on next.

        Raises
        ------
        NucleateError
            If something couldn't be written: it is in the layers only.
        """
        self.flush()
        if self._session.store.locked:
            return
        if self._failure:
            raise NucleateError(
                f"Not everything is saved yet ({self._failure.rstrip('.')}). Make it possible, or "
                "save the project elsewhere, with Save as; then go on."
            )
        try:
            self._session.store.join_planes()
        except NucleateError as error:
            show_warning(f"Not tidied up: {error}")  # the planes are there, and are read as well

    def close(self) -> None:
        """End the thread; nothing is written any more."""
        self.forget()
        self._writer.shutdown()

    # -- inside -------------------------------------------------------------------------

    def _timed(self, call: Any) -> QTimer:
        timer = QTimer(self)
        timer.setSingleShot(True)
        timer.timeout.connect(call)
        return timer

    def _note(self, pause: int) -> None:
        """Have it written after a pause; who paints without one doesn't wait for ever."""
        self._changed = True
        now = time.monotonic()
        self._since = now if self._since is None else self._since
        left = LATEST - round(1000 * (now - self._since))
        self._timer.start(max(0, min(pause, left)) if pause < LATEST else pause)
        self.told.emit()

    def _begin(self) -> None:
        if self._copying is not None or self._writing:
            self._timer.start(PAUSE)  # one after the other
            return
        self._copying = self._work()
        self._copy()

    def _copy(self) -> None:
        """Copy one band, and go on when the window had its turn."""
        if self._copying is None:
            return
        try:
            work = next(self._copying)
        except StopIteration:
            self._copying = None
            self.told.emit()
            return
        except Exception:
            self._copying = None
            raise
        if work is not None:
            self._write([work])
        self._copier.start(0)

    def _work(self) -> Iterator[_Work | None]:
        """Copy what changed, a band at a time, and give it then; nothing where nothing is kept."""
        session = self._session
        source = session.source
        # Layers that were removed come back: what wasn't written of them is still to be.
        layer, shapes = session.life.kept("annotation"), session.life.kept("boxes")
        if not self._changed or not self.begun or session.store.locked:
            return
        self._changed, self._since = False, None
        painted, moved = {}, self._boxes
        try:
            copies, boxes = [], None
            if layer is not None and source is not None:
                painted, self._painted = self._painted, {}
                data = layer.data  # the person may give the layer other pixels meanwhile
                for key, planes in sorted(painted.items()):
                    copied: dict[int, NDArray[Any]] = {}
                    for _ in _copied(data[source.place(session.ref(key))], planes, copied):
                        yield None
                    copies.append(_Painted(session.ref(key), copied))
            if moved and shapes is not None and source is not None:
                self._boxes, boxes = False, {}
                for ref in session.refs().values():
                    if drawn := boxes_of(shapes, source, ref):
                        boxes[ref.key] = drawn
                    yield None
        except Exception:
            self._try_again(painted, moved)
            raise
        yield _Work(session.store, noted(session.viewer, session.state), tuple(copies), boxes)

    def _try_again(self, painted: Mapping[str, Iterable[int] | None], boxes: bool) -> None:
        """Note again what wasn't written."""
        for key, planes in painted.items():
            self.touch_planes(key, planes)
        self._boxes |= boxes
        self._note(AGAIN)

    def _write(self, works: Iterable[_Work]) -> None:
        for work in works:
            try:
                future = self._writer.submit(work.save)
            except RuntimeError:  # Python ends: a script never closed the window
                future = _done(work)
            self._writing.append((work, future))
            future.add_done_callback(lambda _: self._written.emit())

    def _settle(self) -> None:
        """Note what could be written, and what couldn't."""
        done = [pair for pair in self._writing if pair[1].done()]
        self._writing = [pair for pair in self._writing if not pair[1].done()]
        unforeseen: BaseException | None = None
        for work, future in done:
            error = future.exception()
            if error is None:
                if self._failure and not self._painted:
                    self._failure = ""
                    show_info("Everything is saved again.")
                continue
            if work.store is self._session.store:
                painted = {one.ref.key: one.planes for one in work.painted}
                self._try_again(painted, work.boxes is not None)
            if str(error) != self._failure:  # said once, however often it is tried
                self._failure = str(error) or type(error).__name__
                # Why comes first: notices are cut where they are long, and paths are.
                cause = error.__cause__
                why = f"{reason(cause)}. " if isinstance(cause, OSError) else ""
                show_warning(f"Not saved: {why}{self._failure}")
            if not isinstance(error, NucleateError):
                unforeseen = error
        self.told.emit()
        if unforeseen is not None:
            raise unforeseen


def _done(work: _Work) -> Future[None]:
    """Write now; whether that worked, as a thread would tell it."""
    future: Future[None] = Future()
    try:
        work.save()
        future.set_result(None)
    except Exception as error:  # noqa: BLE001  # told to who looks at the result
        future.set_exception(error)
    return future


def _copied(
    image: NDArray[Any], planes: Iterable[int] | None, copied: dict[int, NDArray[Any]]
) -> Iterator[None]:
    """Copy planes of an image, all of a flat one, a band after the other."""
    volume = image if image.ndim == 3 else image[np.newaxis]
    whole = planes is None or image.ndim == 2
    for at in range(len(volume)) if planes is None or whole else sorted(planes):
        copied[at] = np.empty_like(volume[at])
        rows = max(1, BAND // volume.shape[-1])
        for y in range(0, volume.shape[-2], rows):
            copied[at][y : y + rows] = volume[at, y : y + rows]
            yield
