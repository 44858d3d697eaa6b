"""A training under way: all of its state, of which a snapshot can be taken at any moment."""

from __future__ import annotations

import math
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from zlib import crc32

import numpy as np
import torch

from napari_nucleate.core.device import choose_device, half_precision_pays
from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.events import Finishing, Started, Step, Validated, Warned, Worsened
from napari_nucleate.core.model import Card, Model, Record, weights_of
from napari_nucleate.core.patches import Sampler
from napari_nucleate.core.training.ahead import Ahead
from napari_nucleate.core.training.held_out import Split, hold_out
from napari_nucleate.core.training.initial import draws_the_same
from napari_nucleate.core.training.judge import Judge, worse
from napari_nucleate.core.training.learner import Learner
from napari_nucleate.core.training.renewal import Changed, Renewal
from napari_nucleate.core.training.schedule import Timetable
from napari_nucleate.core.training.snapshot import Learned, Progress, Seen, Snapshot
from napari_nucleate.core.training.trusting import known_objects, trusted, usual_unevenness
from napari_nucleate.core.training.tuning import Cases, learned_cases, tuned

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from numpy.typing import NDArray

    from napari_nucleate.core.events import Corrected, Preview, Viewed
    from napari_nucleate.core.patches import Example
    from napari_nucleate.core.recipe import Recipe
    from napari_nucleate.core.training.teacher import Teacher

FOUND = "before/found"
"""Name in a snapshot of what the model that it began with found."""

KEEP_EVERY = 60.0
"""Seconds between snapshots at least; writing one takes a part of a second."""

PREVIEW_SHARE = 0.15
"""Previews take about this share of a training at most."""


class Run:
    """One training. Between any two of its calls it can be interrupted, and gone on with.

    Parameters
    ----------
    examples : sequence of Example
    recipe : Recipe
        Completed by the images.
    card : Card, optional
    initial : Model, optional
    changed, teacher : optional
        See `train`.
    snapshot : Snapshot, optional
        Of the same images and the same recipe, to go on from.
    """

    def __init__(
        self,
        examples: Sequence[Example],
        recipe: Recipe,
        *,
        card: Card | None = None,
        initial: Model | None = None,
        changed: Changed | None = None,
        snapshot: Snapshot | None = None,
        teacher: Teacher | None = None,
    ) -> None:
        if teacher is not None and (changed is not None or snapshot is not None):
            message = "a teacher goes neither with changed labels nor with a snapshot"
            raise ValueError(message)
        self._recipe, self._teacher = recipe, teacher
        self._examples = {e.key: e for e in examples}
        self._seen: dict[str, tuple[Example, Seen]] = {}
        before = snapshot.card.record if snapshot else initial.card.record if initial else None
        self._known_before = before.images if before else {}
        self._found_before: NDArray[np.float64] | None = None
        at = snapshot.progress if snapshot else None
        split = (
            Split.recorded(snapshot.card.record)
            if snapshot
            else hold_out(examples, recipe, initial.card.record if initial else None)
        )
        self._split = split
        self._learned = split.learned(examples)
        self._comparable = (
            snapshot is None
            and initial is not None
            and draws_the_same(initial, recipe)
            and bool(split.held_out or split.regions)
        )
        self.learner = Learner(recipe, initial, _learned(snapshot, recipe))
        self._timetable = Timetable(recipe, at.timed if at else None)
        seed = [recipe.optimisation.seed]
        if initial is not None:  # what goes on learning is to see other patches than it saw
            seed += [initial.card.record.round, initial.card.record.steps]
            # And whoever begins with the same a second time, under another name, others again.
            name = card.record.name if card else ""
            seed.append(crc32(name.encode()))
        self._rng = np.random.default_rng(seed[0] if initial is None else seed)
        self._sampler = Sampler(self._learned, self.learner.drawn, self._rng)
        self._ahead = Ahead(self._sampler, self._rng)
        self._refused: list[str] = []
        self._judge = Judge(
            split.validated(examples),
            recipe,
            at.judged if at else None,
            anew=not self.learner.learned.tuned,
        )
        noted = None if changed is None else self._noting(changed)
        self._renewal = Renewal(noted, self._sampler, self._judge, split)
        self._epoch = self._steps_per_epoch()
        self._versions = {"torch": str(torch.__version__)}
        self.step = at.step if at else 0
        self.fraction = at.fraction if at else 0.0
        self.seconds = at.seconds if at else 0.0
        self.best: Model | None = None
        if snapshot is None:
            self._card = self._begun(card or Card(recipe=recipe), split, initial)
        else:
            self._card = snapshot.card
            self._go_on(snapshot)
        self._noted()  # counts objects, before the clock starts
        self._began = time.perf_counter() - self.seconds
        self._kept = self._preview_at = self.seconds

    # -- what it is ---------------------------------------------------------------------

    @property
    def over(self) -> bool:
        """Whether there is nothing more to do."""
        return (self.fraction >= 1 or self._judge.tired) and not self.due

    @property
    def due(self) -> bool:
        """Whether to validate now."""
        return self._timetable.due(self.fraction, self.seconds)

    @property
    def started(self) -> Started:
        """What is trained on, where."""
        record = self._card.record
        note = record.validation
        if likely := self._sampler.likely_background:
            note += (
                f" {likely:.0%} of what isn't labelled is taken for background, by its grey values."
            )
        if self.step:
            note = f"Goes on at step {self.step}, {self.fraction:.0%}. {note}"
        return Started(
            len(self._learned),
            record.held_out,
            str(self.learner.device),
            sum(p.numel() for p in self.learner.network.parameters()),
            note,
        )

    def warnings(self) -> Generator[Warned, None, None]:
        """What there is to say before it begins."""
        yield from self.told()
        if not any(e.annotation.n_objects for e in self._learned):
            yield Warned("No object is painted in any of the images: only background is learned.")
        elif all(e.annotation.labels[e.annotation.known].all() for e in self._learned):
            yield Warned(
                "No background is known in any of the images: the network will take everything "
                "for an object. Paint some background, too."
            )
        options = self._recipe.optimisation
        if not self.learner.learned.tuned and (
            options.frozen != "none" or options.encoder_rate < 1
        ):
            yield Warned(
                "All parts of the network learn alike, since it begins anew: what is frozen, and "
                "the encoder's rate, count where a model goes on learning."
            )

    def told(self) -> Generator[Warned, None, None]:
        """What the learner had to put right; once."""
        while self.learner.told:
            yield Warned(self.learner.told.pop(0))

    # -- what it does -------------------------------------------------------------------

    def learn(self) -> Generator[Warned | Corrected | Step, None, None]:
        """Take a step; say it, and what was put right or taken up."""
        patches = self.learner.drawn
        loss, warning = self.learner.learn(self._ahead, self.fraction)
        self.step += 1
        self.seconds = time.perf_counter() - self._began
        budget = self._recipe.optimisation.budget
        self.fraction = budget.fraction(self.step, self.seconds, self._epoch)
        if self.learner.drawn is not patches:
            self._draw_smaller()
        if warning:
            yield Warned(warning)
        yield from self._renewal.take_up()
        while self._refused:
            yield Warned(self._refused.pop(0))
        if self._teacher is not None:
            self._teacher.teach(self.learner, self._sampler, self._split, self.step)
        yield Step(self.step, loss, self.learner.rate, self.fraction, self.seconds)

    def before(self) -> Generator[Validated, None, None]:
        """Measure the model that it begins with, by what neither learns from.

        That takes nothing of the training's time.
        """
        if not self._comparable:
            return
        began = time.perf_counter()
        verdict = self._judge.judge(self.learner)
        self._began += time.perf_counter() - began
        self._note(initial_ap=verdict.ap)
        self._found_before = verdict.found
        yield Validated(0, verdict.loss, verdict.ap, verdict.dice, 0.0, None)

    @property
    def may_preview(self) -> bool:
        """Whether so much time passed since the last preview that another keeps to its share."""
        return time.perf_counter() - self._began >= self._preview_at

    def preview(self, viewed: Viewed) -> Preview:
        """Draw what is in view; there is time for another one a while later."""
        began = time.perf_counter()
        preview = self.learner.preview(viewed, self.step)
        took = time.perf_counter() - began
        self._preview_at = began + took / PREVIEW_SHARE - self._began
        return preview

    def take_up(self) -> None:
        """Take up what was painted last, without a word: nobody listens any more."""
        for _ in self._renewal.take_up():
            continue

    def validate(self) -> Validated:
        """Measure the averaged weights; keep them if they are the best."""
        verdict = self._judge.judge(self.learner)
        better = self._judge.prefers(verdict, self.fraction)
        self._judge.note(verdict, self.fraction)
        now = time.perf_counter() - self._began
        free = self._timetable.took(self.fraction, now - self.seconds)
        self._began += free
        self.seconds = now = now - free
        if better:
            update: dict[str, Any] = {
                "seconds": now,
                "steps": self.step,
                "best_step": self.step,
                "validation_loss": verdict.loss,
                "validation_ap": verdict.ap,
                "validated": verdict.objects,
            }
            record = self._noted()
            if record.initial_ap is not None and self._found_before is not None:
                update["initial_noise"] = verdict.noise(self._found_before)
            record = record.model_copy(update=update)
            card = self._card.model_copy(update={"record": record})
            self.best = Model(card, weights_of(self.learner.average))
        return Validated(
            self.step,
            verdict.loss,
            verdict.ap,
            verdict.dice,
            self.fraction,
            self.best if better else None,
            self.learner.rate,
        )

    def warned_at_end(self) -> Generator[Warned, None, None]:
        """Say why it ends before its time, and that it was better before, if so."""
        if self.fraction < 1:
            yield Warned(
                f"Stopped early, at {self.fraction:.0%}: the last {self._judge.judged.waited} "
                "validation(s) brought no rise."
            )
        record = self.model.card.record
        if record.initial_ap is not None and worse(record, record.initial_ap, record.initial_noise):
            yield Worsened(
                f"What it was before was better: mean AP {record.initial_ap:.3f} on the validation "
                f"images, {record.validation_ap or 0:.3f} now. Go on with the model "
                f"{record.initial!r}, label more, or train longer or at a lower rate."
            )

    @property
    def model(self) -> Model:
        """The best model.

        Raises
        ------
        NucleateError
            If no weights were worth keeping.
        """
        if self.best is None:
            raise NucleateError(
                "The validation never gave a number; train again with a lower rate."
            )
        return self.best

    def tuned(self) -> Model:
        """The best model, with thresholds chosen where enough is labelled for that."""
        best, target = self.model, self._recipe.target
        if not self._split.held_out or not self._recipe.optimisation.tune or target.semantic:
            return best
        learned = learned_cases(self._split.learned(list(self._examples.values())))
        try:
            judges = [self._judge, *([Judge(learned, self._recipe)] if learned else [])]
            drawn = [case for judge in judges for case in judge.drawn(best, self.learner)]
            return tuned(best, Cases(target, drawn))
        except NucleateError as error:  # what was learned is worth more than its thresholds
            record = best.card.record.model_copy(update={"thresholds": f"Not chosen: {error}"})
            return Model(best.card.model_copy(update={"record": record}), best.weights)

    def finished(self) -> Generator[Finishing | Warned, None, Model]:
        """The best model, with thresholds by labels, and confidence by what was held out."""
        model, split = self.tuned(), self._split
        if self._recipe.target.semantic or not (split.held_out or split.regions):
            return model
        try:
            images = []
            for compared, annotation in self._judge.compared(model, self.learner):
                images.append(known_objects(model, compared, annotation))
                yield Finishing(len(images), self._judge.images)
        except NucleateError as error:  # what was learned is worth more than its confidence
            yield Warned(f"Confidence isn't corrected by what was held out: {error}")
            return model
        yield from self.told()
        return trusted(model, images)

    def close(self) -> None:
        """Let go of the thread that draws; no step can be taken any more."""
        self._ahead.close()

    # -- going on -----------------------------------------------------------------------

    def snapshot(self) -> Snapshot:
        """All of its state; a copy."""
        arrays = self.learner.arrays()
        if self._found_before is not None:
            arrays[FOUND] = self._found_before
        if self.best is not None:
            arrays |= {f"best/{k}": v for k, v in self.best.weights.items()}
        progress = Progress(
            step=self.step,
            fraction=self.fraction,
            seconds=self.seconds,
            draws=self._ahead.draws,
            learned=self.learner.learned,
            judged=self._judge.judged,
            timed=self._timetable.timed,
            best=self.best.card.record if self.best else None,
            seen=tuple(self._seen_of(e) for e in self._examples.values()),
        )
        self._kept = self.seconds
        record = self._noted()
        return Snapshot(self._card.model_copy(update={"record": record}), progress, arrays)

    def keep(self, keep: Callable[[Snapshot], object]) -> Generator[Warned, None, None]:
        """Hand out a snapshot, where the last one is old; say it if it can't be kept."""
        if not self.step or self.seconds - self._kept < KEEP_EVERY:
            return
        try:
            keep(self.snapshot())
        except NucleateError as error:
            yield Warned(f"This training couldn't go on after an interruption now: {error}")

    def _go_on(self, snapshot: Snapshot) -> None:
        self.learner.restore(snapshot.arrays)
        if FOUND in snapshot.arrays:
            self._found_before = snapshot.arrays[FOUND].astype(np.float64)
        snapshot.progress.draws.put(self._rng)
        self.best = snapshot.best
        record = snapshot.card.record
        before = record.versions.get("torch", ""), record.device
        now = self._versions["torch"], str(self.learner.device)
        if before != now:
            self.learner.told.append(
                f"The training began with torch {before[0]} on {before[1]} and goes on with "
                f"{now[0]} on {now[1]}: it ends as well, but not bit for bit the same."
            )

    def _begun(self, card: Card, split: Split, initial: Model | None) -> Card:
        examples = self._examples.values()
        record: Record = card.record.model_copy(
            update={
                "started": datetime.now(UTC).isoformat(timespec="seconds"),
                "human": tuple(e.key for e in examples if not e.pseudo),
                "pseudo": tuple(e.key for e in examples if e.pseudo),
                "initial": initial.card.record.name if initial else "",
                "held_out": split.held_out,
                "regions": split.regions,
                "validation": split.note,
                "device": str(self.learner.device),
                "versions": self._versions,
            }
        )
        trust = card.trust
        if not self._recipe.target.semantic:
            # From the start: a training may be stopped, and its best weights be used.
            usual = usual_unevenness(self._recipe, learned_cases(list(examples)))
            trust = trust.model_copy(update={"usual": usual}) if usual is not None else trust
        return card.model_copy(update={"recipe": self._recipe, "record": record, "trust": trust})

    def _note(self, **changes: object) -> None:
        record = self._card.record.model_copy(update=changes)
        self._card = self._card.model_copy(update={"record": record})

    def _noted(self) -> Record:
        """The record as it is now, with what changed meanwhile."""
        record = self._renewal.noted(self._card.record)
        images = self._known_before | {k: self._seen_of(e).image for k, e in self._examples.items()}
        update: dict[str, Any] = {"images": images}
        if self._judge.renewed:  # it was measured by other labels
            update["initial_ap"] = None
        if self._teacher is not None:
            update["pseudo"] = (*record.pseudo, *self._teacher.ever)
            images |= self._teacher.ever
        record = record.model_copy(update=update)
        if self._recipe.target.semantic:  # classes aren't objects
            return record
        counts = [0, 0]
        for key, example in self._examples.items():
            counts[key in record.pseudo] += example.annotation.n_objects
        counts[1] += self._teacher.objects if self._teacher is not None else 0
        update = {"human_objects": counts[0], "pseudo_objects": counts[1]}
        return record.model_copy(update=update)

    def _seen_of(self, example: Example) -> Seen:
        """Its fingerprints, taken once as long as its labels stay."""
        taken = self._seen.get(example.key)
        if taken is None or taken[0] is not example:
            taken = self._seen[example.key] = example, Seen.of(example)
        return taken[1]

    def _draw_smaller(self) -> None:
        """Draw patches as large as memory allows from now on."""
        learned = self._split.learned(list(self._examples.values()))
        learned += self._teacher.taught.values() if self._teacher is not None else ()
        self._ahead.close()
        self._sampler = Sampler(learned, self.learner.drawn, self._rng)
        self._ahead = Ahead(self._sampler, self._rng)
        self._renewal.renew_in(self._sampler)

    def _steps_per_epoch(self) -> int:
        known = sum(int(e.annotation.known.sum()) for e in self._learned)
        known = math.ceil(known * self._recipe.zoom**2)
        per_step = self._recipe.batch * math.prod(self._recipe.patch_shape)
        return max(1, -(-known // per_step))

    def _can_be_learned(self, example: Example) -> bool:
        """Whether the target takes these labels; what is wrong with them is said, once."""
        if not self._recipe.target.semantic:
            return True
        try:
            self._recipe.target.encode(example.annotation)
        except NucleateError as error:
            self._refused.append(f"{example.key} stays as it was for this training: {error}")
            return False
        return True

    def _noting(self, changed: Changed) -> Changed:
        """The same, with what changed remembered for snapshots."""

        def asked() -> Sequence[Example]:
            examples = [e for e in changed() if self._can_be_learned(e)]
            if examples:  # what was drawn ahead has the labels of before
                self._ahead.forget()
            self._examples |= {e.key: e for e in examples}
            return examples

        return asked


def _learned(snapshot: Snapshot | None, recipe: Recipe) -> Learned | None:
    """How far an interrupted training came; elsewhere, in the precision that is fast there."""
    if snapshot is None:
        return None
    device, learned = choose_device(recipe.optimisation.device), snapshot.progress.learned
    if torch.device(snapshot.card.record.device).type == device.type:
        return learned
    half = not learned.failures and half_precision_pays(device.type)
    return learned.model_copy(update={"half": half})
