"""A folder is there whole, or not at all; what was left long ago goes."""

import os

import pytest

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.io.new_folder import OLD, new_folder


def fill(folder):
    with new_folder(folder) as part:
        (part / "a").write_text("x")
        assert not folder.exists()


def left(folder, age):
    """What a writer leaves that was killed so many seconds ago."""
    folder.mkdir()
    (folder / "a").write_text("x")
    then = (folder / "a").stat().st_mtime - age
    for path in (folder / "a", folder):
        os.utime(path, (then, then))
    return folder


def test_it_has_its_name_when_it_is_whole(tmp_path):
    fill(tmp_path / "new")
    assert [p.name for p in tmp_path.iterdir()] == ["new"]
    assert (tmp_path / "new" / "a").read_text() == "x"


def test_a_failure_leaves_nothing(tmp_path):
    with pytest.raises(NucleateError, match="can't be written"), new_folder(tmp_path / "new"):
        raise PermissionError
    assert list(tmp_path.iterdir()) == []


def test_what_was_left_long_ago_is_removed_and_nothing_else(tmp_path):
    old = left(tmp_path / ".nucleate-01234567-new", 2 * OLD)
    kept = {
        left(tmp_path / ".nucleate-01234567-other", 2 * OLD),
        left(tmp_path / ".nucleate-89abcdef-new", OLD / 2),
        left(tmp_path / ".hidden-new", 2 * OLD),
    }
    fill(tmp_path / "new")
    assert not old.exists()
    assert {*tmp_path.iterdir()} == kept | {tmp_path / "new"}


def test_one_that_is_filled_by_others_meanwhile_stays(tmp_path):
    busy = left(tmp_path / ".nucleate-01234567-new", 2 * OLD)
    (busy / "a").write_text("more")
    fill(tmp_path / "new")
    assert busy.exists()
