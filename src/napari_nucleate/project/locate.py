"""Finding images that moved: by their names below a folder, and by a sample of their pixels."""

from __future__ import annotations

import os
import unicodedata
from collections import Counter
from dataclasses import dataclass, field
from itertools import groupby, islice
from pathlib import Path
from typing import TYPE_CHECKING

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.io.sampled import readable_checksum
from napari_nucleate.project.images import known_checksums, missing, parts_of, sources

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from napari_nucleate.project.model import State

SHOWN = 3
"""How many files a sentence names."""


@dataclass(frozen=True)
class Searched:
    """An event: so many folders were searched."""

    folders: int


@dataclass(frozen=True)
class Compared:
    """An event: a sample of this file's pixels is read next."""

    file: Path


@dataclass(frozen=True)
class Located:
    """The last event: where the missing files are.

    Parameters
    ----------
    found : dict
        New paths by old ones.
    several : dict
        Files that each of those may be: nothing tells which.
    different : dict
        A file of the same name that holds other pixels.
    nowhere : tuple of str
        Files of which there is none of that name.
    """

    found: dict[str, str] = field(default_factory=dict)
    several: dict[str, tuple[str, ...]] = field(default_factory=dict)
    different: dict[str, str] = field(default_factory=dict)
    nowhere: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether all are found."""
        return not (self.several or self.different or self.nowhere)

    def in_words(self) -> str:
        """Say what was found, and of what isn't why. Pure."""
        many = len(self.found) + len(self.several) + len(self.different) + len(self.nowhere)
        lines = [f"{len(self.found)} of {many} missing file{'s' * (many != 1)} found."]
        for source, files in islice(self.several.items(), SHOWN):
            lines.append(
                f"{source} may be any of {', '.join(files[:SHOWN])}; choose a folder that holds "
                "only one of them."
            )
        for source, file in islice(self.different.items(), SHOWN):
            lines.append(f"{file} has the name of {source}, but other pixels.")
        if self.nowhere:
            first, more = ", ".join(self.nowhere[:SHOWN]), len(self.nowhere) - SHOWN
            lines.append(f"Not found: {first}" + (f" and {more} more." if more > 0 else "."))
        return "\n".join(lines)


def locating(state: State, folder: Path) -> Generator[Searched | Compared | Located, None, None]:
    """Look for a project's missing files below a folder.

    A file is the one that was if it has the same name and, where that is known, the same pixels.
    Of several, that which lies in folders of the same names, the more of them the better. Files
    that are other images of the project already are left out.

    Parameters
    ----------
    state : State
    folder : Path
        Searched with all folders in it, but for hidden ones.

    Yields
    ------
    Searched, Compared or Located
        The third last, once.

    Raises
    ------
    NucleateError
        If there is no such folder.
    """
    if not folder.is_dir():
        raise NucleateError(f"{folder} is not a folder; give one that the images lie in.")
    wanted = missing(state)
    used = {Path(source).resolve() for source in set(sources(state)).difference(wanted)}
    there: dict[str, list[Path]] = {_name(source): [] for source in wanted}
    for count, (root, folders, files) in enumerate(os.walk(folder.resolve()), 1):
        for name in (*files, *folders):  # some formats are folders
            same = unicodedata.normalize("NFC", name)
            path = Path(root, name)
            if same in there and path.resolve() not in used:
                there[same].append(path)
        folders[:] = [name for name in folders if not name.startswith(".") and name not in there]
        yield Searched(count)
    known, read, best = known_checksums(state), dict[Path, str](), dict[str, list[Path]]()
    for source in wanted:
        best[source] = yield from _best(source, there[_name(source)], known.get(source, ""), read)
    yield _settled(best, there, wanted)


def _settled(
    best: dict[str, list[Path]], there: dict[str, list[Path]], wanted: Iterable[str]
) -> Located:
    """Tell apart what was found once, several times, with other pixels, and not at all. Pure."""
    claimed = Counter(files[0] for files in best.values() if len(files) == 1)
    located = Located(nowhere=tuple(s for s in wanted if not there[_name(s)]))
    for source, files in best.items():
        # One file can't be two images.
        if len(files) == 1 and claimed[files[0]] == 1:
            located.found[source] = str(files[0])
        elif files:
            located.several[source] = tuple(map(str, files))
        elif there[_name(source)]:
            located.different[source] = str(there[_name(source)][0])
    return located


def _best(
    source: str, files: list[Path], known: str, read: dict[Path, str]
) -> Generator[Compared, None, list[Path]]:
    """The files that may be it, of those with its name: several where nothing tells which.

    Checksums that are read are added to `read`: many images may look for the same files.
    """
    parts = parts_of(source)
    ranked = sorted(files, key=lambda file: (-_alike(parts, file), file))
    for _, group in groupby(ranked, lambda file: _alike(parts, file)):
        same = []
        for file in group:
            if known and file not in read:
                yield Compared(file)
                read[file] = readable_checksum(file)  # what can't be read isn't it
            if not known or read[file] == known:
                same.append(file)
        if same:
            return same
    return []


def _alike(parts: tuple[str, ...], file: Path) -> int:
    """How many of the last parts of both paths are the same. Pure."""
    count = 0
    for mine, its in zip(reversed(parts), reversed(file.parts), strict=False):
        if unicodedata.normalize("NFC", mine) != unicodedata.normalize("NFC", its):
            break
        count += 1
    return count


def _name(source: str) -> str:
    parts = parts_of(source)
    return unicodedata.normalize("NFC", parts[-1]) if parts else ""
