"""The Export dock: label layers as TIFF, measurements as CSV."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from napari.layers import Image, Labels
from qtpy.QtWidgets import (
    QCheckBox,
    QFileDialog,
    QGroupBox,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QWidget,
)

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.images import ImageRef, NDim
from napari_nucleate.gui.axes import MADE, axes_of, source_of, usual_ndim
from napari_nucleate.gui.dock import column, on_click, rows, scrolling
from napari_nucleate.gui.export_run import ExportRun
from napari_nucleate.gui.exporting import LabelExport, Scores, Wanted
from napari_nucleate.gui.features import by_label
from napari_nucleate.gui.fields import Choice
from napari_nucleate.gui.layer_checks import LayerChecks
from napari_nucleate.gui.layers import LayerSource
from napari_nucleate.gui.live import NAME
from napari_nucleate.gui.session import session_of
from napari_nucleate.gui.widgets import LayerCombo, plain
from napari_nucleate.project.log import Happened
from napari_nucleate.project.plan import Gate

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari import Viewer
    from napari.layers import Layer

    from napari_nucleate.gui.session import Session


class ExportDock(QWidget):
    """Writes label layers and measurements of their objects to a folder.

    Never replaces a file unless the person says so. Runs beside everything else.

    Parameters
    ----------
    viewer : napari.Viewer
    """

    def __init__(self, viewer: Viewer) -> None:
        super().__init__()
        self._session = session_of(viewer)
        self._own_folder = self._own_image = False
        self.labels = LayerChecks(viewer, Labels, lambda x: x.name != NAME, self._is_ours)
        self.image = LayerCombo(viewer, Image, lambda x: MADE not in x.metadata, none="no image")
        self.dimensions = Choice([("2D, each plane by itself", 2), ("3D", 3)])
        self.folder = QLineEdit()
        self.browse = QPushButton("Choose…")
        self.files = Choice([("One TIFF for each layer", True), ("One TIFF for each image", False)])
        self.table = QCheckBox("Measurements of all objects (CSV)")
        self.overwrite = QCheckBox("Replace files that exist")
        self.run = ExportRun()
        self._fill()
        self._lay_out()
        self._connect()
        self._apply()

    def _fill(self) -> None:
        self.labels.setToolTip("The label layers to write.")
        self.labels.setFixedHeight(96)
        self.files.setToolTip(
            "Images of several sizes are written one by one: a TIFF has one size."
        )
        self.image.setToolTip("Intensities of objects are measured on this image.")
        self.folder.setPlaceholderText("A folder; it is made if needed")
        self.table.setChecked(True)
        self.table.setToolTip(
            "A row an object: position, size and shape in the layer's units, intensities, and "
            "what is known of it: probability, confidence, class, and other features of the layer."
        )

    def _lay_out(self) -> None:
        what, where = QGroupBox("What"), QGroupBox("Where")
        fields = rows()
        fields.addRow("Intensities of", self.image)
        fields.addRow("Objects", self.dimensions)
        column(what).addWidget(self.labels)
        what.layout().addLayout(fields)
        what.layout().addWidget(self.table)
        path = QHBoxLayout()
        path.addWidget(self.folder, 1)
        path.addWidget(self.browse)
        column(where).addLayout(path)
        where.layout().addWidget(self.files)
        where.layout().addWidget(self.overwrite)
        layout = scrolling(self)
        for widget in (what, where, self.run):
            layout.addWidget(widget)
        layout.addStretch(1)

    def _connect(self) -> None:
        self.labels.changed.connect(self._on_labels)
        self.folder.textEdited.connect(self._on_folder)
        on_click(self._session, self.browse, self._browse)
        self.image.activated.connect(self._on_image)
        self.run.asked.connect(self._on_asked)
        self.run.job.ended.connect(self._on_written)
        self._session.changed.connect(self._apply)

    # -- what and where -------------------------------------------------------------------

    def _is_ours(self, layer: Layer) -> bool:
        session = self._session
        return (
            MADE in layer.metadata
            or layer.name in ("split", "prediction", "annotation")
            or (layer is session.prediction or layer is session.annotation)
        )

    def _on_labels(self) -> None:
        ticked = self.labels.ticked
        deep = [layer for layer in ticked if "Z" in axes_of(self._session, layer)]
        self.dimensions.setEnabled(bool(deep))
        self.dimensions.show_value(usual_ndim(self._session, deep[0]) if deep else 2)
        self._session.set_choices(exportable=bool(ticked))
        self._apply()

    def _on_folder(self) -> None:
        self._own_folder = True
        self._apply()

    def _on_image(self) -> None:
        self._own_image = True

    def _apply(self) -> None:
        session = self._session
        if session.source is not None and not self._own_image:
            self.image.choose(session.source.layer)
        if session.source is not None and not self._own_folder:
            self.folder.setText(str(session.store.folder / "export"))
            self.folder.setToolTip(plain(self.folder.text()))
        gate = session.plan.export
        if gate and not self.folder.text().strip():
            gate = Gate("Choose a folder to write to.")
        self.run.apply(gate)

    def _browse(self) -> None:
        start = Path(self.folder.text())
        start = start if start.is_dir() else Path.home()
        chosen = QFileDialog.getExistingDirectory(self, "Export to", str(start))
        if chosen:
            self.folder.setText(chosen)
            self._on_folder()

    # -- the work -------------------------------------------------------------------------

    def _on_asked(self) -> None:
        try:
            self._export()
        except NucleateError as error:
            self.run.outcome.warn(str(error))

    def _export(self) -> None:
        self.run.start(
            [self._one(layer) for layer in self.labels.ticked],
            Wanted(
                Path(self.folder.text().strip()).expanduser(),
                one_file=self.files.raw(),
                table=self.table.isChecked(),
                overwrite=self.overwrite.isChecked(),
            ),
        )

    def _on_written(self) -> None:
        if written := self.run.written:
            note = f"{len(written)} files to {written[0].parent}"
            self._session.store.note(Happened("exported", note=note))

    def _one(self, layer: Labels) -> LabelExport:
        session, image = self._session, self.image.layer
        ndim = self._ndim(layer)
        source = source_of(session, layer, ndim)
        of = None
        if image is not None and self.table.isChecked():
            axes = axes_of(session, image)
            if "C" not in axes and len(axes) == len(source.axes):
                axes = source.axes  # the labels know better than a guess
            of = LayerSource.of(image, axes, ndim, "channels")
            source = source.sized_as(of)
        scores = scores_of(session, layer)
        if layer is session.annotation:
            source = replace(source, stack=replace(source.stack, data=session.painting.objects()))
        return LabelExport(source, of, scores)

    def _ndim(self, layer: Layer) -> NDim:
        return self.dimensions.raw() if "Z" in axes_of(self._session, layer) else 2


def scores_of(session: Session, layer: Labels) -> Scores | None:
    """Make a function that tells what is known of the objects of an image; for a thread.

    The layer's features, where it has any; else the confidences of the project's prediction.
    """
    columns = by_label(layer)
    if columns:
        return lambda _: columns
    if layer is not session.prediction:
        return None
    store, source = session.store, session.source

    def scores(ref: ImageRef) -> Mapping[str, Mapping[int, float]]:
        key = ref.key if source is None else ImageRef(source.stack, ref.ndim, ref.index).key
        return store.load_table(key)

    return scores
