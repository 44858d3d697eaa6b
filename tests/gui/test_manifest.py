"""The manifest and the docks' opening, as napari sees them."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from npe2 import PluginManager, PluginManifest
from qtpy.QtWidgets import QDockWidget

import napari_nucleate
from napari_nucleate.gui import launch
from napari_nucleate.gui.label import LabelDock
from napari_nucleate.gui.session import session_of
from napari_nucleate.gui.train import TrainDock

ROOT = Path(__file__).parents[2]
INSIDE = Path(napari_nucleate.__file__).parent / "napari.yaml"
ORDER = ["Label", "Train", "Review", "Split", "Correct", "Export"]

OPEN = """
import sys
import napari_nucleate
assert not {"torch", "numba", "napari", "qtpy"} & set(sys.modules), "importing is not light"
import napari
from qtpy.QtWidgets import QApplication
viewer = napari.Viewer(show=False)
from napari_nucleate.gui.launch import open_docks
assert list(open_docks(viewer)) == ["Label", "Train", "Review", "Split", "Correct", "Export"]
QApplication.processEvents()
assert "torch" not in sys.modules, "opening the docks loads torch"
viewer.close()
"""


@pytest.fixture
def viewer(make_napari_viewer):
    return make_napari_viewer()


@pytest.fixture
def plugin():
    manager = PluginManager.instance()
    if "napari-nucleate" not in manager:
        manager.register(PluginManifest.from_file(ROOT / "napari.yaml"))
    return manager


def docks(viewer):
    found = viewer.window._qt_window.findChildren(QDockWidget)
    return [d for d in found if isinstance(d.widget(), tuple(launch.DOCKS.values()))]


def test_the_copies_are_equal():
    assert INSIDE.read_text() == (ROOT / "napari.yaml").read_text()


def test_npe2_imports_all_of_it():
    subprocess.run(
        [sys.executable, "-m", "npe2", "validate", "--imports", "napari-nucleate"],
        check=True,
        capture_output=True,
    )


def test_nothing_heavy_is_loaded():
    done = subprocess.run([sys.executable, "-c", OPEN], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_six_tabs_with_label_in_front(viewer, qtbot):
    widgets = launch.open_docks(viewer)
    assert list(widgets) == ORDER == list(launch.DOCKS)
    assert widgets["Label"].session is widgets["Train"].session is session_of(viewer)
    window = viewer.window._qt_window
    window.show()
    first = next(d for d in docks(viewer) if d.widget() is widgets["Label"])
    titles = [d.windowTitle() for d in [first, *window.tabifiedDockWidgets(first)]]
    assert sorted(titles) == sorted(ORDER)
    qtbot.waitUntil(lambda: not widgets["Label"].visibleRegion().isEmpty(), timeout=5000)
    assert widgets["Train"].visibleRegion().isEmpty()


def test_opening_twice_doubles_nothing(viewer):
    first = launch.open_docks(viewer)
    assert launch.open_docks(viewer) == first
    assert len(docks(viewer)) == 6


def test_one_entry_opens_all(viewer, plugin, qtbot):
    alone, _ = viewer.window.add_plugin_dock_widget("napari-nucleate", "Train")
    assert len(docks(viewer)) == 1
    train = alone.widget()
    viewer.window.add_plugin_dock_widget("napari-nucleate", "Nucleate")
    qtbot.waitUntil(lambda: len(docks(viewer)) == 6, timeout=5000)
    # The dock that was open alone is among them, as it was.
    assert [d.widget() for d in docks(viewer) if isinstance(d.widget(), TrainDock)] == [train]
    assert [d.windowTitle() for d in docks(viewer) if isinstance(d.widget(), LabelDock)] == [
        "Label"
    ]


@pytest.mark.parametrize("name", ORDER)
def test_each_opens_alone_and_once(viewer, plugin, name):
    viewer.window.add_plugin_dock_widget("napari-nucleate", name)
    assert [type(d.widget()).__mro__[1] for d in docks(viewer)] == [launch.DOCKS[name]]
    launch.open_docks(viewer)
    viewer.window.add_plugin_dock_widget("napari-nucleate", name)
    assert len(docks(viewer)) == 6


def test_samples_open_with_their_truth(viewer, plugin):
    viewer.open_sample("napari-nucleate", "nuclei_3d")
    truth, image = viewer.layers
    assert image.data.shape == truth.data.shape == (4, 24, 128, 128)
    assert not truth.visible
    np.testing.assert_array_equal(image.scale, truth.scale)
    assert [str(u) for u in image.units] == ["pixel", *["micrometer"] * 3]
    assert image.axis_labels == ("n", "z", "y", "x")
