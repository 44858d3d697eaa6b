"""Tables on the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from napari_nucleate.core.metrics import Evaluation, Score


def print_evaluation(result: Evaluation) -> None:
    """Print scores of each image and in total, and the total at each IoU threshold."""
    table = Table(title="Per image")
    for name in ("image", "objects", "predicted", "AP@0.5", "mean AP", "F1@0.5", "IoU", "Dice"):
        table.add_column(name, justify="left" if name == "image" else "right")
    table.add_column("pixel accuracy", justify="right")
    for score in (*result.images, result.total):
        if score is result.total:
            table.add_section()
        at_half = score.at(0.5)
        table.add_row(
            score.name,
            str(at_half.tp + at_half.fn),
            str(at_half.tp + at_half.fp),
            f"{at_half.average_precision:.3f}",
            f"{score.mean_ap:.3f}",
            f"{at_half.f1:.3f}",
            f"{score.pixels.iou:.3f}",
            f"{score.pixels.dice:.3f}",
            f"{score.pixels.accuracy:.3f}",
        )
    console = Console()
    console.print(table)
    print_scores("All images, by IoU threshold", {"": result.total})


def print_scores(title: str, scores: Mapping[str, Score]) -> None:
    """Print AP, precision, recall and F1 at each IoU threshold, a row a score."""
    table = Table(title=title)
    table.add_column("")
    thresholds = [t for t, _ in next(iter(scores.values())).matches]
    for name in ("mean AP", *(f"{t:g}" for t in thresholds)):
        table.add_column(name, justify="right")
    for label, score in scores.items():
        rows = {
            "AP": "average_precision",
            "precision": "precision",
            "recall": "recall",
            "F1": "f1",
        }
        for shown, attribute in rows.items() if len(scores) == 1 else [("AP", "average_precision")]:
            values = [f"{getattr(m, attribute):.3f}" for _, m in score.matches]
            mean = f"{score.mean_ap:.3f}" if shown == "AP" else ""
            table.add_row(f"{label} {shown}".strip(), mean, *values)
    Console().print(table)
