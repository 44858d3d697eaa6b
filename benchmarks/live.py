"""How soon a moved threshold is seen: from the form's change to the redrawn layer in napari.

Run under a screen, such as `xvfb-run -a`. The peer is the time that scikit-image's pipeline
(distance transform, peaks, watershed) takes for the same view, before anything is drawn.
"""

import statistics
import time
from typing import Any

import napari
import numpy as np
from qtpy.QtCore import QEventLoop, QTimer
from qtpy.QtWidgets import QApplication
from scipy import ndimage as ndi
from skimage.feature import peak_local_max
from skimage.segmentation import watershed

import common
from napari_nucleate.core.instances import StarConvex, Watershed, from_mask_like
from napari_nucleate.gui.launch import open_docks
from scenes import imperfect, nuclei


def peer(probability: np.ndarray) -> float:
    start = time.perf_counter()
    mask = probability > 0.5
    distance = ndi.gaussian_filter(ndi.distance_transform_edt(mask), 1)
    peaks = peak_local_max(distance, min_distance=5, labels=mask, exclude_border=False)
    markers = np.zeros(mask.shape, np.int32)
    markers[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
    watershed(-distance, markers, mask=mask)
    return time.perf_counter() - start


def shown(dock: Any, splitter: Any) -> float:
    """Seconds until the layer shows what a changed splitter finds."""
    while dock.live.job.running:  # an earlier answer would be taken for this one's
        QApplication.processEvents()
    loop = QEventLoop()
    dock.live.shown.connect(loop.quit)
    QTimer.singleShot(60_000, loop.quit)
    start = time.perf_counter()
    dock.form.value = splitter
    dock.form.changed.emit(splitter)
    loop.exec()
    QApplication.processEvents()  # paints
    seconds = time.perf_counter() - start
    dock.live.shown.disconnect(loop.quit)
    if seconds > 60:
        raise TimeoutError("nothing was shown within a minute")
    return seconds


def measured(side: int, kind: str, moves: int) -> dict[str, Any]:
    labels = nuclei((side, side), side * side // 2400, (9, 18))
    probability = imperfect(labels, 8).foreground
    viewer = napari.Viewer()
    layer = viewer.add_image(probability, name="probability")
    dock = open_docks(viewer)["Split"]
    dock.parent().raise_()
    QApplication.processEvents()
    viewer.reset_view(margin=0)  # all of the image is to be seen beside the dock
    QApplication.processEvents()
    dock.layers.choose(layer)
    base = Watershed() if kind == "watershed" else StarConvex()
    shown(dock, base)
    values = np.linspace(0.35, 0.65, moves)
    seconds, split = [], []
    for value in values:
        splitter = base.model_copy(update={"threshold": float(value)})
        seconds.append(shown(dock, splitter))
        start = time.perf_counter()
        splitter.split(from_mask_like(probability))
        split.append(time.perf_counter() - start)
    theirs = statistics.median(peer(probability) for _ in range(3))
    viewer.close()
    ours = statistics.median(seconds)
    return {
        "ours": round(ours, 4),
        "peer": round(theirs, 4),
        "ratio": round(theirs / ours, 2),
        "goal": "0.1 s" if side == 1024 else "1 s",
        "measured_on": f"{side}² view of probabilities, {labels.max()} nuclei, {kind}",
        "split_alone": round(statistics.median(split), 4),
        "slowest": round(max(seconds), 4),
    }


def main() -> None:
    options = common.arguments(__doc__)
    moves = 5 if options.quick else 15
    entries = {
        f"{kind}_{side}": measured(side, kind, moves)
        for side in (1024, 2048)
        for kind in ("watershed", "star-convex")
    }
    common.finish(options, entries)


if __name__ == "__main__":
    main()
