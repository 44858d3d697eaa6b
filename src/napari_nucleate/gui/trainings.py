"""Train, Train further, Train again and Continue: what is trained, and what became of it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.events import Trained, Validated
from napari_nucleate.core.loading import load_torch
from napari_nucleate.core.model import Card, Model, Record
from napari_nucleate.gui.job import Ending, Failed, Finished
from napari_nucleate.gui.notices import show_warning
from napari_nucleate.project import run
from napari_nucleate.project.beside import possible, prepare
from napari_nucleate.project.model import HUMAN

if TYPE_CHECKING:
    from collections.abc import Collection, Generator, Mapping

    from numpy.typing import NDArray

    from napari_nucleate.core.annotation import Annotation
    from napari_nucleate.core.events import TrainEvent
    from napari_nucleate.core.images import ImageRef
    from napari_nucleate.gui.session import Session
    from napari_nucleate.project.model import State
    from napari_nucleate.project.store import Store


class Trainings:
    """Begins the session's trainings, and enters what they leave into the project's history.

    Parameters
    ----------
    session : Session

    Attributes
    ----------
    interrupted : str
        Name of the model whose training was interrupted, and can go on; empty where none was.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self.interrupted = ""
        # Name of the model that is trained now, and of the last that was trained again.
        self._learning = self._again = ""
        self._best: Model | None = None

    def train(self, further: bool = False, number: int = 0) -> None:
        """Start a training on all labels and accepted predictions.

        Parameters
        ----------
        further : bool
            Start from the weights of the model in use instead of random ones.
        number : int
            The round of self-training that it is; 0 where it is none.

        Raises
        ------
        NucleateError
            If it can't be done now; the sentence says why.
        """
        session = self._session
        session.strokes.refresh()
        session.check(session.plan.further if further else session.plan.train)
        state, source = session.state, session.need_source()
        again = number > 0
        # Round 0 knows the person's labels only; going on stays in the round gone on from.
        used = state.used if further else None
        started = used.number if used else 0
        number = max(number, started, 1 if state.keys("accepted") else 0)
        card = Card(
            recipe=state.recipe,
            channels=source.stack.channels,
            spacing=source.stack.spacing(source.ndim),
            units=source.stack.spacing_units(source.ndim),
            record=Record(name=session.store.new_model_name(number), round=number),
        )
        # Another recipe may be worse and wanted; a round of the same one may not.
        self._again = card.record.name if again else ""
        self._begin(card, state.model if further else "")

    def again(self) -> None:
        """Start the next round: from the weights in use, on labels and accepted predictions."""
        self._session.check(self._session.plan.train_again)
        used = self._session.state.used
        self.train(further=True, number=used.number + 1 if used else 1)

    def resume(self) -> None:
        """Go on with the training that was interrupted, exactly where it was.

        Raises
        ------
        NucleateError
            If it can't be done now; the sentence says why. That labels or the recipe changed is
            said by how the work ends.
        """
        self._session.strokes.refresh()
        self._session.check(self._session.plan.resume)
        self._begin(None)

    def get_ready(self) -> None:
        """Load torch in the process of the next training: who paints, or trained, will train."""
        if not self._session.job.running and possible():
            prepare(run.load_training)

    def forget(self) -> None:
        """Begin anew: another project has other models."""
        self.interrupted = self._again = ""

    def note(self, event: object) -> None:
        """Note which weights are the best so far."""
        if isinstance(event, Validated):
            self._best = event.model or self._best
        elif isinstance(event, Trained):
            self._best = None

    def end(self, ending: Ending) -> None:
        """Enter what is left by the work that ended."""
        if self._learning and not isinstance(ending, Failed):
            self.get_ready()
        self.enter(finished=isinstance(ending, Finished))
        self._judge()

    def enter(self, finished: bool) -> None:
        """Enter what a training left into the history."""
        session = self._session
        if self._best is not None:
            # Ended before its time: the best weights so far are on disk, and are used.
            session.state, self._best = run.entered(session.state, self._best), None
        self.interrupted = session.store.interrupted()
        if not finished:
            self._enter_interrupted()
        self._learning = ""

    # -- inside -------------------------------------------------------------------------

    def _begin(self, card: Card | None, before: str = "") -> None:
        """Train beside the window; without a card, what was interrupted goes on."""
        session = self._session
        session.keeper.touch()
        session.keeper.flush()
        keys = session.state.keys(*HUMAN)
        # Painted labels are read here, on the GUI's side: the person may go on painting. They are
        # written in the thread: many images take long.
        painted = {key: session.painted(key) for key in keys}
        later = session.changes.watch()
        annotations = {key: session.annotation_of(key) for key in keys}
        name = card.record.name if card else self.interrupted
        work = partial(
            _work,
            session.store,
            session.state,
            session.refs(),
            painted,
            annotations,
            later,
            card,
            before if card else name,
            beside=possible(),
            view=session.eye,
            changed=session.changes,
        )
        session.results.watch_training()
        session.job.start("training", work)
        self._learning = name
        session.changes.begin(annotations, session.state.known)
        session.changed.emit()

    def _enter_interrupted(self) -> None:
        """Enter the best weights of a stopped training that were kept after the last event."""
        session = self._session
        if not self._learning or self._learning != self.interrupted:
            return
        try:
            card = session.store.load_card(self._learning)
        except NucleateError:
            return  # it was stopped before its first validation
        after = run.entered(session.state, Model(card, {}))
        known = [entry.model_copy(update={"set_aside": ""}) for entry in session.state.rounds]
        if after.rounds[-1] not in known:  # else nothing was learned since
            session.state = after

    def _judge(self) -> None:
        """Set the model of *Train again* aside where it is worse than the one before."""
        session = self._session
        rounds = session.state.rounds
        if not rounds or rounds[-1].model != self._again or rounds[-1].set_aside:
            return
        why = run.worse(session.state, session.store)
        if why:
            session.state = session.state.set_aside(self._again, why)
            show_warning(why)


def _work(
    store: Store,
    state: State,
    refs: Mapping[str, ImageRef],
    painted: Mapping[str, NDArray[Any]],
    annotations: Mapping[str, Annotation],
    later: Collection[str],
    card: Card | None,
    before: str,
    *,
    beside: bool,
    **asked: Any,
) -> Generator[TrainEvent, None, None]:
    """Write labels that aren't yet, gather what there is to learn from, and train; in a thread.

    A training begins with a card, and with the weights of the model `before`, where one is named;
    without a card that model's interrupted training goes on. Of images painted on `later` than this
    begins the keeper writes what is newer.
    """
    for key, labels in painted.items():
        if not store.holds(key, labels):
            store.save_annotation(key, labels, refs[key].spacing, refs[key].units, newer=later)
    if not beside:
        load_torch()
    examples = run.gather(state, store, refs, annotations.__getitem__)
    initial = snapshot = None
    if card is None:
        snapshot = store.load_snapshot(before)
        card = snapshot.card
    elif before:
        initial = store.load_model(before)
    yield from run.training(
        store,
        examples,
        state.recipe,
        card,
        state=state,
        initial=initial,
        snapshot=snapshot,
        beside=beside,
        **asked,
    )
