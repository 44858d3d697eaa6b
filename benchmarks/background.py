"""How often background that nobody labelled is taken for it wrongly.

Boxes with a tenth of the objects of some images (`sparse_labels.py`): what is taken for background
outside of them (`core/background.py`) is compared with the true masks. Nothing is trained.
"""

import tempfile
from pathlib import Path
from typing import Any

import tifffile

import common
from contest import channels_first, scene
from napari_nucleate.core.annotation import annotate
from napari_nucleate.core.background import likely_background
from napari_nucleate.core.normalise import Normalisation
from sparse_labels import sparse_scene

PACKS = ("dsb2018_fluo", "dsb2018_he", "monuseg_he", "usiigaci_t98g_phase", "isbi2012_em")


def measured(pack: str, seeds: tuple[int, ...], count: int, folder: Path) -> dict[str, Any]:
    """Share of what is taken that lies in objects; and of the background that is taken."""
    taken, wrong, background, told, images = 0, 0, 0, 0, 0
    for seed in seeds:
        full = scene(pack, count, seed)
        masks = {row["image"]: row["mask"] for row in full.fit}
        less, _ = sparse_scene(full, 0.1, seed, folder)
        for row in less.fit:
            pixels = channels_first(row["image"])
            truth = tifffile.imread(masks[row["image"]])
            painted = annotate(tifffile.imread(row["mask"]), "boxes", row["boxes"])
            images += 1
            background += int(((truth == 0) & ~painted.known).sum())
            likely = likely_background(Normalisation().apply(pixels), painted)
            if likely is None:
                continue
            told += 1
            taken += int(likely.sum())
            wrong += int((likely & (truth > 0)).sum())
    return {
        "ours": round(wrong / max(taken, 1), 5),
        "peer": None,
        "ratio": None,
        "goal": 0.01,
        "measured_on": f"{pack}, boxes with 10 % of the objects of {count} images, seeds {seeds}: "
        "share of the pixels taken that belong to objects",
        "share_of_background_taken": round((taken - wrong) / max(background, 1), 3),
        "images_where_grey_values_tell": [told, images],
    }


def main() -> None:
    options = common.arguments(__doc__ or "")
    if not common.SHARED.is_dir():
        raise SystemExit(f"skipped: {common.SHARED} isn't there")
    seeds = (0,) if options.quick else (0, 1, 2)
    with tempfile.TemporaryDirectory() as folder:
        entries = {pack: measured(pack, seeds, 8, Path(folder)) for pack in PACKS}
    common.finish(options, entries)


if __name__ == "__main__":
    main()
