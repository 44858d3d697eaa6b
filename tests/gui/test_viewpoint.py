"""Where one looks from is known before the pointer moves."""

import numpy as np
import pandas as pd

from napari_nucleate.gui.session import session_of


def test_objects_of_a_3d_view_are_told_before_the_pointer_moved(make_napari_viewer):
    viewer = make_napari_viewer()
    session_of(viewer)
    labels = np.zeros((4, 9, 9), np.int32)
    labels[1:3, 2:7, 2:7] = 1
    layer = viewer.add_labels(labels, features=pd.DataFrame({"index": [1], "confidence": [0.5]}))
    for _ in range(2):
        viewer.dims.ndisplay = 3
        status = layer.get_status(
            (2, 4, 4),
            view_direction=viewer.cursor._view_direction,
            dims_displayed=list(viewer.dims.displayed),
            world=True,
        )
        assert "confidence: 0.5" in status["value"]
        # As the canvas does where the pointer moves in 2D.
        viewer.dims.ndisplay = 2
        viewer.cursor._view_direction = None


def test_a_viewer_that_shows_3d_already_is_told_too(make_napari_viewer):
    viewer = make_napari_viewer(ndisplay=3)
    session_of(viewer)
    assert viewer.cursor._view_direction is not None
