"""The whole loop through the docks: label, train, predict, review, train again, split, export."""

import csv

import numpy as np
import pytest
from qtpy.QtCore import Qt

from napari_nucleate.core.augment import Augmentation
from napari_nucleate.core.recipe import Optimisation, Recipe, Steps, UNet
from napari_nucleate.core.samples import NucleiSample
from napari_nucleate.gui.launch import open_docks
from napari_nucleate.io.read import read_stack

SMALL = Recipe(
    architecture=UNet(width=8, levels=3),
    optimisation=Optimisation(
        budget=Steps(value=40), patch=64, batch=4, learning_rate=1e-2, averaging=0.5, device="cpu"
    ),
    augmentation=Augmentation(elastic=0),
)
TIMEOUT = 120_000


@pytest.fixture
def viewer(make_napari_viewer):
    made = make_napari_viewer()
    made.window._qt_window.show()
    return made


def test_the_loop_through_the_widgets(viewer, qtbot, home, tmp_path):
    sample = NucleiSample(count=6, size=96, radius=8, glow=0.1).make()
    images, truth = sample.images, sample.labels.data
    layer = viewer.add_image(
        images.data, name="nuclei", scale=images.scale, units=images.units, axis_labels="nyx"
    )
    docks = open_docks(viewer)
    label, train, review, split, _, export = docks.values()
    session = label.session

    def click(button):
        assert button.isEnabled(), button.toolTip()
        qtbot.mouseClick(button, Qt.MouseButton.LeftButton)

    def click_and_wait(button):
        with qtbot.waitSignal(session.ended, timeout=TIMEOUT) as ended:
            click(button)
        assert type(ended.args[0]).__name__ == "Finished", ended.args[0]

    # Label: two images are painted, the others are not.
    assert not train.train.isEnabled()
    click(label.chooser.use)
    assert session.state.keys() == [f"nuclei_n{i}" for i in range(6)]
    click(label.annotate)
    annotation = viewer.layers["annotation"]
    viewer.dims.set_current_step(0, 0)
    for _ in range(2):
        i = int(session.current[-1])
        where = np.nonzero(truth[i])
        annotation.data_setitem((np.full(len(where[0]), i), *where), truth[i][where])
        click(label.next)
    painted = annotation.data.copy()
    assert session.state.keys("labelled") == ["nuclei_n0", "nuclei_n1"]

    # Train, and predict the rest.
    session.set_recipe(SMALL)
    click_and_wait(train.train)
    click_and_wait(train.predict)
    assert len(session.state.keys("predicted")) == 4

    # Review: the best two, of which the person rejects one.
    assert review.counts.text() == "4 predicted, 0 accepted, 0 rejected"
    review.count.setValue(2)
    click(review.accept_best)
    review.gallery.setCurrentIndex(review.ranking.index(1, 0))
    qtbot.keyClick(review.gallery, Qt.Key.Key_R)
    assert review.counts.text() == "4 predicted, 1 accepted, 1 rejected"
    click_and_wait(review.train_again)
    assert [(r.number, r.human, r.pseudo) for r in session.state.rounds] == [(0, 2, 0), (1, 2, 1)]
    click_and_wait(train.predict)

    # Split the prediction's maps again, and export.
    assert split.layers.layer is session.prediction
    split.form.editor("min_size").setValue(20)
    click_and_wait(split.everything.button)
    result = viewer.layers["split"]
    assert result.data.shape == truth.shape
    np.testing.assert_allclose(result.scale, layer.scale)
    assert all(result.data[i].any() for i in range(2, 6))
    folder = tmp_path / "export"
    export.folder.setText(str(folder))
    export.folder.textEdited.emit(str(folder))
    with qtbot.waitSignal(export.run.job.ended, timeout=TIMEOUT):
        click(export.run.button)

    # What lies on the disk.
    assert {p.name for p in folder.iterdir()} == {
        f"{name}.{suffix}"
        for name in ("annotation", "prediction", "split")
        for suffix in ("tif", "csv")
    }
    written = read_stack(folder / "split.tif")
    np.testing.assert_array_equal(np.asarray(written.data[...]), result.data)
    assert written.axes == "NYX"
    assert written.units[1:] == ("micrometer", "micrometer")
    np.testing.assert_allclose(written.scale[1:], images.scale[1:])
    with (folder / "split.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == sum(len(np.unique(plane)) - 1 for plane in result.data)
    assert {"image", "n", "area_um2", "intensity_mean_nuclei"} <= set(rows[0])
    project = next(home.iterdir())
    assert {p.name for p in (project / "models").iterdir()} == {"round-0", "round-1"}
    assert len(list((project / "annotations").glob("*.tif"))) == 2

    # What the person painted is as it was.
    np.testing.assert_array_equal(annotation.data, painted)
