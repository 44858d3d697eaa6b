"""The parameters of a splitter: those that act on what is split, with values that suit it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.instances import Splitter, Watershed
from napari_nucleate.gui.evidence import Evidence, OfPrediction
from napari_nucleate.gui.form import ParamsForm

if TYPE_CHECKING:
    from napari_nucleate.core.params import Params
    from napari_nucleate.core.recipe import Recipe

METHODS = {
    "components": "Connected components",
    "watershed": "Watershed",
    "star-convex": "Star-convex polygons",
}
FOLDED = ("sigma", "seed_size", "fill_holes", "anisotropy", "n_rays")
WITH_MAPS = {"watershed": ("seed_threshold", "border_separation"), "star-convex": ("probability",)}
"""Fields that act only on the maps of a network that draws borders, or rays."""
WITHOUT_MAPS = {
    "watershed": ("separation",),
    "star-convex": ("threshold", "separation", "n_rays"),
}
"""Fields that act only without those."""


class SplitterForm(ParamsForm):
    """Chooses a splitter and its parameters."""

    def __init__(self) -> None:
        super().__init__(Splitter, Watershed(), fold=FOLDED, names=METHODS)
        self._touched = False
        self._drawn: tuple[str, ...] = ()
        self.changed.connect(self._on_changed)

    def suit(self, evidence: Evidence, recipe: Recipe) -> None:
        """Begin with the splitter that suits what is split, until the person chose another."""
        self._drawn = evidence.drawn
        if not self._touched:
            self.value = _usual(evidence, recipe)
        self._reveal()

    def _on_changed(self, value: Params) -> None:
        del value
        self._touched = True
        self._reveal()

    def _reveal(self) -> None:
        """Show only the parameters that act."""
        try:
            kind = self.value.kind
        except NucleateError:
            return  # the form says what is wrong
        drawn = {"watershed": "border", "star-convex": "distances"}.get(kind, "")
        has = drawn in self._drawn
        for fields, wanted in ((WITH_MAPS, has), (WITHOUT_MAPS, not has)):
            for name in fields.get(kind, ()):
                editor = self.editor(name)
                editor.parentWidget().layout().setRowVisible(editor, wanted)


def _usual(evidence: Evidence, recipe: Recipe) -> Any:
    splitter: Any = Watershed()
    if isinstance(evidence, OfPrediction):
        splitter = getattr(recipe.target, "splitter", splitter)
    if evidence.source.ndim == 3 and isinstance(splitter, Watershed):
        z, _, x = evidence.source.stack.spacing(3)
        splitter = splitter.model_copy(update={"anisotropy": float(np.clip(z / x, 0.01, 100))})
    return splitter
