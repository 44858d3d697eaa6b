"""Paths of images: relative inside the project, found again when they move, checked by pixels."""

import json
import os
import shutil

import numpy as np
import pytest

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.io.write import write_image
from napari_nucleate.project import images as places
from napari_nucleate.project.images import changed, look, missing, noted, parts_of, sources
from napari_nucleate.project.locate import Compared, Located, locating
from napari_nucleate.project.model import Item, State, View
from napari_nucleate.project.store import Store


def image(path, seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    write_image(path, np.random.default_rng(seed).integers(0, 99, (9, 8)).astype(np.uint8), "YX")
    return str(path)


def of(*files):
    items = tuple(Item(key=f"{n}", source=file) for n, file in enumerate(files))
    view = View(name="all", files=files, axes="NYX", shape=(len(files), 9, 8))
    return State(items=items, view=view)


def checked(state):
    return noted(state, look(sources(state)))


def located(state, folder):
    *_, last = locating(state, folder)
    assert isinstance(last, Located)
    return last


class TestPaths:
    def test_those_that_nobody_can_look_at_are_missing(self, tmp_path):
        state = of("/" + "a" * 5000, image(tmp_path / "b.tif"))
        assert missing(state) == [state.item("0").source]
        assert [event.source for event in look(sources(state))] == [state.item("1").source]
        assert not Store(tmp_path / ("a" * 5000)).exists

    def test_they_are_relative_inside_the_project_and_follow_it(self, tmp_path):
        old, new = tmp_path / "one", tmp_path / "ü 日本" / "two"
        state = of(image(old / "images" / "a.tif"), image(tmp_path / "b.tif"))
        with Store(old) as store:
            store.save_state(state)
            assert store.load_state() == state
        raw = json.loads((old / "nucleate.json").read_text("utf-8"))
        for written in ([i["source"] for i in raw["items"]], raw["view"]["files"]):
            assert written == ["images/a.tif", str(tmp_path / "b.tif")]
        new.parent.mkdir()
        old.rename(new)
        again = Store(new).load_state()
        assert sources(again) == [str(new / "images" / "a.tif"), str(tmp_path / "b.tif")]
        assert missing(again) == []

    def test_those_of_another_system_stay_as_they_are(self, tmp_path):
        state = of(r"C:\data\a.tif", r"\\server\data\b.tif")
        with Store(tmp_path) as store:
            store.save_state(state)
            assert store.load_state() == state
        assert parts_of(r"\\server\data\b.tif")[-1] == "b.tif"
        assert missing(state) == list(sources(state))

    def test_images_that_came_from_no_file_have_none(self, tmp_path):
        state = State(items=(Item(key="a"),))
        with Store(tmp_path) as store:
            store.save_state(state)
            assert store.load_state() == state
        assert sources(state) == missing(state) == []


class TestChecksums:
    def test_another_file_in_its_place_is_noticed_and_the_same_saved_anew_is_not(self, tmp_path):
        state = checked(of(image(tmp_path / "a.tif"), image(tmp_path / "b.tif", 1)))
        assert len({item.checksum for item in state.items}) == 2
        write_image(
            tmp_path / "a.tif",
            np.random.default_rng(0).integers(0, 99, (9, 8)).astype(np.float32),
            "YX",
            overwrite=True,
        )
        os.utime(tmp_path / "a.tif", (1, 1))
        assert changed(state, look(sources(state))) == []
        shutil.copy(tmp_path / "a.tif", tmp_path / "b.tif")
        looked = list(look(sources(state)))
        assert changed(state, looked) == [str(tmp_path / "b.tif")]
        assert noted(state, looked) == state
        assert changed(places.accepted_as(state, looked), looked) == []

    def test_what_is_gone_or_unreadable_is_not_said_to_be_another(self, tmp_path):
        state = checked(of(image(tmp_path / "a.tif")))
        (tmp_path / "a.tif").unlink()
        assert list(look(sources(state))) == []
        assert changed(state, look(sources(state))) == []

    def test_an_older_project_without_checksums_is_read(self, tmp_path):
        (tmp_path / "nucleate.json").write_text(
            '{"version": 1, "items": [{"key": "a", "source": "/data/a.tif"}]}'
        )
        assert Store(tmp_path).load_state().item("a").checksum == ""


class TestLocating:
    def test_the_same_folders_elsewhere_tell_files_of_one_name_apart(self, tmp_path):
        old = tmp_path / "old"
        state = of(image(old / "x" / "a.tif"), image(old / "y" / "a.tif", 1))
        old.rename(tmp_path / "new")
        found = located(state, tmp_path)
        assert found.complete
        new = tmp_path / "new"
        assert sources(places.moved(state, found.found)) == [
            str(new / "x" / "a.tif"),
            str(new / "y" / "a.tif"),
        ]

    def test_without_its_folders_the_pixels_tell(self, tmp_path):
        state = of(image(tmp_path / "old" / "a.tif"))
        state = checked(state)
        image(tmp_path / "new" / "old" / "a.tif", 5)
        right = image(tmp_path / "new" / "other" / "a.tif")
        (tmp_path / "old" / "a.tif").unlink()
        assert located(state, tmp_path / "new").found == {state.items[0].source: right}

    def test_several_that_it_may_be_are_said(self, tmp_path):
        state = of("/gone/a.tif", "/gone/b.tif", "/gone/deep/c.tif", "/gone/flat/c.tif")
        image(tmp_path / "x" / "a.tif")
        image(tmp_path / "y" / "a.tif", 1)
        image(tmp_path / "c.tif")
        found = located(state, tmp_path)
        assert found.found == {}
        assert set(found.several) == {"/gone/a.tif", "/gone/deep/c.tif", "/gone/flat/c.tif"}
        assert found.nowhere == ("/gone/b.tif",)
        said = found.in_words()
        assert said.startswith("0 of 4 missing files found.")
        assert str(tmp_path / "y" / "a.tif") in said
        assert "Not found: /gone/b.tif." in said

    def test_a_file_of_that_name_with_other_pixels_is_not_taken(self, tmp_path):
        state = checked(of(image(tmp_path / "old" / "a.tif")))
        (tmp_path / "old" / "a.tif").unlink()
        other = image(tmp_path / "new" / "a.tif", 1)
        found = located(state, tmp_path / "new")
        assert found.different == {state.items[0].source: other}
        assert "but other pixels" in found.in_words()

    def test_files_that_are_there_are_left_alone(self, tmp_path):
        state = of(image(tmp_path / "a.tif"), "/gone/b.tif")
        image(tmp_path / "new" / "a.tif", 1)
        image(tmp_path / "new" / ".trash" / "b.tif", 1)
        found = located(state, tmp_path / "new")
        assert found.found == {}
        assert found.nowhere == ("/gone/b.tif",)

    def test_a_file_that_is_another_image_already_is_not_taken(self, tmp_path):
        there = image(tmp_path / "x" / "a.tif")
        state = of(there, "/gone/x/a.tif")
        found = located(state, tmp_path)
        assert found.found == {}
        assert found.nowhere == ("/gone/x/a.tif",)

    def test_each_file_is_read_once_and_none_that_does_not_matter(self, tmp_path):
        old = tmp_path / "old"
        state = checked(of(*(image(old / f"{n}" / "a.tif", n) for n in range(4))))
        old.rename(tmp_path / "new")
        compared = [e.file for e in locating(state, tmp_path) if isinstance(e, Compared)]
        assert len(compared) == 4
        for n in range(4):
            (tmp_path / "new" / f"{n}").rename(tmp_path / "new" / f"other {n}")
        *events, last = locating(state, tmp_path)
        assert last.complete
        assert sum(isinstance(e, Compared) for e in events) == 4

    def test_a_path_of_windows_is_found_here(self, tmp_path):
        state = of(r"D:\mice\day 1\a.tif", r"D:\mice\day 2\a.tif")
        first, second = (image(tmp_path / f"day {n}" / "a.tif", n) for n in (1, 2))
        assert list(located(state, tmp_path).found.values()) == [first, second]

    def test_no_folder_is_one_sentence(self, tmp_path):
        with pytest.raises(NucleateError, match="is not a folder; give one"):
            located(of("/gone/a.tif"), tmp_path / "none")
