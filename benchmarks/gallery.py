"""The Review dock with 2,000 predictions: how soon it is there, and how it scrolls.

Run under a screen, such as `xvfb-run -a`. Stalls are measured as in stalls.py; the peer is the same
window while nobody touches it. Thumbnails are drawn from files, none of them before.
"""

import multiprocessing
import os
import tempfile
import time
from typing import Any

import napari
import numpy as np
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication

import common
from napari_nucleate.core.confidence import Scores
from napari_nucleate.core.events import Prediction
from napari_nucleate.core.samples import NucleiSample
from napari_nucleate.gui.review import ReviewDock
from napari_nucleate.gui.session import session_of
from stalls import Pulse, run

EVERY = 20
"""Milliseconds between two steps of scrolling."""


def measured(count: int, seconds: float) -> dict[str, Any]:
    """Open the dock on so many predictions, wait, and scroll from end to end."""
    os.environ["NUCLEATE_HOME"] = tempfile.mkdtemp()
    sample = NucleiSample(count=1, size=128).make()
    image, labels = sample.images.data[0], sample.labels.data[0].astype(np.int32)
    viewer = napari.Viewer()
    viewer.window.resize(1500, 900)
    layer = viewer.add_image(
        np.broadcast_to(image, (count, *image.shape)), axis_labels=("n", "y", "x")
    )
    session = session_of(viewer)
    session.choose_layer(layer, "NYX", 2)
    _predict_all(session, labels)
    run(1)

    start = time.perf_counter()
    dock = ReviewDock(viewer)
    viewer.window.add_dock_widget(dock, name="Review")
    while dock.gallery.model().rowCount() < count or not dock.gallery.isVisible():
        QApplication.processEvents()
    dock.gallery.viewport().repaint()
    QApplication.processEvents()
    opened = time.perf_counter() - start

    run(2)
    pulse, bar = Pulse(), dock.gallery.verticalScrollBar()
    pulse.start()
    run(seconds / 2)
    still = pulse.stop()
    timer = QTimer()
    timer.setInterval(EVERY)

    def scroll() -> None:
        done = (time.perf_counter() - start) / seconds
        bar.setValue(round(bar.maximum() * min(done, 1.0)))

    timer.timeout.connect(scroll)
    start = time.perf_counter()
    pulse.start()
    timer.start()
    run(seconds + 1)
    timer.stop()
    scrolled = pulse.stop()
    end = bar.value() == bar.maximum()
    viewer.close()
    return {"opened": opened, "still": still, "scrolled": scrolled, "reached_the_end": end}


def _predict_all(session: Any, labels: np.ndarray) -> None:
    """Give each image a prediction, on disk as the program writes it."""
    maps = np.stack([labels == 0, labels > 0, np.zeros(labels.shape)]).astype(np.float16)
    rng = np.random.default_rng(0)
    items = []
    for item in session.state.items:
        confidence = float(rng.random())
        scores = Scores(confidence, {1: confidence}, "the network is unsure of the objects")
        session.store.save_prediction(Prediction(item.key, maps, labels, scores))
        items.append(item.model_copy(update={"status": "predicted", "confidence": confidence}))
    session.state = session.state.replace(*items)


def entries(count: int, seconds: float) -> dict[str, Any]:
    """What is measured, in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        found = pool.apply(measured, (count, seconds))
    on = f"{count} predictions of 128², scrolled from end to end in {seconds:g} s"
    return {
        "gallery_opens_seconds": {
            "ours": round(found["opened"], 3),
            "peer": None,
            "ratio": None,
            "goal": "1 s",
            "measured_on": on,
        },
        "gallery_stall_max_ms": {
            "ours": found["scrolled"]["longest"],
            "peer": found["still"]["longest"],
            "ratio": None,
            "goal": "50 ms",
            "measured_on": f"{on}; peer: nobody touches it",
            **found,
        },
    }


def main() -> None:
    options = common.arguments(__doc__)
    count, seconds = (200, 4) if options.quick else (2000, 20)
    common.finish(options, entries(count, seconds))


if __name__ == "__main__":
    main()
