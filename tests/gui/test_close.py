"""Closing the viewer while docks work beside it leaves no thread behind."""

import threading

from qtpy.QtCore import Qt

from napari_nucleate.gui.launch import open_docks


def ours():
    return [t.name for t in threading.enumerate() if t.name.startswith("nucleate")]


def test_closing_ends_live_splitting_thumbnails_and_exports(project, qtbot, tmp_path):
    viewer = project.viewer
    viewer.window._qt_window.show()
    docks = open_docks(viewer)
    project.predict(n1=0.9, n2=0.8, n3=0.7)
    docks["Split"].parent().raise_()
    with qtbot.waitSignal(docks["Split"].live.shown, timeout=20_000):
        pass
    docks["Review"].thumbnails.get("nuclei_n1")
    docks["Split"].form.editor("threshold").setValue(0.7)
    qtbot.mouseClick(docks["Split"].everything.button, Qt.MouseButton.LeftButton)
    qtbot.mouseClick(docks["Export"].run.button, Qt.MouseButton.LeftButton)
    assert ours()
    viewer.close()
    qtbot.waitUntil(lambda: not ours(), timeout=20_000)
