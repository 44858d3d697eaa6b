"""The best weights are written as they come, and again where a disk was full."""

import contextlib

import pytest

from napari_nucleate.core.errors import BrokeOffError, NucleateError
from napari_nucleate.core.events import Step, Trained, Validated, Warned
from napari_nucleate.core.model import Card, Model, Record
from napari_nucleate.project.best import BestKept
from napari_nucleate.project.run import predicting, training
from napari_nucleate.project.store import Store


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "project")


class Disk:
    """Where models go; full, or forbidden, for the first few times."""

    def __init__(self, error=None, times=0):
        self.error, self.times = error, times
        self.written = []

    def __call__(self, model):
        self.times -= 1
        if self.times >= 0:
            raise NucleateError("w can't be written: it is full.") from self.error
        self.written.append(model.card.record.best_step)


def model(tiny, step):
    return Model(Card(recipe=tiny(), record=Record(name="mine", best_step=step)), {})


def validated(step, best):
    return Validated(step, 0.5, 0.5, 0.5, 0.1, best)


def events(tiny, last=True):
    yield Step(1, 0.5, 0.1, 0.1, 0.1)
    yield validated(1, model(tiny, 1))
    yield validated(2, model(tiny, 2))
    yield validated(3, None)
    if last:
        yield Trained(model(tiny, 2))


FULL, SHUT = OSError(28, "No space left on device"), PermissionError(13, "no")


def test_each_is_written_before_it_is_told(tiny):
    disk = Disk()
    best = BestKept(disk)
    assert best.in_words() == ""
    told = [(type(e).__name__, list(disk.written)) for e in best.of(events(tiny))]
    assert told == [
        ("Step", []),
        ("Validated", [1]),
        ("Validated", [1, 2]),
        ("Validated", [1, 2]),
        ("Trained", [1, 2, 2]),
    ]
    assert best.in_words() == "Kept: the best weights so far, mine of step 2."


def test_on_a_full_disk_it_goes_on_and_writes_later(tiny):
    disk = Disk(FULL, times=2)
    best = BestKept(disk)
    told = list(best.of(events(tiny, last=False)))
    (warning,) = [e.message for e in told if isinstance(e, Warned)]
    assert warning.startswith("w can't be written: it is full. The training goes on")
    # Nobody is told of weights that aren't on the disk, and of those that are somebody is.
    models = [e.model for e in told if isinstance(e, Validated)]
    assert models[:2] == [None] * 2
    assert models[2].card.record.best_step == 2
    assert disk.written == [2]


def test_what_waits_is_written_at_the_stop(tiny):
    disk = Disk(FULL, times=1)
    with contextlib.closing(BestKept(disk).of(events(tiny))) as steps:
        next(e for e in steps if isinstance(e, Validated))
    assert disk.written == [1]


def test_newer_weights_written_at_the_stop_stay(tiny):
    disk = Disk(FULL, times=1)

    def training():
        try:
            yield validated(1, model(tiny, 1))
            yield Step(2, 0.5, 0.1, 0.1, 0.1)
        finally:
            disk(model(tiny, 2))

    with contextlib.closing(BestKept(disk).of(training())) as steps:
        next(e for e in steps if isinstance(e, Validated))
    assert disk.written == [1, 2]


@pytest.mark.parametrize(("error", "times"), [(SHUT, 1), (None, 1), (FULL, 4)])
def test_what_will_not_pass_ends_it(tiny, error, times):
    with pytest.raises(NucleateError, match="w can't be written"):
        list(BestKept(Disk(error, times)).of(events(tiny)))


@pytest.mark.parametrize("error", [FileNotFoundError(2, "no"), SHUT])
def test_a_drive_unplugged_after_something_was_written_is_waited_for(tiny, error):
    disk = Disk()
    steps = BestKept(disk).of(events(tiny))
    next(e for e in steps if isinstance(e, Validated))
    disk.error, disk.times = error, 1
    assert len([e for e in steps if isinstance(e, Warned)]) == 1
    assert disk.written == [1, 2, 2]


class Broken:
    """The network's loss, that breaks off at a step."""

    def __init__(self, learner, error, at):
        self.loss, self.error, self.left = learner._loss, error, at

    def __call__(self, batch):
        self.left -= 1
        if self.left <= 0:
            raise self.error
        return self.loss(batch)


FAILURES = [
    (RuntimeError("CUDA error: unspecified launch failure"), "broke off"),
    (RuntimeError("The NVIDIA driver on your system is too old"), "update the driver"),
    (RuntimeError("CUDA error: no kernel image is available"), "wasn't made for this"),
    (OSError(5, "Input/output error", "a.tif"), "a.tif can't be .*its drive doesn't answer"),
    (OSError(116, "Stale file handle"), "its drive doesn't answer"),
    (FileNotFoundError(2, "No such file", "a.tif"), "isn't there any more; put it back"),
    (KeyError("x"), "fault of the program .*please report"),
]


@pytest.mark.parametrize(("error", "words"), FAILURES)
def test_a_training_that_breaks_off_keeps_its_best_and_says_so(
    store, nuclei, tiny, monkeypatch, error, words
):
    from napari_nucleate.core.training import run as core_run

    made = core_run.Learner

    def learner(*args, **kwargs):
        one = made(*args, **kwargs)
        one._loss = Broken(one, error, at=8)
        return one

    monkeypatch.setattr(core_run, "Learner", learner)
    recipe = tiny(steps=20)
    with pytest.raises(BrokeOffError, match=f"^Training failed.*{words}") as caught:
        list(training(store, nuclei(), recipe, Card(recipe=recipe, record=Record(name="mine"))))
    step = store.load_model("mine").card.record.best_step
    assert 0 < step < 8
    assert str(caught.value).endswith(f"Kept: the best weights so far, mine of step {step}.")
    assert caught.value.__cause__ is error


def test_of_a_training_that_breaks_off_at_once_nothing_is_kept(store, nuclei, tiny, monkeypatch):
    from napari_nucleate.core.training import learner

    def full(*args):
        raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")

    monkeypatch.setattr(learner, "place", full)
    card = Card(recipe=tiny(), record=Record(name="mine"))
    with pytest.raises(BrokeOffError, match=r"^Training failed: memory ran out; .*images\.$"):
        list(training(store, nuclei(), tiny(), card))


def test_a_loss_that_is_no_number_ends_in_words_with_the_best_kept(
    store, nuclei, tiny, monkeypatch
):
    from napari_nucleate.core.training.learner import Learner

    loss, calls = Learner._loss, []

    def odd(self, batch):
        calls.append(1)
        return loss(self, batch) * (float("nan") if len(calls) > 8 else 1)

    monkeypatch.setattr(Learner, "_loss", odd)
    recipe = tiny(steps=30)
    with pytest.raises(
        BrokeOffError, match=r"finite number twice\. Lower .*Kept: the best weights so far"
    ):
        list(training(store, nuclei(), recipe, Card(recipe=recipe, record=Record(name="mine"))))
    store.load_model("mine")


def test_a_prediction_that_breaks_off_keeps_the_images_before(
    store, nuclei, tiny, picture, random_model
):
    class Gone:
        key, spacing, units = "gone", (1.0, 1.0), ("pixel", "pixel")

        def read(self):
            raise OSError(107, "Transport endpoint is not connected", "/net/gone.tif")

    from napari_nucleate.core.rounds import SelfTraining

    sources = [picture(e.key, e.image) for e in nuclei()] + [Gone()]
    with pytest.raises(
        BrokeOffError,
        match=r"^Prediction failed: /net/gone.tif can't be .* drive .*Kept: the 3 image\(s\)",
    ):
        list(predicting(store, random_model(tiny()), sources, SelfTraining()))
    assert all(store.load_prediction(e.key) is not None for e in nuclei())
