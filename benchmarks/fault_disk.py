"""A full disk at each write: is the previous version intact, is it said, does work go on.

A small disk (tmpfs, for which one must be root) is filled up to a few bytes; something is written
again and again with a little more room each time, until there is enough, so that each of the writes
that it consists of fails once. Where no disk can be mounted, the system ends each file at so many
bytes instead.
"""

import os
import resource
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fault_work import begin, command, numbered, tiny
from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.model import Card, Model, Record, build, weights_of
from napari_nucleate.core.training.snapshot import (
    Draws,
    Judged,
    Learned,
    Progress,
    Snapshot,
    Timed,
)
from napari_nucleate.io.read import read_stack
from napari_nucleate.io.table import write_table
from napari_nucleate.io.write import write_image, write_labels
from napari_nucleate.project import log
from napari_nucleate.project.learned import Round
from napari_nucleate.project.store import Store

SIZE, PAGE = 16 * 2**20, 4096
"""Bytes of the small disk, and of what it gives at once."""
STEPS, QUICK = 60, 12
"""How many amounts of room each is tried with, about."""


class SmallDisk:
    """A folder on a disk of a few megabytes, or where files can't be larger than told."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._filler = folder / ".filler"
        options = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(folder)]
        done = shutil.which("mount") and subprocess.run(options, check=False, capture_output=True)
        self.mounted = bool(done) and not done.returncode

    @contextmanager
    def left(self, room: int) -> Iterator[None]:
        """Have only so many bytes left meanwhile."""
        if not self.mounted:
            before = resource.getrlimit(resource.RLIMIT_FSIZE)
            resource.setrlimit(resource.RLIMIT_FSIZE, (room, before[1]))
            try:
                yield
            finally:
                resource.setrlimit(resource.RLIMIT_FSIZE, before)
            return
        with self._filler.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, max(self.free() - room, 1))
        try:
            yield
        finally:
            self._filler.unlink()

    def free(self) -> int:
        """Bytes that are left."""
        found = os.statvfs(self.folder)
        return found.f_bavail * found.f_frsize

    def close(self) -> None:
        """Take it away again."""
        if self.mounted:
            subprocess.run(["umount", str(self.folder)], check=True)


@dataclass(frozen=True)
class Write:
    """Something that is written: its name, how version n of it is written, and which is read."""

    name: str
    write: Callable[[int], object]
    read: Callable[[], object]


def writes(store: Store) -> list[Write]:
    """All that a project and its exports consist of."""
    folder, state = store.folder, store.load_state()
    weights = weights_of(build(tiny(4)))
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 50, (3, 200, 200))  # so that it doesn't pack well
    progress = Progress(
        step=0,
        fraction=0,
        seconds=0,
        draws=Draws.of(rng),
        learned=Learned(batch=2, patch=32, patch_depth=8, half=False, tuned=False),
        judged=Judged(),
        timed=Timed(),
        seen=(),
    )

    def card(n: int) -> Card:
        return Card(recipe=tiny(4), record=Record(name="m", best_step=n))

    def model(n: int) -> Model:
        return Model(card(n), {k: np.full_like(v, n) for k, v in weights.items()})

    def model_read() -> object:
        found = store.load_model("m")
        numbers = {int(v.ravel()[0]) for v in found.weights.values()}
        return found.card.record.best_step if numbers == {found.card.record.best_step} else "mixed"

    def snapshot(n: int) -> Snapshot:
        arrays = {k: np.full_like(v, n) for k, v in weights.items()}
        return Snapshot(card(n), progress.model_copy(update={"step": n}), arrays)

    def prediction_read() -> object:
        found = store.load_prediction("p")
        if found is None:
            return None
        n = round(1000 * found.scores.image)
        whole = numbered(n)
        same = np.array_equal(found.labels, whole.labels) and np.array_equal(found.maps, whole.maps)
        stars = found.instances is not None and found.instances.rays is not None
        return n if same and stars and (found.instances.rays == n).all() else "mixed"

    def pixels(path: Path) -> object:
        found = np.asarray(read_stack(path).data[...], np.int64) - noise
        return int(found.flat[0]) if (found == found.flat[0]).all() else "mixed"

    def prediction(n: int) -> None:
        made = numbered(n)
        store.save_prediction(type(made)("p", made.maps, made.labels, made.scores, made.instances))

    labels, image, table = (folder / name for name in ("l.tif", "i.ome.tif", "t.csv"))
    rows = [{"label": i, "area": i * 1.5} for i in range(900)]
    return [
        Write(
            "state",
            lambda n: store.save_state(state.model_copy(update={"name": f"{n}"})),
            lambda: int(store.load_state().name),
        ),
        Write(
            "annotation",
            lambda n: store.save_annotation("a", noise[0] + n),
            lambda: pixels_of(store.load_annotation("a"), noise[0]),
        ),
        Write(
            "plane",
            lambda n: store.save_planes("v", {1: noise[1] + n}, noise.shape),
            lambda: pixels_of(store.load_annotation("v")[1], noise[1]),
        ),
        Write(
            "round",
            lambda n: store.save_round(Round(number=n, model="m")),
            lambda: Round.load(folder / "rounds" / "m.json").number,
        ),
        Write(
            "boxes",
            lambda n: store.save_boxes({f"{i}": [[[0, 0], [n, n]]] for i in range(99)}),
            lambda: int(store.load_boxes()["98"][0][1][0]),
        ),
        Write("prediction", prediction, prediction_read),
        Write("model", lambda n: store.save_model(model(n)), model_read),
        Write(
            "card",
            lambda n: store.save_card("c", card(n)),
            lambda: store.load_card("c").record.best_step,
        ),
        Write(
            "snapshot",
            lambda n: store.save_snapshot("s", snapshot(n)),
            lambda: store.load_snapshot("s").progress.step,
        ),
        Write(
            "labels",
            lambda n: write_labels(labels, noise + n, "ZYX", overwrite=True),
            lambda: pixels(labels),
        ),
        Write(
            "image",
            lambda n: write_image(image, (noise + n).astype(np.float64), "ZYX", overwrite=True),
            lambda: pixels(image),
        ),
        Write(
            "table",
            lambda n: write_table(table, [{"n": n}, *rows], overwrite=True),
            lambda: int(table.read_text().splitlines()[1].split(",")[0]),
        ),
    ]


def pixels_of(found: Any, base: Any) -> object:
    if found is None:
        return None
    left = np.asarray(found, np.int64) - base
    return int(left.flat[0]) if (left == left.flat[0]).all() else "mixed"


def exported(store: Store, disk: SmallDisk) -> dict[str, Any]:
    """The command, into a new folder each time: what is there is whole, and then it goes on."""
    found: dict[str, Any] = {"n": 0, "lost": [], "no_sentence": [], "stuck": [], "left": []}
    out, room = store.folder / "exported", 0
    while True:
        found["n"] += 1
        failed = ""
        try:
            with disk.left(room):
                command("export", store.folder / "predictions", "--out", out)
        except NucleateError as error:
            failed = str(error)
            found["no_sentence"] += sentence(failed)
        except Exception as error:  # noqa: BLE001  # a person must not see any other
            failed = repr(error)
            found["no_sentence"].append(failed)
        for path in out.rglob("*.*"):
            if path.name.startswith(".nucleate"):
                found["left"].append(path.name)
            elif path.suffix == ".tif":
                try:
                    read_stack(path).data[...]
                except NucleateError as error:
                    found["lost"].append(str(error))
        shutil.rmtree(out, ignore_errors=True)
        if not failed:
            return found
        room += PAGE


def logged(store: Store, disk: SmallDisk) -> dict[str, Any]:
    """The log: lines that there is no room for are left out, those before stay, others follow."""
    found: dict[str, Any] = {"n": 0, "lost": [], "no_sentence": [], "stuck": [], "left": []}
    for number in range(150):  # so many lines that more than a page is needed now and then
        found["n"] += 1
        before = log.read(store.folder)
        with disk.left(0):
            store.note(log.Happened("full", note="x" * 150))
        store.note(log.Happened(f"number {number}"))
        now = log.read(store.folder)
        if now[: len(before)] != before:
            found["lost"].append(f"line {len(before)} or one before")
        if now[-1]["what"] != f"number {number}":
            found["stuck"].append(f"number {number}")
    return found


def sentence(text: str) -> list[str]:
    """What is wrong with what is said."""
    return [] if text.endswith(".") and "\n" not in text and len(text) < 500 else [text]


def tried(one: Write, disk: SmallDisk, steps: int) -> dict[str, Any]:
    """Write version after version with more and more room, until there is enough."""
    before = disk.free()
    one.write(1)
    need = max(before - disk.free(), PAGE)
    found: dict[str, Any] = {"n": 0, "lost": [], "no_sentence": [], "stuck": [], "left": []}
    version, room, enough = 1, 0, 0
    while enough < 2:
        found["n"] += 1
        failed = False
        with disk.left(room):
            try:
                one.write(version + 1)
            except NucleateError as error:
                failed = True
                found["no_sentence"] += sentence(str(error))
            except Exception as error:  # noqa: BLE001  # a person must not see any other
                failed = True
                found["no_sentence"].append(repr(error))
            kept = read(one)
            # The last of several files may be missing: then the new version is there, whole.
            if kept not in ((version, version + 1) if failed else (version + 1,)):
                found["lost"].append(f"{room} bytes left: {kept!r} instead of {version}")
            left = [p.name for p in disk.folder.rglob(".nucleate-*") if p.is_file()]
            left += [p.name for p in disk.folder.rglob(".waiting/*")]
            found["left"] += left
        version += 2
        with suppress(NucleateError):
            one.write(version)
        if (kept := read(one)) != version:
            found["stuck"].append(f"after {room} bytes left: {kept!r} instead of {version}")
        enough = 0 if failed else enough + 1
        room += PAGE * max(1, round(need / PAGE / steps))
    return found


def read(one: Write) -> object:
    try:
        return one.read()
    except Exception as error:  # noqa: BLE001  # is told as what was lost
        return repr(error)


def full_disk(quick: bool) -> dict[str, Any]:
    """Fill the disk before each write.

    Returns
    -------
    dict
        n, the times that a version was lost, that no sentence was said, that work didn't go on
        once there was room, and that something was left behind; by what was written too.
    """
    steps, by, start = QUICK if quick else STEPS, {}, time.monotonic()
    with tempfile.TemporaryDirectory(prefix="disk-") as home:
        disk = SmallDisk(Path(home))
        try:
            # The sample of the export lies beside the project, on the small disk too.
            begin("export", Path(home) / "project")
            with Store(Path(home) / "project", "the full disk") as store:
                (store.folder / "models" / "c").mkdir()  # of a model whose card is written alone
                for one in writes(store):
                    by[one.name] = tried(one, disk, steps)
                by["log"] = logged(store, disk)
                by["export"] = exported(store, disk)
        finally:
            disk.close()
    names = ("lost", "no_sentence", "stuck", "left")
    total = {name: sum(len(one[name]) for one in by.values()) for name in names}
    how = "a tmpfs of 16 MiB" if disk.mounted else "files that end at so many bytes"
    return {
        "n": sum(one["n"] for one in by.values()),
        **total,
        "goal": "0 of each",
        "reached": not any(total.values()),
        "measured_on": f"{how}, with more and more room, for each kind of file",
        "seconds": round(time.monotonic() - start, 1),
        "by": {
            name: {k: v if k == "n" else len(v) for k, v in one.items()} for name, one in by.items()
        },
        "first": [f"{n}: {v}" for n, one in by.items() for k in names for v in one[k]][:8],
    }


if __name__ == "__main__":
    from common import arguments, finish

    options = arguments(__doc__ or "")
    finish(options, {"full_disk": full_disk(options.quick)})
