"""Tables on the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.table import Table

from napari_nucleate.cli.console import PlainConsole

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_nucleate.core.instances.tune import Tuned
    from napari_nucleate.core.metrics import Evaluation, Score
    from napari_nucleate.project.model import State


def print_evaluation(result: Evaluation) -> None:
    """Print scores of each image and in total, and the total at each IoU threshold.

    Columns: objects in the truth and in the prediction, then scores; IoU, Dice and accuracy are of
    the foreground's pixels.
    """
    table = Table(title="Per image", box=SIMPLE_HEAD, collapse_padding=True, pad_edge=False)
    table.add_column("image", overflow="fold")
    for name in ("true", "found", "AP@0.5", "mean AP", "F1", "IoU", "Dice", "accuracy"):
        table.add_column(name, justify="right", no_wrap=True)
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
    _print(table)
    _print_thresholds(result.total)


def rounds_in_words(state: State) -> str:
    """The history of a project, a line a model, and whether another one was measured better."""
    lines = []
    for entry in state.rounds:
        facts = [f"{entry.human} image(s) of a person"]
        if entry.pseudo:
            facts.append(f"{entry.pseudo} predicted")
        if entry.human_objects is not None:
            facts.append(f"{entry.human_objects + (entry.pseudo_objects or 0)} objects")
        facts.append(f"{entry.seconds:.0f} s")
        if entry.validation_ap is not None:
            facts.append(f"mean AP {entry.validation_ap:.3f}")
        aside = ", set aside" if entry.set_aside else ""
        lines.append(f"{entry.model}: {', '.join(facts)}{aside}.")
    used = state.used
    better = [
        entry
        for entry in state.rounds
        if used is not None
        and used.measured
        and not entry.set_aside
        and entry.measured == used.measured
        and (entry.validation_ap or 0) > (used.validation_ap or 0)
    ]
    if used is not None and better:
        best = max(better, key=lambda entry: entry.validation_ap or 0)
        lines.append(
            f"{used.model} is in use; on what is held out {best.model} was better. Where that is "
            "little, it may be chance: label more, or choose that one in the window."
        )
    return "".join(f"{line}\n" for line in lines)


def print_scores(title: str, scores: Mapping[str, Score]) -> None:
    """Print average precision, a row a score: the mean, and at every second IoU threshold."""
    table = Table(title=title)
    table.add_column("")
    shown = [t for t, _ in next(iter(scores.values())).matches[::2]]
    for name in ("mean AP", *(f"AP@{t:g}" for t in shown)):
        table.add_column(name, justify="right", no_wrap=True)
    for label, score in scores.items():
        values = [f"{score.at(t).average_precision:.3f}" for t in shown]
        table.add_row(label, f"{score.mean_ap:.3f}", *values)
    _print(table)


def print_tuned(tuned: Tuned, sentence: str) -> None:
    """Print what a choice brings, and the mean AP by each threshold as bars."""
    console = PlainConsole()
    console.print(f"{sentence}.", soft_wrap=True)
    table = Table(box=SIMPLE_HEAD, collapse_padding=True, pad_edge=False)
    table.add_column("")
    for name in ("value", "mean AP"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for curve in tuned.curves:
        table.add_section()
        name = curve.field.rsplit(".", maxsplit=1)[-1].replace("_", " ")
        for i, (value, ap) in enumerate(zip(curve.values, curve.ap, strict=True)):
            mark = " ← chosen" if value == curve.chosen else ""
            bar = "█" * round(40 * ap)
            table.add_row(name if i == 0 else "", f"{value:g}", f"{ap:.3f}", bar + mark)
    _print(table)


def _print_thresholds(score: Score) -> None:
    table = Table(title="All images, by IoU threshold")
    for name in ("IoU", "AP", "precision", "recall", "F1"):
        table.add_column(name, justify="right", no_wrap=True)
    for threshold, matches in score.matches:
        values = (matches.average_precision, matches.precision, matches.recall, matches.f1)
        table.add_row(f"{threshold:g}", *(f"{v:.3f}" for v in values))
    _print(table)


def _print(table: Table) -> None:
    PlainConsole().print(table)
