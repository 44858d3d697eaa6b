"""How long the window doesn't answer while a network trains on the processor.

Run under a screen, such as `xvfb-run -a`. A timer in the event loop is to fire every 10 ms; a stall
is how late it does. The peer is the same window, looked at or used in the same way, while nothing
trains: what napari, Qt and software OpenGL cost by themselves. Each row is a process of its own,
measured from the click on Train on; what the click itself takes, to which napari's adding of the
layer of previews belongs, is told apart. A process that only sleeps, at the same time, tells what
a busy machine adds. Measured too is how soon after the click the first preview is shown, where
something was painted some seconds before. The last row trains in a thread of the window's process
instead of one of its own.
"""

import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from itertools import cycle
from typing import Any

import napari
import numpy as np
from qtpy.QtCore import QEventLoop, QPoint, QPointF, Qt, QTimer
from qtpy.QtGui import QWheelEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

import common
from napari_nucleate.core.events import Preview, Step
from napari_nucleate.core.recipe import Optimisation, Seconds
from napari_nucleate.core.samples import NucleiSample
from napari_nucleate.gui import session as sessions
from napari_nucleate.gui.launch import open_docks
from napari_nucleate.gui.warming import _warming

EVERY = 10
"""Milliseconds between two times that the timer is to fire."""


SLEEPER = """
import sys, threading, time
over, late = threading.Event(), []
threading.Thread(target=lambda: (sys.stdin.read(), over.set()), daemon=True).start()
while not over.is_set():
    start = time.perf_counter()
    time.sleep({every} / 1000)
    late.append(1000 * (time.perf_counter() - start) - {every})
late.sort()
print(round(late[int(0.99 * len(late))], 1), round(late[-1], 1))
"""
"""A process that only sleeps, 10 ms at a time: what it is late by is the machine's doing."""


class Pulse:
    """Notes how late a timer of the event loop fires, and how long the thread itself worked."""

    def __init__(self) -> None:
        self._timer = QTimer()
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setInterval(EVERY)
        self._timer.timeout.connect(self._beat)
        self.rows: list[tuple[float, float, float]] = []

    def start(self) -> None:
        """Begin anew."""
        self.rows = []
        self._last = time.perf_counter(), time.thread_time()
        self._timer.start()

    def _beat(self) -> None:
        now = time.perf_counter(), time.thread_time()
        late = max(0.0, now[0] - self._last[0] - EVERY / 1000)
        self.rows.append((now[0], late * 1000, (now[1] - self._last[1]) * 1000))
        self._last = now

    def stop(self) -> dict[str, float]:
        """Milliseconds; the work of the thread itself in the longest stall tells whose it is."""
        self._timer.stop()
        late = np.array(self.rows)[:, 1]
        worst = int(late.argmax())
        return {
            "p99": round(float(np.percentile(late, 99)), 1),
            "longest": round(float(late[worst]), 1),
            "own_work_of_longest": round(self.rows[worst][2], 1),
            "seconds": round(self.rows[-1][0] - self.rows[0][0], 1),
        }


class Hand:
    """Paints, zooms and moves the image, 20 small acts a second, by events of the mouse."""

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer
        self._canvas = viewer.window._qt_viewer.canvas.native  # noqa: SLF001
        self._acts = cycle([*self._stroke(), *self._wheel(), *self._move()])
        self._timer = QTimer()
        self._timer.setInterval(50)
        self._timer.timeout.connect(self._act)

    def start(self) -> None:
        """Act until `stop`."""
        self._timer.start()

    def stop(self) -> None:
        """Leave the mouse."""
        self._timer.stop()

    def _act(self) -> None:
        next(self._acts)()

    def _stroke(self) -> list[Any]:
        middle = self._canvas.rect().center()
        left = Qt.MouseButton.LeftButton
        places = [middle + QPoint(8 * i, 5 * (i % 3)) for i in range(12)]
        none = Qt.KeyboardModifier.NoModifier
        return [
            lambda: QTest.mousePress(self._canvas, left, none, places[0]),
            *(lambda at=at: QTest.mouseMove(self._canvas, at) for at in places[1:]),
            lambda: QTest.mouseRelease(self._canvas, left, none, places[-1]),
        ]

    def _wheel(self) -> list[Any]:
        return [lambda turn=turn: self._turn(turn) for turn in (120, 120, 120, -120, -120, -120)]

    def _turn(self, angle: int) -> None:
        at = QPointF(self._canvas.rect().center())
        event = QWheelEvent(
            at,
            self._canvas.mapToGlobal(at),
            QPoint(),
            QPoint(0, angle),
            Qt.MouseButton.NoButton,
            Qt.KeyboardModifier.NoModifier,
            Qt.ScrollPhase.NoScrollPhase,
            False,
        )
        QApplication.postEvent(self._canvas, event)

    def _move(self) -> list[Any]:
        return [lambda by=by: self._shift(by) for by in (6, 6, 6, 6, -6, -6, -6, -6)]

    def _shift(self, by: float) -> None:
        camera = self._viewer.camera
        z, y, x = camera.center
        camera.center = (z, y + by, x + by)


def run(seconds: float) -> None:
    loop = QEventLoop()
    QTimer.singleShot(round(1000 * seconds), loop.quit)
    loop.exec()


def window(count: int, seconds: float) -> tuple[Any, Any]:
    """A viewer with labelled images of 1024² and the docks, the Train dock in front."""
    sample = NucleiSample(count=1, size=1024).make()
    images, labels = (
        np.stack([np.rot90(stack.data[0], i) for i in range(count)])
        for stack in (sample.images, sample.labels)
    )
    viewer = napari.Viewer()
    layer = viewer.add_image(images, name="nuclei", axis_labels=("n", "y", "x"))
    dock = open_docks(viewer)["Train"]
    dock.parent().raise_()
    session = dock.session
    session.choose_layer(layer, "NYX", 2)
    session.annotate().data[:] = labels
    session.annotation.refresh()
    session.strokes.refresh()
    budget = Optimisation(budget=Seconds(value=seconds), device="cpu")
    session.set_recipe(session.state.recipe.model_copy(update={"optimisation": budget}))
    viewer.dims.set_point(0, 0)
    # Who trains has painted before: that has the process prepared.
    session.annotation.paint((0, 500, 500), 1)
    run(2)
    while any(warming.running for warming in _warming):
        run(0.5)
    return viewer, dock


def measured(kind: str, count: int, seconds: float) -> dict[str, Any]:
    """Stalls before and while training, for a person who looks on or is "acting"."""
    os.environ["NUCLEATE_HOME"] = tempfile.mkdtemp()
    viewer, dock = window(count, seconds)
    session = dock.session
    hand, pulse = Hand(viewer), Pulse()
    if kind == "no preview":
        session.eye.look = lambda: None
        session.eye._looked = None  # noqa: SLF001
    if kind == "acting":
        hand.start()
    if kind == "thread":
        sessions.possible = lambda: False
    pulse.start()
    run(seconds / 3)
    before = pulse.stop()

    steps, shown = [], []
    session.happened.connect(lambda e: steps.append(e) if isinstance(e, Step) else None)
    session.happened.connect(
        lambda e: shown.append(time.perf_counter()) if isinstance(e, Preview) else None
    )
    command = [sys.executable, "-c", SLEEPER.format(every=EVERY)]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    sleeper = subprocess.Popen(command, **pipes)
    run(0.5)
    clicked = time.perf_counter()
    QTest.mouseClick(dock.train, Qt.MouseButton.LeftButton)
    QApplication.processEvents()  # paints
    click = time.perf_counter() - clicked
    pulse.start()
    loop = QEventLoop()
    session.ended.connect(loop.quit)
    QTimer.singleShot(round(5000 * seconds), loop.quit)
    loop.exec()
    run(1)
    rows = pulse.rows
    after = pulse.stop()
    hand.stop()
    p99, longest = map(float, sleeper.communicate("over")[0].split())
    result = {
        "before": before,
        "training": after,
        "click": round(1000 * click, 1),
        "process_that_sleeps": {"p99": p99, "longest": longest},
        "steps": len(steps),
        "first_preview": round(shown[0] - clicked, 2) if shown else None,
        "worst": sorted(
            ([round(t - clicked, 2), round(late), round(own)] for t, late, own in rows),
            key=lambda row: -row[1],
        )[:8],
    }
    viewer.close()
    return result


def main() -> None:
    options = common.arguments(__doc__)
    count, seconds = (2, 20) if options.quick else (4, 60)
    entries: dict[str, Any] = {}
    # A process each: only the first training loads torch.
    for kind in ("looking on", "no preview", "acting", "thread"):
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            found = pool.apply(measured, (kind, count, seconds))
        for name, key, goal in (("p99", "p99", 50), ("max", "longest", 200)):
            ours, peer = found["training"][key], found["before"][key]
            suffix = "" if kind == "looking on" else "_" + kind.replace(" ", "_")
            entries[f"gui_stall_{name}_ms{suffix}"] = {
                "ours": ours,
                "peer": peer,
                "ratio": round(peer / max(ours, 1e-9), 2),
                "goal": f"{goal} ms",
                "measured_on": f"{kind}: {count} images of 1024², {seconds} s of training, default "
                f"network; peer: the same window while nothing trains",
                **found,
            }
        if kind == "looking on":
            entries["first_preview_seconds"] = {
                "ours": found["first_preview"],
                "peer": None,
                "ratio": None,
                "goal": "5 s",
                "measured_on": f"{count} images of 1024², default network, from the click on",
            }
        common.keep(options, entries)
    common.finish(options, entries)


if __name__ == "__main__":
    main()
