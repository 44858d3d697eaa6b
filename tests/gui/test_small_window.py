"""All docks in the smallest window that people work in: nothing is squeezed or cut off."""

import numpy as np
import pytest
from qtpy.QtWidgets import QAbstractButton, QLabel, QScrollArea

from napari_nucleate.gui.dock import Scrolling
from napari_nucleate.gui.launch import open_docks
from napari_nucleate.gui.session import session_of
from napari_nucleate.gui.widgets import Sentence


@pytest.mark.parametrize("size", [(1100, 650), (1366, 768)])
def test_nothing_is_squeezed_in_a_small_window(make_napari_viewer, qtbot, size):
    viewer = make_napari_viewer(show=True)
    layer = viewer.add_image(np.zeros((2, 3, 2, 4, 32, 32)), name="an image of six axes")
    docks = open_docks(viewer)
    session = session_of(viewer)
    session.choose_layer(layer, "NTCZYX", 2)
    session.set_known("boxes")
    session.annotate()
    viewer.window._qt_window.resize(*size)
    for name, dock in docks.items():
        dock.parent().raise_()
        qtbot.waitUntil(dock.isVisible)
        qtbot.wait(100)
        shown = [w for w in dock.findChildren(QAbstractButton) if w.isVisibleTo(dock) and w.text()]
        sentences = [w for w in dock.findChildren(QLabel) if w.isVisibleTo(dock) and w.text()]
        assert shown
        for widget in shown:
            assert widget.height() >= widget.minimumSizeHint().height(), (name, widget.text())
        for widget in (*shown, *sentences):
            assert widget.width() >= widget.minimumSizeHint().width(), (name, widget.text())
        for widget in sentences:
            wanted = widget.heightForWidth(widget.width()) if widget.wordWrap() else 0
            assert widget.height() >= wanted, (name, widget.text())
        for area in dock.findChildren(QScrollArea):
            assert area.horizontalScrollBar().maximum() == 0, name


def test_a_dock_is_as_wide_as_what_it_holds(qtbot):
    scroll = Scrolling()
    qtbot.addWidget(scroll)
    scroll.show()
    before = scroll.minimumSizeHint().width()
    wide = Sentence("wide")
    wide.setMinimumWidth(500)
    scroll.rows.addWidget(wide)
    qtbot.waitUntil(lambda: scroll.minimumSizeHint().width() > 500)
    assert before < 500


def test_a_long_path_widens_no_dock_and_is_in_the_tooltip(qtbot):
    path = "/a_folder_with_a_long_name" * 12
    sentence, short = Sentence(f"{path} isn't there."), Sentence("Nothing is there.")
    for label in (sentence, short):
        qtbot.addWidget(label)
    assert sentence.minimumSizeHint().width() < 300
    assert path in sentence.toolTip()
    assert not short.toolTip()
