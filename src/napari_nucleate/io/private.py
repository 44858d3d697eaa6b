"""Texts to send to others: without the folders, the person and the machine that they tell of."""

from __future__ import annotations

import functools
import getpass
import platform
import re
import sysconfig
from contextlib import suppress
from pathlib import Path

import napari_nucleate

# A first word that ends at a slash, then folders, whose names may hold spaces inside. Backslashes
# are one between names, two in what Python printed.
_FOLDERS = re.compile(
    r"""
    (?<![^\s"'`<>|()\[\]{}=,;])
    (?!Input/output\ error)
    [^\s"'`<>|()\[\]{}=,;…/\\]* [/\\](?=[^\s"'])
    (?: (?:[^/\\\n"'<>|…]|(?<=\w)'(?=\w)){,255} [^/\\\s"'<>|…] [/\\]+ | [/\\] )*
    """,
    re.VERBOSE,
)
_OWNER = re.compile(r"(\(process \d+) of .+? on .+?(, since )")


def without_private(text: str) -> str:
    """Leave of paths only the names of the files, and neither user nor machine.

    Relative paths are shortened as well, and so is what looks like one.

    Examples
    --------
    >>> without_private("/data/Dr Who/cell 3.tif does not exist.")
    '…/cell 3.tif does not exist.'
    """
    return _without_names(_OWNER.sub(r"\1\2", _FOLDERS.sub("…/", text)))


def code_path(path: str) -> str:
    """The path of a source file from where modules are installed; elsewhere only its name.

    Examples
    --------
    >>> code_path(functools.__file__)
    'functools.py'
    >>> code_path("/home/ann/mine.py")
    'mine.py'
    """
    if path.startswith("<"):
        return path
    found = Path(path)
    inside = [found.relative_to(place).as_posix() for place in _places() if _in(found, place)]
    return min(inside, key=len, default=found.name)


def short_path(path: Path) -> str:
    """A folder of the program, from the home folder on; elsewhere only its name.

    Examples
    --------
    >>> short_path(Path.home() / "x").replace(chr(92), "/")
    '~/x'
    """
    home = Path.home()
    shown = Path("~") / path.relative_to(home) if _in(path, home) else Path("…") / path.name
    return _without_names(str(shown))


def _without_names(text: str) -> str:
    for name, word in _names().items():
        text = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", word, text)
    return text


def _in(path: Path, folder: Path) -> bool:
    return path.is_absolute() and path.is_relative_to(folder)


@functools.cache
def _places() -> list[Path]:
    """Where installed modules are, and this package; not where somebody's own are."""
    names = ("stdlib", "platstdlib", "purelib", "platlib")
    paths = sysconfig.get_paths()
    return [*(Path(paths[name]) for name in names), Path(napari_nucleate.__file__).parents[1]]


@functools.cache
def _names() -> dict[str, str]:
    """What stands for the user and the machine; single letters would be found everywhere."""
    node = platform.node()
    names = {node: "MACHINE", node.partition(".")[0]: "MACHINE", Path.home().name: "USER"}
    with suppress(OSError, KeyError, ImportError):  # a container may have no name for it
        names[getpass.getuser()] = "USER"
    return {name: word for name, word in names.items() if len(name) > 1}
