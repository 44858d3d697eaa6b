"""Where a project's images are, and whether they still are the same."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING

from napari_nucleate.io.sampled import readable_checksum
from napari_nucleate.io.there import is_there

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Mapping, Sequence

    from napari_nucleate.project.model import State


@dataclass(frozen=True)
class Looked:
    """An event: a file of images was looked at; its checksum is empty where it can't be read."""

    source: str
    checksum: str


def sources(state: State) -> list[str]:
    """Paths of the files of a project's images, each once, in order. Pure."""
    shown = state.view.files if state.view else ()
    return [s for s in dict.fromkeys((*shown, *(i.source for i in state.items))) if s]


def missing(state: State) -> list[str]:
    """Those of the files that aren't there, or lie where one may not look."""
    return [source for source in sources(state) if not is_there(source)]


def moved(state: State, places: Mapping[str, str]) -> State:
    """The same state with files elsewhere: their new paths by their old ones. Pure."""
    return _renamed(state, lambda source: places.get(source, source))


def portable(state: State, folder: Path) -> State:
    """The same state as it is written: files inside the project's folder by relative paths."""
    inside = folder.resolve()

    def relative(source: str) -> str:
        path = Path(source)
        return path.relative_to(inside).as_posix() if path.is_relative_to(inside) else source

    return _renamed(state, relative)


def resolved(state: State, folder: Path) -> State:
    """The same state as it is worked with: files by absolute paths, inverse of `portable`."""
    inside = folder.resolve()
    return _renamed(state, lambda s: s if _absolute(s) else os.path.normpath(inside / s))


def parts_of(source: str) -> tuple[str, ...]:
    r"""Folders and name of a path of any system. Pure.

    Examples
    --------
    >>> parts_of(r"C:\data\a.tif"), parts_of("/data/a.tif")
    (('data', 'a.tif'), ('data', 'a.tif'))
    """
    windows = PureWindowsPath(source)
    foreign = windows.drive or ("\\" in source and "/" not in source)
    path = windows if foreign else PurePosixPath(source)
    return path.parts[1:] if path.anchor else path.parts


def look(files: Iterable[str]) -> Generator[Looked, None, None]:
    """Read a sample of each file, one event a file; those that aren't there are left out."""
    for source in files:
        if is_there(source):
            # What can't be read says so where it is needed.
            yield Looked(source, readable_checksum(Path(source)))


def noted(state: State, looked: Iterable[Looked]) -> State:
    """The same state with checksums of files of which none was known. Pure."""
    new = {one.source: one.checksum for one in looked if one.checksum}
    items = [i for i in state.items if i.source in new and not i.checksum]
    if not items:
        return state
    return state.replace(*(i.model_copy(update={"checksum": new[i.source]}) for i in items))


def accepted_as(state: State, looked: Iterable[Looked]) -> State:
    """The same state with the checksums of files as they are now. Pure."""
    new = {one.source: one.checksum for one in looked if one.checksum}
    items = [i for i in state.items if new.get(i.source, i.checksum) != i.checksum]
    return state.replace(*(i.model_copy(update={"checksum": new[i.source]}) for i in items))


def changed(state: State, looked: Iterable[Looked]) -> list[str]:
    """Files that hold other pixels than the project was made of. Pure."""
    known = known_checksums(state)
    return [one.source for one in looked if known.get(one.source, one.checksum) != one.checksum]


def known_checksums(state: State) -> dict[str, str]:
    """Checksums by file, where they are known. Pure."""
    return {i.source: i.checksum for i in state.items if i.source and i.checksum}


def gone_in_words(file: str) -> str:
    """Say that a file isn't there any more, and what to do. Pure."""
    return (
        f"The image {file} isn't there any more; put it back, or say where it is by `nucleate "
        "locate PROJECT FOLDER`."
    )


def changed_in_words(files: Sequence[str]) -> str:
    """Say that files hold other pixels than before. Pure."""
    first, more = files[0], len(files) - 1
    others = f" and {more} more file{'s' * (more != 1)} hold" if more else " holds"
    return (
        f"{first}{others} other pixels than when the project was made: labels and predictions may "
        "not fit. Put the right file back, or keep this one by `nucleate locate PROJECT --accept`."
    )


def _renamed(state: State, new: Callable[[str], str]) -> State:
    """The same state with other paths."""
    named = {source: new(source) for source in sources(state)}
    if all(old == path for old, path in named.items()):
        return state
    named[""] = ""
    items = (i.model_copy(update={"source": named[i.source]}) for i in state.items)
    view = state.view
    if view is not None:
        view = view.model_copy(update={"files": tuple(named[f] for f in view.files)})
    return state.model_copy(update={"items": tuple(items), "view": view})


def _absolute(path: str) -> bool:
    return PurePosixPath(path).is_absolute() or PureWindowsPath(path).is_absolute()
