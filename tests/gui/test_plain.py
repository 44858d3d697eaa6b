"""Names of files and words of a project are text in the docks, whatever they look like."""

from qtpy.QtCore import Qt

from napari_nucleate.gui.images_table import ImagesModel
from napari_nucleate.gui.models import ModelsTable
from napari_nucleate.gui.review import ReviewDock
from napari_nucleate.gui.train import TrainDock
from napari_nucleate.gui.widgets import GatedButton, plain
from napari_nucleate.project.model import Item, RoundEntry, State
from napari_nucleate.project.plan import Gate

PICTURE = "<img src='x.png'>"
TIP = Qt.ItemDataRole.ToolTipRole


def test_what_looks_like_html_is_no_html():
    assert Qt.mightBeRichText(PICTURE)
    assert not Qt.mightBeRichText(plain(f"{PICTURE} <b>a</b>"))
    assert plain("a & b > c") == "a & b > c"


def test_tooltips_of_images_and_models_are_text(qapp):
    entry = RoundEntry(
        number=0, model="<b>x", human=1, pseudo=0, seconds=1, initial=PICTURE, set_aside=PICTURE
    )
    images, models = ImagesModel(), ModelsTable()
    images.show_items((Item(key=PICTURE, status="predicted", model="<b>x"),))
    models.show_state(State(rounds=(entry,)))
    for table in (images, models):
        tip = table.index(0, 0).data(TIP)
        assert "<" in tip
        assert not Qt.mightBeRichText(tip)


def test_the_tooltip_of_a_prediction_is_text(project):
    dock = ReviewDock(project.viewer)
    project.viewer.window.add_dock_widget(dock)
    project.predict(n1=0.5)
    item = project.session.state.item("nuclei_n1").model_copy(update={"reason": PICTURE})
    project.session.set_state(project.session.state.replace(item))
    tip = dock.ranking.index(0, 0).data(TIP)
    assert "img" in tip
    assert not Qt.mightBeRichText(tip)


def test_why_a_button_is_closed_is_text(qtbot):
    button = GatedButton("Train", "Train it.")
    qtbot.addWidget(button)
    button.apply(Gate(f"{PICTURE} isn't labelled."))
    assert not Qt.mightBeRichText(button.toolTip())


def test_the_link_to_a_models_folder_is_nothing_else(project):
    dock = TrainDock(project.viewer)
    project.viewer.window.add_dock_widget(dock)
    entry = RoundEntry(number=0, model="<img src='x'>&quot;", human=1, pseudo=0, seconds=1)
    project.session.set_state(project.session.state.model_copy(update={"rounds": (entry,)}))
    text = dock.folder.text()
    assert text.count("<") == 2
    assert "&lt;img" in text
    assert "&amp;quot;" in text
