"""A project copied: to another folder, into a zip file for somebody else, and out of one."""

from __future__ import annotations

import filecmp
import os
import secrets
import shutil
import zipfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.failures import reason
from napari_nucleate.core.images import as_file_name
from napari_nucleate.io.archive import bomb_like, check_names, check_number, spelling, unpack
from napari_nucleate.io.atomic import atomic, flush, write_text
from napari_nucleate.io.new_folder import check_new, new_folder, writing
from napari_nucleate.io.read import read_stack
from napari_nucleate.io.tiff import series_files
from napari_nucleate.project.images import missing, moved, portable, resolved, sources
from napari_nucleate.project.lock import LOCK, OWNER
from napari_nucleate.project.predictions import WAITING
from napari_nucleate.project.state_file import PREVIOUS, STATE, read_state

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping

    from napari_nucleate.project.model import State

IMAGES = "images"
TRIES = 4
"""How often files are copied that others write meanwhile."""


@dataclass(frozen=True)
class Copied:
    """An event: so many of all bytes are copied."""

    done: int
    total: int


def copying(state: State, project: Path, folder: Path) -> Generator[Copied, None, None]:
    """Copy a project to a new folder, wholly or not at all; the old one stays as it is.

    Images inside the project are copied; those elsewhere stay where they are.

    Parameters
    ----------
    state : State
        The project's, as it was loaded.
    project : Path
        Its folder.
    folder : Path
        Made by this.

    Yields
    ------
    Copied
        After each file; closed before the end, nothing is left of the copy.

    Raises
    ------
    NucleateError
        If the folder exists, lies in the project, or can't be written, or if others write the
        project all the time.
    """
    check_copy(project, folder)
    state = renamed(state, project, folder)
    before = _stamp(project / STATE)
    with new_folder(folder) as part:
        copied: dict[str, _Stamp] = {}
        for _ in range(TRIES):
            found = _found(project)
            for name in copied.keys() - found.keys():
                (part / name).unlink()
                del copied[name]
            new = {name: one for name, one in found.items() if copied.get(name) != one.stamp}
            if not new:
                break
            for done in _each(new):
                with suppress(FileNotFoundError):  # it has another name by now
                    _copy(found[done.name], part / done.name)
                    copied[done.name] = new[done.name].stamp
                yield done.event
        else:
            raise _being_written(project)
        _check_same(project, before)
        write_text(part / STATE, portable(state, folder).to_json())


def renamed(state: State, project: Path, folder: Path) -> State:
    """The state of a project's copy in another folder."""
    copied = resolved(portable(state, project), folder)
    return copied.model_copy(update={"name": folder.name})


def packing(
    state: State, project: Path, archive: Path, *, images: bool
) -> Generator[Copied, None, None]:
    """Write a project into a zip file, wholly or not at all.

    Parameters
    ----------
    state : State
        The project's, as it was loaded.
    project : Path
        Its folder; of it all travels but hidden files: locks, and files half written.
    archive : Path
        The zip file; it must be new.
    images : bool
        Pack images that lie elsewhere, too; their paths are relative then.

    Yields
    ------
    Copied
        After each file; closed before the end, nothing is left.

    Raises
    ------
    NucleateError
        If the file exists, lies in the project, or can't be written, an image is missing, the
        project holds what `unpacking` would refuse, or others write it all the time.
    """
    if archive.resolve().is_relative_to(project.resolve()):
        raise NucleateError(f"{archive} lies inside the project; choose a place outside of it.")
    inside, places, before = portable(state, project), {}, _stamp(project / STATE)
    if images:
        places = _places(state, project)
        inside = moved(inside, places)
    form = zipfile.ZIP_DEFLATED
    with atomic(archive, check=_whole) as part:
        for _ in range(TRIES):
            found = _found(project, places)
            check_number(project, 1 + len(found), "pack it without its images")
            check_names(project, (*found, STATE), "give it another name, and pack the project then")
            with zipfile.ZipFile(
                part, "w", form, compresslevel=1, strict_timestamps=False
            ) as packed:
                for done in _each(found):
                    with suppress(FileNotFoundError):  # it has another name by now
                        packed.write(done.path, done.name)
                    yield done.event
                packed.writestr(STATE, inside.to_json())
            if bomb_like(part.stat().st_size, sum(one.stamp[0] for one in found.values())):
                form = zipfile.ZIP_STORED  # images of hardly anything but zeros
            elif _found(project, places) == found:
                break
        else:
            raise _being_written(project)
        _check_same(project, before)


def _whole(archive: Path) -> bool:
    """Whether all that a zip file holds is what was packed."""
    with zipfile.ZipFile(archive) as packed:
        return packed.testzip() is None


def unpacking(archive: Path, folder: Path) -> State:
    """Make a project of a zip file that `packing` or a person made, wholly or not at all.

    Parameters
    ----------
    archive : Path
        The zip file; whoever made it isn't trusted.
    folder : Path
        Made by this.

    Returns
    -------
    State
        The new project's, as `Store.load_state` gives it.

    Raises
    ------
    NucleateError
        If the folder exists, or the archive is damaged, no project, or can't be trusted.
    """
    with writing(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
    with new_folder(folder) as part:
        unpacked = part / f".nucleate-{secrets.token_hex(4)}"
        unpack(archive, unpacked)
        # Who zips a folder by hand has the folder in it.
        places = (unpacked, *sorted(unpacked.iterdir()))
        found = [path for path in places if (path / STATE).is_file()]
        if not found:
            raise NucleateError(f"{archive} holds no project: there is no {STATE} in it.")
        state = read_state(found[0]).state
        for path in found[0].iterdir():
            if path.name not in (LOCK, OWNER):  # nobody works on it here
                path.rename(part / path.name)
        shutil.rmtree(unpacked)
    return resolved(state, folder)


_Stamp = tuple[int, int]
"""Size and time of the last change."""


@dataclass(frozen=True)
class _Found:
    path: Path
    stamp: _Stamp


@dataclass(frozen=True)
class _Done:
    path: Path
    name: str
    event: Copied


def _each(found: dict[str, _Found]) -> Iterator[_Done]:
    """Each file, with how much is copied when it is."""
    done, total = 0, sum(one.stamp[0] for one in found.values())
    for name, one in found.items():
        done += one.stamp[0]
        yield _Done(one.path, name, Copied(done, total))


def _found(project: Path, places: Mapping[str, str] | None = None) -> dict[str, _Found]:
    """The project's files as they are now, by their names in it, and images from elsewhere.

    The state isn't among them, nor the one before it, nor what is hidden.
    """
    if not project.is_dir():
        raise NucleateError(f"The folder {project} isn't there any more; nothing is copied.")
    files = _below(project, "")
    for name in (STATE, PREVIOUS):  # a copy keeps its own
        files.pop(name, None)
    for source, place in (places or {}).items():
        files |= _below(Path(source), place)
    found: dict[str, _Found] = {}
    for name, path in files.items():
        stamp = _stamp(path)
        if stamp is not None:
            found[name] = _Found(path, stamp)
    return found


def _stamp(path: Path) -> _Stamp | None:
    """What tells that a file is written meanwhile; None where it isn't there."""
    try:
        known = path.stat()
    except FileNotFoundError:
        return None
    return known.st_size, known.st_mtime_ns


def _check_same(project: Path, before: _Stamp | None) -> None:
    """Refuse files that are newer than the state that is copied."""
    if _stamp(project / STATE) != before:
        raise _being_written(project)


def _copy(one: _Found, target: Path) -> None:
    """Copy a file, and read it back."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)  # one of a try before may be for reading only
    shutil.copyfile(one.path, target)
    flush(target)
    if not filecmp.cmp(one.path, target, shallow=False) and _stamp(one.path) == one.stamp:
        raise NucleateError(
            f"{one.path} wasn't copied: read back, it held something else. Check the disk, or "
            "copy elsewhere."
        )
    shutil.copystat(one.path, target)


def _being_written(project: Path) -> NucleateError:
    return NucleateError(
        f"{project} is being written by another window or command; wait for its end, and try again."
    )


def _below(path: Path, name: str) -> dict[str, Path]:
    """A file, or all files in a folder, by the names that they get."""
    if not path.is_dir():
        return {name: path}
    found: dict[str, Path] = {}
    for root, folders, files in os.walk(path, onerror=_unread, followlinks=True):
        here = Path(root)
        above = {one.resolve() for one in (here, *here.parents)}  # a link there has no end
        folders[:] = sorted(f for f in folders if _travels(f) and (here / f).resolve() not in above)
        inside = here.relative_to(path).as_posix()
        for one in sorted(filter(_travels, files)):
            if (here / one).is_file():  # no pipe, and no link to nowhere
                found["/".join(p for p in (name, inside, one) if p not in ("", "."))] = here / one
    return found


def _travels(name: str) -> bool:
    """Whether a file is the person's: those of zarr (.zarray) begin with a dot, too.

    So do predictions that wait for their names: without them, new scores would get old labels.
    """
    return not name.startswith(".") or name.startswith(".z") or name == WAITING


def _unread(error: OSError) -> None:
    """A folder that can't be listed isn't left out."""
    raise NucleateError(f"{error.filename} can't be read: {reason(error)}.") from error


def _places(state: State, project: Path) -> dict[str, str]:
    """Where images from elsewhere go in an archive, by their paths; all in the folder images.

    Files that an image lies in besides are among them.
    """
    gone = missing(state)
    if gone:
        raise NucleateError(
            f"The image {gone[0]} isn't there; say where it is by `nucleate locate`, or pack the "
            "project without images."
        )
    outside = [s for s in sources(state) if not Path(s).is_relative_to(project.resolve())]
    for source in outside:
        read_stack(Path(source))  # a project of others could name any file
    # Images next to each other stay so; folders of one name get numbers.
    above = list(dict.fromkeys(Path(source).parent for source in outside))
    folders: dict[Path, str] = {}
    taken: set[str] = set()
    for folder in above:
        name = IMAGES
        if len(above) > 1:
            name = f"{IMAGES}/{as_file_name(folder.name, IMAGES)}"
        folders[folder] = _free(name, "", taken, project)
    places: dict[str, str] = {}
    for path in map(Path, outside):
        files = series_files(path)
        if len(files) > 1:  # they name each other
            places |= {str(file): f"{folders[path.parent]}/{file.name}" for file in files}
    taken.update(map(spelling, places.values()))
    for path in (Path(source) for source in outside if source not in places):
        name = f"{folders[path.parent]}/{as_file_name(path.stem)}"
        places[str(path)] = _free(name, path.suffix, taken, project)
    return places


def _free(name: str, suffix: str, taken: set[str], project: Path) -> str:
    """The name, with a number where it is taken already; it is taken then."""
    free, count = f"{name}{suffix}", 1
    while spelling(free) in taken or (project / free).exists():
        count += 1
        free = f"{name}-{count}{suffix}"
    taken.add(spelling(free))
    return free


def check_copy(project: Path, folder: Path) -> None:
    """Check that a project may be copied there.

    Raises
    ------
    NucleateError
        If something is there, no folder to make it in, or it lies in the project.
    """
    check_new(folder)
    if folder.resolve().is_relative_to(project.resolve()):
        raise NucleateError(f"{folder} lies inside the project; choose a place outside of it.")
