"""Learning from few labelled images: ours, StarDist and Cellpose, for the same time.

Each learner is trained from scratch in a process of its own, on the same images of ../shared/data,
on the same processor, and judged by AP on validation images that none of them saw. Ours is the
recipe of a new project; the peers have their authors' defaults, in environments that this script
makes (a few minutes, 4 GB; `--cache` says where). Runs are kept there: a benchmark that was ended
goes on where it was; `--fresh` begins anew, `--kept` starts none of the peers'. Ours is run again
when the code of `core` changes.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

import common
from contest import (
    CACHE,
    PEERS,
    Contest,
    NoPeerError,
    Scene,
    error_in,
    names,
    paths,
    run_key,
    say,
    scene,
)
from resume import resume_equal
from sparse_labels import sparse_scene

FLUO = "dsb2018_fluo"
TOOLS = ("ours", *PEERS)
SUFFICIENT = 0.75
"""The AP@0.5 that `time_to_ap75` waits for."""


@dataclass(frozen=True)
class Plan:
    """How much is done; `--quick` does the same with next to nothing."""

    seeds: tuple[int, ...] = (0, 1, 2)
    count: int = 16
    tested: int | None = None
    short: float = 300
    long: float = 1800
    ours_at: tuple[float, ...] = (15, 30, 60, 120, 300)
    peers_at: tuple[float, ...] = (300, 600, 900, 1800)
    side: int = 2048
    repeats: int = 3
    steps: int = 60
    stops: tuple[int, ...] = (17, 41)
    quick: bool = False


QUICK = Plan(
    seeds=(0,),
    count=5,
    tested=3,
    short=8,
    long=8,
    ours_at=(8,),
    peers_at=(8,),
    side=1024,
    repeats=1,
    steps=6,
    stops=(4,),
    quick=True,
)


class Bench:
    """The entries of the JSON, a method each."""

    def __init__(self, plan: Plan, contest: Contest) -> None:
        self._plan, self._contest = plan, contest
        self._stalls: dict[str, Any] | None = None

    def ap50_16_images_5_min(self) -> dict[str, Any]:
        """AP@0.5 after five minutes with 16 images."""
        return self._short("ap50", 0.05)

    def map_16_images_5_min(self) -> dict[str, Any]:
        """The mean AP of the same runs."""
        return self._short("mean_ap", 0.10)

    def ap50_all_images_30_min(self) -> dict[str, Any]:
        """One seed; the mean AP is told too, and must be above the peers' as well."""
        plan = self._plan
        given = scene(FLUO, 20 if plan.quick else None, tested=plan.tested)
        entry = self._one_seed(given, plan.long)
        ours, peer = entry["mean_ap"]["ours"], entry["mean_ap"]["peer"]
        above = peer is not None and entry["margin"] > 0 and ours > peer
        return entry | {"goal": "both above the peers", "reached": above if peer else None}

    def time_to_ap75(self) -> dict[str, Any]:
        """Seconds of the shortest training that reaches the AP, one draw of the images.

        Ours and Cellpose are trained anew for each time, since their schedules end with it.
        StarDist's rate doesn't depend on the length: one long run, looked at earlier too.
        """
        plan = self._plan
        given = self._few(0)
        curves: dict[str, Any] = {"ours": [], "stardist": [], "cellpose": []}
        failed: dict[str, str] = {}
        for tool, times in (("ours", plan.ours_at), ("cellpose", plan.peers_at)):
            for seconds in times:
                try:
                    curves[tool] += _points(self._contest.learn(tool, given, seconds))
                except NoPeerError as error:
                    failed[tool] = str(error)
        try:
            seconds, earlier = self._longest()
            found = self._contest.learn("stardist", given, seconds, earlier=earlier)
            curves["stardist"] = sorted(_points(found), key=lambda point: point["seconds"])
        except NoPeerError as error:
            failed["stardist"] = str(error)
        reached = {tool: _reached(curve) for tool, curve in curves.items()}
        peers = [t for tool in PEERS if (t := reached[tool]) is not None]
        ours, peer = reached["ours"], min(peers, default=None)
        longest = max(plan.peers_at)
        # Only of peers that had the longest time it is known that they need longer.
        whole = all(any(p["seconds"] >= longest for p in curves[tool]) for tool in PEERS)
        bound = peer or (longest if whole else None)
        ratio = round(bound / ours, 2) if ours and bound else None
        return {
            "ours": ours,
            "peer": peer,
            "peer_longer_than": longest if peer is None and bound else None,
            "ratio": ratio,
            "goal": 3,
            "reached": ratio is not None and ratio >= 3 if whole else None,
            "measured_on": f"{self._on(given)}, AP@0.5 of {SUFFICIENT} or more; seconds of the "
            "shortest training that reaches it, of those in `curves`; seed 0. Ours and Cellpose: a "
            "training for each time. StarDist: one training, looked at at the end of the epoch "
            "after each time (seconds as they were)",
            "curves": curves,
            "failed": failed,
        }

    def predict_2048(self) -> dict[str, Any]:
        """Megapixels a second, labels included, by networks that have learned for a while."""
        plan = self._plan
        image, objects = self._large_image()
        given = self._few(0)
        runs: dict[str, Any] = {}
        for tool in TOOLS[: 1 if plan.quick else None]:
            seconds = plan.short if tool == "ours" else plan.long
            earlier = self._longest()[1] if tool == "stardist" else ()
            try:
                self._contest.learn(tool, given, seconds, earlier=earlier)
                key = run_key(tool, given, seconds)
                found = self._contest.clock(tool, key, image, plan.repeats)
            except NoPeerError as error:
                runs[tool] = {"failed": str(error)}
                continue
            rows = (
                dict(zip(("ours_with_confidence", "ours"), found, strict=True))
                if len(found) == 2
                else {tool: found[0]}
            )
            for name, row in rows.items():
                best = min(row["seconds"])
                runs[name] = row | {"megapixels_a_second": round(plan.side**2 / 1e6 / best, 3)}
        if plan.quick:
            runs |= {peer: {"failed": "not timed with --quick"} for peer in PEERS}
        rates = {tool: run.get("megapixels_a_second") for tool, run in runs.items()}
        ours = rates["ours"]
        ratios = {p: round(ours / r, 2) for p in PEERS if ours and (r := rates[p])}
        return {
            "ours": ours,
            "peer": max((rates[p] for p in ratios), default=None),
            "ratio": min(ratios.values(), default=None),
            "ratios": ratios,
            "goal": 3,
            "measured_on": f"{plan.side}² pixels: a validation image of {FLUO}, mirrored again and "
            f"again, about {objects} nuclei; megapixels a second from pixels to labels, best of "
            f"{plan.repeats} after one; networks trained on 16 images (`objects`: how many they "
            "find). Like the peers, `ours` gives labels; `ours_with_confidence` predicts the image "
            "a second time, turned, as the docks do by default",
            "runs": runs,
        }

    def sparse_10_percent(self) -> dict[str, Any]:
        """AP@0.5 with a tenth of the objects painted, as a share of that with all of them."""
        plan = self._plan
        full, few, painted = [], [], []
        for seed in plan.seeds:
            given = self._few(seed)
            less, facts = sparse_scene(given, 0.1, seed, self._contest.scratch())
            full.append(self._contest.learn("ours", given, plan.short, seed)[0])
            few.append(self._contest.learn("ours", less, plan.short, seed)[0])
            painted.append(facts)
        ours, all_of_them = (float(np.mean([run["ap50"] for run in runs])) for runs in (few, full))
        return {
            "ours": round(ours, 4),
            "peer": round(all_of_them, 4),
            "ratio": round(ours / max(all_of_them, 1e-9), 3),
            "goal": 0.9,
            "measured_on": f"{self._on(self._few(0))}; AP@0.5, one box an image at most, every "
            "object that touches it painted whole; the `peer` is ours with all objects painted; "
            f"{plan.short:g} s each",
            "seeds": {"ours": [r["ap50"] for r in few], "peer": [r["ap50"] for r in full]},
            "mean_ap": {
                "ours": [r["mean_ap"] for r in few],
                "peer": [r["mean_ap"] for r in full],
            },
            "painted": painted,
        }

    def resume_equal(self) -> dict[str, Any]:
        """An interrupted and resumed training against an uninterrupted one, bit for bit."""
        return resume_equal(self._few(0), self._plan.steps, self._plan.stops)

    def first_preview_seconds(self) -> dict[str, Any]:
        """From the click on Train on, by stalls.py."""
        return self._window()["first_preview_seconds"]

    def gui_stall_p99_ms(self) -> dict[str, Any]:
        """How late the event loop is while training, by stalls.py."""
        return self._window()["gui_stall_p99_ms"]

    def gui_stall_max_ms(self) -> dict[str, Any]:
        """The latest that it was."""
        return self._window()["gui_stall_max_ms"]

    def usiigaci_t98g_phase(self) -> dict[str, Any]:
        """Cells in phase contrast."""
        return self._pack("usiigaci_t98g_phase")

    def dsb2018_he(self) -> dict[str, Any]:
        """Stained tissue, in colours."""
        return self._pack("dsb2018_he")

    def monuseg_he(self) -> dict[str, Any]:
        """Stained tissue, eleven larger images."""
        return self._pack("monuseg_he")

    def isbi2012_em(self) -> dict[str, Any]:
        """Cells between membranes: no stars, so StarDist isn't asked."""
        given = scene("isbi2012_em", 2 if self._plan.quick else None, tested=self._plan.tested)
        entry = self._one_seed(given, self._plan.short, ("ours", "cellpose"))
        for tool in ("ours", "cellpose"):
            key = run_key(tool, given, self._plan.short)
            folder = self._contest.folder(tool, key) / "labels"
            if folder.is_dir():
                entry["runs"][tool] |= _membranes(given, folder)
        return entry

    def nuclei3d(self) -> dict[str, Any]:
        """Two stacks: learned on the left halves, judged on the right ones."""
        return self._one_seed(_halves(self._contest.scratch()), self._plan.short)

    def _few(self, seed: int) -> Scene:
        return scene(FLUO, self._plan.count, seed, self._plan.tested)

    def _longest(self) -> tuple[float, tuple[float, ...]]:
        """StarDist's long run on few images: its length, and when it is looked at before."""
        times = self._plan.peers_at
        return max(times), tuple(sorted(times)[:-1])

    def _on(self, given: Scene) -> str:
        return f"{given.name}: {len(given.fit)} labelled images, {len(given.test)} to judge"

    def _short(self, measure: str, goal: float) -> dict[str, Any]:
        plan = self._plan
        runs, failed = self._seeds(plan.short)
        seeds = {tool: [run[measure] for run in rows] for tool, rows in runs.items()}
        mean = {tool: round(float(np.mean(values)), 4) for tool, values in seeds.items() if values}
        late = {}
        for peer in PEERS:
            try:
                given, extra = self._few(0), self._longest()[1] if peer == "stardist" else ()
                late[peer] = self._contest.learn(peer, given, plan.long, earlier=extra)[-1][measure]
            except NoPeerError as error:
                failed[peer] = str(error)
        other = None
        try:
            if not plan.quick:
                other = self._contest.learn("cellpose-cli", self._few(0), plan.short)[-1][measure]
        except NoPeerError as error:
            failed["cellpose-cli"] = str(error)
        peers = {tool: mean[tool] for tool in PEERS if tool in mean}
        peer = max(peers.values(), default=None)
        ours = mean["ours"]
        margin = round(ours - peer, 4) if peer is not None else None
        later = round(ours - max(late.values()), 4) if late else None
        complete = margin is not None and later is not None and not failed.keys() & set(PEERS)
        return {
            "ours": ours,
            "peer": peer,
            "ratio": round(ours / peer, 2) if peer else None,
            "margin": margin,
            "goal": f"margin of {goal}, and not below peers after {plan.long:g} s",
            "reached": margin >= goal and later >= 0 if complete else None,
            "peers": peers,
            "seeds": seeds,
            "cellpose_cli_seed_0": other,
            "peers_long": late,
            "margin_to_peers_long": later,
            "measured_on": f"{FLUO}, {plan.count} labelled images, another draw a seed, "
            f"{plan.short:g} s each; {'AP@0.5' if measure == 'ap50' else 'mean AP 0.5…0.9'} on "
            f"{len(self._few(0).test)} validation images; peers after {plan.long:g} s on the draw "
            "of seed 0",
            "runs": runs,
            "failed": failed,
        }

    def _seeds(self, seconds: float) -> tuple[dict[str, list[Any]], dict[str, str]]:
        """Every learner on every draw of a few images."""
        runs: dict[str, list[Any]] = {tool: [] for tool in TOOLS}
        failed: dict[str, str] = {}
        for seed in self._plan.seeds:
            for tool in TOOLS:
                try:
                    runs[tool] += self._contest.learn(tool, self._few(seed), seconds, seed)[-1:]
                except NoPeerError as error:
                    failed[tool] = str(error)
        if not runs["ours"]:
            raise NoPeerError(failed["ours"])
        return runs, failed

    def _one_seed(
        self, given: Scene, seconds: float, tools: tuple[str, ...] = TOOLS
    ) -> dict[str, Any]:
        """All learners once on a scene: AP@0.5, with the mean AP beside it."""
        runs: dict[str, Any] = {}
        for tool in tools:
            try:
                runs[tool] = self._contest.learn(tool, given, seconds)[-1]
            except NoPeerError as error:
                runs[tool] = {"failed": str(error)}
        table = {}
        for measure in ("ap50", "mean_ap"):
            row = {tool: run[measure] for tool, run in runs.items() if measure in run}
            row["peer"] = max((v for t, v in row.items() if t in PEERS), default=None)
            table[measure] = {"ours": None} | row
        ours, peer = table["ap50"]["ours"], table["ap50"]["peer"]
        both = ours is not None and peer is not None
        return {
            "ours": ours,
            "peer": peer,
            "ratio": round(ours / peer, 2) if both and peer else None,
            "margin": round(ours - peer, 4) if both else None,
            "goal": None,
            "measured_on": f"{self._on(given)}, {seconds:g} s each, seed 0; AP@0.5",
            **table,
            "runs": runs,
        }

    def _pack(self, pack: str) -> dict[str, Any]:
        plan = self._plan
        return self._one_seed(
            scene(pack, 4 if plan.quick else None, tested=plan.tested), plan.short
        )

    def _large_image(self) -> tuple[Path, int]:
        """The richest of the larger validation images, mirrored until it is large enough."""
        side = self._plan.side
        best: tuple[int, str] | None = None
        for name in names(FLUO, "val"):
            labels = tifffile.imread(paths(FLUO, name)[1])
            if min(labels.shape) >= 500:
                best = max(best or (0, ""), (len(np.unique(labels)) - 1, name))
        if best is None:
            raise NoPeerError(f"no validation image of {FLUO} is large enough")
        image = tifffile.imread(paths(FLUO, best[1])[0])
        reach = [(0, max(side - n, 0)) for n in image.shape]
        large = np.pad(image, reach, mode="symmetric")[:side, :side]
        path = self._contest.scratch() / f"large{side}.tif"
        tifffile.imwrite(path, large)
        return path, round(best[0] * large.size / image.size)

    def _window(self) -> dict[str, Any]:
        """Entries of stalls.py, which needs a screen."""
        if self._stalls is None:
            self._stalls = _stalls(self._plan.quick)
        if "failed" in self._stalls:
            raise NoPeerError(self._stalls["failed"])
        return self._stalls


def _points(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    kept = ("asked", "seconds", "steps", "ap50", "mean_ap", "load")
    return [{k: run[k] for k in kept} for run in runs]


def _reached(curve: list[dict[str, Any]]) -> float | None:
    """Seconds of the shortest training that is good enough."""
    return min((p["seconds"] for p in curve if p["ap50"] >= SUFFICIENT), default=None)


def _halves(folder: Path) -> Scene:
    """The left halves of both stacks to learn from, the right ones to be judged on."""
    fit, test = [], []
    for name in names("nuclei3d", "train"):
        image, mask = (tifffile.imread(path) for path in paths("nuclei3d", name))
        middle = image.shape[-1] // 2
        for part, where in (("left", np.s_[..., :middle]), ("right", np.s_[..., middle:])):
            files = []
            for kind, pixels in (("image", image), ("mask", mask)):
                (folder / kind).mkdir(exist_ok=True)
                files.append(folder / kind / f"{name}_{part}.tif")
                tifffile.imwrite(files[-1], np.ascontiguousarray(pixels[where]))
            if part == "left":
                fit.append({"image": str(files[0]), "mask": str(files[1])})
            else:
                test.append((files[0], files[1]))
    return Scene("nuclei3d-halves", fit, test, ndim=3, spacing=(2.0, 1.0, 1.0))


def _membranes(given: Scene, folder: Path) -> dict[str, Any]:
    """The errors of the ISBI 2012 challenge: pairs of pixels (Rand), topology (warping)."""
    from napari_nucleate.core.membranes import rand_error, warping_error

    errors: dict[str, list[float]] = {"rand_error": [], "warping_error": []}
    for image, mask in given.test:
        truth, pred = tifffile.imread(mask), tifffile.imread(folder / image.name)
        errors["rand_error"].append(rand_error(truth, pred))
        errors["warping_error"].append(warping_error(truth, pred))
    return {name: round(float(np.mean(v)), 5) for name, v in errors.items()}


QUICK_STALLS = """
import json, sys
import stalls
found = stalls.measured("looking on", 1, 6)
print("FOUND" + json.dumps(found))
"""


def _stalls(quick: bool) -> dict[str, Any]:
    screen = [] if os.environ.get("DISPLAY") else ["xvfb-run", "-a"]
    here = Path(__file__).resolve().parent
    say("stalls of the window …")
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "stalls.json"
        command = (
            [sys.executable, "-c", QUICK_STALLS]
            if quick
            else [sys.executable, "stalls.py", "--out", str(out)]
        )
        try:
            done = subprocess.run(
                [*screen, *command], cwd=here, capture_output=True, text=True, check=True
            )
        except FileNotFoundError as error:
            return {"failed": f"no screen: {error}"}
        except subprocess.CalledProcessError as error:
            return {"failed": f"stalls.py failed: {error_in(error.stderr)}"}
        if not quick:
            entries: dict[str, Any] = json.loads(out.read_text())["entries"]
            return entries
    found = json.loads(done.stdout.split("FOUND")[1])
    on = "looking on: one image of 1024², 6 s of training, default network"
    result = {
        f"gui_stall_{name}_ms": {
            "ours": found["training"][key],
            "peer": found["before"][key],
            "ratio": round(found["before"][key] / max(found["training"][key], 1e-9), 2),
            "goal": goal,
            "measured_on": f"{on}; peer: the same window while nothing trains",
        }
        for name, key, goal in (("p99", "p99", "50 ms"), ("max", "longest", "200 ms"))
    }
    first = {"ours": found["first_preview"], "peer": None, "ratio": None, "goal": "5 s"}
    return result | {"first_preview_seconds": first | {"measured_on": f"{on}, from the click on"}}


ENTRIES: tuple[Callable[[Bench], dict[str, Any]], ...] = (
    Bench.ap50_16_images_5_min,
    Bench.map_16_images_5_min,
    Bench.sparse_10_percent,
    Bench.predict_2048,
    Bench.resume_equal,
    Bench.time_to_ap75,
    Bench.first_preview_seconds,
    Bench.gui_stall_p99_ms,
    Bench.gui_stall_max_ms,
    Bench.ap50_all_images_30_min,
    Bench.usiigaci_t98g_phase,
    Bench.dsb2018_he,
    Bench.monuseg_he,
    Bench.isbi2012_em,
    Bench.nuclei3d,
)
"""In the order in which they are measured: what others build on, and what is short, first."""

NOT_QUICK = (
    "ap50_all_images_30_min",
    "usiigaci_t98g_phase",
    "dsb2018_he",
    "monuseg_he",
    "isbi2012_em",
    "nuclei3d",
)


def options_given() -> argparse.Namespace:
    parser = common.parser(__doc__ or "")
    known = [entry.__name__ for entry in ENTRIES]
    parser.add_argument("--only", nargs="+", choices=known, help="these entries alone")
    parser.add_argument("--seeds", type=int, nargs="+", help="of the short rows; 0 1 2")
    parser.add_argument("--fresh", action="store_true", help="run again what was kept")
    parser.add_argument("--kept", action="store_true", help="start no runs of peers")
    parser.add_argument("--cache", type=Path, default=CACHE, help="where runs are kept")
    parser.add_argument("--recipe", type=json.loads, default={}, help="a variant of ours, as JSON")
    return parser.parse_args()


def main() -> None:
    options = options_given()
    # A benchmark that is ended ends the learner it waits for.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    if not common.SHARED.is_dir():
        raise SystemExit(f"skipped: {common.SHARED} isn't there")
    plan = QUICK if options.quick else Plan()
    if options.seeds:
        plan = Plan(**{**vars(plan), "seeds": tuple(options.seeds)})
    contest = Contest(
        options.cache, options.fresh, not options.quick, options.recipe, not options.kept
    )
    if options.quick:
        contest.leave_out(
            "cellpose", "not with --quick: an untrained network leaves it minutes to decode"
        )
    bench = Bench(plan, contest)
    entries: dict[str, Any] = {}
    for entry in ENTRIES:
        name = entry.__name__
        chosen = name in options.only if options.only else not (options.quick and name in NOT_QUICK)
        if not chosen:
            continue
        try:
            entries[name] = entry(bench)
        except NoPeerError as error:
            entries[name] = {"ours": None, "peer": None, "ratio": None, "failed": str(error)}
        common.keep(options, entries)
    common.finish(options, entries)


if __name__ == "__main__":
    main()
