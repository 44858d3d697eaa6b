"""How long the window doesn't answer while strokes on a large layer are written.

Run under a screen. Pulses of the event loop are counted from a stroke's end until it is on disk.
The peer is the same window after the same stroke while nothing is written: what else is late. How
long it takes to notice which planes a stroke changed, in the stroke's own event, is told apart.
"""

import tempfile
import time
from pathlib import Path
from typing import Any

import napari
import numpy as np
from qtpy.QtWidgets import QApplication

from napari_nucleate.gui.launch import open_docks
from napari_nucleate.gui.session import Session, session_of
from napari_nucleate.project.store import Store
from stalls import Pulse

SHAPES = {"volume": (64, 1024, 1024), "flat": (4096, 4096)}
GOAL = 30


def autosave_stall_ms(quick: bool) -> dict[str, Any]:
    """The longest stall, in ms, after strokes on 64 × 1024 × 1024 and on 4096 × 4096 pixels."""
    strokes = 3 if quick else 12
    found = {name: _stalls(shape, strokes) for name, shape in SHAPES.items()}
    worst = {who: max(found["volume"][who]) for who in ("ours", "peer", "notice")}
    return {
        **worst,
        "goal": f"{GOAL} ms at most",
        "reached": worst["ours"] <= GOAL,
        "measured_on": f"{strokes} strokes on 64x1024x1024 pixels, until each is on disk; the peer "
        "is as long a time without writing",
        "strokes": found,
    }


def _stalls(shape: tuple[int, ...], strokes: int) -> dict[str, list[float]]:
    viewer = napari.Viewer()
    found: dict[str, list[float]] = {"ours": [], "peer": [], "seconds": [], "notice": []}
    with tempfile.TemporaryDirectory() as folder:
        session = session_of(viewer)
        open_docks(viewer)
        layer = viewer.add_image(np.zeros(shape, np.uint8), name="large")
        session.choose_layer(layer, "ZYX"[-len(shape) :], 3 if len(shape) == 3 else 2)
        session.store = Store(Path(folder) / "project")
        session.annotate()
        _stroke(session, 0)  # its file is made, and code loaded
        _settle(session)
        for number in range(1, strokes + 1):
            _stroke(session, number)
            found["notice"].append(_notice(session))
            began = time.perf_counter()
            found["ours"].append(_longest(lambda: not _idle(session)))
            found["seconds"].append(round(time.perf_counter() - began, 2))
            until = time.perf_counter() + found["seconds"][-1]
            found["peer"].append(_longest(lambda end=until: time.perf_counter() < end))
        session.close()
    viewer.close()
    return found


def _stroke(session: Session, number: int) -> None:
    """Paint as the brush does: some touches, one step of the layer's history."""
    layer = session.need_annotation()
    layer.brush_size, at = 20, 40 + 30 * number
    with layer.block_history():
        for x in range(60, 120, 5):
            layer.paint((*(50 + number,) * (layer.ndim - 2), at, x), number + 1)
    for _ in range(20):  # what painting itself costs isn't counted
        QApplication.processEvents()


def _notice(session: Session) -> float:
    """Milliseconds that all who listen take when they are told of the stroke once more."""
    layer = session.need_annotation()
    began = time.perf_counter()
    layer.events.paint(value=layer._undo_history[-1])  # noqa: SLF001
    return round(1000 * (time.perf_counter() - began), 1)


def _longest(goes_on: Any) -> float:
    pulse = Pulse()
    pulse.start()
    while goes_on() or len(pulse.rows) < 3:
        QApplication.processEvents()
        time.sleep(0.0005)
    return float(pulse.stop()["longest"])


def _idle(session: Session) -> bool:
    keeper = session.keeper
    return not (keeper._changed or keeper._copying or keeper._writing)  # noqa: SLF001


def _settle(session: Session) -> None:
    while not _idle(session):
        QApplication.processEvents()
