"""Forms: what they show of a value, what an edit makes of it, and what they say of a bad one."""

from typing import Annotated, Literal

import pytest
from pydantic import Field, model_validator
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QWheelEvent
from qtpy.QtWidgets import QApplication

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.instances import Components, LinkedPlanes, Splitter, StarConvex, Watershed
from napari_nucleate.core.params import Params
from napari_nucleate.core.recipe import Budget, Optimisation, Recipe, Steps
from napari_nucleate.core.rounds import SelfTraining
from napari_nucleate.core.targets import Boundary
from napari_nucleate.gui.fields import Fold, in_words
from napari_nucleate.gui.form import ParamsForm, members
from napari_nucleate.gui.recipe_form import RecipeForm


class Range(Params):
    """Two fields with a rule between them."""

    low: int = Field(1, ge=0, le=10, description="Where it begins.")
    high: int = Field(5, ge=0, le=10, description="Where it ends.")

    @model_validator(mode="after")
    def _in_order(self):
        if self.low > self.high:
            raise ValueError("low is above high; lower it")
        return self


class Mixed(Params):
    number: int = Field(3, ge=1, le=9, multiple_of=3, description="A number.")
    above: int = Field(2, gt=0, lt=5, description="Another.")
    share: float = Field(0.5, gt=0, lt=1, description="A share.")
    rate: float = Field(3e-3, gt=0, le=1, description="Small.")
    on: bool = Field(True, description="Switch.")
    word: str = Field("abc", pattern="^[a-z]+$", description="A word.")
    mode: Literal["one_way", "two_ways"] = Field("one_way", description="A choice.")


@pytest.fixture
def make(qtbot):
    def form(*args, **options):
        widget = ParamsForm(*args, **options)
        qtbot.addWidget(widget)
        return widget

    return form


@pytest.mark.parametrize("kind", [Mixed, Recipe, Splitter, Budget, SelfTraining, Optimisation])
def test_defaults_come_back(make, kind):
    assert make(kind).value == members(kind)[0]()


def test_shows_a_value_without_emitting(make, qtbot):
    form = make(Mixed)
    value = Mixed(number=6, above=4, share=0.25, rate=0.001, on=False, word="z", mode="two_ways")
    with qtbot.assertNotEmitted(form.changed), qtbot.assertNotEmitted(form.edited):
        form.value = value
    assert form.value == value
    assert form.editor("rate").text() == "0.001"
    assert form.editor("mode").currentText() == "Two ways"
    assert not form.editor("on").isChecked()


def test_bounds_and_help_come_from_the_fields(make):
    form = make(Mixed)
    assert (form.editor("number").minimum(), form.editor("number").maximum()) == (1, 9)
    assert form.editor("number").singleStep() == 3
    assert (form.editor("above").minimum(), form.editor("above").maximum()) == (1, 4)
    assert form.editor("share").toolTip() == "A share."
    assert in_words("learning_rate") == "Learning rate"


def test_edits_give_new_values(make, qtbot):
    form = make(Mixed)
    form.show()
    seen = []
    form.changed.connect(seen.append)
    qtbot.mouseClick(form.editor("on"), Qt.MouseButton.LeftButton, pos=QPoint(8, 8))
    form.editor("number").setValue(9)
    form.editor("mode").setCurrentIndex(1)
    word = form.editor("word")
    word.selectAll()
    qtbot.keyClicks(word, "xyz")
    qtbot.keyClick(word, Qt.Key.Key_Return)
    assert seen[-1] == Mixed(on=False, number=9, mode="two_ways", word="xyz")


def test_says_what_is_wrong_and_keeps_quiet(make, qtbot):
    form = make(Mixed)
    with qtbot.assertNotEmitted(form.changed), qtbot.waitSignal(form.edited):
        form.editor("number").setValue(4)
    assert form.message == "Number should be a multiple of 3."
    with pytest.raises(NucleateError, match="multiple of 3"):
        _ = form.value
    with qtbot.waitSignal(form.changed):
        form.editor("number").setValue(6)
    assert form.message == ""


def test_says_what_does_not_fit_together(make):
    form = make(Range)
    form.editor("low").setValue(9)
    assert form.message == "Low is above high; lower it."


def test_a_union_shows_the_chosen_class_only(make):
    form = make(Splitter, Watershed(sigma=2))
    assert form.editor("sigma").raw() == 2
    form.editor("sigma").setValue(3)
    body = form._body
    body.choice.setCurrentIndex([f.kind for f in body.forms].index(Components))
    assert form.value == Components()
    assert [f.isHidden() for f in body.forms] == [False, True, True, True]
    # What was set before is not forgotten.
    body.choice.setCurrentIndex([f.kind for f in body.forms].index(Watershed))
    assert form.value == Watershed(sigma=3)
    form.value = StarConvex(probability=0.75)
    assert form.value == StarConvex(probability=0.75)


def test_nested_parameters_fold(make, qtbot):
    form = make(Recipe)
    form.show()
    width = form.editor("target.width")
    assert not width.isVisible()
    for fold in form.findChildren(Fold):
        qtbot.mouseClick(fold.button, Qt.MouseButton.LeftButton)
    assert width.isVisible()
    width.setValue(4)
    assert form.value.target == Boundary(width=4)


def test_a_union_within_a_class_of_a_union(make):
    value = LinkedPlanes(splitter=StarConvex(overlap=0.25), gap=2)
    form = make(Splitter, value, fold=["splitter.overlap"], names={"star-convex": "Stars"})
    assert form.value == value
    inner = form.editor("splitter")
    assert inner.choice.currentText() == "Stars"
    assert form.editor("splitter.overlap").parentWidget() is not inner.current  # folded there
    assert form.editor("overlap").parentWidget() is form._body.current  # and not here
    form.editor("splitter.overlap").setValue(0.75)
    assert form.value == LinkedPlanes(splitter=StarConvex(overlap=0.75), gap=2)
    inner.choice.setCurrentIndex(0)
    assert form.value == LinkedPlanes(splitter=Components(), gap=2)


def test_shows_some_fields_and_keeps_the_others(make):
    form = make(
        Optimisation, Optimisation(seed=7, batch=2), show=["patch", "batch"], fold=["patch"]
    )
    assert list(form._body.editors) == ["patch", "batch"]
    form.editor("batch").setValue(4)
    assert form.value == Optimisation(seed=7, batch=4)


def test_names_of_kinds(make):
    form = make(Budget, Steps(value=3), names={"steps": "updates"})
    assert form._body.choice.currentText() == "updates"
    assert form.value == Steps(value=3)


def test_the_wheel_scrolls_past_numbers(make, qtbot):
    form = make(Mixed)
    form.show()
    spin = form.editor("share")
    at = QPointF(5, 5)
    none, button = Qt.KeyboardModifier.NoModifier, Qt.MouseButton.NoButton
    event = QWheelEvent(
        at, at, QPoint(), QPoint(0, 120), button, none, Qt.ScrollPhase.NoScrollPhase, False
    )
    spin.clearFocus()
    QApplication.sendEvent(spin, event)
    assert spin.value() == 0.5
    assert event.type() == QEvent.Type.Wheel


def test_refuses_what_is_no_parameters():
    with pytest.raises(TypeError, match="No form"):
        members(Annotated[int, Field()])


def test_the_recipe_keeps_the_size_of_objects(qtbot):
    form = RecipeForm(Recipe(diameter=40))
    qtbot.addWidget(form)
    assert form.value.diameter == 40
    form.diameter.setValue(0)
    assert form.diameter.text() == "as painted"
    assert form.value == Recipe()
    form.diameter.setValue(12.5)
    assert form.value.diameter == 12.5
