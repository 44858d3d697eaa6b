"""Choosing what to work on: an image layer, what its axes are, and 2D or 3D."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from napari.layers import Image
from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QButtonGroup,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QRadioButton,
    QVBoxLayout,
    QWidget,
)

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.images import SPATIAL
from napari_nucleate.gui.axes import MADE
from napari_nucleate.gui.dock import rows
from napari_nucleate.gui.fields import Choice
from napari_nucleate.gui.layers import LayerSource, guess_axes
from napari_nucleate.gui.widgets import GatedButton, LayerCombo, Sentence, follow
from napari_nucleate.project.model import HUMAN
from napari_nucleate.project.plan import Gate

if TYPE_CHECKING:
    from napari import Viewer

    from napari_nucleate.core.images import NDim
    from napari_nucleate.gui.layers import Colour
    from napari_nucleate.gui.session import Session

SLIM = "QComboBox { padding: 3px 2px 3px 6px; } QComboBox::drop-down { width: 16px; }"
"""Lets six axes stand beside each other, and their letters be read."""
AXIS_HELP = {
    "N": "images that have nothing to do with each other",
    "T": "time",
    "C": "channels",
    "Z": "depth",
    "Y": "height",
    "X": "width",
}


class ImageChooser(QWidget):
    """Asks for an image layer and how to read it, and gives it to the session."""

    def __init__(self, viewer: Viewer, session: Session) -> None:
        super().__init__()
        self._session = session
        self.layers = LayerCombo(viewer, Image, self._listed)
        self.axes: list[Choice] = []
        self._axes_row = QWidget()
        self.two, self.three = QRadioButton("2D"), QRadioButton("3D")
        self.two.setToolTip("Each plane is an image of its own.")
        self.three.setToolTip("Planes along Z belong together and are learned as a volume.")
        self.channels = QRadioButton("as three channels")
        self.grey = QRadioButton("as grey")
        self.question = Sentence()
        self.use = GatedButton("Use this image", "Work on this image from now on.")
        self.summary = Sentence()
        self._groups = [_exclusive(self.two, self.three), _exclusive(self.channels, self.grey)]
        self._lay_out()
        self.layers.chosen.connect(self._on_layer)
        for button in (self.two, self.three, self.channels, self.grey):
            button.toggled.connect(self.refresh)
        self.use.clicked.connect(self._use)
        session.changed.connect(self._on_session)
        self._shown: LayerSource | None = None
        self._on_layer(self.layers.layer)

    @property
    def source(self) -> LayerSource:
        """What the person described.

        Raises
        ------
        NucleateError
            If it isn't complete or doesn't fit; the sentence says what to do.
        """
        layer = self.layers.layer
        if layer is None:
            raise NucleateError("Open an image first: File ▸ Open, or File ▸ Open Sample.")
        axes = "".join(choice.raw() for choice in self.axes)
        return LayerSource.of(layer, axes, self.ndim, self._colour())

    @property
    def ndim(self) -> NDim:
        """Dimensions of an image, as chosen."""
        return 3 if self.three.isChecked() else 2

    def refresh(self) -> None:
        """Show what would be used, what is used, and why it can't be."""
        depth = any(choice.raw() == "Z" for choice in self.axes)
        self.three.setEnabled(depth)
        self.three.setToolTip(
            "Planes along Z belong together and are learned as a volume."
            if depth
            else "There is no axis Z; set one above to work in 3D."
        )
        if not depth and self.three.isChecked():
            self.two.setChecked(True)
        try:
            source = self.source
        except NucleateError as error:
            self.use.apply(Gate(str(error)))
            self.summary.warn(str(error))
            return
        if self._in_use(source):
            self.use.apply(Gate("This image is in use."))
            self.use.setText("In use")
            self.summary.say(describe(source))
            return
        running = self._session.job.running
        why = f"Wait: {running} is under way." if running else ""
        self.use.setText("Use this image")
        self.use.apply(Gate(why))
        text = why or describe(source)
        if self._session.state.keys(*HUMAN, "accepted"):
            text += " Using it begins a new project; what is painted stays in the viewer."
        self.summary.say(text)

    def _lay_out(self) -> None:
        form = rows()
        form.addRow("Image layer", self.layers)
        form.addRow("Its axes", self._axes_row)
        form.addRow("Work in", _row(self.two, self.three))
        self._colours = QWidget()
        column = QVBoxLayout(self._colours)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.question)
        column.addWidget(_row(self.channels, self.grey))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addLayout(form)
        layout.addWidget(self._colours)
        layout.addWidget(self.summary)
        layout.addWidget(self.use)
        grid = QGridLayout(self._axes_row)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(4)
        grid.setVerticalSpacing(0)

    def _listed(self, layer: Image) -> bool:
        """Layers that the program draws aren't images to work on."""
        return MADE not in layer.metadata

    def _on_session(self) -> None:
        """Show what is worked on from now on, whoever chose it."""
        source = self._session.source
        if source is not None and source is not self._shown:
            self.layers.choose(source.layer)
            self._on_layer(self.layers.layer)
        self._shown = source
        self.refresh()

    def _on_layer(self, layer: Image | None) -> None:
        source = self._session.source
        used = source if source is not None and source.layer is layer else None
        if used is not None and layer is not None and layer.ndim != len(used.axes):
            used = None  # it was just given other pixels
        self._show_axes(layer, used.axes if used else guess_axes(layer) if layer else "")
        # With a Z axis it is the person's word that makes it 3D: 2D works on one plane at a time.
        (self.three if used and used.ndim == 3 else self.two).setChecked(True)
        colours = self._groups[1]
        colours.setExclusive(False)
        self.channels.setChecked(used is not None and "C" in used.stack.axes[used.layer.ndim :])
        self.grey.setChecked(used is not None and not self.channels.isChecked())
        colours.setExclusive(True)
        self._colours.setVisible(layer is not None and layer.rgb)
        self.question.say("This is a colour image. How are its colours read?")
        if layer is not None:
            follow(self, layer.events.data, self.refresh_shape)
        self.refresh()

    def refresh_shape(self, event: object = None) -> None:
        """Ask again for the axes when the layer's number of dimensions changed."""
        del event
        layer = self.layers.layer
        if layer is not None and layer.ndim != len(self.axes):
            self._on_layer(layer)
        elif layer is not None:
            self._show_axes(layer, "".join(choice.raw() for choice in self.axes))
            self.refresh()

    def _show_axes(self, layer: Image | None, axes: str) -> None:
        grid = self._axes_row.layout()
        while grid.count():
            old = grid.takeAt(0).widget()
            old.hide()  # it is drawn until it is deleted
            old.deleteLater()
        self.axes = []
        sizes = layer.data[0].shape if layer is not None and layer.multiscale else ()
        sizes = sizes or (layer.data.shape if layer is not None else ())
        for at, axis in enumerate(axes):
            choice = Choice([(letter, letter) for letter in AXIS_HELP])
            choice.setMinimumWidth(40)
            choice.setStyleSheet(SLIM)
            choice.show_value(axis)
            choice.edited.connect(self.refresh)
            for row, (letter, text) in enumerate(AXIS_HELP.items()):
                choice.setItemData(row, f"{letter}: {text}", Qt.ItemDataRole.ToolTipRole)
            choice.setToolTip("What this axis is. " + _legend())
            size = QLabel(f"{sizes[at]}")
            size.setAlignment(Qt.AlignmentFlag.AlignCenter)
            size.setEnabled(False)
            size.setToolTip("How long the axis is, in pixels.")
            grid.addWidget(choice, 0, at)
            grid.addWidget(size, 1, at)
            self.axes.append(choice)

    def _colour(self) -> Colour | None:
        if self.channels.isChecked():
            return "channels"
        return "grey" if self.grey.isChecked() else None

    def _in_use(self, source: LayerSource) -> bool:
        used = self._session.source
        return used is not None and (used.layer, used.stack.axes, used.ndim) == (
            source.layer,
            source.stack.axes,
            source.ndim,
        )

    def _use(self) -> None:
        try:
            source = self.source
            self._session.choose_layer(source.layer, source.axes, source.ndim, self._colour())
        except NucleateError as error:
            self._session.notify(error)
        self.refresh()


def describe(source: LayerSource) -> str:
    """Say how many images a layer holds and how large they are, with pixel sizes."""
    stack = source.stack
    refs = stack.images(source.ndim)
    shapes = sorted({ref.shape for ref in refs}, key=math.prod) if stack.extents else []
    shapes = shapes or [tuple(stack.sizes({})[a] for a in SPATIAL[source.ndim])]
    count = len(refs)
    sizes = [" × ".join(map(str, shape)) for shape in (shapes[0], shapes[-1])]
    size = " to ".join(sizes) if len(shapes) > 1 else sizes[0]
    channels = f", {stack.n_channels} channels" if stack.n_channels > 1 else ""
    units = stack.spacing_units(source.ndim)
    spacing = stack.spacing(source.ndim)
    if set(units) == {"pixel"}:
        pixel = "; their size is not known"
    else:
        unit = {"micrometer": "µm", "nanometer": "nm", "millimeter": "mm"}.get(units[-1], units[-1])
        # Square pixels are said once.
        sides = spacing[:1] if len(set(spacing)) == 1 else spacing
        pixel = f", {' × '.join(f'{s:.4g}' for s in sides)} {unit} a pixel"
    return f"{count} image{'s' * (count != 1)} of {size} pixels{channels}{pixel}."


def _legend() -> str:
    return "; ".join(f"{letter}: {text}" for letter, text in AXIS_HELP.items()) + "."


def _exclusive(*buttons: QRadioButton) -> QButtonGroup:
    group = QButtonGroup(buttons[0])
    for button in buttons:
        group.addButton(button)
    return group


def _row(*widgets: QWidget) -> QWidget:
    holder = QWidget()
    row = QHBoxLayout(holder)
    row.setContentsMargins(0, 0, 0, 0)
    row.setSpacing(16)
    for widget in widgets:
        row.addWidget(widget)
    row.addStretch(1)
    return holder
