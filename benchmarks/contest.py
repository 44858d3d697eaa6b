"""Learners on the same images for the same time: their environments, their runs, their judge.

A run is a child process that is given a task (`learners/task.py`), by the name of its tool, data
and time. What it answered is kept in a folder of the user's cache, so that long benchmarks go on
where they were ended; ours is run again where the code of the package has changed.
"""

import csv
import hashlib
import json
import os
import re
import runpy
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

import common
from napari_nucleate.core.metrics import agreement, average_precision
from napari_nucleate.core.model import Model
from napari_nucleate.io.model import load_model

CACHE = Path.home() / ".cache" / "napari-nucleate-bench"
HERE = Path(__file__).resolve().parent
PEERS = {
    "stardist": ("stardist==0.9.2", "tensorflow-cpu==2.21.0"),
    "cellpose": ("cellpose==3.1.1.3", "torch==2.13.0"),
}
"""What is installed for each peer, in an environment of its own."""
OPTIONS = {"cellpose-cli": {"SGD": True, "learning_rate": 0.2}}
"""Variants of a peer that are trained with other options."""

MEAN = (0.5, 0.6, 0.7, 0.8, 0.9)


class NoPeerError(Exception):
    """A peer can't be asked; the message says why."""


@dataclass(frozen=True)
class Scene:
    """Images to learn from, and others to be judged on, with what all learners are told of them.

    Parameters
    ----------
    name : str
        Unique: runs are kept under it.
    fit : sequence of dict
        `image`, `mask` and, where only parts are painted, `boxes`.
    test : sequence of (Path, Path)
        Images and their true masks.
    """

    name: str
    fit: Sequence[dict[str, Any]] = field(repr=False)
    test: Sequence[tuple[Path, Path]] = field(repr=False)
    ndim: int = 2
    spacing: tuple[float, ...] = ()


def names(pack: str, part: str) -> list[str]:
    """Images of a pack that its split.csv gives to training or to validation."""
    text = (common.SHARED / pack / "split.csv").read_text()
    return [row["name"] for row in csv.DictReader(text.splitlines()) if row["split"] == part]


def paths(pack: str, name: str) -> tuple[Path, Path]:
    folder = common.SHARED / pack
    return folder / "images" / f"{name}.tif", folder / "masks" / f"{name}.tif"


def scene(pack: str, count: int | None = None, seed: int = 0, tested: int | None = None) -> Scene:
    """So many training images of a pack, drawn by the seed, and its validation images."""
    chosen = names(pack, "train")
    if count is not None and count < len(chosen):
        chosen = np.random.default_rng(seed).choice(chosen, count, replace=False).tolist()
    return scene_of(pack, chosen, f"{count}-draw{seed}" if count is not None else "all", tested)


def scene_of(pack: str, chosen: Sequence[str], how: str, tested: int | None = None) -> Scene:
    """Training images of a pack by their names, and its validation images; `how` names the run."""
    val = names(pack, "val")
    if tested is not None:
        val = val[:: max(1, len(val) // tested)][:tested]
    some = f"-on{tested}" if tested is not None else ""
    fit = [{"image": str(i), "mask": str(m)} for i, m in (paths(pack, n) for n in chosen)]
    return Scene(f"{pack}-{how}{some}", fit, [paths(pack, n) for n in val])


class Contest:
    """Runs learners, each once.

    Parameters
    ----------
    folder : Path
        Where environments and runs are kept.
    fresh : bool
        Run again what is there.
    make : bool
        Make environments of peers that aren't there; else they are left out.
    recipe : dict
        What differs from our default recipe, to try variants.
    start_peers : bool
        Run peers where no run of them is kept; else those are left out.
    """

    def __init__(
        self,
        folder: Path = CACHE,
        fresh: bool = False,
        make: bool = True,
        recipe: dict[str, Any] | None = None,
        start_peers: bool = True,
    ) -> None:
        self._start_peers = start_peers
        self._folder, self._fresh, self._make = folder, fresh, make
        self._recipe = recipe or {}
        self._code = _digest(self._recipe)
        self._done: set[str] = set()
        self._refused: dict[str, str] = {}

    def learn(
        self,
        tool: str,
        given: Scene,
        seconds: float,
        seed: int = 0,
        earlier: Sequence[float] = (),
        steps: int = 0,
    ) -> list[dict[str, Any]]:
        """Let a tool learn a scene for so long, and judge it on the images of validation.

        Ours can be given so many steps instead: they are the same beside other work, too.

        "cellpose-cli" is Cellpose with the defaults of its command line instead of its function's.

        Returns
        -------
        list of dict
            One, and one more for each earlier time that was asked for.

        Raises
        ------
        NoPeerError
            If the tool isn't there, or failed.
        """
        key = run_key(tool, given, seconds, seed, steps)
        task = _task("learn", given, seconds, seed) | {
            "steps": steps,
            "earlier": list(earlier),
            "options": OPTIONS.get(tool, {}),
        }
        answer = self._answer(tool, key, task, 4 * seconds + 1800 + 2 * steps)
        if "scores" not in answer:
            folder = self.folder(tool, key)
            answer["scores"] = [judge(folder / run["labels"], given) for run in answer["runs"]]
            (folder / "answer.json").write_text(json.dumps(answer, indent=1))
        return _with_facts(answer)

    def model(self, given: Scene, seconds: float, seed: int = 0, steps: int = 0) -> Model:
        """Our model that learned a scene for so long; it learns it now, if it didn't yet."""
        self.learn("ours", given, seconds, seed, steps=steps)
        key = run_key("ours", given, seconds, seed, steps)
        return load_model(self.folder("ours", key) / "model")

    def self_train(
        self,
        given: Scene,
        pool: Sequence[tuple[Path, Path]],
        steps: int,
        seed: int = 0,
        share: float = 1 / 3,
        options: dict[str, Any] | None = None,
        surest: bool = False,
    ) -> dict[str, Any]:
        """Let ours learn a scene, and the best it makes of a pool, for so long in all; judge it.

        Parameters
        ----------
        given : Scene
        pool : sequence of (Path, Path)
            Images, and their true masks, which only the judge sees.
        steps : int
            Of both trainings together, less those that could be made while the pool is predicted.
        seed : int
        share : float
            Of the first training.
        options : dict, optional
            Of self-training, where they aren't the default.
        surest : bool
            Take the surest of the pool, however alike they are.

        Returns
        -------
        dict
            As of `learn`, and `precision`: how many of the objects learned from match a true one at
            IoU 0.5.
        """
        how = "".join(f"-{k}{v}" for k, v in (options or {}).items()) + "-surest" * surest
        key = f"ours-{given.name}-self{share:.2g}of{len(pool)}{how}-{steps}steps-seed{seed}"
        task = _task("self-train", given, 0, seed) | {
            "steps": steps,
            "pool": [str(image) for image, _ in pool],
            "share": share,
            "options": options or {},
            "surest": surest,
        }
        answer = self._answer("ours", key, task, 3600 + 2 * steps)
        if "scores" not in answer:
            folder = self.folder("ours", key)
            answer["scores"] = [judge(folder / "labels", given) | precision(folder, pool)]
            (folder / "answer.json").write_text(json.dumps(answer, indent=1))
        return _with_facts(answer)[0]

    def clock(self, tool: str, model: str, image: Path, repeats: int) -> list[dict[str, Any]]:
        """Time a tool that has learned (the key of `learn`) on an image."""
        task = {
            "do": "time",
            "model": str(self.folder(tool, model)),
            "image": str(image),
            "repeats": repeats,
        }
        answer = self._answer(tool, f"{model}-clock-{image.stem}", task, 3600)
        runs: list[dict[str, Any]] = answer["runs"]
        return [run | {"load": answer["load"]} for run in runs]

    def leave_out(self, tool: str, why: str) -> None:
        """Don't ask a tool at all."""
        self._refused[tool] = why

    def folder(self, tool: str, key: str) -> Path:
        """Where a run is kept; ours by the code it was run with."""
        return self._folder / "runs" / (f"{key}-{self._code}" if tool == "ours" else key)

    def scratch(self) -> Path:
        """A folder for images that are made here."""
        path = self._folder / "images"
        path.mkdir(parents=True, exist_ok=True)
        return path

    def _answer(self, tool: str, key: str, task: dict[str, Any], limit: float) -> dict[str, Any]:
        folder = self.folder(tool, key)
        if tool in self._refused:
            raise NoPeerError(self._refused[tool])
        path = folder / "answer.json"
        again = self._fresh and key not in self._done
        if path.exists() and not again:
            kept: dict[str, Any] = json.loads(path.read_text())
            if set(task.get("earlier", ())) <= {run.get("asked") for run in kept["runs"]}:
                return kept
        if tool != "ours" and not self._start_peers:
            raise NoPeerError("not run yet (--kept)")
        if folder.name in self._refused:
            raise NoPeerError(self._refused[folder.name])
        python = Path(sys.executable) if tool == "ours" else self._environment(program(tool))
        if folder.exists():
            shutil.rmtree(folder)
        folder.mkdir(parents=True)
        if tool == "ours":
            task = task | {"recipe": self._recipe}
        (folder / "task.json").write_text(json.dumps(task | {"out": str(folder)}, indent=1))
        answer = self._run(python, tool, key, folder, limit)
        path.write_text(json.dumps(answer, indent=1))
        self._done.add(key)
        return answer

    def _run(self, python: Path, tool: str, key: str, folder: Path, limit: float) -> dict[str, Any]:
        say(f"{key} …")
        load, start, begun = os.getloadavg()[0], time.perf_counter(), time.strftime("%F %T")
        stolen = _stolen()
        command = [python, HERE / "learners" / f"with_{program(tool)}.py", folder / "task.json"]
        with (folder / "log.txt").open("w") as log:
            try:
                done = subprocess.run(
                    command, stdout=log, stderr=subprocess.STDOUT, timeout=limit, check=False
                )
                code = done.returncode
            except subprocess.TimeoutExpired:
                code = "nothing in time"
        wall = time.perf_counter() - start
        if code != 0:
            said = error_in((folder / "log.txt").read_text())
            self._refused[folder.name] = f"{tool} failed ({code}): {said}"
            say(self._refused[folder.name])
            raise NoPeerError(self._refused[folder.name])
        answer: dict[str, Any] = json.loads((folder / "answer.json").read_text())
        answer |= {"started": begun, "load": round(load, 2), "wall_seconds": round(wall, 1)}
        answer["cpu_share"] = round(answer["cpu_seconds"] / wall, 2)
        answer["stolen_cores"] = round((_stolen() - stolen) / wall, 2)
        say(f"{key}: {wall:.0f} s, {[run.get('seconds') for run in answer['runs']]}")
        return answer

    def _environment(self, peer: str) -> Path:
        """The python of a peer's environment, made where it isn't there yet."""
        folder = self._folder / "env" / peer
        python = folder / "bin" / "python"
        ready = folder / "ready.json"
        if ready.exists() and json.loads(ready.read_text()) == list(PEERS[peer]):
            return python
        if not self._make:
            raise NoPeerError(f"no environment for {peer} in {folder}")
        if peer in self._refused:
            raise NoPeerError(self._refused[peer])
        say(f"installing {', '.join(PEERS[peer])} in {folder} …")
        for command in (
            [sys.executable, "-m", "venv", folder],
            [python, "-m", "pip", "install", "--quiet", *PEERS[peer]],
            [python, "-c", f"import {peer}, {peer}.models"],
        ):
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                self._refused[peer] = f"{peer} can't be installed: {error_in(done.stderr)}"
                raise NoPeerError(self._refused[peer])
        ready.write_text(json.dumps(PEERS[peer]))
        return python


def error_in(text: str) -> str:
    """The line that names what went wrong, else the last one."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    named = [line for line in lines if re.match(r"(\w+\.)*\w*(Error|ERROR|Exception)\b", line)]
    return (named or lines or ["nothing said"])[-1][:300]


def program(tool: str) -> str:
    """The tool that a variant belongs to."""
    return tool.partition("-")[0]


def judge(folder: Path, given: Scene) -> dict[str, Any]:
    """AP of label images by our metrics, checked against ../shared/evaluate.py where it is."""
    pairs = [
        (tifffile.imread(mask), tifffile.imread(folder / image.name)) for image, mask in given.test
    ]
    found = average_precision(pairs)
    ap = {f"{t:g}": round(v, 4) for t, v in found.items()}
    mean = round(float(np.mean([found[t] for t in MEAN])), 4)
    score = {"AP": ap, "ap50": ap["0.5"], "mean_ap": mean, "test_images": len(pairs)}
    other = _shared_judge()
    if other is not None:
        theirs = other(pairs)
        agree = abs(theirs["mean_AP"] - mean) + abs(theirs["AP"]["0.5"] - ap["0.5"]) < 0.002
        score["evaluate_py_agrees"] = bool(agree)
        if not agree:
            score["evaluate_py"] = {"AP": theirs["AP"], "mean_AP": theirs["mean_AP"]}
    return score


def channels_first(path: Path | str) -> Any:
    """Read a plane, grey or in colours, as (C, Y, X)."""
    pixels = tifffile.imread(path)
    return np.moveaxis(pixels, -1, 0) if pixels.ndim == 3 else pixels[np.newaxis]


def precision(folder: Path, pool: Sequence[tuple[Path, Path]]) -> dict[str, Any]:
    """The share of the objects in `accepted` that match a true one at IoU 0.5."""
    right, count = 0, 0
    for image, mask in pool:
        path = folder / "accepted" / f"{image.stem}.tif"
        if path.exists():
            labels = tifffile.imread(path).astype(np.int32)
            found = agreement(labels, tifffile.imread(mask).astype(np.int32))
            right += sum(iou >= 0.5 for iou in found.values())
            count += len(found)
    return {"accepted_objects": count, "precision": round(right / count, 4) if count else None}


def run_key(tool: str, given: Scene, seconds: float, seed: int = 0, steps: int = 0) -> str:
    """The name that a learning is kept by."""
    long = f"{steps}steps" if steps else f"{seconds:g}s"
    return f"{tool}-{given.name}-{long}-seed{seed}"


def _task(do: str, given: Scene, seconds: float, seed: int) -> dict[str, Any]:
    """What every learner of a scene is told."""
    return {
        "do": do,
        "fit": list(given.fit),
        "test": [str(image) for image, _ in given.test],
        "seconds": seconds,
        "seed": seed,
        "ndim": given.ndim,
        "spacing": given.spacing,
    }


def _with_facts(answer: dict[str, Any]) -> list[dict[str, Any]]:
    """Runs with their scores, and with what is known of how they were made."""
    asked = [run | score for run, score in zip(answer["runs"], answer["scores"], strict=True)]
    facts = ("notes", "load", "cpu_share", "stolen_cores", "versions", "started")
    return [one | {k: answer[k] for k in facts if k in answer} for one in asked]


def say(text: str) -> None:
    """Tell a person who waits; the JSON goes to the other stream."""
    print(f"{time.strftime('%T')} {text}", file=sys.stderr, flush=True)


def _shared_judge() -> Callable[..., dict[str, Any]] | None:
    path = common.SHARED.parent / "evaluate.py"
    if not path.exists():
        return None
    # An import would leave bytecode beside it.
    score: Callable[..., dict[str, Any]] = runpy.run_path(str(path))["score"]
    return score


def _stolen() -> float:
    """Seconds that a virtual machine's host gave to others, over all cores; 0 where none says."""
    try:
        first = Path("/proc/stat").read_text().split("\n", 1)[0].split()
        return int(first[8]) / os.sysconf("SC_CLK_TCK")
    except (OSError, IndexError, ValueError):
        return 0.0


def _digest(recipe: dict[str, Any]) -> str:
    """Eight digits that change with the code our runs depend on, and with the recipe."""
    import napari_nucleate.core

    digest = hashlib.sha256(json.dumps(recipe, sort_keys=True).encode())
    folder = Path(napari_nucleate.core.__file__).parent
    ours = [HERE / "learners" / name for name in ("with_ours.py", "task.py")]
    for path in [*sorted(folder.rglob("*.py")), *ours]:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:8]
