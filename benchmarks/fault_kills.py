"""Kill -9 at random moments: does the project open, is a stroke lost, is a file corrupted.

Each kind of work runs in a process of its own, on one project that is killed again and again, as
that of a person with bad luck. Processes are forked from one that has loaded torch and napari
already, so that 200 kills take minutes.
"""

import multiprocessing
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from fault_checks import Look
from fault_work import SEED, WORK, begin, child
from napari_nucleate.core.errors import NucleateError
from napari_nucleate.project.store import Store

KILLS, QUICK = 40, 3
"""Kills of each kind."""
LATE = 2.0
"""Seconds after which a finished stroke must be safe."""
LONGEST = {"train": 3.0, "save": 1.0, "self-train": 4.0, "export": 1.5, "autosave": 6.0}
"""Seconds from the first sign of work within which the kill comes, by kind."""
PATIENCE = 60.0
"""Seconds until a model is trained, at most."""
PRELOADED = [
    "torch",
    "napari.viewer",
    "napari_nucleate.cli.app",
    "napari_nucleate.core.training.train",
    "napari_nucleate.core.rounds",
    "napari_nucleate.core.predict",
    "napari_nucleate.gui.session",
    "napari_nucleate.io.model",
]


def one_kill(context: Any, kind: str, folder: Path, index: int) -> dict[str, Any]:
    """Start, kill at a random moment, and look."""
    told, killed = killed_at_random(context, kind, folder, index)
    result: dict[str, Any] = {n: [] for n in ("failed", "lost", "corrupted", "not_opened")}
    result["failed"] = [one[1] for one in told if one[0] == "failed"]
    due = [one[1:] for one in told if one[0] == "stroke" and one[4] < killed - LATE]
    result["strokes"] = len(due)
    folder = next((Path(one[1]) for one in told if one[0] == "project"), folder)
    if kind == "autosave" and not due and not (folder / "nucleate.json").exists():
        return result  # nothing was old enough to be kept
    store = Store(folder, "the check")
    try:
        store.claim()  # the lock of who was killed is free
        state = store.load_state()
    except NucleateError as error:
        result |= {"not_opened": [str(error)], "lost": due}
        return result
    with store:
        result["corrupted"] = Look(store, state, kind == "save").wrong
        entered = {entry.model for entry in state.rounds}
        result["lost"] = [one for one in told if one[0] == "model" and one[1] not in entered]
        painted = {key: store.load_annotation(key) for key in {one[0] for one in due}}
        for key, place, label, at in due:
            kept = painted[key]
            if kept is None or kept[tuple(place)] != label:
                result["lost"].append((key, place, label, round(killed - at, 2)))
    return result


def killed_at_random(context: Any, kind: str, folder: Path, index: int) -> tuple[list[Any], float]:
    """Start a process and kill it; returns what it told before, and when it was killed.

    Each other one that self-trains is killed once it tells of a model: its pool is predicted then.
    """
    rng = np.random.default_rng([SEED, index, len(kind)])
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=child, args=(kind, folder, there, index))
    process.start()
    there.close()
    told = [here.recv()]
    at_model = kind == "self-train" and index % 2 == 1
    end = time.monotonic() + (PATIENCE if at_model else float(rng.uniform(0, LONGEST[kind])))
    last = ("failed", "model") if at_model else ("failed",)
    while (left := end - time.monotonic()) > 0 and told[-1][0] not in last:
        if here.poll(left):
            told.append(here.recv())
    killed = time.monotonic()
    process.kill()
    process.join()
    try:
        while True:  # what was on its way
            told.append(here.recv())
    except (EOFError, OSError):
        return told, killed


@contextmanager
def screen() -> Iterator[None]:
    """A virtual screen, where there is none."""
    if os.environ.get("DISPLAY"):
        yield
        return
    reading, writing = os.pipe()
    wanted = ["Xvfb", "-displayfd", str(writing), "-screen", "0", "1600x1000x24"]
    with subprocess.Popen(wanted, pass_fds=[writing], stderr=subprocess.DEVNULL) as server:
        os.close(writing)
        with os.fdopen(reading) as file:
            os.environ["DISPLAY"] = f":{file.readline().strip()}"
        try:
            yield
        finally:
            del os.environ["DISPLAY"]
            server.terminate()


def kills(quick: bool, kinds: tuple[str, ...] = tuple(WORK)) -> dict[str, Any]:
    """Kill each kind of work so many times.

    Returns
    -------
    dict
        n, strokes that were old enough, how many of them and of trained models were lost, projects
        with a corrupted file, projects that didn't open; by kind too, with what was wrong first.
    """
    count, by = QUICK if quick else KILLS, {}
    with screen(), tempfile.TemporaryDirectory(prefix="kills-") as home:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(PRELOADED)
        for kind in kinds:
            started, results = time.monotonic(), []
            for i in range(count):
                folder = Path(home) / f"{kind}-{i // 10}"
                if i % 10 == 0:
                    begin(kind, folder)
                results.append(one_kill(context, kind, folder, i))
            by[kind] = summed(results) | {"seconds": round(time.monotonic() - started, 1)}
            shutil.rmtree(folder)
    whole = ("n", "strokes", "lost", "corrupted", "not_opened", "failed")
    return {name: sum(one[name] for one in by.values()) for name in whole} | {
        "goal": "0 lost, 0 corrupted, 0 not opened",
        "reached": not any(one[n] for one in by.values() for n in whole[2:]),
        "measured_on": f"kill -9 at a random moment, {count} of each kind",
        "by": by,
    }


def summed(results: list[dict[str, Any]]) -> dict[str, Any]:
    """The numbers of one kind, and what was wrong first."""
    found: dict[str, Any] = {"n": len(results), "strokes": sum(r["strokes"] for r in results)}
    found["lost"] = sum(len(r["lost"]) for r in results)
    for name in ("corrupted", "not_opened", "failed"):
        found[name] = sum(bool(r[name]) for r in results)
    names = ("failed", "not_opened", "corrupted", "lost")
    every = {name: [str(one) for r in results for one in r[name]] for name in names}
    return found | {"first": {name: said[:3] for name, said in every.items() if said}}


if __name__ == "__main__":
    from common import finish, parser

    made = parser(__doc__)
    made.add_argument("--kinds", nargs="*", default=list(WORK))
    options = made.parse_args()
    finish(options, {"kills": kills(options.quick, tuple(options.kinds))})
