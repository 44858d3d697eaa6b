"""Opening the docks: all six as tabs, or one alone; never the same twice."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QDockWidget, QWidget

from napari_nucleate.gui.correct import CorrectDock
from napari_nucleate.gui.crashed import offer
from napari_nucleate.gui.diagnosis import keep_uncaught
from napari_nucleate.gui.export import ExportDock
from napari_nucleate.gui.label import LabelDock
from napari_nucleate.gui.review import ReviewDock
from napari_nucleate.gui.session import session_of
from napari_nucleate.gui.split import SplitDock
from napari_nucleate.gui.train import TrainDock
from napari_nucleate.gui.warming import begin

if TYPE_CHECKING:
    from napari import Viewer

DOCKS: dict[str, Any] = {
    "Label": LabelDock,
    "Train": TrainDock,
    "Review": ReviewDock,
    "Split": SplitDock,
    "Correct": CorrectDock,
    "Export": ExportDock,
}
"""The docks by their names, in the order of the work."""

WIDTH = 400


def open_docks(viewer: Viewer) -> dict[str, QWidget]:
    """Open the six docks as tabs on the right, Label in front; open ones are moved there.

    Parameters
    ----------
    viewer : napari.Viewer

    Returns
    -------
    dict of str to QWidget
        The docks' widgets by name, in the order of the work.
    """
    viewer = getattr(viewer, "__wrapped__", viewer)
    begin()
    keep_uncaught()
    window = viewer.window._qt_window  # noqa: SLF001
    docks: dict[str, Any] = {}
    for name, kind in DOCKS.items():
        dock = _dock_of(viewer, kind)
        if dock is None:
            # The name under which the Plugins menu opens and closes it. A tab from the start:
            # six docks below each other would make the window grow.
            dock = viewer.window.add_dock_widget(
                kind(viewer), name=f"{name} (Nucleate)", area="right", tabify=bool(docks)
            )
        if docks:
            window.tabifyDockWidget(list(docks.values())[-1], dock)
        dock.setWindowTitle(name)
        dock.title.title.setText(name)
        dock.show()
        docks[name] = dock
    first = docks["Label"]
    first.raise_()
    QTimer.singleShot(0, partial(offer, session_of(viewer)))
    if first.width() < WIDTH:
        window.resizeDocks([first], [WIDTH], Qt.Orientation.Horizontal)
    return {name: dock.widget() for name, dock in docks.items()}


class Label(LabelDock):
    """The Label dock alone, as the Plugins menu opens it."""

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__(_without(napari_viewer, LabelDock))


class Train(TrainDock):
    """The Train dock alone."""

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__(_without(napari_viewer, TrainDock))


class Review(ReviewDock):
    """The Review dock alone."""

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__(_without(napari_viewer, ReviewDock))


class Split(SplitDock):
    """The Split dock alone."""

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__(_without(napari_viewer, SplitDock))


class Correct(CorrectDock):
    """The Correct dock alone."""

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__(_without(napari_viewer, CorrectDock))


class Export(ExportDock):
    """The Export dock alone."""

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__(_without(napari_viewer, ExportDock))


class Nucleate(Label):
    """All six docks: the Label dock, which brings the others along once it is docked."""

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__(napari_viewer)
        # napari docks this widget after making it; the others follow then.
        QTimer.singleShot(0, self._gather)

    def _gather(self) -> None:
        open_docks(self.session.viewer)


def _without(viewer: Viewer, kind: type[QWidget]) -> Viewer:
    """Close a dock of that kind, so that the new one takes its place; the state is not in it."""
    viewer = getattr(viewer, "__wrapped__", viewer)
    begin()
    keep_uncaught()
    dock = _dock_of(viewer, kind)
    if dock is not None:
        widget = dock.widget()
        viewer.window.remove_dock_widget(dock)
        widget.deleteLater()
    return viewer


def _dock_of(viewer: Viewer, kind: type[QWidget]) -> Any:
    """The dock that holds a widget of that kind, or None."""
    window = viewer.window._qt_window  # noqa: SLF001
    docks = (dock for dock in window.findChildren(QDockWidget))
    return next((dock for dock in docks if isinstance(dock.widget(), kind)), None)
