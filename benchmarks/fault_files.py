"""Files of strangers: each is read, or refused in one sentence; nothing else happens."""

import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import psutil

import hostile
from common import SHARED, finish, parser
from mutations import mutated

SECONDS, BYTES = 10, 2 * 2**30
"""What reading a file may take."""
MUTATED, QUICK = 2000, 200
SHARES = {"tiff": 0.33, "png": 0.12, "project": 0.4, "table": 0.05, "zip": 0.1}
"""Of the mutated files."""
READERS = {"tiff": "image", "png": "image"}
TABLES = {".zip": "zip", ".csv": "table", ".json": "table"}
FOR_BOMBS = {
    ".state.json": "nucleate.json",
    ".safetensors": "models/round-0/weights.safetensors",
}
"""What bombs take the place of in a project."""


class Case(NamedTuple):
    """A file, and how the program comes by it."""

    name: str
    reader: str
    path: Path


def mutated_files(quick: bool, seed: int = 6) -> dict[str, Any]:
    """Read every odd file, bombs, and mutated files in other processes; count how each ends."""
    ends: Counter[str] = Counter()
    kinds: Counter[str] = Counter()
    wrong: list[dict[str, Any]] = []
    slowest, most = 0.0, 0
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder, _Reader() as reader:
        for case in _cases(Path(folder), QUICK if quick else MUTATED, seed):
            found = reader.read(case)
            ends[found["end"]] += 1
            kinds[case.path.suffix] += 1
            slowest, most = max(slowest, found["seconds"]), max(most, found["bytes"])
            if found["end"] not in ("array", "refused"):
                wrong.append({"file": case.name, **found})
                print(wrong[-1], file=sys.stderr, flush=True)
                _keep(case)
    return {
        "n": ends.total(),
        "crashes": sum(ends[e] for e in ("crash", "exception", "unclear", "memory")),
        "hangs": ends["hang"],
        "ends": dict(ends),
        "kinds": dict(kinds),
        "slowest_s": round(slowest, 2),
        "most_memory_mb": round(most / 2**20),
        "seconds": round(time.perf_counter() - began),
        "wrong": wrong,
    }


def _keep(case: Case) -> None:
    """Keep what went wrong, where NUCLEATE_WRONG names a folder."""
    if os.environ.get("NUCLEATE_WRONG"):
        folder = Path(os.environ["NUCLEATE_WRONG"])
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(case.path, folder / case.name.replace("/", "__"))


def _cases(folder: Path, count: int, seed: int) -> Iterator[Case]:
    for path in sorted((SHARED / "oddfiles").iterdir()):
        yield Case(f"oddfiles/{path.name}", "image", path)
    whole = folder / "project"
    hostile.project(whole)
    (folder / "bombs").mkdir()
    for path in hostile.bombs(folder / "bombs"):
        stands_for = FOR_BOMBS.get("".join(path.suffixes[-2:])[-12:])
        if stands_for is None:
            yield Case(f"bombs/{path.name}", TABLES.get(path.suffix, "image"), path)
        else:
            yield _within(whole, stands_for, path.read_bytes(), f"bombs/{path.name}")
        path.unlink()
    (folder / "seeds").mkdir()
    (folder / "tables").mkdir()
    odd = [p for p in (SHARED / "oddfiles").glob("*.tif*") if p.stat().st_size < 100_000]
    images = list(hostile.images(folder / "seeds"))
    groups = {
        "tiff": [p for p in images if p.suffix == ".tif"] * 3 + sorted(odd),
        "png": [p for p in images if p.suffix != ".tif"],
        "project": [
            p for p in sorted(whole.rglob("*")) if p.suffix in (".json", ".tif", ".safetensors")
        ],
        "table": list(hostile.tables(folder / "tables")),
        "zip": [hostile.zipped(whole, folder / "packed.zip")],
    }
    for number in range(count):
        rng = np.random.default_rng([seed, number])
        group = str(rng.choice(list(SHARES), p=list(SHARES.values())))
        path = groups[group][rng.integers(len(groups[group]))]
        raw, name = mutated(path, path.read_bytes(), rng), f"{number}-{path.name}"
        if group == "project":
            yield _within(whole, str(path.relative_to(whole)), raw, name)
        else:
            target = folder / name
            target.write_bytes(raw)
            yield Case(name, READERS.get(group, group), target)
            target.unlink()


def _within(whole: Path, inside: str, raw: bytes, name: str) -> Case:
    """A copy of the project with one of its files changed."""
    work = whole.with_name("work")
    shutil.rmtree(work, ignore_errors=True)
    shutil.copytree(whole, work)
    (work / inside).write_bytes(raw)
    return Case(name, "project", work / inside)


class _Reader:
    """A process that reads files, and its memory and time; another when it ends."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "_Reader":
        return self

    def __exit__(self, *exception: object) -> None:
        self._end()

    def read(self, case: Case) -> dict[str, Any]:
        """How reading ended, its seconds on a core, and the most memory (bytes) meanwhile."""
        process = self._process or self._started()
        watched = psutil.Process(process.pid)
        asked = json.dumps({"reader": case.reader, "path": str(case.path)})
        before, began, most = sum(watched.cpu_times()[:2]), time.perf_counter(), 0
        process.stdin.write(asked.encode() + b"\n")
        process.stdin.flush()
        while not select.select([process.stdout], [], [], 0.02)[0]:
            most = max(most, watched.memory_info().rss)
            worked = sum(watched.cpu_times()[:2]) - before
            # Others may have the core meanwhile; who waits for something works no second.
            late = worked > SECONDS or time.perf_counter() - began > 10 * SECONDS
            if late or most > BYTES:
                self._end()
                end = "hang" if late else "memory"
                return {"end": end, "said": "", "seconds": worked, "bytes": most}
        answer = process.stdout.readline()
        worked = min(sum(watched.cpu_times()[:2]) - before, time.perf_counter() - began)
        if not answer:
            said = f"status {process.wait()}"
            self._end()
            return {"end": "crash", "said": said, "seconds": worked, "bytes": most}
        most = max(most, _highest(process.pid))
        if most > BYTES:
            return {"end": "memory", "said": answer.decode(), "seconds": worked, "bytes": most}
        return {**json.loads(answer), "seconds": worked, "bytes": most}

    def _started(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, str(Path(__file__).with_name("fault_reader.py"))]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        self._process.stdout.readline()  # what it imports is loaded
        return self._process

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


def _highest(process: int) -> int:
    """Most memory (bytes) since this was asked last; 0 where the system doesn't tell."""
    folder = Path(f"/proc/{process}")
    if not folder.exists():
        return 0
    lines = (folder / "status").read_text().splitlines()
    most = next((line.split()[1] for line in lines if line.startswith("VmHWM:")), "0")
    (folder / "clear_refs").write_text("5")
    return int(most) * 1024


if __name__ == "__main__":
    made = parser(__doc__)
    made.add_argument("--seed", type=int, default=6, help="other damage")
    options = made.parse_args()
    finish(options, {"mutated_files": mutated_files(options.quick, options.seed)})
