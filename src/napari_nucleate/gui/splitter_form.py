"""The parameters of a splitter: those that act on what is split, with values that suit it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.instances import LinkedPlanes, Splitter, Watershed
from napari_nucleate.gui.evidence import Evidence, OfPrediction
from napari_nucleate.gui.form import ParamsForm

if TYPE_CHECKING:
    from napari_nucleate.core.params import Params
    from napari_nucleate.core.recipe import Recipe

METHODS = {
    "components": "Connected components",
    "watershed": "Watershed",
    "star-convex": "Star-convex polygons",
    "linked-planes": "Each plane by itself, linked",
}
FOLDED = ("sigma", "seed_size", "fill_holes", "anisotropy", "n_rays", "neck", "min_planes")
NESTED = "splitter"
"""The field of linked planes that splits each plane."""
WITH_MAPS = {
    "watershed": ("seed_threshold", "border_separation"),
    "star-convex": ("probability", "outline"),
}
"""Fields that act only on the maps of a network that draws borders, or rays."""
WITHOUT_MAPS = {"watershed": ("separation",), "star-convex": ("n_rays",)}
"""Fields that act only without those."""


class SplitterForm(ParamsForm):
    """Chooses a splitter and its parameters."""

    def __init__(self) -> None:
        fold = (*FOLDED, *(f"{NESTED}.{name}" for name in FOLDED))
        super().__init__(Splitter, Watershed(), fold=fold, names=METHODS)
        self._touched = False
        self._drawn: tuple[str, ...] = ()
        self.changed.connect(self._on_changed)

    def suit(self, evidence: Evidence, recipe: Recipe) -> None:
        """Begin with the splitter that suits what is split, until the person chose another."""
        self._drawn = evidence.drawn
        if not self._touched:
            self.value = _usual(evidence, recipe)
        self._reveal()

    def choose(self, value: Any) -> None:
        """Show these values, as if the person had entered them."""
        self.value = value
        self._on_changed(value)

    def _on_changed(self, value: Params) -> None:
        del value
        self._touched = True
        self._reveal()

    def _reveal(self) -> None:
        """Show only the parameters that act."""
        try:
            value = self.value
        except NucleateError:
            return  # the form says what is wrong
        self._reveal_of(value.kind, "")
        if isinstance(value, LinkedPlanes):
            self._reveal_of(value.splitter.kind, NESTED + ".")
            if "anisotropy" in type(value.splitter).model_fields:
                self._show_row(NESTED + ".anisotropy", False)  # a plane has none

    def _reveal_of(self, kind: str, path: str) -> None:
        drawn = {"watershed": "border", "star-convex": "distances"}.get(kind, "")
        has = drawn in self._drawn
        for fields, wanted in ((WITH_MAPS, has), (WITHOUT_MAPS, not has)):
            for name in fields.get(kind, ()):
                self._show_row(path + name, wanted)

    def _show_row(self, path: str, wanted: bool) -> None:
        editor = self.editor(path)
        editor.parentWidget().layout().setRowVisible(editor, wanted)


def _usual(evidence: Evidence, recipe: Recipe) -> Any:
    splitter: Any = Watershed()
    if isinstance(evidence, OfPrediction):
        splitter = getattr(recipe.target, "splitter", splitter)
    if evidence.source.ndim == 3 and isinstance(splitter, Watershed):
        z, _, x = evidence.source.stack.spacing(3)
        splitter = splitter.model_copy(update={"anisotropy": float(np.clip(z / x, 0.01, 100))})
    return splitter
