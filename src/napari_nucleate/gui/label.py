"""The first dock: choose images, paint, and say which are done."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QGridLayout, QGroupBox, QMenu, QWidget

from napari_nucleate.core.annotation import KNOWN_HELP
from napari_nucleate.core.errors import NucleateError
from napari_nucleate.gui.choose import ImageChooser
from napari_nucleate.gui.dock import column, on_click, reasons, rows, scrolling
from napari_nucleate.gui.fields import Choice
from napari_nucleate.gui.images_table import ImagesTable
from napari_nucleate.gui.project_bar import ProjectBar
from napari_nucleate.gui.session import session_of
from napari_nucleate.gui.suggesting import Suggester
from napari_nucleate.gui.taking import fitting, take_labels
from napari_nucleate.gui.widgets import GatedButton, Sentence, follow
from napari_nucleate.project.plan import Gate

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Labels

    from napari_nucleate.core.annotation import Known
    from napari_nucleate.project.model import State, Status

KNOWN_NAMES: dict[Known, str] = {
    "dense": "All pixels",
    "boxes": "Pixels inside boxes",
    "sparse": "Painted pixels only",
}

OWN_LABEL = "Paint each object in its own label: the key M picks a new one."

IMAGE_GONE = "The image layer was removed. Its project goes on; Annotate shows it again."


class LabelDock(QWidget):
    """Choose the images, paint on them, and see which are labelled.

    Parameters
    ----------
    viewer : napari.Viewer
    """

    def __init__(self, viewer: Viewer) -> None:
        super().__init__()
        self.session = session_of(viewer)
        self.project = ProjectBar(self.session)
        self.chooser = ImageChooser(viewer, self.session)
        self.table = ImagesTable()
        self.counts = Sentence()
        self.known = Choice([(KNOWN_NAMES[rule], rule) for rule in KNOWN_HELP])
        self.known_help = Sentence()
        self.annotate = GatedButton(
            "Annotate", "Paint objects on the annotation layer, each in its own label."
        )
        self.next = GatedButton("Next unlabelled", "Go to the next image that nobody labelled yet.")
        self.suggest = GatedButton(
            "Suggest next",
            "Go to the image, and the place in it, where a label helps most: typical, unlike what "
            "is labelled, and badly predicted.",
        )
        self.empty = GatedButton(
            "Confirm empty", "Say that there is nothing in this image; it trains as background."
        )
        self.take = GatedButton(
            "Take labels…",
            "Learn from labels that you have already: those of a label layer are painted on the "
            "annotation layer, where you painted nothing yet.",
        )
        self.offered = QMenu(self)
        self.suggester = Suggester(self.session, self)
        self.suggested = Sentence()
        self.reasons = Sentence()
        self._lay_out()
        self.table.picked.connect(self.session.go_to)
        self.known.edited.connect(lambda: self.session.set_known(self.known.raw()))
        on_click(self.session, self.annotate, self.session.annotate)
        on_click(self.session, self.take, self._offer)
        for changed in (viewer.layers.events.inserted, viewer.layers.events.removed):
            follow(self, changed, self._on_layers)
        on_click(self.session, self.next, self.session.next_unlabelled)
        on_click(self.session, self.suggest, self.suggester.suggest)
        self.suggester.told.connect(self.suggested.say)
        on_click(self.session, self.empty, lambda: self.session.confirm_empty(self.session.current))
        self.session.changed.connect(self.refresh)
        follow(self, viewer.dims.events.point, self._on_slider)
        self.refresh()

    def refresh(self) -> None:
        """Show the session's state, and open and close the buttons."""
        state, plan = self.session.state, self.session.plan
        self.table.show_items(state.items, self.session.current)
        self.table.setVisible(bool(state.items))
        self.counts.say(count_in_words(state) or "The images are listed here once you chose them.")
        self.known.show_value(state.known)
        self.known_help.say(KNOWN_HELP[state.known])
        gates = (plan.annotate, plan.next_unlabelled, plan.confirm_empty)
        if not state.items:
            gates = (Gate(f"Press “{self.chooser.use.text()}” above first."),) * 3
        for button, gate in zip((self.annotate, self.next, self.empty), gates, strict=True):
            button.apply(gate)
        self.suggest.apply(gates[1])
        self._on_layers()
        hint = "" if state.recipe.target.semantic else OWN_LABEL
        if self.session.life.image_gone:
            hint = IMAGE_GONE
        self.reasons.say(reasons(gates) or hint)

    def _lay_out(self) -> None:
        known = rows()
        known.addRow("What counts", self.known)
        buttons = QGridLayout()
        buttons.setSpacing(4)
        labelling = (self.annotate, self.take, self.next, self.suggest, self.empty)
        for at, button in enumerate(labelling):
            buttons.addWidget(button, at // 3, at % 3)
        choose, images, paint = QGroupBox("Choose"), QGroupBox("Images"), QGroupBox("Paint")
        column(choose).addWidget(self.chooser)
        listed = column(images)
        listed.addWidget(self.table, 1)
        listed.addWidget(self.counts, 0, Qt.AlignmentFlag.AlignTop)
        painting = column(paint)
        painting.addLayout(known)
        painting.addWidget(self.known_help)
        painting.addLayout(buttons)
        painting.addWidget(self.suggested)
        painting.addWidget(self.reasons)
        layout = scrolling(self)
        layout.addWidget(choose)
        layout.addWidget(images, 1)
        layout.addWidget(paint)
        # Above of what scrolls: always seen.
        self.layout().insertWidget(0, self.project)

    def _on_layers(self, event: object = None) -> None:
        """Open the button where there is a layer to take labels of."""
        del event
        gate = self.session.plan.annotate
        if gate and not fitting(self.session):
            gate = Gate(
                "Open a label layer of the images' size, to learn from its labels. A mask that "
                "napari opened as an image becomes one by a right click on it, Convert to Labels."
            )
        self.take.apply(gate)

    def _offer(self) -> None:
        """Ask which layer's labels are taken over."""
        self.offered.clear()
        for layer in fitting(self.session):
            action = self.offered.addAction(layer.name)
            action.triggered.connect(lambda _, layer=layer: self._take(layer))
        self.offered.popup(self.take.mapToGlobal(self.take.rect().bottomLeft()))

    def _take(self, layer: Labels) -> None:
        try:
            self.suggested.say(take_labels(self.session, layer))
        except NucleateError as error:
            self.suggested.say("")
            self.session.notify(error)

    def _on_slider(self, event: object = None) -> None:
        del event
        self.table.highlight(self.session.current)


def count_in_words(state: State) -> str:
    """Say how many images there are of each status, as in "3 labelled, 20 unlabelled".

    Examples
    --------
    >>> from napari_nucleate.project.model import Item, State
    >>> count_in_words(State(items=(Item(key="a"), Item(key="b", status="labelled"))))
    '1 labelled, 1 unlabelled'
    """
    counts = Counter(item.status for item in state.items)
    order: tuple[Status, ...] = (
        "labelled",
        "corrected",
        "empty",
        "accepted",
        "rejected",
        "predicted",
        "unlabelled",
    )
    return ", ".join(f"{counts[status]} {status}" for status in order if counts[status])
