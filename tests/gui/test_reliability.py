"""The Train dock shows whether confidence is what it says."""

import numpy as np
import pytest

from napari_nucleate.core.confidence.reliability import Bin
from napari_nucleate.core.confidence.trust import Trust
from napari_nucleate.gui.reliability import ReliabilityChart


@pytest.fixture
def chart(make_napari_viewer, qtbot):
    widget = ReliabilityChart(make_napari_viewer())
    qtbot.addWidget(widget)
    return widget


def test_dots_lie_where_objects_are(chart):
    assert chart.isHidden()
    bins = (Bin(said=0.2, right=0.1, count=10), Bin(said=0.9, right=0.8, count=30))
    chart.show_trust(Trust(reliability=bins))
    assert not chart.isHidden()
    np.testing.assert_allclose(chart.line.getData(), [[0.2, 0.9], [0.1, 0.8]])
    small, large = chart.line.opts["symbolSize"]
    assert small < large
    assert chart.said.text() == "Confidence of 40 objects held out is off by 0.10 on average."


def test_without_objects_there_is_nothing_to_see(chart):
    chart.show_trust(Trust(reliability=(Bin(said=0.2, right=0.1, count=10),)))
    chart.show_trust(Trust())
    assert chart.isHidden()
    chart.show_trust(None)
    assert chart.isHidden()
