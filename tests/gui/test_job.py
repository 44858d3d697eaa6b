"""Jobs: work in a thread, its events on this side, and its three endings."""

import re
import threading
import time

import pytest

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.gui.job import Failed, Finished, Job, Stopped
from napari_nucleate.io.error_log import kept_errors


@pytest.fixture
def job(qtbot):
    made = Job()
    made.seen = []
    made.happened.connect(made.seen.append)
    yield made
    made.close()


class Work:
    """A generator that says where it was closed; counts for ever where nobody stops it."""

    def __init__(self, count=None, error=None):
        self.count, self.error = count, error
        self.closed_in = ""

    def __call__(self):
        try:
            n = 0
            while self.count is None or n < self.count:
                n += 1
                yield n
                time.sleep(0.001)
            if self.error:
                raise self.error
        finally:
            self.closed_in = threading.current_thread().name


def ending(job, qtbot, work, act=lambda: None):
    with qtbot.waitSignal(job.ended, timeout=5000) as signal:
        job.start("training", work)
        act()
    return signal.args[0]


def test_finishes_with_all_events_in_order(job, qtbot):
    work = Work(count=200)
    assert ending(job, qtbot, work) == Finished()
    assert job.seen == list(range(1, 201))
    assert work.closed_in == "nucleate training"
    assert job.running == ""


def test_stops_at_the_next_event(job, qtbot):
    work = Work()
    job.happened.connect(lambda _: job.stop())
    assert ending(job, qtbot, work) == Stopped()
    assert work.closed_in == "nucleate training"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (RuntimeError("CUDA out of memory"), "Training failed: memory ran out; close"),
        (MemoryError("none left"), "Training failed: memory ran out; close"),
        (OSError(28, "No space left", "/d/Smith/a.tif"), "/d/Smith/a.tif can't be .*disk is full"),
        (ValueError("odd"), r"failed by a fault of the program \(ValueError: odd\); please report"),
    ],
)
def test_errors_are_told_in_words_and_kept(job, qtbot, error, words):
    work = Work(count=3, error=error)
    result = ending(job, qtbot, work)
    assert isinstance(result, Failed)
    assert result.error is error
    assert re.search(words, result.message)
    (kept,) = kept_errors()
    assert kept.what == "training"
    assert "gui/job.py" in kept.trace
    assert "Smith" not in kept.said + kept.trace
    assert job.seen == [1, 2, 3]
    assert work.closed_in == "nucleate training"


def test_our_own_errors_are_told_as_they_are(job, qtbot):
    result = ending(job, qtbot, Work(count=1, error=NucleateError("Label something first.")))
    assert result.message == "Label something first."


def test_what_goes_wrong_at_stop_is_told(job, qtbot):
    def work():
        try:
            while True:
                yield 1
                time.sleep(0.001)
        finally:
            raise NucleateError("The disk is full.")

    assert ending(job, qtbot, work, job.stop).message == "The disk is full."


def test_a_generator_that_cannot_be_made_fails_too(job, qtbot):
    def make():
        raise NucleateError("No such model.")

    assert ending(job, qtbot, make).message == "No such model."


def test_a_second_start_is_refused(job, qtbot):
    def again():
        with pytest.raises(NucleateError, match="Wait: training is under way; press Stop"):
            job.start("prediction", Work(count=1))
        job.stop()

    assert ending(job, qtbot, Work(), again) == Stopped()
    assert ending(job, qtbot, Work(count=1)) == Finished()


def test_listeners_hear_the_start_before_the_end(job, qtbot):
    heard = []
    # As napari's activity dock does, which lets Qt handle events while it makes a bar.
    job.started.connect(lambda _: (qtbot.wait(100), heard.append("started")))
    job.ended.connect(lambda _: heard.append("ended"))
    assert ending(job, qtbot, Work(count=1)) == Finished()
    assert heard == ["started", "ended"]


def test_closing_before_the_thread_began(job, qtbot):
    job.started.connect(lambda _: job.close())
    job.start("training", Work())
    assert job.running == ""


def test_close_waits_for_the_thread_and_is_quiet_after(job, qtbot):
    work = Work()
    with qtbot.assertNotEmitted(job.ended, wait=100):
        job.start("training", work)
        job.close()
        assert work.closed_in == "nucleate training"
        assert "nucleate training" not in [t.name for t in threading.enumerate()]
    job.close()
