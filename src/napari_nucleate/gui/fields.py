"""Widgets for single values of a form: each shows one, and says when the person edits it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Protocol, get_args, get_origin

from qtpy.QtCore import QSize, Qt, Signal
from qtpy.QtWidgets import (
    QAbstractSpinBox,
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QLineEdit,
    QSizePolicy,
    QSpinBox,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from napari_nucleate.gui.widgets import calm

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic.fields import FieldInfo

_INT_MIN, _INT_MAX = -(2**31), 2**31 - 1


class Editor(Protocol):
    """What every editor of a form can do."""

    edited: Any

    def raw(self) -> Any:
        """The value shown, as a plain one that pydantic validates."""

    def show_value(self, value: Any) -> None:
        """Show a value; `edited` is not emitted."""


class Whole(QSpinBox):
    """A whole number."""

    edited = Signal()

    def __init__(self, field: FieldInfo) -> None:
        super().__init__()
        low, high, step = bounds(field)
        self.setRange(int(max(low, _INT_MIN)), int(min(high, _INT_MAX)))
        if step:
            self.setSingleStep(int(step))
        else:
            self.setStepType(QAbstractSpinBox.StepType.AdaptiveDecimalStepType)
        calm(self)
        self.valueChanged.connect(lambda _: self.edited.emit())

    def raw(self) -> int:
        """The number."""
        return int(self.value())

    def show_value(self, value: int) -> None:
        """Show a number."""
        self.blockSignals(True)
        self.setValue(int(value))
        self.blockSignals(False)


class Real(QDoubleSpinBox):
    """A number, shown without needless zeros."""

    edited = Signal()

    def __init__(self, field: FieldInfo) -> None:
        super().__init__()
        low, high, step = bounds(field)
        self.setDecimals(6)
        self.setRange(max(low, -1e12), min(high, 1e12))
        if step:
            self.setSingleStep(step)
        else:
            self.setStepType(QAbstractSpinBox.StepType.AdaptiveDecimalStepType)
        calm(self)
        self.valueChanged.connect(lambda _: self.edited.emit())

    def textFromValue(self, value: float) -> str:
        """0.003 rather than 0.003000."""
        return f"{value:.6f}".rstrip("0").rstrip(".")

    def raw(self) -> float:
        """The number."""
        return float(self.value())

    def show_value(self, value: float) -> None:
        """Show a number."""
        self.blockSignals(True)
        self.setValue(float(value))
        self.blockSignals(False)


class Tick(QCheckBox):
    """Yes or no."""

    edited = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.toggled.connect(lambda _: self.edited.emit())

    def raw(self) -> bool:
        """Whether it is ticked."""
        return bool(self.isChecked())

    def show_value(self, value: bool) -> None:
        """Tick it or not."""
        self.blockSignals(True)
        self.setChecked(value)
        self.blockSignals(False)


class Text(QLineEdit):
    """A line of text; edited when the person leaves it or presses Enter."""

    edited = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.editingFinished.connect(self.edited.emit)

    def raw(self) -> str:
        """The text."""
        return str(self.text())

    def show_value(self, value: str) -> None:
        """Show a text."""
        self.setText(value)


class Choice(QComboBox):
    """One of a few values, each under its name."""

    edited = Signal()

    def __init__(self, names: Sequence[tuple[str, Any]]) -> None:
        super().__init__()
        for name, value in names:
            self.addItem(name, value)
        self.setMinimumWidth(80)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        calm(self)
        self.currentIndexChanged.connect(lambda _: self.edited.emit())

    def raw(self) -> Any:
        """The value chosen."""
        return self.currentData()

    def show_value(self, value: Any) -> None:
        """Choose a value."""
        self.blockSignals(True)
        self.setCurrentIndex(self.findData(value))
        self.blockSignals(False)


class Fold(QWidget):
    """A heading that shows and hides what is below it; folded at first."""

    def __init__(self, title: str, content: QWidget) -> None:
        super().__init__()
        self.content = content
        self.button = QToolButton()
        self.button.setText(title)
        self.button.setCheckable(True)
        self.button.setAutoRaise(True)
        self.button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.button.setArrowType(Qt.ArrowType.RightArrow)
        self.button.setIconSize(QSize(10, 10))
        self.button.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.button.setStyleSheet(
            "QToolButton { background: transparent; border: none; padding: 3px 2px; }"
        )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self.button)
        layout.addWidget(content)
        content.setContentsMargins(12, 0, 0, 4)
        content.setVisible(False)
        self.button.toggled.connect(self._turn)

    def _turn(self, shown: bool) -> None:
        self.button.setArrowType(Qt.ArrowType.DownArrow if shown else Qt.ArrowType.RightArrow)
        self.content.setVisible(shown)


def leaf(field: FieldInfo) -> Editor | None:
    """Make the editor of a single value, or None where the field is of another type."""
    kind = field.annotation
    if get_origin(kind) is Literal:
        return Choice([(in_words(str(v)), v) for v in get_args(kind)])
    makers: dict[Any, Any] = {
        bool: Tick,
        str: Text,
        int: lambda: Whole(field),
        float: lambda: Real(field),
    }
    return makers[kind]() if kind in makers else None


def bounds(field: FieldInfo) -> tuple[float, float, float]:
    """Least and largest value of a number, and the step between values; 0 where there is none."""
    low, high, step = float("-inf"), float("inf"), 0.0
    whole = field.annotation is int
    for rule in field.metadata:
        # A whole number above 0 is at least 1.
        low = max(low, getattr(rule, "ge", low), getattr(rule, "gt", low - whole) + whole)
        high = min(high, getattr(rule, "le", high), getattr(rule, "lt", high + whole) - whole)
        step = getattr(rule, "multiple_of", step)
    return low, high, step


def in_words(name: str) -> str:
    """Write a field's or a choice's name as a person would: "learning_rate" as "Learning rate"."""
    words = name.replace("_", " ").replace("-", " ").strip()
    return words[:1].upper() + words[1:]
