"""`nucleate self-train PROJECT` goes on with a round of self-training that was interrupted."""

import os
import shutil
import signal

import numpy as np
import pytest

from napari_nucleate.cli import learn
from napari_nucleate.cli.projects import annotations_of, images_of
from napari_nucleate.core.events import Step
from napari_nucleate.io.model import load_model
from napari_nucleate.project import log, run
from napari_nucleate.project.store import Store

ALL_GOOD = ("--least", 0, "--sure", 0.5, "--sizes", 1000)
ROUNDS = ("--rounds", 1, "--steps", 6, *ALL_GOOD)


@pytest.fixture
def stopped(nucleate, monkeypatch):
    """Runs a command that is interrupted, by Ctrl+C, at a step."""
    true = learn.Follower.show

    def command(step, *arguments):
        def show(self, event):
            true(self, event)
            if isinstance(event, Step) and event.step == step:
                os.kill(os.getpid(), signal.SIGINT)

        with monkeypatch.context() as patch:
            patch.setattr(learn.Follower, "show", show)
            return nucleate(*arguments, code=130)

    return command


@pytest.fixture
def options(tmp_path, sample):
    """Four images, one of them labelled."""
    images, masks = sample("2d", 4)
    few = tmp_path / "few"
    few.mkdir()
    shutil.copy(min(masks.glob("*.tif")), few)
    return ["--images", images, "--masks", few]


@pytest.fixture
def project(nucleate, tmp_path, options, tiny_options):
    """A project that had its first training."""
    out = tmp_path / "project"
    nucleate("self-train", *options, *tiny_options, "--out", out, "--rounds", 0)
    return out


def test_it_ends_as_if_it_had_not_been_interrupted(nucleate, stopped, tmp_path, project):
    whole = shutil.copytree(project, tmp_path / "whole")
    nucleate("self-train", whole, *ROUNDS)
    said = stopped(3, "self-train", project, *ROUNDS)
    assert "Go on where it was by: nucleate self-train" in said.err
    store = Store(project)
    assert store.interrupted() == "round-1"
    before = store.load_state()
    taken = before.keys("accepted")
    assert taken
    done = nucleate("self-train", project, "--json")
    assert "Warning" not in done.err
    assert "Goes on at step 3" in done.err
    assert [r["model"] for r in done.json["rounds"]] == ["round-0", "round-1"]
    one, other = (load_model(folder / "models" / "round-1") for folder in (whole, project))
    assert one.card.record.pseudo == other.card.record.pseudo
    assert set(other.card.record.pseudo) == set(taken)
    assert all(np.array_equal(one.weights[k], other.weights[k]) for k in one.weights)
    assert store.interrupted() == ""
    told = [(row["what"], row["model"], row["steps"]) for row in log.read(project)]
    assert ("gone on with", "round-1", "3") in told


def test_the_first_training_is_gone_on_with_and_rounds_follow(
    nucleate, stopped, tmp_path, options, tiny_options
):
    out = tmp_path / "project"
    stopped(2, "self-train", *options, *tiny_options, *ROUNDS, "--out", out)
    done = nucleate("self-train", out, "--json")
    assert "Goes on at step 2" in done.err
    assert [(r["model"], r["initial"]) for r in done.json["rounds"]] == [
        ("round-0", ""),
        ("round-1", "round-0"),
    ]
    assert Store(out).interrupted() == ""


def test_without_rounds_the_images_are_predicted_and_it_waits(nucleate, stopped, project):
    stopped(2, "self-train", project, *ROUNDS)
    before = Store(project).load_state().rounds
    nucleate("self-train", project, "--rounds", 0)
    after = Store(project).load_state()
    assert after.rounds == before
    assert all(item.confidence is not None for item in after.items if item.status != "labelled")
    assert Store(project).interrupted() == "round-1"
    told = [row["what"] for row in log.read(project)]
    assert "gone on with" not in told


def test_it_may_be_interrupted_again(nucleate, stopped, project):
    stopped(2, "self-train", project, *ROUNDS)
    stopped(4, "self-train", project)
    done = nucleate("self-train", project, "--json")
    assert "Goes on at step 4" in done.err
    assert [r["model"] for r in done.json["rounds"]] == ["round-0", "round-1"]


def test_the_window_can_go_on_with_it_too(stopped, project):
    stopped(3, "self-train", project, *ROUNDS)
    store = Store(project)
    state, snapshot = store.load_state(), store.load_snapshot(store.interrupted())
    sources = {one.key: one for one in images_of(state, state.keys())}
    examples = run.gather(state, store, sources, annotations_of(store, state).__getitem__)
    same = snapshot.same(examples, snapshot.completed(state.recipe))
    assert [example.key for example in same] == [seen.key for seen in snapshot.progress.seen]
    assert any(example.pseudo for example in same)


@pytest.mark.parametrize("change", ["labels", "recipe", "judgement", "asked"])
def test_where_something_changed_another_begins_and_it_is_said(nucleate, stopped, project, change):
    stopped(3, "self-train", project, *ROUNDS)
    store, more, why = Store(project), [], ""
    state = store.load_state()
    if change == "labels":
        (key,) = state.keys("labelled")
        painted = store.load_annotation(key)
        painted[:5, :5] = 999
        store.save_annotation(key, painted)
        why = f"The labels of {key} changed"
    elif change == "recipe":
        more, why = ["--batch", 3], "optimisation.batch was 2 and is 3"
    elif change == "judgement":
        key = state.keys("accepted")[0]
        store.save_state(state.mark(key, "rejected"))
        why = f"The prediction of {key} isn't accepted any more"
    else:
        more = ["--no-resume"]
    store.close()
    done = nucleate("self-train", project, *more, "--json")
    assert ("round-1, which was interrupted, isn't gone on with" in done.err) == bool(why)
    assert why in " ".join(done.err.split())
    assert "Goes on at" not in done.err
    # Its weights, if it had any yet, are in the history still.
    kept = (project / "models" / "round-1" / "weights.safetensors").exists()
    models = ["round-0", *["round-1"] * kept, "round-1-2"]
    assert [r["model"] for r in done.json["rounds"]] == models
    assert Store(project).interrupted() == ""


def test_one_that_was_killed_is_gone_on_with(nucleate, stopped, project):
    before = Store(project).load_state()
    stopped(3, "self-train", project, *ROUNDS)
    with Store(project) as store:  # as a kill leaves it: nothing of its end is in the history
        state = store.load_state()
        store.save_state(state.model_copy(update={"rounds": before.rounds, "chosen": ""}))
    done = nucleate("self-train", project, "--json")
    assert "Goes on at step 3" in done.err
    assert [r["model"] for r in done.json["rounds"]] == ["round-0", "round-1"]
