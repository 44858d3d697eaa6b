"""A generator in a process of its own behaves as one in this."""

import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.project import beside as module
from napari_nucleate.project.beside import Asked, beside, dismiss, prepare


def counting(n, said=None):
    sys.stdout.write("this is no message\n")
    for i in range(n):
        yield np.full(3, i) if said is None else said(i)
    return n


def failing(error):
    yield 1
    raise error


def dying():
    yield 1
    os._exit(3)


def dying_at_the_end():
    try:
        while True:
            yield 1
    finally:
        os._exit(3)


def patient(note):
    step = 0
    try:
        while True:
            step += 1
            time.sleep(0.01)
            yield step
    finally:
        note(f"closed after {step}")


def whose():
    yield os.getpid()
    yield os.nice(0) if hasattr(os, "nice") else 0


def deaf():
    yield 1
    time.sleep(600)


def asking(said):
    """Asks until it is told to stop, and once more then."""
    try:
        while True:
            time.sleep(0.005)
            yield said("before")
    finally:
        said("after")


FUNCTIONS = (deaf, asking, counting, failing, dying, dying_at_the_end, patient, whose)


@pytest.fixture(autouse=True)
def importable(monkeypatch):
    """The process finds this module."""
    folder = os.path.dirname(__file__)  # noqa: PTH120
    before = os.environ.get("PYTHONPATH")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(p for p in (folder, before) if p))
    monkeypatch.syspath_prepend(folder)
    for function in FUNCTIONS:
        monkeypatch.setattr(function, "__module__", "test_beside")
    import test_beside

    for function in FUNCTIONS:
        monkeypatch.setattr(test_beside, function.__name__, function)


def drained(generator):
    events = []
    while True:
        try:
            events.append(next(generator))
        except StopIteration as end:
            return events, end.value


def test_events_and_the_result_come():
    events, result = drained(beside(counting, 3, asked={}))
    np.testing.assert_array_equal(events, [[0] * 3, [1] * 3, [2] * 3])
    assert result == 3


def test_it_is_another_process():
    (pid, nice), _ = drained(beside(whose, asked={}))
    assert pid != os.getpid()
    assert nice >= 5 or not hasattr(os, "nice")


def test_questions_are_answered_in_this_thread():
    threads = []

    def said(i):
        threads.append(threading.current_thread())
        return 10 * i

    events, _ = drained(beside(counting, 3, asked={"said": Asked(said)}))
    assert events == [0, 10, 20]
    assert set(threads) == {threading.current_thread()}


def test_questions_are_as_rare_as_said():
    asked = {"said": Asked(lambda i: "asked", every=1000, otherwise="not asked")}
    assert drained(beside(counting, 3, asked=asked))[0] == ["asked", "not asked", "not asked"]


def test_once_it_is_to_stop_all_questions_are_asked():
    heard = []
    asked = {"said": Asked(heard.append, every=1000)}
    steps = beside(asking, asked=asked)
    for _ in range(3):
        next(steps)
    steps.close()
    assert (heard[0], heard[-1]) == ("before", "after")


def test_what_does_not_stop_is_ended_and_it_is_said(monkeypatch):
    steps = beside(deaf, asked={})
    next(steps)
    time.sleep(1)  # until it doesn't hear
    monkeypatch.setattr(module, "PATIENCE", 0.5)
    with pytest.raises(NucleateError, match=r"didn't stop within .* minutes and was ended"):
        steps.close()


def test_files_of_the_folder_it_is_started_in_are_no_modules(tmp_path, monkeypatch):
    (tmp_path / "queue.py").write_text("raise SystemExit('this is not the library')")
    monkeypatch.chdir(tmp_path)
    assert drained(beside(counting, 1, asked={}))[1] == 1


@pytest.mark.parametrize(
    ("error", "kind"), [(NucleateError("No."), NucleateError), (ValueError("No."), RuntimeError)]
)
def test_errors_come(error, kind):
    with pytest.raises(kind, match=r"No\.") as caught:
        drained(beside(failing, error, asked={}))
    # Where it happened, for a diagnosis.
    assert "failing" in caught.value.__notes__[0]


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (
            OSError(28, "No space left", "a.tif"),
            "Work failed: a.tif can't be read or written: the disk",
        ),
        (MemoryError(), "Work failed: memory ran out; close other programs"),
    ],
)
def test_what_is_known_of_errors_comes_as_a_sentence(error, sentence):
    with pytest.raises(NucleateError, match=f"^{sentence}"):
        drained(beside(failing, error, asked={}))


@pytest.mark.parametrize("error", [NucleateError("Full."), ValueError("Full.")])
def test_errors_of_answers_end_it(error):
    def said(i):
        raise error

    with pytest.raises(type(error), match=r"Full\."):
        drained(beside(counting, 3, asked={"said": Asked(said)}))


def test_a_process_that_ends_by_itself_is_told_of():
    generator = beside(dying, asked={})
    assert next(generator) == 1
    with pytest.raises(NucleateError, match=r"ended by itself \(status 3\)"):
        next(generator)


def test_closing_stops_it_and_answers_its_last_questions():
    notes = []
    generator = beside(patient, asked={"note": Asked(notes.append)})
    assert [next(generator) for _ in range(3)] == [1, 2, 3]
    generator.close()
    (note,) = notes
    assert note.startswith("closed after")


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (NucleateError("The disk is full."), r"^The disk is full\.$"),
        (OSError(28, "No space left"), r"^Stopping failed: .*the disk is full"),
    ],
)
def test_what_goes_wrong_while_closing_is_told(error, sentence):
    def note(said):
        raise error

    generator = beside(patient, asked={"note": Asked(note)})
    assert next(generator) == 1
    with pytest.raises(NucleateError, match=sentence):
        generator.close()


def test_a_process_that_ends_by_itself_while_closing_is_told_of():
    generator = beside(dying_at_the_end, asked={})
    assert next(generator) == 1
    with pytest.raises(NucleateError, match=r"ended by itself \(status 3\)"):
        generator.close()


def test_a_prepared_process_is_taken():
    prepare(os.getpid)
    (process,) = module._waiting
    prepare(os.getpid)  # it waits already
    assert module._waiting == [process]
    (pid, _), _ = drained(beside(whose, asked={}))
    assert pid == process.pid
    assert not module._waiting
    (other, _), _ = drained(beside(whose, asked={}))
    assert other != pid


def test_a_prepared_process_that_ended_is_not_taken():
    prepare(os.abort)
    (process,) = module._waiting
    process.wait(60)
    (pid, _), _ = drained(beside(whose, asked={}))
    assert pid != process.pid
    process.__exit__(None, None, None)


def test_a_prepared_process_is_dismissed():
    prepare(os.getpid)
    (process,) = module._waiting
    dismiss()
    assert process.poll() is not None
    assert not module._waiting


def test_what_is_never_begun_starts_nothing():
    beside(counting, 3, asked={}).close()


TRAINING = """
import subprocess
import sys
from pathlib import Path
from napari_nucleate.core.annotation import annotate
from napari_nucleate.core.events import Trained
from napari_nucleate.core.model import Card, Record
from napari_nucleate.core.patches import Example
from napari_nucleate.core.recipe import Optimisation, Recipe, Steps, UNet
from napari_nucleate.core.samples import NucleiSample
from napari_nucleate.project import run
from napari_nucleate.project.store import Store

made = NucleiSample(count=1, size=64, radius=6).make()
example = Example("a", made.images.data[0][None], annotate(made.labels.data[0]))
few = Optimisation(budget=Steps(value=2), patch=32, batch=2, device="cpu")
recipe = Recipe(architecture=UNet(width=4, levels=2), optimisation=few)
card = Card(recipe=recipe, record=Record(name="m"))
store = Store(Path(sys.argv[1]))
asked = []
steps = run.training(
    store, [example], recipe, card, view=lambda: asked.append("view"), beside=True,
    changed=lambda: asked.append("changed") or (),
)
events = list(steps)
assert isinstance(events[-1], Trained), events
assert {"view", "changed"} == set(asked)
assert store.load_model("m").card.record.versions["torch"]
assert "torch" not in sys.modules, "an event or a model brought torch with it"
"""


def test_a_training_loads_no_torch_here(tmp_path):
    subprocess.run([sys.executable, "-c", TRAINING, str(tmp_path)], check=True)
