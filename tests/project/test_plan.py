"""What can be done is worked out in one place, and says why not."""

import pytest

from napari_nucleate.project.model import Item, State
from napari_nucleate.project.plan import Gate, Plan, Situation, plan

LABELLED = State(items=(Item(key="a", status="labelled"), Item(key="b")))
FULL = State(
    items=(
        Item(key="a", status="labelled"),
        Item(key="b", status="accepted", confidence=0.9),
        Item(key="c", status="predicted", confidence=0.8),
    )
)
READY = Situation(
    FULL,
    image=True,
    annotation=True,
    model="round-0",
    interrupted="round-0",
    splittable=True,
    exportable=True,
    judged=True,
)


def but(**changes):
    from dataclasses import replace

    return plan(replace(READY, **changes))


def test_with_everything_there_all_but_stop_can_be_done():
    got = plan(READY)
    assert [n for n in Plan.__dataclass_fields__ if not getattr(got, n)] == ["stop"]


def test_at_the_beginning_nothing_can_be_done_and_each_action_says_why():
    got = plan(Situation(State()))
    for name in Plan.__dataclass_fields__:
        gate = getattr(got, name)
        assert not gate
        assert gate.why.endswith(".")
        assert gate.why[0].isupper()


@pytest.mark.parametrize(
    ("changes", "action", "why"),
    [
        ({"image": False}, "annotate", "Choose an image layer in the Label dock first."),
        ({"image": False}, "confirm_empty", "Choose an image layer in the Label dock first."),
        ({"image": False}, "next_unlabelled", "Choose an image layer in the Label dock first."),
        ({"image": False}, "train", "Choose an image layer in the Label dock first."),
        ({"image": False}, "resume", "Choose an image layer in the Label dock first."),
        ({"image": False}, "further", "Choose an image layer in the Label dock first."),
        ({"image": False}, "predict", "Choose an image layer in the Label dock first."),
        ({"image": False}, "train_again", "Choose an image layer in the Label dock first."),
        (
            {"annotation": False},
            "confirm_empty",
            "Press Annotate first; there is no annotation layer.",
        ),
        ({"model": ""}, "further", "Train first; there is no model yet."),
        (
            {"interrupted": ""},
            "resume",
            "No training was interrupted; Train further uses the weights there are.",
        ),
        ({"model": ""}, "predict", "Train first; there is no model yet."),
        ({"model": ""}, "train_again", "Train first; there is no model yet."),
        ({"state": State()}, "train", "Paint a few objects first; nothing is labelled yet."),
        ({"state": State()}, "resume", "Paint a few objects first; nothing is labelled yet."),
        ({"state": State()}, "further", "Paint a few objects first; nothing is labelled yet."),
        ({"state": State()}, "train_again", "Paint a few objects first; nothing is labelled yet."),
        ({"state": LABELLED}, "accept", "Predict first; no image has a prediction."),
        (
            {"state": LABELLED},
            "train_again",
            "Accept a few predictions first; Train again learns from them.",
        ),
        ({"splittable": False}, "split", "Choose a mask, probability or label layer to split."),
        ({"exportable": False}, "export", "Choose a label layer to export."),
        ({}, "stop", "Nothing runs."),
    ],
)
def test_what_is_missing_is_said_by_the_action_that_needs_it(changes, action, why):
    assert getattr(but(**changes), action) == Gate(why)


def test_when_all_images_are_labelled_there_is_no_next_one():
    done = State(items=(Item(key="a", status="labelled"), Item(key="b", status="empty")))
    assert but(state=done).next_unlabelled == Gate("No image is left to label.")


@pytest.mark.parametrize(
    "action", ["train", "resume", "further", "predict", "train_again", "split"]
)
def test_a_second_long_work_is_refused_while_one_runs(action):
    got = but(running="training")
    assert getattr(got, action) == Gate("Wait: training is under way; press Stop to end it.")
    assert got.stop
    assert got.accept
    assert got.annotate
    assert got.export


def test_an_image_confirmed_empty_is_enough_to_train():
    empty = State(items=(Item(key="a", status="empty"),))
    assert plan(Situation(empty, image=True, annotation=True)).train


def test_the_same_situation_gives_an_equal_plan():
    assert plan(READY) == plan(READY)
    assert plan(READY) != plan(Situation(FULL))
