"""The curve of the Train dock: what is drawn of steps and validations."""

import numpy as np
import pytest
from qtpy.QtWidgets import QLabel

from napari_nucleate.core.events import Step, Validated
from napari_nucleate.gui.chart import LearningChart


@pytest.fixture
def chart(make_napari_viewer, qtbot):
    widget = LearningChart(make_napari_viewer())
    qtbot.addWidget(widget)
    return widget


def test_the_loss_of_validations_is_drawn_beside_that_of_steps(chart):
    for step in range(1, 31):
        chart.add_step(Step(step, 1 / step, 1e-3, 0, 0))
    for step, loss in ((10, 0.5), (20, float("nan")), (30, 0.25)):
        chart.add_validation(Validated(step, loss, 0.6, 0.7, 0, None))
    chart.draw()
    assert chart.validation_line in chart.loss_plot.getPlotItem().items
    np.testing.assert_array_equal(chart.validation_line.getData(), [[10, 30], [0.5, 0.25]])
    np.testing.assert_array_equal(chart.ap_line.getData(), [[10, 20, 30], [0.6] * 3])
    np.testing.assert_array_equal(chart.dice_line.getData(), [[10, 20, 30], [0.7] * 3])
    assert len(chart.loss_line.getData()[0]) == 30
    chart.clear()
    assert chart.isHidden()
    assert chart.validation_line.getData()[0] is None


def test_the_legend_names_and_explains_all_lines(chart):
    legends = chart.findChildren(QLabel)
    shown = " ".join(label.text() for label in legends)
    for name in ("Loss", "Validation loss", "AP", "Dice"):
        assert f"</span> {name}" in shown
        assert any(f"{name}: " in label.toolTip() for label in legends)
