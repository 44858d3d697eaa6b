"""The recipe as a short form, with all the rest folded away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from napari_nucleate.core.architectures import Architecture, UNet
from napari_nucleate.core.augment import Augmentation
from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.normalise import Normalisation
from napari_nucleate.core.recipe import Budget, Optimisation, Recipe
from napari_nucleate.core.targets import Target
from napari_nucleate.gui.dock import rows
from napari_nucleate.gui.fields import Choice, Editor, Fold, Real, leaf
from napari_nucleate.gui.form import ParamsForm, members
from napari_nucleate.gui.widgets import Sentence

if TYPE_CHECKING:
    from napari_nucleate.core.params import Params

TARGET_NAMES = {
    "boundary": "Objects that touch (boundary)",
    "semantic": "Classes of pixels (semantic)",
    "star-convex": "Round objects (star-convex)",
}
SIZES: dict[str, Params] = {
    "Small and fast": UNet(width=16, levels=3),
    "Medium": UNet(),
    "Large": UNet(width=48, levels=5),
    "Tiny objects: full resolution": UNet(stem=1),
}
"""What a person calls a network, and the network."""

DEVICES = {
    "auto": "Automatic: GPU where there is one",
    "cpu": "Processor",
    "cuda": "NVIDIA GPU (CUDA)",
    "mps": "Apple GPU (Metal)",
}
_LATER = (
    "width",
    "border_weight",
    "gap_weight",
    "gap_width",
    "balanced",
    "loss_function",
    "splitter",
    "rays",
    "anisotropy",
    "distance_weight",
)


class RecipeForm(QWidget):
    """Shows and edits a recipe; what few people change lies under "More settings".

    Signals
    -------
    edited
        The person changed something; `problem` tells whether the recipe is valid now.
    """

    edited = Signal()

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        self._shown = recipe
        self.problem = ""
        self.target = ParamsForm(Target, recipe.target, fold=_LATER, names=TARGET_NAMES)
        self.size = Choice([(name, name) for name in SIZES])
        self.diameter = Real(Recipe.model_fields["diameter"])
        self.diameter.setSpecialValueText("as painted")
        self.diameter.setSuffix(" px")
        self.diameter.setToolTip(Recipe.model_fields["diameter"].description or "")
        self.budget = BudgetRow()
        self.device = Choice([(name, device) for device, name in DEVICES.items()])
        self.architecture = ParamsForm(Architecture, recipe.architecture)
        self.normalisation = ParamsForm(Normalisation, recipe.normalisation)
        self.augmentation = ParamsForm(Augmentation, recipe.augmentation)
        rest = [f for f in Optimisation.model_fields if f not in ("budget", "device")]
        self.optimisation = ParamsForm(Optimisation, recipe.optimisation, show=rest)
        for name in ("patch", "batch"):
            self.optimisation.editor(name).setSpecialValueText("automatic")
        self.message = Sentence()
        self._lay_out()
        self.size.edited.connect(self._on_size)
        parts = (self.target, self.architecture, self.normalisation, self.augmentation)
        for part in (*parts, self.optimisation, self.diameter, self.budget, self.device):
            part.edited.connect(self._on_edit)
        self.value = recipe

    @property
    def value(self) -> Recipe:
        """The recipe shown.

        Raises
        ------
        NucleateError
            If it isn't valid; the sentence says why.
        """
        optimisation = self.optimisation.value.model_dump()
        optimisation |= {"budget": self.budget.raw(), "device": self.device.raw()}
        return Recipe.parse(
            {
                "ndim": self._shown.ndim,
                "channels": self._shown.channels,
                "architecture": self.architecture.value,
                "target": self.target.value,
                "diameter": self.diameter.raw(),
                "normalisation": self.normalisation.value,
                "augmentation": self.augmentation.value,
                "optimisation": optimisation,
            }
        )

    @value.setter
    def value(self, recipe: Recipe) -> None:
        self._shown = recipe
        self.target.value = recipe.target
        self.diameter.show_value(recipe.diameter)
        self.architecture.value = recipe.architecture
        self.normalisation.value = recipe.normalisation
        self.augmentation.value = recipe.augmentation
        self.optimisation.value = recipe.optimisation
        self.budget.show_value(recipe.optimisation.budget)
        device = recipe.optimisation.device
        if self.device.findData(device) < 0:
            self.device.addItem(device, device)
        self.device.show_value(device)
        self._say("")

    def _on_size(self) -> None:
        self.architecture.value = SIZES[self.size.raw()]
        self._on_edit()

    def _on_edit(self) -> None:
        try:
            self._shown = self.value
        except NucleateError as error:
            self._say(str(error))
        else:
            self._say("")
        self.edited.emit()

    def _say(self, problem: str) -> None:
        self.problem = problem
        self.message.warn(problem)
        names = [name for name, network in SIZES.items() if network == self._shown.architecture]
        self.size.show_value(names[0] if names else None)
        self.size.setPlaceholderText("As set below")

    def _lay_out(self) -> None:
        short = rows()
        short.addRow("Learn", self.target)
        short.addRow("Network", self.size)
        short.addRow("Object size", self.diameter)
        short.addRow("Train for", self.budget)
        short.addRow("Run on", self.device)
        rest = QWidget()
        column = QVBoxLayout(rest)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        for title, part in (
            ("Network", self.architecture),
            ("Training", self.optimisation),
            ("Variation of the images", self.augmentation),
            ("Range of grey values", self.normalisation),
        ):
            column.addWidget(Fold(title, part))
        self.more = Fold("More settings", rest)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addLayout(short)
        layout.addWidget(self.message)
        layout.addWidget(self.more)


class BudgetRow(QWidget):
    """How long to train: a number and what it counts."""

    edited = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._classes = members(Budget)
        self.kind = Choice([(c.model_fields["kind"].default, c) for c in self._classes])
        self.numbers: dict[Any, Editor] = {}
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(4)
        for cls in self._classes:
            field = cls.model_fields["value"]
            number = self.numbers[cls] = cast("Editor", leaf(field))
            number.show_value(field.default)
            number.edited.connect(self.edited.emit)
            widget = cast("QWidget", number)
            widget.setToolTip(field.description or "")
            row.addWidget(widget, 1)
            at = self.kind.findData(cls)
            self.kind.setItemData(at, (cls.__doc__ or "").splitlines()[0], 3)
        row.addWidget(self.kind, 1)
        self.kind.edited.connect(self._switch)
        self._reveal()

    def raw(self) -> dict[str, Any]:
        """Kind and value, as plain values."""
        cls = self.kind.raw()
        return {"kind": cls.model_fields["kind"].default, "value": self.numbers[cls].raw()}

    def show_value(self, budget: Params) -> None:
        """Show a budget; `edited` is not emitted."""
        self.kind.show_value(type(budget))
        self.numbers[type(budget)].show_value(budget.value)  # type: ignore[attr-defined]
        self._reveal()

    def _switch(self) -> None:
        self._reveal()
        self.edited.emit()

    def _reveal(self) -> None:
        for cls, number in self.numbers.items():
            cast("QWidget", number).setVisible(cls is self.kind.raw())
