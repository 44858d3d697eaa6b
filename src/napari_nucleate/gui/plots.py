"""Small plots that only show: no menus, no dragging, in the colours of the theme."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyqtgraph as pg
from napari.utils.theme import get_theme

if TYPE_CHECKING:
    from napari import Viewer


def small_plot(height: int) -> pg.PlotWidget:
    """An empty plot of this height in pixels."""
    plot = pg.PlotWidget()
    plot.setFixedHeight(height)
    plot.setMenuEnabled(False)
    plot.setMouseEnabled(x=False, y=False)
    plot.hideButtons()
    return plot


def paint(plot: pg.PlotWidget, viewer: Viewer) -> None:
    """Give a plot the colours of the viewer's theme."""
    theme = get_theme(viewer.theme)
    plot.setBackground(theme.background.as_hex())
    for side in ("left", "bottom"):
        axis = plot.getAxis(side)
        axis.setPen(theme.secondary.as_hex())
        axis.setTextPen(theme.text.as_hex())
