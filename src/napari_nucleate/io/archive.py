"""Zip files of others, unpacked without trust: nothing outside the folder, nothing without end."""

from __future__ import annotations

import io
import math
import os
import re
import shutil
import stat
import unicodedata
import zipfile
from typing import TYPE_CHECKING

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.io.guard import reading
from napari_nucleate.io.new_folder import new_folder, writing

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from pathlib import Path

_ENTRIES = 100_000
_DIRECTORY = 2**24
"""Bytes of the list of entries, which zipfile holds in memory twenty times as large."""
_DEPTH = 16
_LARGEST = 2**40
# Deflate reaches 1032 on zeros; a folder of images and tables stays far below 200.
_RATIO, _SMALL = 200, 2**28
_CHUNK = 2**20
_REFUSED = "it isn't unpacked"
_ADVICE = "copy it again, or ask for another"
# What Windows, macOS or Linux don't take in a name, or take for something else.
_FORBIDDEN = re.compile(
    r'[<>:"|?*\\\x00-\x1f\x7f\ud800-\udfff]|[. ]$|^(con|prn|aux|nul|com\d|lpt\d)(\.|$)',
    re.IGNORECASE,
)


class _Bounded(io.FileIO):
    """A file of which nothing large is read at once: zipfile reads its list of entries so."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or size < 0:
            size = os.fstat(self.fileno()).st_size - self.tell()
        if size > _DIRECTORY:
            raise NucleateError(f"{self.name} holds more than {_ENTRIES} files; it isn't unpacked.")
        return super().read(size) or b""


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a zip file into a new folder, wholly or not at all.

    Parameters
    ----------
    archive : Path
        The zip file; whoever made it isn't trusted.
    folder : Path
        Made by this; the folder that it lies in must exist.

    Raises
    ------
    NucleateError
        If the folder exists or can't be written, or the archive is damaged, encrypted, would write
        outside of the folder or what no system takes as a name, holds links, two entries of one
        name, or grows beyond what a project can be. Nothing is left of it then.
    """
    if not archive.is_file():
        raise NucleateError(f"{archive} is no file; choose a zip file.")
    with (
        new_folder(folder) as part,
        reading(archive, _ADVICE),
        _Bounded(archive) as file,
        zipfile.ZipFile(file) as packed,
    ):
        _write(archive, packed, _checked(archive, packed.infolist()), part)


def check_number(holder: Path, number: int, then: str) -> None:
    """Refuse more files than are unpacked.

    Parameters
    ----------
    holder : Path
        The archive, or the folder that is to become one.
    number : int
    then : str
        The end of the sentence: what follows, or what to do.

    Raises
    ------
    NucleateError
        If they are too many.
    """
    if number > _ENTRIES:
        raise NucleateError(f"{holder} holds more than {_ENTRIES} files; {then}.")


def check_names(holder: Path, names: Collection[str], then: str) -> None:
    """Refuse names that some system doesn't take, or takes for one; see `check_number`.

    Raises
    ------
    NucleateError
        If one is such.
    """
    for name in names:
        # A folder's name ends in a slash.
        parts = name.removesuffix("/").split("/")
        long = any(len(part.encode("utf-8", "replace")) > 255 for part in parts)
        if long or len(parts) > _DEPTH or any(_FORBIDDEN.search(part) for part in parts):
            raise NucleateError(
                f"{holder} holds {name[:80]!a}, a name that isn't allowed everywhere; {then}."
            )
    _check_clashes(holder, names, then)


def bomb_like(packed: int, total: int) -> bool:
    """Whether so many bytes become so many more that the archive isn't unpacked. Pure."""
    return total > max(_SMALL, _RATIO * packed)


def spelling(name: str) -> str:
    """What is the same for names that are one on some system. Pure."""
    # Windows and macOS tell no case, and macOS no spelling of an accent.
    return unicodedata.normalize("NFC", name).casefold()


def _checked(archive: Path, entries: list[zipfile.ZipInfo]) -> list[zipfile.ZipInfo]:
    """Refuse an archive by what it says of itself."""
    check_number(archive, len(entries), _REFUSED)
    for entry in entries:
        _check(archive, entry)
    # zipfile cuts names at a zero, so look at the original ones.
    check_names(archive, [entry.orig_filename for entry in entries], _REFUSED)
    _check_size(archive, sum(entry.file_size for entry in entries))
    return entries


def _check(archive: Path, entry: zipfile.ZipInfo) -> None:
    name, kind = entry.orig_filename, stat.S_IFMT(entry.external_attr >> 16)
    shown = ascii(name[:80])
    parts = name.removesuffix("/").split("/")
    if any(part in ("", ".", "..") for part in parts) or re.match(r"[A-Za-z]:|[/\\]", name):
        raise NucleateError(
            f"{archive} would write outside of its folder ({shown}); it isn't unpacked."
        )
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise NucleateError(f"{archive} holds a link, {shown}; it isn't unpacked.")
    if entry.flag_bits & 1:
        raise NucleateError(f"{archive} is encrypted; unpack it yourself, and open the folder.")
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise NucleateError(
            f"{archive} is packed in a way that isn't known here; unpack it yourself, and open the "
            "folder."
        )


def _check_clashes(holder: Path, names: Iterable[str], then: str) -> None:
    """Refuse names that are one on some system, and files that others take for a folder."""
    files: set[str] = set()
    folders: set[str] = set()
    for name in names:
        same = spelling(name)
        path = same.removesuffix("/")
        if path in files or (path in folders and same == path):
            raise NucleateError(f"{holder} holds {name[:80]!a} twice; {then}.")
        above = path.split("/")[:-1]
        folders.update("/".join(above[: i + 1]) for i in range(len(above)))
        (files if same == path else folders).add(path)
    both = sorted(files & folders)
    if both:
        raise NucleateError(f"{holder} holds {both[0][:80]!a} as a file and as a folder; {then}.")


def _check_size(archive: Path, total: int) -> None:
    packed = archive.stat().st_size
    if total > _LARGEST or bomb_like(packed, total):
        raise NucleateError(
            f"{archive} would grow from {packed / 2**20:.1f} MiB to {total / 2**20:.0f} MiB and "
            "more, as no project does; it isn't unpacked."
        )


def _write(
    archive: Path, packed: zipfile.ZipFile, entries: list[zipfile.ZipInfo], part: Path
) -> None:
    """Write what was checked; zipfile takes no more of an entry than it says of itself."""
    free, total = shutil.disk_usage(part).free, sum(entry.file_size for entry in entries)
    if total > free:
        raise NucleateError(
            f"{archive} needs {_size(total)}, {part.parent} has {_size(free)} left; make room, or "
            "choose another folder."
        )
    for entry in entries:
        target = part.joinpath(*entry.filename.removesuffix("/").split("/"))
        if entry.is_dir():
            _made(target)
            continue
        _made(target.parent)
        with packed.open(entry) as source, writing(target), target.open("xb") as file:
            while chunk := source.read(_CHUNK):
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())


def _size(count: int) -> str:
    """A number of bytes in words."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{math.ceil(count / 1e5) / 10:.1f} MB"


def _made(folder: Path) -> None:
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
