"""The parameters of a splitter: those that act on what is split, with values that suit it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.instances import LinkedPlanes, Splitter, Watershed
from napari_nucleate.core.instances.spacing import anisotropy_of
from napari_nucleate.gui.evidence import Evidence, OfPrediction
from napari_nucleate.gui.form import ParamsForm

if TYPE_CHECKING:
    from napari_nucleate.core.params import Params

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
        self._anisotropy = 1.0
        self.changed.connect(self._on_changed)

    def suit(self, evidence: Evidence) -> None:
        """Begin with the splitter that suits what is split, until the person chose another.

        The anisotropy goes with the pixel size, in every splitter, until the person set another.
        """
        self._drawn = evidence.drawn
        stale, self._anisotropy = {self._anisotropy}, _anisotropy(evidence)
        if not self._touched:
            self.value = _usual(evidence)
            stale.add(1.0)
        for editor in self.editors("anisotropy"):
            if editor.raw() in stale:
                editor.show_value(self._anisotropy)
        self._reveal()

    @property
    def kind(self) -> str:
        """Which splitter is chosen; empty while a value is wrong."""
        try:
            return str(self.value.kind)
        except NucleateError:
            return ""

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


def _usual(evidence: Evidence) -> Any:
    if isinstance(evidence, OfPrediction):
        return getattr(evidence.target, "splitter", Watershed())
    return Watershed()


def _anisotropy(evidence: Evidence) -> float:
    """That of the pixels; that of the training for rays, which lie where they were learned."""
    if isinstance(evidence, OfPrediction) and "distances" in evidence.drawn:
        return float(getattr(evidence.target, "anisotropy", 1.0))
    return anisotropy_of(evidence.source.stack.spacing(evidence.source.ndim))
