"""What the loop of `nucleate demo` brings, against Otsu with a watershed, over three seeds.

Synthetic nuclei always; dsb2018_fluo where ../shared/data has it (8 labelled images, 60 s of
training in all). AP at IoU 0.5 and its mean over 0.5…0.9, on the hidden masks of the pool.
"""

import tempfile
from pathlib import Path
from typing import Any

import common
from napari_nucleate.cli.demo import run_demo

OTSU = "Otsu + watershed"


def one(images: Path | None, masks: Path | None, labelled: int, seconds: float, seed: int) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "demo"
        return run_demo(images, masks, labelled, seconds, seed, out, quiet=True)["scores"]


def subset(source: Path, folder: Path, seed: int, count: int) -> tuple[Path, Path]:
    """Link every so many images, another choice for each seed, to measure in less time."""
    for name in ("images", "masks"):
        (folder / name).mkdir()
        files = sorted((source / name).glob("*.tif"))
        for path in files[seed :: max(1, len(files) // count)]:
            (folder / name / path.name).symlink_to(path)
    return folder / "images", folder / "masks"


def entry(runs: list[Any], measured_on: str, goal: float | None) -> dict[str, Any]:
    """Rounds are ours, the untrained baseline is the peer; one value a seed."""
    result: dict[str, Any] = {"measured_on": measured_on, "goal": goal}
    for name, key in (("peer", OTSU), ("round_0", "round 0"), ("ours", "round 1")):
        result[name] = {
            "AP@0.5": [run[key]["AP"]["0.5"] for run in runs],
            "mean_AP": [run[key]["mean_AP"] for run in runs],
        }
    mean = {n: sum(result[n]["AP@0.5"]) / len(runs) for n in ("ours", "peer")}
    result["ratio"] = round(mean["ours"] / max(mean["peer"], 1e-9), 3)
    return result


def main() -> None:
    options = common.arguments(__doc__)
    seeds = (0,) if options.quick else (0, 1, 2)
    seconds = 20 if options.quick else 60
    entries = {
        "demo_synthetic": entry(
            [one(None, None, 4, seconds, seed) for seed in seeds],
            f"24 synthetic images of 256², 4 labelled, {seconds} s",
            None,
        )
    }
    source = common.SHARED / "dsb2018_fluo"
    if source.is_dir():
        runs = []
        count = 40 if options.quick else 160
        for seed in seeds:
            with tempfile.TemporaryDirectory() as folder:
                images, masks = subset(source, Path(folder), seed, count)
                runs.append(one(images, masks, 8, seconds, seed))
        text = f"dsb2018_fluo, about {count} images, 8 labelled, {seconds} s"
        entries["demo_dsb2018_fluo"] = entry(runs, text, 0.55)
    common.finish(options, entries)


if __name__ == "__main__":
    main()
