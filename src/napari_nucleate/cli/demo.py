"""The whole loop on images whose truth is known: what a person would do, and what it brings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_nucleate.cli.data import LabelWriter, matched, new_folder, references, truth
from napari_nucleate.cli.exporting import measured
from napari_nucleate.cli.loop import Loop
from napari_nucleate.cli.options import merged
from napari_nucleate.cli.picture import Panel, draw
from napari_nucleate.cli.progress import Follower, console
from napari_nucleate.cli.sampling import write_sample
from napari_nucleate.cli.tables import print_scores
from napari_nucleate.core.choose import representative
from napari_nucleate.core.classical import otsu_watershed
from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.events import Prediction, Ranked
from napari_nucleate.core.images import Stack
from napari_nucleate.core.metrics import Evaluation, evaluate
from napari_nucleate.core.recipe import Recipe
from napari_nucleate.core.rounds import SelfTraining
from napari_nucleate.core.samples import NucleiSample
from napari_nucleate.io.atomic import write_text
from napari_nucleate.io.table import Row, write_table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from napari_nucleate.core.images import ImageRef

Labels = dict[str, "NDArray[np.int32]"]

FIRST_SHARE = 0.6
"""Share of the training time that the first round gets."""


def run_demo(
    images: Path | None,
    masks: Path | None,
    labelled: int,
    seconds: float,
    seed: int,
    out: Path | None,
    quiet: bool = False,
) -> dict[str, Any]:
    """Keep some masks as the person's labels, hide the rest, run the loop, and compare.

    Parameters
    ----------
    images, masks : Path, optional
        A folder of images and one of their masks; the synthetic sample without.
    labelled : int
        How many images keep their masks.
    seconds : float
        Of training, over both rounds.
    seed : int
    out : Path, optional
        A new or empty folder.
    quiet : bool
        Print nothing.

    Returns
    -------
    dict
        Scores of the baseline and of both rounds on the hidden masks, for JSON.

    Raises
    ------
    NucleateError
        If the folders don't fit, or fewer than two images have masks.
    """
    folder = out or _free("nucleate-demo")
    if images is None or masks is None:
        sample = NucleiSample(seed=seed)
        _check_some_left(sample.count, labelled)
        images, masks = write_sample(sample, new_folder(folder) / "sample")
        pairs = matched(references(images, 2), masks, 2)
    else:
        pairs = matched(references(images, 2), masks, 2)
        _check_some_left(len(pairs), labelled)
        new_folder(folder)
    refs = [image for image, _ in pairs]
    chosen = representative(refs, labelled)
    first, refine = (_recipe(seconds * share, seed) for share in (FIRST_SHARE, 1 - FIRST_SHARE))
    loop = Loop.prepare(
        refs, [pairs[i] for i in chosen], folder / "project", first, SelfTraining(rounds=1)
    )
    hidden = {i.key: m for n, (i, m) in enumerate(pairs) if n not in chosen}
    if not quiet:
        console.print(
            f"{len(refs)} images; {labelled} of them play the labelled ones: "
            f"{', '.join(e.key for e in loop.labelled)}. The masks of {len(hidden)} are hidden."
        )
    results = _run(loop, refine, quiet)
    compared = {"Otsu + watershed": {r.key: otsu_watershed(r.read()) for r in loop.pool}}
    compared |= {f"round {n}": found for n, found in enumerate(results)}
    scores = {name: _score(hidden, found) for name, found in compared.items()}
    _export(folder, loop, results[-1])
    _draw(folder / "demo.png", loop, hidden, results)
    summary = {
        "images": len(refs),
        "labelled": [e.key for e in loop.labelled],
        "pool": len(hidden),
        "seconds": seconds,
        "out": str(folder),
        "scores": {name: score.to_dict()["total"] for name, score in scores.items()},
    }
    write_text(folder / "scores.json", json.dumps(summary, indent=2) + "\n")
    if not quiet:
        title = f"Average precision on {len(hidden)} hidden masks, by IoU threshold"
        print_scores(title, {name: score.total for name, score in scores.items()})
        console.print(
            f"Written to {folder}: labels/, measurements.csv, demo.png, scores.json, project/"
        )
    return summary


def _check_some_left(masks: int, labelled: int) -> None:
    if masks <= labelled:
        raise NucleateError(
            f"{masks} images have masks and {labelled} are to be labelled; none is left to "
            "predict, lower --labelled."
        )


def _recipe(seconds: float, seed: int) -> Recipe:
    return merged(
        Recipe(),
        {
            "optimisation": {
                "budget": {"kind": "seconds", "value": max(seconds, 1.0)},
                "seed": seed,
            }
        },
    )


def _run(loop: Loop, refine: Recipe, quiet: bool) -> list[Labels]:
    """Run the rounds; labels of the pool after each."""
    results: list[Labels] = []
    found: Labels = {}
    with Follower(len(loop.pool), quiet) as follower:
        for event in follower.follow(loop.run(refine)):
            if isinstance(event, Prediction):
                found[event.key] = event.labels
            elif isinstance(event, Ranked):
                results.append(found)
                found = {}
    return results


def _score(hidden: Mapping[str, ImageRef], found: Labels) -> Evaluation:
    return evaluate((key, truth(mask), found[key]) for key, mask in hidden.items())


def _export(folder: Path, loop: Loop, found: Labels) -> None:
    """Write the labels of the pool and the table of measurements."""
    writer = LabelWriter([one.ref for one in loop.pool], folder / "labels")
    for key, labels in found.items():
        writer.add(key, labels)
    rows: list[Row] = []
    for ref in (one.ref for one in loop.pool):
        units = ref.units
        drawn = Stack(found[ref.key], "YX", ref.spacing, units, name=ref.key).images(2)[0]
        rows += measured(drawn, ref, loop.store.load_table(ref.key))
    write_table(folder / "measurements.csv", rows)


def _draw(
    path: Path, loop: Loop, hidden: Mapping[str, ImageRef], results: Sequence[Labels]
) -> None:
    """Draw three images of the pool: trusted most, in the middle, and least."""
    ranked = [item.key for item in loop.state.ranked()]
    shown = dict.fromkeys((ranked[0], ranked[len(ranked) // 2], ranked[-1]))
    refs = {one.key: one.ref for one in loop.pool}
    panels = []
    for key in shown:
        columns = [("truth", truth(hidden[key]))]
        columns += [(f"round {n}", found[key]) for n, found in enumerate(results)]
        confidence = loop.state.item(key).confidence or 0.0
        panels.append(Panel(f"{key}  ({confidence:.2f})", refs[key].read(), columns))
    draw(path, panels)


def _free(name: str) -> Path:
    """A folder of that name, or with the first free number, in the current folder."""
    number = 1
    path = Path(name)
    while path.exists():
        number += 1
        path = Path(f"{name}-{number}")
    return path
