"""The state of a project is changed by replacing, and keeps what a person decided."""

import pytest

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.project.model import HUMAN, STATUS_HELP, Item, RoundEntry, State


def state():
    return State(
        items=(
            Item(key="a", status="labelled"),
            Item(key="b", status="predicted", confidence=0.5),
            Item(key="c", status="accepted", confidence=0.9),
            Item(key="d", status="rejected", confidence=0.9),
            Item(key="e"),
            Item(key="f", status="empty"),
            Item(key="g", status="labelled", confidence=0.99),
            Item(key="h", status="predicted", confidence=0.0),
        )
    )


def test_images_are_found_by_name_and_by_status():
    assert state().item("e").status == "unlabelled"
    assert state().keys() == list("abcdefgh")
    assert state().keys("labelled", "empty") == ["a", "f", "g"]
    assert state().keys(*HUMAN) == ["a", "f", "g"]
    with pytest.raises(NucleateError, match="The project has no image 'z'"):
        state().item("z")


def test_predictions_are_ranked_best_first_then_by_name_without_a_persons_images():
    assert [i.key for i in state().ranked()] == ["c", "d", "b", "h"]
    assert State().ranked() == []


def test_marking_changes_one_image_of_a_new_state():
    before = state()
    after = before.mark("b", "accepted")
    assert after.item("b").status == "accepted"
    assert after.item("b").confidence == 0.5
    assert before == state()
    others = [i for i in after.items if i.key != "b"]
    assert others == [i for i in before.items if i.key != "b"]


def test_the_newest_model_is_the_last_that_is_not_set_aside():
    rounds = [
        RoundEntry(number=n, model=f"round-{n}", human=1, pseudo=n, seconds=1) for n in range(3)
    ]
    assert State().used is None
    before = State(rounds=tuple(rounds))
    assert before.used == rounds[2]
    after = before.set_aside("round-2", "It was worse.")
    assert after.used == rounds[1]
    assert [r.set_aside for r in after.rounds] == ["", "", "It was worse."]
    assert State.parse(after.model_dump(mode="json")) == after
    none = State(rounds=tuple(rounds[:1])).set_aside("round-0", "No.")
    assert none.used is None


def test_a_person_may_use_another_model():
    rounds = [
        RoundEntry(number=n, model=f"round-{n}", human=1, pseudo=n, seconds=1, initial=initial)
        for n, initial in enumerate(["", "", "round-0"])
    ]
    state = State(rounds=tuple(rounds))
    assert state.use("round-1").used == rounds[1]
    # What a worse one began with is in use again, newer or not.
    assert state.set_aside("round-2", "It was worse.").used == rounds[0]
    with pytest.raises(NucleateError, match="no model 'round-9'"):
        state.use("round-9")


@pytest.mark.parametrize("status", ["accepted", "rejected", "predicted"])
def test_what_was_never_predicted_can_not_be_accepted_or_rejected(status):
    with pytest.raises(NucleateError, match="e has no prediction yet; predict it first"):
        state().mark("e", status)
    with pytest.raises(NucleateError, match="no image 'z'"):
        state().mark("z", status)


def test_a_persons_marks_need_no_prediction():
    assert state().mark("e", "empty").keys("empty") == ["e", "f"]
    assert state().mark("b", "labelled").item("b").status == "labelled"


def test_replacing_keeps_the_order_and_ignores_strangers():
    got = state().replace(Item(key="h"), Item(key="a", status="empty"), Item(key="zzz"))
    assert got.keys() == list("abcdefgh")
    assert got.item("a").status == "empty"
    assert got.item("h").confidence is None


def test_every_status_is_explained():
    from typing import get_args

    from napari_nucleate.project.model import Status

    assert set(STATUS_HELP) == set(get_args(Status))
    assert all(text.endswith(".") for text in STATUS_HELP.values())


@pytest.mark.parametrize(
    "values",
    [
        {"key": ""},
        {"key": "a", "confidence": 1.5},
        {"key": "a", "status": "done"},
        {"key": "a", "round": -1},
    ],
)
def test_impossible_items_are_refused(values):
    with pytest.raises(NucleateError, match="is not valid"):
        Item.parse(values)
