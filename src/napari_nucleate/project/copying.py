"""A project copied: to another folder, into a zip file for somebody else, and out of one."""

from __future__ import annotations

import os
import secrets
import shutil
import zipfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.failures import reason
from napari_nucleate.io.archive import unpack
from napari_nucleate.io.atomic import atomic
from napari_nucleate.io.read import read_stack
from napari_nucleate.project.images import missing, moved, portable, resolved, sources
from napari_nucleate.project.lock import LOCK, OWNER
from napari_nucleate.project.model import State
from napari_nucleate.project.store import STATE

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

IMAGES = "images"


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
        If the folder exists, lies in the project, or can't be written.
    """
    check_new(project, folder)
    state = renamed(state, project, folder)
    files = _files(project)
    part = folder.with_name(f".{folder.name[:40]}-{secrets.token_hex(4)}")
    try:
        with _writing(folder):
            part.mkdir()
            for done in _each(files):
                target = part / done.name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(done.path, target)
                _flush(target)
                shutil.copystat(done.path, target)  # after it: a file may be for reading only
                yield done.event
            (part / STATE).write_text(portable(state, folder).to_json(), "utf-8", newline="\n")
            _flush(part / STATE)
            check_new(project, folder)
            part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)


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
        If the file exists, lies in the project, or can't be written, or an image is missing.
    """
    if archive.resolve().is_relative_to(project.resolve()):
        raise NucleateError(f"{archive} lies inside the project; choose a place outside of it.")
    files, inside = _files(project), portable(state, project)
    if images:
        places = _places(state, project)
        inside = moved(inside, places)
        for source, place in places.items():
            files |= _below(Path(source), place)
    with (
        atomic(archive, check=_whole) as part,
        zipfile.ZipFile(
            part, "w", zipfile.ZIP_DEFLATED, compresslevel=1, strict_timestamps=False
        ) as packed,
    ):
        for done in _each(files):
            packed.write(done.path, done.name)
            yield done.event
        packed.writestr(STATE, inside.to_json())


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
    if folder.exists():
        raise NucleateError(f"{folder} exists already; choose another name.")
    part = folder.with_name(f".{folder.name[:40]}-{secrets.token_hex(4)}")
    with _writing(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        unpack(archive, part)
        # Who zips a folder by hand has the folder in it.
        found = [path for path in (part, *sorted(part.iterdir())) if (path / STATE).is_file()]
        if not found:
            raise NucleateError(f"{archive} holds no project: there is no {STATE} in it.")
        state = State.load(found[0] / STATE)
        with _writing(folder):
            for name in (LOCK, OWNER):  # nobody works on it here
                (found[0] / name).unlink(missing_ok=True)
            found[0].rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return resolved(state, folder)


@dataclass(frozen=True)
class _Done:
    path: Path
    name: str
    event: Copied


def _each(files: dict[str, Path]) -> Iterator[_Done]:
    """Each file, with how much is copied when it is; the state isn't among them."""
    sizes = {name: path.stat().st_size for name, path in files.items()}
    done, total = 0, sum(sizes.values())
    for name, path in files.items():
        done += sizes[name]
        yield _Done(path, name, Copied(done, total))


def _files(project: Path) -> dict[str, Path]:
    """The project's files by their names in it, without the state and what is hidden."""
    files = _below(project, "")
    files.pop(STATE, None)
    return files


def _below(path: Path, name: str) -> dict[str, Path]:
    """A file, or all files in a folder, by the names that they get."""
    if not path.is_dir():
        return {name: path}
    found: dict[str, Path] = {}
    for root, folders, files in os.walk(path, followlinks=True):
        here = Path(root)
        above = {one.resolve() for one in (here, *here.parents)}  # a link there has no end
        folders[:] = sorted(f for f in folders if _travels(f) and (here / f).resolve() not in above)
        inside = here.relative_to(path).as_posix()
        for one in sorted(filter(_travels, files)):
            if (here / one).is_file():  # no pipe, and no link to nowhere
                found["/".join(p for p in (name, inside, one) if p not in ("", "."))] = here / one
    return found


def _travels(name: str) -> bool:
    """Whether a file is the person's: those of zarr (.zarray) begin with a dot, too."""
    return not name.startswith(".") or name.startswith(".z")


def _places(state: State, project: Path) -> dict[str, str]:
    """Where images from elsewhere go in an archive, by their paths; all in the folder images."""
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
        name = IMAGES if len(above) == 1 else f"{IMAGES}/{folder.name or IMAGES}"
        place, count = name, 1
        while place.casefold() in taken or (project / place).exists():
            count += 1
            place = f"{name}-{count}"
        taken.add(place.casefold())
        folders[folder] = place
    return {source: f"{folders[Path(source).parent]}/{Path(source).name}" for source in outside}


def check_new(project: Path, folder: Path) -> None:
    """Check that a project may be copied there.

    Raises
    ------
    NucleateError
        If something is there, no folder to make it in, or it lies in the project.
    """
    if folder.exists():
        raise NucleateError(f"{folder} exists already; choose another name.")
    if not folder.parent.is_dir():
        raise NucleateError(f"The folder {folder.parent} does not exist; create it first.")
    if folder.resolve().is_relative_to(project.resolve()):
        raise NucleateError(f"{folder} lies inside the project; choose a place outside of it.")


def _flush(path: Path) -> None:
    """Have the content on the disk before the name points to it."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise NucleateError(f"{folder} can't be written: {reason(error)}.") from error
