"""Make the README's pictures: run the loop in a real window and take screenshots.

Run it where there is a screen, or under Xvfb:
xvfb-run -s "-screen 0 1500x900x24" python docs/make_pictures.py
"""

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import napari
import numpy as np
from qtpy.QtWidgets import QApplication

from napari_nucleate.core.recipe import Optimisation, Seconds
from napari_nucleate.gui.launch import open_docks
from napari_nucleate.gui.sample_data import nuclei_2d
from napari_nucleate.gui.session import session_of

IMAGES = Path(__file__).parent / "images"
LABELLED = 3


def wait(seconds: float = 0.0, until: Callable[[], bool] = lambda: True) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end or not until():
        QApplication.processEvents()
        time.sleep(0.01)


def main() -> None:
    os.environ["NUCLEATE_HOME"] = tempfile.mkdtemp()
    viewer = napari.Viewer(title="Nucleate")
    viewer.window.resize(1500, 900)
    (truth, _, _), (pixels, options, _) = nuclei_2d()
    layer = viewer.add_image(pixels, **options)
    docks = open_docks(viewer)
    session = session_of(viewer)
    session.choose_layer(layer, "NYX", 2)
    annotation = session.annotate()
    index = np.nonzero(truth[:LABELLED])
    annotation.data_setitem(index, truth[:LABELLED][index])
    session.strokes.refresh()
    viewer.dims.set_current_step(0, 1)

    def picture(name: str) -> None:
        docks[name].parent().raise_()
        wait(1.0)
        viewer.window.screenshot(
            str(IMAGES / f"{name.lower()}.png"), canvas_only=False, flash=False
        )

    picture("Label")
    annotation.mode = "pan_zoom"
    optimisation = Optimisation(budget=Seconds(value=90))
    session.set_recipe(session.state.recipe.model_copy(update={"optimisation": optimisation}))
    viewer.dims.set_current_step(0, 5)
    session.trainings.train()
    wait(70)
    picture("Train")
    wait(until=lambda: not session.job.running)
    session.preview.visible = False
    session.predict()
    wait(until=lambda: not session.job.running)
    session.judgements.accept_best(4)
    picture("Review")
    picture("Split")
    picture("Correct")
    picture("Export")
    viewer.close()


if __name__ == "__main__":
    main()
