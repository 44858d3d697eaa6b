"""What the docks are built from: groups, rows, and buttons that act on the session."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QSize, Qt
from qtpy.QtWidgets import (
    QFormLayout,
    QFrame,
    QGroupBox,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.failures import explained, in_words
from napari_nucleate.io.error_log import keep_error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from napari_nucleate.gui.session import Session
    from napari_nucleate.project.plan import Gate


class Scrolling(QScrollArea):
    """Widgets below each other; where the window is low, the person scrolls up and down to them.

    It is never narrower than they are, and never scrolls sideways.

    Attributes
    ----------
    rows : QVBoxLayout
        What the widgets are added to.
    """

    def __init__(self) -> None:
        super().__init__()
        inside = QWidget()
        self.rows = QVBoxLayout(inside)
        self.rows.setContentsMargins(6, 2, 6, 2)
        self.rows.setSpacing(6)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        # The keyboard stays with the image.
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setWidget(inside)
        # What it holds became wider than it is, or fits again.
        self.horizontalScrollBar().rangeChanged.connect(self.updateGeometry)

    def minimumSizeHint(self) -> QSize:
        """As wide as what it holds and the bar beside it."""
        hint, inside = super().minimumSizeHint(), self.widget()
        if inside is None:  # Qt asks while it is being made
            return hint
        bar = self.verticalScrollBar().sizeHint().width()
        return QSize(inside.minimumSizeHint().width() + bar, hint.height())


def scrolling(dock: QWidget) -> QVBoxLayout:
    """Give a dock a column of widgets that scrolls; returns what they are added to."""
    scroll = Scrolling()
    whole = QVBoxLayout(dock)
    whole.setContentsMargins(0, 0, 0, 0)
    whole.setSpacing(0)
    whole.addWidget(scroll)
    return scroll.rows


def column(group: QGroupBox) -> QVBoxLayout:
    """Give a group a column of widgets, spaced as in all docks."""
    layout = QVBoxLayout(group)
    layout.setContentsMargins(8, 8, 8, 8)
    layout.setSpacing(6)
    return layout


def rows() -> QFormLayout:
    """Make a layout of names and fields, spaced as in all docks."""
    layout = QFormLayout()
    layout.setSpacing(4)
    layout.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    return layout


def reasons(gates: Iterable[Gate]) -> str:
    """Join the sentences that say why buttons are closed, each once."""
    return " ".join(dict.fromkeys(gate.why for gate in gates if gate.why))


def on_click(session: Session, button: QPushButton, action: Callable[[], object]) -> None:
    """Let a button act; where it can't, the person reads the sentence that says why.

    What nobody can know is left to napari, which shows it as an error.
    """

    def act() -> None:
        try:
            action()
        except NucleateError as error:
            session.notify(error)
        except Exception as error:
            if not explained(error):
                raise
            message = in_words(error, f"“{button.text()}”")
            keep_error(error, button.text(), message)
            session.notify(NucleateError(message))

    button.clicked.connect(act)
