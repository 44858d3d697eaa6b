"""The Review dock: the predictions, ranked, and a person's word on them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QSpinBox, QVBoxLayout, QWidget

from napari_nucleate.core.events import Prediction
from napari_nucleate.gui.accepting import Accepter
from napari_nucleate.gui.card import CardDelegate
from napari_nucleate.gui.dock import on_click
from napari_nucleate.gui.gallery import ITEM, Gallery, GalleryModel, Ranking
from napari_nucleate.gui.session import session_of
from napari_nucleate.gui.thumbnails import Thumbnails
from napari_nucleate.gui.widgets import GatedButton, Sentence, follow
from napari_nucleate.project.model import HUMAN
from napari_nucleate.project.plan import Gate

if TYPE_CHECKING:
    from napari import Viewer
    from numpy.typing import NDArray

FILTERS: dict[str, tuple[str, ...]] = {
    "All": (),
    "To review": ("predicted",),
    "Accepted": ("accepted",),
    "Rejected": ("rejected",),
}
HINTS = {
    "All": "Predicted images appear here, ranked by confidence: "
    "train on a few labelled images, then predict the others.",
    "To review": "Nothing is left to review.",
    "Accepted": "Nothing is accepted.",
    "Rejected": "Nothing is rejected.",
}


class ReviewDock(QWidget):
    """Shows all predicted images, best first, and takes the person's word on them.

    Accepting only marks an image to train with. *Correct* paints a prediction on the annotation
    layer, where nothing is painted yet.

    Parameters
    ----------
    viewer : napari.Viewer
    """

    def __init__(self, viewer: Viewer) -> None:
        super().__init__()
        self._viewer = viewer
        self._session = session_of(viewer)
        self._source: object = None
        self._own_count = False
        self.thumbnails = Thumbnails(self._read, self)
        self.accepter = Accepter(self._session, self)
        self.model = GalleryModel(self.thumbnails, self)
        self.ranking = Ranking(self.model)
        self.gallery = Gallery(self.ranking, CardDelegate(ITEM, viewer.theme))
        self.counts = Sentence()
        self.show_only, self.order = QComboBox(), QComboBox()
        self.accept = GatedButton("Accept  (A)", "Train with the selected predictions.")
        self.reject = GatedButton("Reject  (R)", "Never train with the selected predictions.")
        self.open = GatedButton("Open  (⏎)", "Show the image in the viewer (or double-click).")
        self.correct = GatedButton(
            "Correct  (E)",
            "Take the prediction over as your own labels, and correct it on the annotation layer.",
        )
        self.accept_down = GatedButton(
            "Accept this and all better  (⇧A)",
            "Accept all to review that are ranked as high as the selected image, or higher.",
        )
        self.undo = GatedButton("Undo  (U)", "Take the last judgement back.")
        self.accept_best = GatedButton(
            "Accept the best",
            "Accept sure ones of those to review: from the surer half, those that together look "
            "like all images. The surest alone would all be of the easiest kind.",
        )
        self.looking = Sentence()
        self.count = QSpinBox()
        self.train_again = GatedButton(
            "Train again", "Start the next round, from the weights of the model in use."
        )
        self.reason = Sentence()
        self._fill()
        self._lay_out()
        self._connect()
        self.gallery.set_theme(viewer.theme)
        self._on_filter(self.show_only.currentText())
        self._apply()

    def _fill(self) -> None:
        self.show_only.addItems(list(FILTERS))
        self.show_only.setToolTip("Which predictions are shown.")
        self.order.addItems(["Best first", "Worst first"])
        self.order.setToolTip(
            "By confidence: of objects, the mean AP to be expected. "
            "The worst ones are those worth labelling yourself."
        )
        self.count.setRange(1, 100_000)
        self.count.setToolTip("How many; at first as many as you labelled yourself.")
        self.counts.setToolTip("Your own labelled images are not listed; they always train.")

    def _lay_out(self) -> None:
        layout = QVBoxLayout(self)
        layout.addWidget(self.counts)
        layout.addLayout(_row(self.show_only, self.order))
        layout.addWidget(self.gallery, 1)
        layout.addLayout(_row(self.accept, self.reject, self.correct, self.open))
        layout.addLayout(_row(self.accept_down, self.undo))
        layout.addLayout(_row(self.accept_best, self.count))
        layout.addWidget(self.looking)
        layout.addWidget(self.train_again)
        layout.addWidget(self.reason)

    def _connect(self) -> None:
        self.show_only.currentTextChanged.connect(self._on_filter)
        self.order.currentIndexChanged.connect(lambda at: self.ranking.order(best_first=at == 0))
        self.gallery.selectionModel().selectionChanged.connect(self._apply_gates)
        for button, key, act in (
            (self.accept, self.gallery.accepted, lambda: self._judge(accept=True)),
            (self.reject, self.gallery.rejected, lambda: self._judge(accept=False)),
            (self.accept_down, self.gallery.accepted_down, self._accept_down),
            (self.correct, self.gallery.corrected, self._correct),
            (self.undo, self.gallery.undone, self._undo),
            (self.open, self.gallery.opened, self._open),
        ):
            # A key acts where its button does.
            key.connect(button.click)
            on_click(self._session, button, act)
        on_click(self._session, self.accept_best, self._accept_best)
        self.accepter.told.connect(self.looking.say)
        self.accepter.accepted.connect(self.gallery.select)
        on_click(self._session, self.train_again, self._session.trainings.again)
        self.count.valueChanged.connect(self._on_count)
        self._session.happened.connect(self._on_event)
        self._session.changed.connect(self._apply)
        follow(self, self._viewer.events.theme, self._on_theme)
        self.destroyed.connect(self.thumbnails.close)

    # -- the state, shown -----------------------------------------------------------------

    def _apply(self) -> None:
        session = self._session
        if session.source is not self._source:
            self._source = session.source
            self.thumbnails.clear()
        items = session.state.ranked()
        self.model.show_items(items)
        accepted, rejected = (
            sum(i.status == status for i in items) for status in ("accepted", "rejected")
        )
        self.counts.say(f"{len(items)} predicted, {accepted} accepted, {rejected} rejected")
        self.train_again.setText(
            f"Train again with {accepted} accepted" if accepted else "Train again with accepted"
        )
        if not self._own_count:
            human = len(session.state.keys(*HUMAN))
            self.count.blockSignals(True)
            self.count.setValue(session.state.self_training.best or max(human, 1))
            self.count.blockSignals(False)
        self._apply_gates()

    def _apply_gates(self) -> None:
        plan = self._session.plan
        selected = "" if self.gallery.selected else "Select images in the gallery first."
        gate = Gate(plan.accept.why or selected)
        for button in (self.accept, self.reject, self.open, self.correct, self.accept_down):
            button.apply(gate)
        self.undo.apply(plan.undo)
        waiting = self._session.state.keys("predicted")
        judged = "" if waiting else "Every prediction is accepted or rejected already."
        self.accept_best.apply(Gate(plan.accept.why or judged))
        self.train_again.apply(plan.train_again)
        self.reason.say(plan.accept.why or self._outdated() or plan.train_again.why)

    def _outdated(self) -> str:
        """Say that predictions wait that an earlier model made; nothing where none do."""
        state = self._session.state
        old = [i for i in state.ranked() if i.status == "predicted" and i.model != state.model]
        if not old:
            return ""
        return (
            f"{len(old)} of them {'are' if len(old) > 1 else 'is'} by {old[0].model or 'another'}, "
            f"not by {state.model}, which is in use: press “Predict the rest” in the Train dock."
        )

    def _on_event(self, event: object) -> None:
        if isinstance(event, Prediction):
            self.thumbnails.forget(event.key)

    def _on_filter(self, text: str) -> None:
        self.gallery.hint = HINTS[text]
        self.ranking.show_statuses(FILTERS[text])
        self._apply_gates()  # Qt doesn't tell that what was selected is no longer listed

    def _on_theme(self, event: Any) -> None:
        self.gallery.set_theme(event.value)

    def _read(self, key: str) -> tuple[NDArray[Any], NDArray[Any] | None]:
        """Read what a thumbnail shows; in a thread."""
        ref, store = self._session.ref(key), self._session.store
        return ref.read(), store.load_predicted_labels(key)

    # -- what the person does -------------------------------------------------------------

    @property
    def _current(self) -> str:
        """The image with the focus, or the last of those selected where another one has it."""
        selected, current = self.gallery.selected, self.gallery.current
        return current if current in selected else selected[-1]

    def _judge(self, accept: bool) -> None:
        keys, row = self.gallery.selected, self.gallery.currentIndex().row()
        if not keys:
            return
        self._session.judgements.judge(keys, accept)
        if len(keys) == 1:
            self._go_on(keys, row)

    def _go_on(self, keys: list[str], row: int) -> None:
        """Select what follows; where what was judged is no longer listed, that is in its place."""
        if self.ranking.rowCount():
            still = self.gallery.selected == keys
            self.gallery.setCurrentIndex(
                self.ranking.index(min(row + still, self.ranking.rowCount() - 1), 0)
            )

    def _accept_best(self) -> None:
        self.accepter.accept(self.count.value())

    def _accept_down(self) -> None:
        self._session.judgements.accept_down_to(self._current)

    def _correct(self) -> None:
        key, row = self._current, self.gallery.currentIndex().row()
        self._session.judgements.take_over(key)
        # What a person labels is no prediction any more.
        self._go_on([key], row)

    def _undo(self) -> None:
        self.gallery.select(self._session.judgements.undo())

    def _open(self) -> None:
        self._session.go_to(self._current)
        if self._session.prediction is not None:
            self._session.prediction.visible = True

    def _on_count(self) -> None:
        self._own_count = True


def _row(*widgets: QWidget) -> QHBoxLayout:
    row = QHBoxLayout()
    row.setAlignment(Qt.AlignmentFlag.AlignTop)
    for widget in widgets:
        row.addWidget(widget, 1)
    return row
