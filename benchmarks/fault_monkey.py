"""A monkey at the window: random clicks and strokes, and whether anything is lost or breaks.

Run under a screen, such as `xvfb-run -a`. Each seed is a process of its own, in which the monkey
does so many things at random that a person could do. What it does next depends on the seed and the
count alone, so that `fault_monkey.py --seed 7 --count 120` replays the first 120 acts of seed 7;
threads of the window's work run beside it, as always, and aren't repeated to the millisecond. After
each act no error may have been shown or raised, the buttons must be open and closed as the plan
says, and the annotation layer must be what a model of it says that follows from the act. At
checkpoints, and when a project is opened again, that holds of the files, too.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ACTS, SEEDS = 500, 20
QUICK_ACTS, QUICK_SEEDS = 60, 2
KINDS = ("exceptions", "naparis", "lost", "undo_failed", "disagreed")
LIMIT = 1500
"""Seconds after which a seed counts as hung."""


def monkey(quick: bool = False) -> dict[str, Any]:
    """Let the monkey loose, a process a seed.

    Parameters
    ----------
    quick : bool
        Two seeds of 60 acts instead of 20 seeds of 500.

    Returns
    -------
    dict
        `n` acts; `exceptions` that nobody caught, and apart `naparis`, in which no code of
        ours had a part; `lost` labels; `undo_failed`; `disagreed`, where
        a button and the plan said different things; the `seconds` of each seed, and the `first`
        failures with their seed and count.
    """
    acts, seeds = (QUICK_ACTS, QUICK_SEEDS) if quick else (ACTS, SEEDS)
    rows = [one(seed, acts) for seed in range(seeds)]
    return {
        **{name: sum(row[name] for row in rows) for name in ("n", *KINDS)},
        "seeds": seeds,
        "seconds": [row["seconds"] for row in rows],
        "first": [failure for row in rows for failure in row["first"]][:10],
    }


def one(seed: int, count: int) -> dict[str, Any]:
    """Let the monkey loose with one seed, in a process of its own."""
    command = [sys.executable, "-P", __file__, "--seed", str(seed), "--count", str(count)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    with tempfile.TemporaryDirectory(prefix="monkey") as folder:
        out = Path(folder) / "result.json"
        start = time.perf_counter()
        try:
            done = subprocess.run(
                [*command, "--result", str(out)],
                env=environment,
                capture_output=True,
                text=True,
                timeout=LIMIT,
                check=False,
            )
            ended = f"ended with {done.returncode}: {done.stderr[-400:]}"
        except subprocess.TimeoutExpired:
            ended = f"hung for {LIMIT} seconds"
        row: dict[str, Any] = {"n": 0, **dict.fromkeys(KINDS, 0), "first": []}
        if out.is_file():
            row |= json.loads(out.read_text())
        if not row.pop("complete", False):
            row["exceptions"] += 1
            row["first"].insert(0, {"seed": seed, "count": row["n"], "what": ended})
        row["seconds"] = round(time.perf_counter() - start, 1)
    return row


def play(seed: int, count: int, folder: Path, result: Path | None, loud: bool) -> dict[str, Any]:
    """Let the monkey do so many things in this process."""
    os.environ["NUCLEATE_HOME"] = str(folder / "projects")
    os.environ["NAPARI_CONFIG"] = str(folder / "settings.yaml")
    sys.path.append(str(Path(__file__).parent))  # it isn't there where Python runs with -P
    from monkey_acts import Monkey
    from napari_nucleate.gui import trainings, warming

    # Compiling ahead would only cost time here; every fourth seed trains in a process of its own.
    warming.needed = lambda: False
    if seed % 4:
        trainings.possible = lambda: False

    def keep(complete: bool) -> dict[str, Any]:
        row = {
            "n": one.count,
            **{name: one.totals[name] for name in KINDS},
            "first": one.failures[:10],
            "complete": complete,
        }
        if result is not None:
            result.write_text(json.dumps(row))
        return row

    one = Monkey(seed, folder)
    one.begin()
    for _ in range(count):
        failed = len(one.failures)
        start = time.perf_counter()
        one.step()
        if loud:
            took = time.perf_counter() - start
            print(f"{one.count} {one.last_act} {took:.2f}", *one.failures[failed:], flush=True)
        if one.count % 10 == 0:
            keep(complete=False)
    one.finish()
    return keep(complete=True)


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--quick", action="store_true")
    asked.add_argument("--seed", type=int, help="play this seed alone, in this process")
    asked.add_argument("--count", type=int, default=ACTS, help="so many acts of it")
    asked.add_argument("--result", type=Path, help="write the result of the seed there")
    asked.add_argument("--loud", action="store_true", help="name every act")
    options = asked.parse_args()
    if options.seed is None:
        print(json.dumps(monkey(options.quick), indent=2))
        return
    with tempfile.TemporaryDirectory(prefix="monkey", ignore_cleanup_errors=True) as folder:
        row = play(options.seed, options.count, Path(folder), options.result, options.loud)
    print(json.dumps(row, indent=2))


if __name__ == "__main__":
    main()
