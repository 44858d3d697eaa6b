"""The models of a project: what the Train dock tells of them, and using another one."""

import pytest
from qtpy.QtCore import Qt

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.gui.models import told
from napari_nucleate.gui.train import TrainDock
from napari_nucleate.project.model import RoundEntry


def entry(number, ap, pseudo=0, **more):
    return RoundEntry(
        number=number,
        model=f"round-{number}",
        human=1,
        human_objects=12,
        pseudo=pseudo,
        pseudo_objects=10 * pseudo,
        seconds=75,
        validation_ap=ap,
        **more,
    )


@pytest.fixture
def dock(project):
    widget = TrainDock(project.viewer)
    project.viewer.window.add_dock_widget(widget)
    return widget


def history(project, *entries):
    project.session.set_state(project.session.state.model_copy(update={"rounds": entries}))


def cells(models):
    rows, columns = models.models.rowCount(), models.models.columnCount()
    return [[models.models.index(r, c).data() for c in range(columns)] for r in range(rows)]


def bold(models):
    role = Qt.ItemDataRole.FontRole
    rows = range(models.models.rowCount())
    return [models.models.index(r, 0).data(role).bold() for r in rows]


def test_a_single_model_has_no_chart(project, dock):
    assert dock._history.isHidden()
    history(project, entry(0, 0.4))
    assert not dock._history.isHidden()
    assert cells(dock.models) == [["round-0", "0.40", "12", "1 min 15 s"]]
    assert dock.models.plot.isHidden()


def test_rounds_at_a_glance(project, dock):
    why = "Round 2 made it worse."
    history(
        project,
        entry(0, 0.4),
        entry(1, 0.6, pseudo=3, initial="round-0"),
        entry(2, None, pseudo=6, initial="round-1", set_aside=why),
    )
    assert [row[2] for row in cells(dock.models)] == ["12", "12 + 30", "12 + 60"]
    assert cells(dock.models)[2][1] == "–"
    assert bold(dock.models) == [False, True, False]
    assert not dock.models.plot.isHidden()
    x, y = dock.models.line.getData()
    assert x.tolist() == [0, 1]  # of the third nothing is known
    assert y.tolist() == [0.4, 0.6]
    assert dock.models.pseudo.opts["height"].tolist() == [0, 30, 60]
    tip = dock.models.models.index(2, 0).data(Qt.ItemDataRole.ToolTipRole)
    assert why in tip
    assert "Began with the weights of round-1." in tip
    assert "In use" in told(entry(1, 0.6), used=True)


def test_another_model_can_be_used(project, dock, qtbot):
    history(project, entry(0, 0.4), entry(1, 0.6))
    use = dock.models.use
    assert "Select a model" in use.toolTip()
    dock.models.table.selectRow(1)
    assert use.toolTip() == "round-1 is in use."
    dock.models.table.selectRow(0)
    qtbot.mouseClick(use, Qt.MouseButton.LeftButton)
    assert project.session.state.used.model == "round-0"
    assert bold(dock.models) == [True, False]
    assert "round-0" in dock.folder.text()


def test_no_other_model_while_something_runs(project, dock, monkeypatch):
    history(project, entry(0, 0.4), entry(1, 0.6))
    monkeypatch.setattr(type(project.session.job), "running", property(lambda job: "training"))
    project.session.changed.emit()
    dock.models.table.selectRow(0)
    assert dock.models.use.toolTip() == "Wait: training is under way."
    with pytest.raises(NucleateError, match="Wait: training is under way"):
        project.session.use("round-0")


def test_stopping_a_prediction_leaves_the_choice_of_a_model(project, qtbot, random_model, tiny):
    session = project.session
    recipe = tiny()
    for name in ("round-0", "round-1"):
        made = random_model(recipe, name=name)
        session.store.save_model(made)
    history(project, entry(0, 0.4), entry(1, 0.6))
    session.use("round-0")
    session.trainings.interrupted = "round-1"
    with qtbot.waitSignal(session.ended, timeout=20_000):
        session.predict()
        session.stop()
    assert session.state.used.model == "round-0"


def test_an_unknown_model_is_refused(project):
    with pytest.raises(NucleateError, match="no model 'other'"):
        project.session.use("other")
