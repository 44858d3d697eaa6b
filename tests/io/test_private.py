"""Texts for others tell neither folders nor names."""

import getpass
import platform
from pathlib import Path

import pytest

from napari_nucleate.io import private
from napari_nucleate.io.private import code_path, short_path, without_private


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("/data/Smith/a.tif can't be read.", "…/a.tif can't be read."),
        ("/data/Dr Smith/Jo O'Hara/a b.tif is odd", "…/a b.tif is odd"),
        ("[Errno 2] No such file: '/data/ü 日本/a.tif'", "[Errno 2] No such file: '…/a.tif'"),
        ("'/d/Smith/a.tif' and '/d/Smith/b.tif'", "'…/a.tif' and '…/b.tif'"),
        ("/d/Smith/a.tif isn't in /d/Jones/b", "…/a.tif isn't in …/b"),
        (r"C:\Users\Ann Lee\a.tif is odd", "…/a.tif is odd"),
        (r"'C:\\Users\\Ann Lee\\a.tif'", "'…/a.tif'"),
        (r"\\server\Smith\a.tif", "…/a.tif"),
        ("//server/Smith/a.tif", "…/a.tif"),
        ("file:///home/Smith/a.tif", "…/a.tif"),
        ("Smith/2020/a.tif does not exist.", "…/a.tif does not exist."),
        ("~/Smith/a.tif", "…/a.tif"),
        ("path=/d/Smith/a.tif;", "path=…/a.tif;"),
        ("yours and/or mine in a/b.tif", "yours …/b.tif"),  # rather too much than a name
        ("Nothing private, 3 / 4 of it.", "Nothing private, 3 / 4 of it."),
        (
            "x is in use by train (process 12 of ann b on lab-7, since 2026-01-01 10:00)",
            "x is in use by train (process 12, since 2026-01-01 10:00)",
        ),
    ],
)
def test_of_paths_the_names_of_files_are_left(text, shown):
    assert without_private(text) == shown
    assert without_private(shown) == shown


def test_neither_user_nor_machine_are_told(monkeypatch):
    monkeypatch.setattr(getpass, "getuser", lambda: "annlee")
    monkeypatch.setattr(platform, "node", lambda: "lab-7.uni.example")
    private._names.cache_clear()
    text = without_private("annlee on lab-7, lab-7.uni.example; annleesa")
    private._names.cache_clear()
    assert text == "USER on MACHINE, MACHINE; annleesa"


def test_no_name_of_a_user_is_no_error(monkeypatch):
    def none():
        raise KeyError(1000)

    monkeypatch.setattr(getpass, "getuser", none)
    private._names.cache_clear()
    assert without_private("fine") == "fine"
    private._names.cache_clear()


def test_the_programs_own_files_are_named_from_where_python_finds_them(tmp_path):
    assert code_path(private.__file__) == "napari_nucleate/io/private.py"
    assert code_path(str(tmp_path / "Smith" / "mine.py")) == "mine.py"
    assert code_path("<frozen runpy>") == "<frozen runpy>"


def test_folders_of_the_program_begin_at_home():
    assert short_path(Path.home() / ".cache" / "x") == str(Path("~/.cache/x"))
    assert short_path(Path("/data/Smith/x")) == str(Path("…/x"))
