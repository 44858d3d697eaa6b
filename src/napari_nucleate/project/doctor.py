"""What somebody who is to help must know: versions, machine, device, settings, the last errors.

Nothing of it tells who works here, on which machine, or on which images.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import PackageNotFoundError, entry_points, version
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
from platformdirs import user_cache_path

from napari_nucleate import __version__
from napari_nucleate.core.errors import NucleateError
from napari_nucleate.io.error_log import kept_errors, log_file
from napari_nucleate.io.private import short_path, without_private
from napari_nucleate.io.there import is_there
from napari_nucleate.project.lock import OWNER, owner_of
from napari_nucleate.project.state_file import STATE
from napari_nucleate.project.store import Store, new_folder_for

if TYPE_CHECKING:
    from napari_nucleate.project.model import State

Fact = tuple[str, str]
Facts = Callable[[], Iterator[Fact]]

PACKAGES = (
    "napari PyQt6 PySide6 PyQt5 PySide2 qtpy vispy PyOpenGL magicgui superqt pyqtgraph torch numpy "
    "scipy scikit-image numba llvmlite pandas pydantic tifffile imagecodecs imageio zarr dask "
    "safetensors edt filelock"
)
"""Of which the versions matter; those that aren't installed are left out."""

PATIENCE = 10
"""Seconds for the driver of a graphics card to say which one it is."""


@dataclass(frozen=True)
class Section:
    """Facts under a title."""

    title: str
    facts: tuple[Fact, ...]

    @classmethod
    def of(cls, title: str, facts: Facts) -> Section:
        """Gather facts; what goes wrong meanwhile is one of them: a diagnosis has to come."""
        found: list[Fact] = []
        try:
            found.extend(facts())
        except Exception as error:  # noqa: BLE001  # what is broken is what is asked for
            said = without_private(f"{type(error).__name__}: {error}")
            found.append(("not known", said))
        return cls(title, tuple(found))


@dataclass(frozen=True)
class Diagnosis:
    """All sections, as text for people and for JSON."""

    sections: tuple[Section, ...]

    def text(self) -> str:
        """One line a fact; further lines of a fact are indented."""
        day = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M")
        lines = [f"Diagnosis of napari-nucleate {__version__}, {day}"]
        for section in self.sections:
            lines += ["", section.title]
            width = min(24, max((len(name) for name, _ in section.facts), default=0))
            for name, said in section.facts:
                first, *more = said.split("\n")
                lines += [f"  {name:<{width}}  {first}", *(f"      {line}" for line in more)]
        return "\n".join(lines) + "\n"

    def to_dict(self) -> dict[str, list[Fact]]:
        """Lists of names and facts by title."""
        return {section.title: list(section.facts) for section in self.sections}


def diagnose(project: Path | None = None, *more: Section) -> Diagnosis:
    """Gather all there is to know; loads torch. Changes nothing, and never fails.

    Parameters
    ----------
    project : Path, optional
        The folder of a project to look at, too.
    *more : Section
        Facts that only the caller knows, such as those of a window.
    """
    found = [
        Section.of("Versions", _versions),
        Section.of("Machine", _machine),
        Section.of("Device", _device),
        Section.of("Folders", lambda: _folders(project)),
        *more,
    ]
    if project is not None:
        found.append(Section.of("Project", lambda: _project(project)))
    return Diagnosis((*found, Section.of("Last errors, the newest first", _errors)))


def _versions() -> Iterator[Fact]:
    yield "napari-nucleate", __version__
    yield "Python", f"{platform.python_version()} ({platform.python_implementation()})"
    kind = "conda" if (Path(sys.prefix) / "conda-meta").is_dir() else "Python of the system"
    yield "environment", "virtual" if sys.prefix != sys.base_prefix else kind
    for name in PACKAGES.split():
        try:
            yield name, version(name)
        except PackageNotFoundError:
            continue
    plugins = {
        one.dist.name: one.dist.version for one in entry_points(group="napari.manifest") if one.dist
    }
    yield "plugins of napari", ", ".join(f"{name} {v}" for name, v in sorted(plugins.items()))


def _machine() -> Iterator[Fact]:
    yield "system", without_private(platform.platform())
    yield "processor", f"{platform.machine()} {platform.processor()}".strip()
    usable = getattr(os, "sched_getaffinity", lambda _: range(os.cpu_count() or 1))(0)
    cores = psutil.cpu_count(logical=False)
    yield "processors", f"{os.cpu_count()}, {len(usable)} of them usable, {cores} cores"
    memory, swap = psutil.virtual_memory(), psutil.swap_memory()
    yield "memory", f"{_size(memory.total)}, {_size(memory.available)} free"
    yield "swap", f"{_size(swap.total)}, {_size(swap.free)} free"
    yield (
        "threads",
        ", ".join(
            f"{name} {os.environ[name]}"
            for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
            if name in os.environ
        )
        or "as many as the libraries choose",
    )


def _device() -> Iterator[Fact]:
    yield from _drivers()
    import torch

    from napari_nucleate.core.device import (
        choose_device,
        cuda_problem,
        driver_problem,
        half_precision_pays,
    )

    made = torch.version.cuda
    yield "PyTorch made for", f"CUDA {made}" if made else "no CUDA"
    device = choose_device("auto")
    yield "used by “auto”", str(device)
    yield (
        "bfloat16",
        (
            "used: it is faster here"
            if half_precision_pays(device.type)
            else "not used: it isn't faster here"
        ),
    )
    yield "threads of PyTorch", str(torch.get_num_threads())
    yield "CUDA", driver_problem() or cuda_problem() or f"works, {torch.cuda.device_count()} GPU(s)"
    if device.type == "cuda":
        for at in range(torch.cuda.device_count()):
            known = torch.cuda.get_device_properties(at)
            free, total = torch.cuda.mem_get_info(at)
            yield (
                f"cuda:{at}",
                (
                    f"{known.name}, compute capability {known.major}.{known.minor}, "
                    f"{_size(total)}, {_size(free)} free"
                ),
            )
        yield "cuDNN", str(torch.backends.cudnn.version())  # type: ignore[no-untyped-call]


def _drivers() -> Iterator[Fact]:
    """What the driver of NVIDIA says, which PyTorch needs not understand."""
    command = shutil.which("nvidia-smi")
    if command is None:
        yield "NVIDIA driver", "none found (no nvidia-smi)"
        return
    asked = [command, "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
    try:
        done = subprocess.run(  # noqa: S603
            asked, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
        yield "NVIDIA driver", without_private((done.stdout or done.stderr).strip())
    except (OSError, subprocess.TimeoutExpired) as error:
        yield "NVIDIA driver", without_private(f"doesn't answer: {error}")


def _folders(project: Path | None) -> Iterator[Fact]:
    if project is not None:
        yield "this project", _disk(project)
    new = new_folder_for("project").parent
    where = "where NUCLEATE_HOME says" if "NUCLEATE_HOME" in os.environ else short_path(new)
    yield "new projects", f"{where}: {_disk(new)}"
    cache = Path(user_cache_path("napari-nucleate", appauthor=False))
    for name, folder in {"cache": cache, "last errors": log_file().parent}.items():
        yield name, f"{short_path(folder)}: {_disk(folder)}"
    elsewhere = os.environ.get("NUMBA_CACHE_DIR")
    where = "where NUMBA_CACHE_DIR says" if elsewhere else "beside the program"
    yield "compiled code", f"{where}: {_disk(Path(elsewhere or Path(__file__).parents[1]))}"
    yield "temporary files", _disk(Path(tempfile.gettempdir()))


def _disk(folder: Path) -> str:
    """How much is free where a folder is, or will be."""
    there = next(one for one in (folder, *folder.absolute().parents) if one.exists())
    usage = psutil.disk_usage(str(there))
    lies = "" if folder.exists() else ", isn't there yet"
    writable = "" if os.access(there, os.W_OK) else ", can't be written to"
    return f"{_size(usage.free)} of {_size(usage.total)} free{lies}{writable}"


def _project(folder: Path) -> Iterator[Fact]:
    store = Store(folder)
    yield "lock", _owner(folder)
    try:
        state = store.load_state()
    except NucleateError as error:
        yield "problem", without_private(str(error))
        return
    if store.restored:
        yield "problem", without_private(store.restored)
    yield "format", f"version {state.version} of {STATE}"
    yield from _images(folder, state)
    for name, value in state.recipe.model_dump(mode="json").items():
        yield f"recipe: {name}", json.dumps(value)
    for name, value in state.self_training.model_dump(mode="json").items():
        yield f"self-training: {name}", json.dumps(value)
    yield "interrupted training", store.interrupted() or "none"
    yield "models", "\n".join([f"{len(state.rounds)}", *_models(folder, state)])


def _images(folder: Path, state: State) -> Iterator[Fact]:
    counts = Counter(item.status for item in state.items)
    yield "images", f"{len(state.items)}: " + ", ".join(f"{n} {s}" for s, n in counts.items())
    files = {item.source for item in state.items if item.source}
    gone = sum(not is_there(folder / file) for file in files)
    yield "their files", f"{len(files)}, {gone} of them not there"
    yield "what counts", state.known
    if state.view is not None:
        shape = " × ".join(map(str, state.view.shape))
        yield "layer", f"{shape}, axes {state.view.axes}, scale {state.view.scale}"


def _models(folder: Path, state: State) -> Iterator[str]:
    for entry in state.rounds:
        ap = "none" if entry.validation_ap is None else f"{entry.validation_ap:.3f}"
        notes = [
            f"from {entry.initial}" * bool(entry.initial),
            "in use" * (entry.model == state.model),
            "set aside" * bool(entry.set_aside),
            "its folder is gone" * (not (folder / "models" / entry.model).is_dir()),
        ]
        yield ", ".join(
            [
                f"{entry.model}: round {entry.number}, {entry.human} images by a person",
                f"{entry.pseudo} by the program, {entry.seconds:.0f} s, AP {ap}",
                *filter(None, notes),
            ]
        )


def _owner(folder: Path) -> str:
    """Who writes the project now, without names of people and machines."""
    if not is_there(folder / OWNER):
        return "free"
    owner = owner_of(folder)
    if owner is None or not owner["process"].isdecimal():
        return "not known: its note is damaged"
    here = owner["machine"] == platform.node()
    alive = "runs" if psutil.pid_exists(int(owner["process"])) else "has ended"
    where = f"on this machine, {alive}" if here else "on another machine"
    what, since = without_private(owner["what"]), without_private(owner["since"])
    return f"{what}, process {owner['process']} {where}, since {since}"


def _errors() -> Iterator[Fact]:
    kept = kept_errors()
    for one in reversed(kept):
        yield one.when, f"{one.what} ({one.version})\n{one.said}\n{one.trace}"
    if not kept:
        yield "none", "nothing failed, as far as is known"


def _size(count: float) -> str:
    return f"{count / 2**30:.1f} GiB"
