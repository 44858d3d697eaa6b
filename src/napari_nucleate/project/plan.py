"""What can be done now, and why not: one pure function of the project's situation."""

from __future__ import annotations

from dataclasses import dataclass

from napari_nucleate.project.model import HUMAN, WAITING, State


@dataclass(frozen=True)
class Situation:
    """All that a plan depends on.

    Parameters
    ----------
    state : State
    image : bool
        An image layer is chosen.
    annotation : bool
        The annotation layer is there.
    running : str
        What runs now, as a verb with -ing; empty where nothing does.
    model : str
        Name of the model in use; empty before the first training.
    interrupted : str
        Name of the model whose training was interrupted; empty where the last came to its end.
    splittable : bool
        A mask, probability or label layer is chosen to split.
    exportable : bool
        A label layer is chosen to export.
    judged : bool
        There is a judgement that can be taken back.
    locked : str
        Why the project can only be looked at; empty where it can be worked on.
    """

    state: State
    image: bool = False
    annotation: bool = False
    running: str = ""
    model: str = ""
    interrupted: str = ""
    splittable: bool = False
    exportable: bool = False
    judged: bool = False
    locked: str = ""


@dataclass(frozen=True)
class Gate:
    """Whether an action can be taken; `why` is the sentence that says why not."""

    why: str = ""

    def __bool__(self) -> bool:
        return not self.why


@dataclass(frozen=True)
class Plan:
    """A gate for each action of the docks."""

    annotate: Gate
    confirm_empty: Gate
    next_unlabelled: Gate
    train: Gate
    resume: Gate
    further: Gate
    stop: Gate
    predict: Gate
    accept: Gate
    undo: Gate
    train_again: Gate
    split: Gate
    export: Gate


def plan(situation: Situation) -> Plan:
    """Work out what can be done. Pure.

    Examples
    --------
    >>> plan(Situation(State())).train.why
    'Choose an image layer in the Label dock first.'
    """
    state, locked = situation.state, situation.locked
    running = situation.running
    runs = f"Wait: {running} is under way; press Stop to end it." if running else ""
    busy = locked or runs
    image = "" if situation.image else "Choose an image layer in the Label dock first."
    painted = "" if state.keys(*HUMAN) else "Paint a few objects first; nothing is labelled yet."
    trained = "" if situation.model else "Train first; there is no model yet."
    predicted = "" if state.ranked() else "Predict first; no image has a prediction."
    interrupted = (
        ""
        if situation.interrupted
        else "No training was interrupted; Train further uses the weights there are."
    )
    accepted = (
        ""
        if state.keys("accepted")
        else "Accept a few predictions first; Train again learns from them."
    )
    annotation = (
        "" if situation.annotation else "Press Annotate first; there is no annotation layer."
    )
    return Plan(
        annotate=_gate(image, locked),
        confirm_empty=_gate(image, locked, annotation),
        next_unlabelled=_gate(
            image,
            "" if state.keys(*WAITING) else "No image is left to label.",
        ),
        train=_gate(busy, image, painted, annotation),
        resume=_gate(busy, image, painted, annotation, interrupted),
        further=_gate(busy, image, painted, annotation, trained),
        stop=_gate("" if situation.running else "Nothing runs."),
        predict=_gate(busy, image, trained),
        accept=_gate(predicted, locked),
        undo=_gate("" if situation.judged else "No judgement is left to take back."),
        train_again=_gate(busy, image, painted, annotation, trained, accepted),
        split=_gate(
            runs,
            "" if situation.splittable else "Choose a mask, probability or label layer to split.",
        ),
        export=_gate("" if situation.exportable else "Choose a label layer to export."),
    )


def _gate(*reasons: str) -> Gate:
    """The first reason that isn't empty is the one to tell."""
    return Gate(next((r for r in reasons if r), ""))
