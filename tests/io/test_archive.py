"""A stranger's zip file: all of it in its own folder, or one sentence and nothing."""

import re
import stat
import struct
import zipfile
from types import SimpleNamespace

import pytest

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.io.archive import unpack


def packed(path, *entries):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in entries:
            file.writestr(name, content)
    return path


def refused(archive, folder):
    """The sentence; nothing is written anywhere."""
    before = sorted(archive.parent.rglob("*"))
    with pytest.raises(NucleateError) as caught:
        unpack(archive, folder)
    assert sorted(archive.parent.rglob("*")) == before
    assert archive.name in str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_files_and_folders_come_out_as_they_were(tmp_path):
    archive = packed(
        tmp_path / "a.zip", ("nucleate.json", "{}"), ("ü/日本 語.txt", "x"), ("b/", "")
    )
    unpack(archive, tmp_path / "out")
    found = {p.relative_to(tmp_path / "out").as_posix() for p in (tmp_path / "out").rglob("*")}
    assert found == {"nucleate.json", "ü", "ü/日本 語.txt", "b"}
    assert (tmp_path / "out/ü/日本 語.txt").read_text() == "x"


@pytest.mark.parametrize(
    ("free", "said"),
    [(0, "needs 1.0 MB, {} has 0.0 MB left"), (200, "needs 1.0 MB, {} has 0.1 MB left")],
)
def test_how_much_room_is_missing_is_said_in_words_that_fit(tmp_path, monkeypatch, free, said):
    archive = packed(tmp_path / "a.zip", ("nucleate.json", "0123456789" * 100_000))
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=free))
    assert said.format(tmp_path) in refused(archive, tmp_path / "out")


@pytest.mark.parametrize(
    "name",
    ["../x", "a/../../x", "/etc/x", "C:/x", "c:x", "\\\\host\\x", "a//x", "./x", "a/./x", "/"],
)
def test_nothing_is_written_outside(tmp_path, name):
    archive = packed(tmp_path / "a.zip", ("nucleate.json", "{}"), (name, "x"))
    assert "outside" in refused(archive, tmp_path / "out")


@pytest.mark.parametrize(
    "name",
    ["a\\b", "ab:c", "x\n", "nul", "CON.txt", "a. ", "a" * 300, "a/" * 20 + "a", "a\x00b"],
)
def test_names_that_some_system_misreads_are_refused(tmp_path, name):
    if "\x00" in name:  # zipfile doesn't write it
        archive = packed(tmp_path / "a.zip", ("a!b", "x"))
        archive.write_bytes(archive.read_bytes().replace(b"a!b", b"a\x00b"))
    else:
        archive = packed(tmp_path / "a.zip", (name, "x"))
    assert "isn't allowed everywhere" in refused(archive, tmp_path / "out")


@pytest.mark.parametrize(
    "names", [("A.txt", "a.TXT"), ("é", "e\u0301"), ("a", "a/b"), ("a/b", "a"), ("a", "a/")]
)
def test_names_that_clash_are_refused(tmp_path, names):
    archive = packed(tmp_path / "a.zip", *[(name, "x") for name in names])
    assert re.search("twice|as a file and as a folder", refused(archive, tmp_path / "out"))


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_links_and_devices_are_refused(tmp_path, kind):
    entry = zipfile.ZipInfo("models")
    entry.external_attr = (kind | 0o777) << 16
    archive = packed(tmp_path / "a.zip", (entry, "/etc"), ("models/x", "x"))
    assert "a link" in refused(archive, tmp_path / "out")


def test_a_bomb_is_refused_before_it_grows(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as file:
        for i in range(5):
            with file.open(f"{i}", "w") as entry:
                for _ in range(64):
                    entry.write(bytes(2**20))
    assert "would grow" in refused(tmp_path / "a.zip", tmp_path / "out")


def test_an_entry_that_lies_of_its_size_is_refused(tmp_path):
    archive = packed(tmp_path / "a.zip", ("x", bytes(2**20)))
    size = struct.pack("<I", 2**20)
    archive.write_bytes(archive.read_bytes().replace(size, struct.pack("<I", 10)))
    assert "damaged" in refused(archive, tmp_path / "out")


def test_too_many_entries_are_refused_without_listing_them(tmp_path):
    archive = packed(tmp_path / "a.zip", ("x", ""))
    raw = bytearray(archive.read_bytes())
    at = raw.index(b"PK\x05\x06")
    directory = raw[raw.index(b"PK\x01\x02") : at] * 400_000
    end = bytearray(raw[at:])
    end[12:16] = struct.pack("<I", len(directory))
    archive.write_bytes(raw[: raw.index(b"PK\x01\x02")] + directory + end)
    assert "100000 files" in refused(archive, tmp_path / "out")


def test_what_is_encrypted_is_refused(tmp_path):
    archive = packed(tmp_path / "a.zip", ("x", "x"))
    raw = bytearray(archive.read_bytes())
    raw[raw.index(b"PK\x01\x02") + 8] |= 1
    archive.write_bytes(raw)
    assert "encrypted" in refused(archive, tmp_path / "out")


@pytest.mark.parametrize("kept", [0.0, 0.5, 0.95])
def test_what_is_cut_off_is_refused(tmp_path, kept):
    archive = packed(tmp_path / "a.zip", ("x", "some text"), ("y", "more"))
    raw = archive.read_bytes()
    archive.write_bytes(raw[: int(len(raw) * kept)])
    assert "damaged" in refused(archive, tmp_path / "out")


def test_an_existing_folder_is_left_alone(tmp_path):
    archive = packed(tmp_path / "a.zip", ("x", "new"))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "x").write_text("old")
    with pytest.raises(NucleateError, match="exists already"):
        unpack(archive, tmp_path / "out")
    assert (tmp_path / "out" / "x").read_text() == "old"
