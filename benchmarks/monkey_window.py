"""The window that the monkey of `fault_monkey.py` is let loose at, and how it is watched."""

from __future__ import annotations

import sys
import threading
import time
import traceback
from collections import Counter, deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

Pixels = np.ndarray[Any, Any]
Claim = Callable[[Pixels, Pixels], str]
Acts = list[tuple[int, Callable[[], None]]]

KEPT = 100
"""Strokes that napari remembers."""
TRAIN_STEPS = (4, 60)


class WrongError(Exception):
    """Something that must not be; `kind` is the count that it belongs to."""

    def __init__(self, kind: str, what: str, count: int = 1) -> None:
        super().__init__(what)
        self.kind, self.count = kind, count


class Shadow:
    """What must be painted: changed by what the monkey does, never by the program."""

    def __init__(self, pixels: Pixels) -> None:
        self.pixels = pixels.copy()
        self.done: deque[tuple[Pixels, Pixels, Pixels]] = deque(maxlen=KEPT)
        self.undone: list[tuple[Pixels, Pixels, Pixels]] = []

    def enter(self, now: Pixels) -> None:
        """Note a step that was allowed."""
        where = np.flatnonzero(now.ravel() != self.pixels.ravel())
        step = where, self.pixels.ravel()[where].copy(), now.ravel()[where].copy()
        self.done.append(step)
        self.undone.clear()
        self.pixels.ravel()[where] = step[2]

    def undo(self) -> None:
        """What Ctrl+Z must do."""
        if self.done:
            step = self.done.pop()
            self.undone.append(step)
            self.pixels.ravel()[step[0]] = step[1]

    def redo(self) -> None:
        """What Ctrl+Shift+Z must do."""
        if self.undone:
            step = self.undone.pop()
            self.done.append(step)
            self.pixels.ravel()[step[0]] = step[2]

    def forget(self) -> None:
        """The layer is another, and its history begins anew."""
        self.done.clear()
        self.undone.clear()


class Errors:
    """Collects what nobody caught, in the window and in its threads."""

    def __init__(self) -> None:
        from napari.utils.notifications import NotificationSeverity, notification_manager

        self.found: list[tuple[str, str]] = []
        self.sentences = Counter[str]()
        self._severe = (NotificationSeverity.ERROR,)
        notification_manager.notification_ready.connect(self._on_notification)
        sys.excepthook = self._on_exception
        threading.excepthook = lambda a: self._on_exception(
            a.exc_type, a.exc_value, a.exc_traceback
        )

    def _on_notification(self, note: Any) -> None:
        if note.severity in self._severe:
            self.found.append(("exceptions", f"shown: {note.message}"))
        else:
            self.sentences[str(note.message)] += 1

    def _on_exception(self, kind: Any, error: Any, trace: Any) -> None:
        text = "".join(traceback.format_exception(kind, error, trace))
        print(text, file=sys.stderr, flush=True)
        self.found.append((_whose(trace), text[-1800:]))

    def on_ended(self, ending: Any) -> None:
        """See how a job of the window ended: errors that are no sentences weren't expected."""
        from napari_nucleate.core.errors import NucleateError

        error = getattr(ending, "error", None)
        if error is not None and not isinstance(error, NucleateError):
            text = "".join(traceback.format_exception(error))[-1800:]
            self.found.append(("exceptions", text))


def _whose(trace: Any) -> str:
    """The count that an uncaught error belongs to: napari's own, if no code of ours had a part."""
    files = [frame.filename for frame in traceback.extract_tb(trace)]
    ours = any("napari_nucleate" in file or "monkey" in file for file in files)
    return "exceptions" if ours or not files else "naparis"


class Window:
    """One window, its docks, and what must be in it."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.seed, self.folder, self.count = seed, folder, 0
        self.failures: list[dict[str, Any]] = []
        self.totals: Counter[str] = Counter()
        self.errors = Errors()
        self.kept: dict[Path, Pixels] = {}
        self.shadow: Shadow | None = None
        self._claim: Claim | None = None
        self._painted_on: Any = None
        self._last: Any = None
        self.images = self._make_images()
        self.random = np.random.default_rng([seed])
        self.last_act = ""
        self._open_window()

    def acts(self) -> Acts:
        """What can be done, and how often it is."""
        raise NotImplementedError

    def _make_images(self) -> dict[str, list[Path]]:
        import tifffile

        from napari_nucleate.core.samples import NucleiSample

        flat = NucleiSample(count=6, size=64, radius=6, seed=self.seed).make().images
        deep = NucleiSample(kind="3d", count=1, size=32, depth=12, radius=6, seed=self.seed).make()
        made: dict[str, list[Path]] = {"flat": [], "deep": []}
        for kind, data in (("flat", np.asarray(flat.data)), ("deep", np.asarray(deep.images.data))):
            for number, pixels in enumerate(
                data if kind == "flat" else data.reshape(1, 12, 32, 32)
            ):
                path = self.folder / "images" / f"{kind} {number}.tif"
                path.parent.mkdir(exist_ok=True)
                axes = "YX" if kind == "flat" else "ZYX"
                tifffile.imwrite(path, pixels, imagej=True, metadata={"axes": axes})
                made[kind].append(path)
        return made

    def _open_window(self) -> None:
        import napari

        from napari_nucleate.gui.launch import open_docks
        from napari_nucleate.gui.session import session_of

        self.viewer = napari.Viewer(show=True)
        self.viewer.window._qt_window.resize(1300, 900)  # noqa: SLF001
        # Nothing is drawn: where an image comes after another was removed, napari 0.9.2 on Mesa's
        # OpenGL ends the process in glDrawArrays, without us too.
        self.viewer.window._qt_viewer.canvas.native.setUpdatesEnabled(False)  # noqa: SLF001
        self.docks = open_docks(self.viewer)
        self.session = session_of(self.viewer)
        self.session.job.ended.connect(self.errors.on_ended)
        self.docks["Split"].live.job.ended.connect(self.errors.on_ended)
        self.docks["Export"].run.job.ended.connect(self.errors.on_ended)
        self.settle()

    def begin(self) -> None:
        """Choose the images and paint a little, as everybody begins."""
        self._add_image("flat")
        self._use("flat", 2)
        self.docks["Label"].annotate.click()
        self._follow()
        self.set_recipe()

    def _add_image(self, kind: str) -> Any:
        from napari_nucleate.gui.files import add_stacks
        from napari_nucleate.io.read import read_stack

        return add_stacks(self.viewer, [read_stack(path) for path in self.images[kind]])

    def _use(self, kind: str, ndim: int) -> None:
        """Use an image of the viewer, or open it."""
        from napari.layers import Image

        from napari_nucleate.gui.layers import FILES

        chooser = self.docks["Label"].chooser
        files = [str(path) for path in self.images[kind]]
        there = [
            x
            for x in self.viewer.layers
            if isinstance(x, Image) and list(map(str, x.metadata.get(FILES, ()))) == files
        ]
        layer = there[-1] if there else self._add_image(kind)
        chooser.layers.choose(layer)
        self.settle()
        (chooser.three if ndim == 3 and kind == "deep" else chooser.two).setChecked(True)
        if chooser.use.isEnabled():
            self.leave()
        self.click(chooser.use)

    def settle(self, seconds: float = 0.0) -> None:
        """Let the window answer."""
        from qtpy.QtWidgets import QApplication

        until = time.perf_counter() + seconds
        QApplication.processEvents()
        while time.perf_counter() < until:
            time.sleep(0.005)
            QApplication.processEvents()

    def step(self) -> None:
        """Do one thing, and look what became of it."""
        self.random = np.random.default_rng([self.seed, self.count])
        acts = self.acts()
        weights = np.array([weight for weight, _ in acts], float)
        act = acts[self.random.choice(len(acts), p=weights / weights.sum())][1]
        self.last_act = act.__name__
        self._claim = None
        before = len(self.errors.found)
        try:
            self._note_history()
            act()
            self.settle()
            self._check_painted()
            self._check_docks()
        except WrongError as wrong:
            self._fail(wrong.kind, act.__name__, str(wrong), wrong.count)
            self._resynchronise()
        except Exception:  # noqa: BLE001  the monkey's own calls are clicks: whatever they raise is a failure
            self._fail("exceptions", act.__name__, traceback.format_exc()[-1800:])
            self._resynchronise()
        for kind, error in self.errors.found[before:]:
            self._fail(kind, act.__name__, error)
        self.count += 1

    def _fail(self, kind: str, act: str, what: str, count: int = 1) -> None:
        """Note a failure."""
        self.totals[kind] += count
        failure = {"seed": self.seed, "count": self.count + 1, "kind": kind, "act": act}
        self.failures.append({**failure, "what": what})

    def allow(self, claim: Callable[[Pixels, Pixels], str]) -> None:
        """Say what may be painted by this act: tells what is wrong with before and after."""
        self._claim = claim

    def _history(self) -> Any:
        """The last step of the annotation layer's history."""
        history = getattr(self.session.annotation, "_undo_history", ())
        return history[-1] if history else None

    def _note_history(self) -> None:
        """See from now on whether something is painted."""
        self._last = self._history()

    def _depth(self) -> int:
        """How many strokes could be done again."""
        return len(getattr(self.session.annotation, "_redo_history", ()))

    def _check_painted(self) -> None:
        """Compare the annotation layer with what it must be."""
        self._follow()
        layer, shadow = self.session.annotation, self.shadow
        if layer is None or shadow is None:
            return
        now = np.asarray(layer.data)
        if now.shape != shadow.pixels.shape:
            raise WrongError("lost", f"the layer has shape {now.shape}, not {shadow.pixels.shape}")
        changed = now != shadow.pixels
        if self._claim is None and changed.any():
            labels = np.unique(shadow.pixels[changed])
            raise WrongError(
                "lost", f"{int(changed.sum())} pixels of {labels} changed", len(labels)
            )
        if self._claim is not None:
            if changed.any() and (why := self._claim(shadow.pixels, now)):
                raise WrongError("lost", why)
            if self._history() is not self._last:
                shadow.enter(now)
            elif changed.any():
                raise WrongError("undo_failed", "it was painted, and can't be undone")

    def _follow(self) -> None:
        """See whether another layer is painted on, of this project or another one."""
        layer = self.session.annotation
        if layer is None or layer is self._painted_on:
            return
        self._painted_on = layer
        folder = self.session.store.folder
        now = np.asarray(layer.data)
        if self.shadow is None or self._folder != folder:
            expected = self.kept.get(folder, np.zeros_like(now))
            self.shadow, self._folder = Shadow(expected), folder
        self.shadow.forget()

    def leave(self) -> None:
        """Note what was painted, before another project or window comes."""
        if self.shadow is not None:
            self.kept[self._folder] = self.shadow.pixels.copy()
        self.shadow = self._painted_on = None

    def _resynchronise(self) -> None:
        """Go on from what there is: a failure counts once."""
        layer = self.session.annotation
        now = None if layer is None else np.asarray(layer.data)
        if now is None or (self.shadow is not None and np.array_equal(now, self.shadow.pixels)):
            return
        self.shadow, self._painted_on = Shadow(now), layer
        self._folder = self.session.store.folder
        # napari forgets its strokes, too.
        layer.editable = False
        layer.editable = True

    def _check_docks(self) -> None:
        """Look whether buttons are open where the plan says so, and say why where they aren't."""
        plan, docks = self.session.plan, self.docks
        label, train, review = docks["Label"], docks["Train"], docks["Review"]
        pairs = {
            "Annotate": (label.annotate, plan.annotate),
            "Next": (label.next, plan.next_unlabelled),
            "Empty": (label.empty, plan.confirm_empty),
            "Stop": (train.stop, plan.stop),
            "Undo": (review.undo, plan.undo),
            "Train again": (review.train_again, plan.train_again),
        }
        if not train.recipe.problem:
            pairs |= {
                "Train": (train.train, plan.train),
                "Continue": (train.resume, plan.resume),
                "Train further": (train.further, plan.further),
            }
        for name, (button, gate) in pairs.items():
            if button.isEnabled() != bool(gate):
                raise WrongError(
                    "disagreed", f"{name} is {button.isEnabled()}, the plan says {gate}"
                )
            if not button.isEnabled() and not button.toolTip().strip():
                raise WrongError("disagreed", f"{name} is closed and doesn't say why")
        items = self.session.state.items
        if label.table.model().rowCount() != len(items):
            raise WrongError(
                "disagreed", f"{label.table.model().rowCount()} of {len(items)} listed"
            )

    def click(self, button: Any, ask: Callable[[], object] | None = None) -> bool:
        """Click a button that is open; one that is closed must refuse in words."""
        from napari_nucleate.core.errors import NucleateError

        if button.isEnabled():
            button.click()
            return True
        if not button.toolTip().strip():
            raise WrongError("disagreed", f"{button.text()} is closed and doesn't say why")
        if ask is not None:
            try:
                ask()
            except NucleateError as error:
                if not str(error).strip():
                    raise WrongError(
                        "disagreed", f"{button.text()} refused without a word"
                    ) from error
            else:
                raise WrongError(
                    "disagreed", f"{button.text()} is closed, and what it does was done"
                )
        return False

    def _place(self) -> tuple[int | slice, ...]:
        """Where the image in view lies in the annotation layer."""
        session = self.session
        return session.source.place(session.ref(session.current))

    def set_recipe(self) -> None:
        """Take a small network: the monkey has no time."""
        from napari_nucleate.core.architectures import UNet
        from napari_nucleate.core.recipe import Optimisation, Steps

        recipe = self.session.state.recipe
        steps = int(self.random.integers(*TRAIN_STEPS)) if self.count else TRAIN_STEPS[0]
        size = {"patch": 32, "batch": 2} if recipe.ndim == 2 else {"patch": 16, "patch_depth": 8}
        optimisation = Optimisation(budget=Steps(value=steps), device="cpu", **size)
        self.session.set_recipe(
            recipe.model_copy(
                update={"architecture": UNet(width=4, levels=2), "optimisation": optimisation}
            )
        )

    def save(self) -> None:
        """Write now, and compare the files with the layer."""
        self.session.keeper.flush()
        self._check_disk()

    def _check_disk(self) -> None:
        """Compare the files with what must be painted."""
        from napari_nucleate.project.model import PAINTED

        session, shadow = self.session, self.shadow
        if shadow is None or session.annotation is None:
            return
        for item in session.state.items:
            must = shadow.pixels[session.source.place(session.ref(item.key))]
            if bool(must.any()) != (item.status in PAINTED):
                raise WrongError("disagreed", f"{item.key} is {item.status}; painted: {must.any()}")
            if not _written(session.store, item.key, must):
                raise WrongError("lost", f"{item.key} isn't on the disk as it was painted")

    def finish(self) -> None:
        """Stop, compare the files, step all the way back and forth again, and close."""
        before = len(self.errors.found)
        self.session.stop()
        until = time.perf_counter() + 60
        while self.session.job.running and time.perf_counter() < until:
            self.settle(0.02)
        for what in (self._annotate_again, self.save, self.unwind, self.save, self._close):
            try:
                what()
            except WrongError as wrong:
                self._fail(wrong.kind, what.__name__, str(wrong), wrong.count)
            except Exception:  # noqa: BLE001  as in `step`
                self._fail("exceptions", what.__name__, traceback.format_exc()[-1800:])
        for kind, error in self.errors.found[before:]:
            self._fail(kind, "finish", error)

    def _annotate_again(self) -> None:
        if self.session.source is not None:
            self.session.annotate()
            self._claim = None
            self._check_painted()

    def unwind(self) -> None:
        """Undo back to the start, and redo to the end."""
        layer, shadow, session = self.session.annotation, self.shadow, self.session
        if layer is None or shadow is None:
            return
        for what in ("undo", "redo"):
            far = True
            while far:
                before = self._depth()
                far = bool(getattr(session.undoing, what)())
                for _ in range(abs(self._depth() - before)):
                    getattr(shadow, what)()
            # What was done before it was remembered as one row is napari's alone.
            for _ in range(len(shadow.done if what == "undo" else shadow.undone)):
                getattr(layer, what)()
                getattr(shadow, what)()
            self.settle()
            if not np.array_equal(layer.data, shadow.pixels):
                raise WrongError("undo_failed", f"all the way {what} doesn't lead there")

    def _close(self) -> None:
        from napari_nucleate.project.store import Store

        folder, source = self.session.store.folder, self.session.source
        places = {key: source.place(ref) for key, ref in self.session.refs().items()}
        shadow = self.shadow
        self.viewer.close()
        self.settle(0.2)
        store = Store(folder)
        if shadow is None or not store.exists:
            return
        for item in store.load_state().items:
            if not _written(store, item.key, shadow.pixels[places[item.key]]):
                raise WrongError("lost", f"{item.key} isn't there after the window was closed")


def _written(store: Any, key: str, must: Pixels) -> bool:
    """Whether the file of an image holds what must be painted; where nothing is, none is needed."""
    there = store.load_annotation(key)
    if there is None:
        return not must.any()
    return np.array_equal(there.reshape(must.shape), must)
