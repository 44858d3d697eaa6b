"""A damaged nucleate.json closes no project: the state kept before it is used."""

import json
import os

import numpy as np
import pytest

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.project import log, run
from napari_nucleate.project import store as module
from napari_nucleate.project.copying import copying, packing, unpacking
from napari_nucleate.project.doctor import diagnose
from napari_nucleate.project.model import Item, State
from napari_nucleate.project.state_file import DAMAGED, PREVIOUS, STATE
from napari_nucleate.project.store import Store

SPOILED = [
    b"",
    b"{",
    b"\0" * 400,
    b"[1, 2]",
    b'{"version": 1, "items": [{"key": "a", "sta',
    b"\xff{}",
]
ASIDE = DAMAGED.format("")


@pytest.fixture
def state():
    items = (Item(key="a", status="labelled"), Item(key="b"), Item(key="c"))
    return State(name="mice", items=items)


@pytest.fixture
def project(tmp_path, state):
    """A project that was written twice; image b is labelled in the later state only."""
    with Store(tmp_path / "project") as store:
        store.save_annotation("a", np.ones((5, 6), int))
        store.save_state(state)
        store.save_annotation("b", np.ones((5, 6), int))
        store.save_state(state.mark("b", "labelled"))
    return tmp_path / "project"


@pytest.mark.parametrize("content", SPOILED)
def test_the_state_before_is_used_with_what_was_painted_since(project, content):
    (project / STATE).write_bytes(content)
    store = Store(project)
    assert store.load_state().keys("labelled") == ["a", "b"]
    assert f"{STATE} is damaged: the state kept before it" in store.restored
    assert f"the damaged file is kept as {ASIDE}." in store.restored
    assert "\n" not in store.restored
    assert (project / STATE).read_bytes() == content  # who only reads changes nothing


def test_a_state_that_is_gone_is_the_one_before(project):
    (project / STATE).unlink()
    store = Store(project)
    assert store.exists
    assert store.load_state().name == "mice"
    assert "isn't there any more" in store.restored
    assert "damaged" not in store.restored
    store.save_state(store.load_state())
    assert not (project / ASIDE).exists()


def test_what_was_erased_since_is_not_labelled(project):
    with Store(project) as store:
        store.save_annotation("a", np.zeros((5, 6), int))
    (project / STATE).write_text("{")
    assert Store(project).load_state().keys("labelled") == ["b"]


def test_a_model_of_since_is_in_the_history(project, tiny, random_model):
    model = random_model(tiny())
    with Store(project) as store:
        store.save_model(model)
    (project / STATE).write_text("{")
    store = Store(project)
    after = run.recovered(store.load_state(), store)
    assert [entry.model for entry in after.rounds] == [model.card.record.name]


def test_the_damaged_file_is_kept_before_anything_is_written(project):
    for n, name in enumerate((ASIDE, DAMAGED.format("-2"))):
        (project / STATE).write_text(f"damaged {n}")
        with Store(project) as store:
            store.save_state(store.load_state())
            assert not store.restored
        assert (project / name).read_text() == f"damaged {n}"
        assert Store(project).load_state().keys("labelled") == ["a", "b"]
    told = [row for row in log.read(project) if row["what"] == "restored"]
    assert told[0]["note"] == f"The damaged state is {ASIDE}."


def test_a_store_that_never_read_the_damaged_file_keeps_it_too(project, state):
    (project / STATE).write_text("{")
    with Store(project) as store:
        store.save_state(state)
    assert (project / ASIDE).read_text() == "{"


@pytest.mark.skipif(os.name == "nt", reason="permissions of folders mean nothing there")
def test_where_the_damaged_file_can_not_be_kept_nothing_is_written(project, state, monkeypatch):
    (project / STATE).write_text("{")

    def refuse(self, target):
        raise PermissionError(13, "Permission denied", str(self))

    with Store(project) as store:
        monkeypatch.setattr("pathlib.PosixPath.rename", refuse, raising=False)
        monkeypatch.setattr("pathlib.Path.rename", refuse)
        with pytest.raises(NucleateError, match=rf"can't be kept as {ASIDE}: there is no perm"):
            store.save_state(state)
    assert (project / STATE).read_text() == "{"


def test_a_newer_version_is_never_replaced_by_the_state_before(project):
    (project / STATE).write_text(json.dumps({"version": 9, "novelty": 1}))
    with pytest.raises(NucleateError, match=r"has format 9 of a newer .*update"):
        Store(project).load_state()
    assert Store(project).restored == ""


def test_a_value_that_is_not_valid_is_said_and_not_replaced(project):
    (project / STATE).write_text('{"version": 1, "known": "all"}')
    with pytest.raises(NucleateError, match=r"nucleate\.json: State: known = 'all' is not valid"):
        Store(project).load_state()


def test_where_both_are_damaged_it_says_where_the_labels_are(project):
    (project / STATE).write_text("{")
    (project / PREVIOUS).write_text("{")
    with pytest.raises(
        NucleateError, match=r"kept before it, is damaged\. .*labels are still in"
    ) as caught:
        Store(project).load_state()
    assert str(project / "annotations") in str(caught.value)


def test_it_is_written_again_after_a_while_only(project, state, monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])

    def kept():
        return State.load(project / PREVIOUS).name

    with Store(project) as store:
        for name in "abc":
            store.save_state(state.model_copy(update={"name": name}))
        assert kept() == "mice"
        now[0] += module.SPARE + 1
        for name in "de":
            store.save_state(state.model_copy(update={"name": name}))
        assert kept() == "c"


def test_a_diagnosis_says_so_and_goes_on(project):
    (project / STATE).write_text("{")
    found = dict(diagnose(project).to_dict()["Project"])
    assert "is damaged: the state kept before it" in found["problem"]
    assert found["images"].startswith("3: ")
    assert (project / STATE).read_text() == "{"


def test_copies_and_zips_are_whole_and_keep_a_previous_state_of_their_own(project, tmp_path):
    (project / STATE).write_text("{")
    state = Store(project).load_state()
    list(copying(state, project, tmp_path / "copy"))
    list(packing(state, project, tmp_path / "a.zip", images=False))
    unpacking(tmp_path / "a.zip", tmp_path / "unpacked")
    for folder in (tmp_path / "copy", tmp_path / "unpacked"):
        assert not (folder / PREVIOUS).exists()
        store = Store(folder)
        assert store.load_state().keys("labelled") == ["a", "b"]
        assert not store.restored


def test_a_damaged_project_that_was_zipped_by_hand_opens(project, tmp_path):
    import shutil

    (project / STATE).write_text("{")
    archive = shutil.make_archive(str(tmp_path / "hand"), "zip", project)
    unpacking(module.Path(archive), tmp_path / "new")
    assert Store(tmp_path / "new").load_state().keys("labelled") == ["a", "b"]
