"""log.csv tells what happened, a line each, whatever ended the program."""

import csv

import pytest

from napari_nucleate.core.model import Card, Model, Record
from napari_nucleate.core.recipe import Recipe
from napari_nucleate.project import log, run
from napari_nucleate.project.learned import Round, learned
from napari_nucleate.project.log import LOG, Happened, between
from napari_nucleate.project.model import Item, State
from napari_nucleate.project.store import Store


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path / "project", "nucleate test") as made:
        yield made


def told(store):
    return [(row["what"], row["images"], row["model"]) for row in log.read(store.folder)]


def trained(name="round-0", **values):
    values = {"seconds": 2.5, "steps": 40, "validation_ap": 0.75, "human": ("a",)} | values
    return Model(Card(recipe=Recipe(), record=Record(name=name, **values)), {})


def test_what_changes_is_told_in_one_line_each(store):
    state = State(name="mice", items=tuple(Item(key=k) for k in "abcd"))
    state = state.mark("a", "labelled")
    store.save_state(state)
    store.save_state(state)  # nothing new
    state = run.entered(state, trained())
    predicted = [i.model_copy(update={"model": "round-0", "confidence": 0.5}) for i in state.items]
    state = state.replace(*(i.model_copy(update={"status": "predicted"}) for i in predicted[1:]))
    store.save_state(state)
    state = state.mark("b", "accepted").mark("c", "accepted").mark("d", "rejected")
    store.save_state(state)
    store.save_state(state.mark("b", "predicted").set_aside("round-0", "It is worse."))
    store.note(Happened("opened"))
    assert told(store) == [
        ("created", "4", ""),
        ("labelled", "1", ""),
        ("trained", "1", "round-0"),
        ("predicted", "3", "round-0"),
        ("accepted", "2", ""),
        ("rejected", "1", ""),
        ("set aside", "", "round-0"),
        ("judgement taken back", "1", ""),
        ("opened", "", ""),
    ]
    row = log.read(store.folder)[2]
    assert row["who"] == "nucleate test"
    assert (row["steps"], row["seconds"], row["validation AP"]) == ("40", "2.5", "0.7500")
    assert log.read(store.folder)[6]["note"] == "It is worse."


def test_it_tells_to_which_images_it_happened(store):
    state = State(items=tuple(Item(key=k) for k in ("a", "größe_t01", "c")))
    store.save_state(state)
    state = state.mark("größe_t01", "labelled").mark("c", "labelled")
    store.save_state(state)
    item = state.item("a").model_copy(update={"model": "round-0", "confidence": 0.5})
    state = state.replace(item).mark("a", "predicted")
    store.save_state(state)
    store.save_state(state.mark("a", "rejected"))
    assert [(row["what"], row["names"]) for row in log.read(store.folder)] == [
        ("created", ""),
        ("labelled", "größe_t01; c"),
        ("predicted", "a"),
        ("rejected", "a"),
    ]


def test_of_many_images_it_names_as_many_as_can_be_read(store):
    keys = [f"image_{n:04}" for n in range(3000)]
    store.save_state(State())
    store.note(Happened("accepted", 3000, names=tuple(keys)))
    names = log.read(store.folder)[-1]["names"].split("; ")
    assert names[:2] == keys[:2]
    assert names[-1] == f"and {3000 - len(names) + 1} more"
    assert len("; ".join(names)) <= 1000


OLD = (
    "\ufefftime,who,what,images,model,steps,seconds,validation AP,note\n"
    '2026-01-01 10:00:00+00:00,ada,created,3,,,,,"mice, young"\n'
    "2026-01-01 10:01:00+00:00,ada,labelled,1,,,,,\n"
)


@pytest.mark.parametrize("left", ["", "2026-01-01 10:02:00+00:00,ada,trai"])
def test_a_log_of_an_earlier_version_keeps_its_lines_and_gets_the_new_column(store, left):
    store.save_state(State(items=(Item(key="a"),)))
    (store.folder / LOG).write_text(OLD + left, "utf-8")
    before = log.read(store.folder)
    assert [row["names"] for row in before] == [""] * len(before)
    assert before[0]["note"] == "mice, young"
    store.note(Happened("accepted", 1, names=("a",)))
    rows = log.read(store.folder)
    assert rows[:-1] == before
    assert rows[-1]["names"] == "a"
    with (store.folder / LOG).open(encoding="utf-8-sig", newline="") as file:
        assert next(csv.reader(file)) == list(log.COLUMNS)
    assert (store.folder / LOG).read_bytes().count(b"\xef\xbb\xbf") == 1


def test_a_log_with_a_head_of_its_own_keeps_it(store):
    store.save_state(State())
    (store.folder / LOG).write_text("when;what\n1;2\n", "utf-8")
    store.note(Happened("opened"))
    assert (store.folder / LOG).read_text("utf-8").startswith("when;what\n1;2\n")


def test_another_window_goes_on_where_the_log_was(store):
    state = State(items=(Item(key="a"),))
    store.save_state(state)
    store.close()
    with Store(store.folder, "another") as other:
        other.save_state(state.mark("a", "labelled"))
    assert [row["who"] for row in log.read(store.folder)] == ["nucleate test", "another"]
    assert told(store)[-1] == ("labelled", "1", "")


@pytest.mark.parametrize("left", ["2026-01-01 10:00:00+00:00,who,trai", '2026,who,"a, b', "2"])
def test_half_a_line_that_a_kill_left_is_ended_and_the_next_is_whole(store, left):
    store.save_state(State(name="one"))
    with (store.folder / LOG).open("a") as file:
        file.write(left)
    assert len(log.read(store.folder)) == 2
    store.note(Happened("opened", note='said "so", twice'))
    rows = log.read(store.folder)
    assert [row["what"] for row in rows[::2]] == ["created", "opened"]
    assert rows[2]["note"] == 'said "so", twice'
    with (store.folder / LOG).open(encoding="utf-8-sig", newline="") as file:
        assert len(list(csv.reader(file))) == 4


def test_a_line_stays_a_line_to_read_and_no_formula(store):
    store.save_state(State(name="=cmd()\n" + "long " * 100))
    note = log.read(store.folder)[0]["note"]
    assert note.startswith("'=cmd() long")
    assert len(note) <= 201
    assert len((store.folder / LOG).read_text("utf-8").splitlines()) == 2


def test_a_log_that_can_not_be_written_stops_nothing(store):
    (store.folder / LOG).mkdir(parents=True)
    store.save_state(State(name="kept"))
    assert store.load_state().name == "kept"


def test_a_training_gone_on_with_is_told_again():
    before = run.entered(State(), trained())
    after = run.entered(before, trained(seconds=5))
    (one,) = between(before, after)
    assert (one.what, one.seconds, one.note) == ("trained", 5, "went on")


def test_a_round_tells_which_images_it_learned_from_and_how_sure_they_were(store):
    items = (
        Item(key="a", status="labelled", source="/data/a.tif", checksum="12"),
        Item(key="b", status="accepted", model="round-0", confidence=0.83, judged=False),
        Item(key="c", status="predicted", model="round-0", confidence=0.2),
    )
    model = trained("round-1", round=1, pseudo=("b",), initial="round-0", held_out=("a",))
    store.save_round(learned(State(items=items, known="boxes"), model))
    kept = Round.load(store.folder / "rounds" / "round-1.json")
    # Paths are in nucleate.json alone, where they follow files that move.
    assert kept.human == (items[0].model_copy(update={"source": ""}),)
    assert kept.pseudo == items[1:2]
    assert (kept.number, kept.initial, kept.known, kept.held_out) == (1, "round-0", "boxes", ("a",))
    assert kept.validation_ap == 0.75
