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
import threading
import time
import traceback
from collections import Counter, deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Pixels = np.ndarray[Any, Any]

ACTS, SEEDS = 500, 20
QUICK_ACTS, QUICK_SEEDS = 60, 2
LIMIT = 1500
"""Seconds after which a seed counts as hung."""
KEPT = 100
"""Strokes that napari remembers."""
TRAIN_STEPS = (4, 60)


def monkey(quick: bool = False) -> dict[str, Any]:
    """Let the monkey loose, a process a seed.

    Parameters
    ----------
    quick : bool
        Two seeds of 60 acts instead of 20 seeds of 500.

    Returns
    -------
    dict
        `n` acts; `exceptions` that nobody caught; `lost` labels; `undo_failed`; `disagreed`, where
        a button and the plan said different things; the `seconds` of each seed, and the `first`
        failures with their seed and count.
    """
    acts, seeds = (QUICK_ACTS, QUICK_SEEDS) if quick else (ACTS, SEEDS)
    rows = [one(seed, acts) for seed in range(seeds)]
    counts = ("n", "exceptions", "lost", "undo_failed", "disagreed")
    return {
        **{name: sum(row[name] for row in rows) for name in counts},
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
        row: dict[str, Any] = {"n": 0, "exceptions": 0, "lost": 0, "undo_failed": 0, "first": []}
        row["disagreed"] = 0
        if out.is_file():
            row |= json.loads(out.read_text())
        if not row.pop("complete", False):
            row["exceptions"] += 1
            row["first"].insert(0, {"seed": seed, "count": row["n"], "what": ended})
        row["seconds"] = round(time.perf_counter() - start, 1)
    return row


class Wrong(Exception):
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

        self.found: list[str] = []
        self.sentences = Counter[str]()
        self._severe = (NotificationSeverity.ERROR,)
        notification_manager.notification_ready.connect(self._on_notification)
        sys.excepthook = self._on_exception
        threading.excepthook = lambda a: self._on_exception(
            a.exc_type, a.exc_value, a.exc_traceback
        )

    def _on_notification(self, note: Any) -> None:
        if note.severity in self._severe:
            self.found.append(f"shown: {note.message}")
        else:
            self.sentences[str(note.message)] += 1

    def _on_exception(self, kind: Any, error: Any, trace: Any) -> None:
        text = "".join(traceback.format_exception(kind, error, trace))
        print(text, file=sys.stderr, flush=True)
        self.found.append(text[-1800:])

    def on_ended(self, ending: Any) -> None:
        """See how a job of the window ended: errors that are no sentences weren't expected."""
        from napari_nucleate.core.errors import NucleateError

        error = getattr(ending, "error", None)
        if error is not None and not isinstance(error, NucleateError):
            self.found.append("".join(traceback.format_exception(error))[-1800:])


class Monkey:
    """One window, its docks, and what the monkey did there."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.seed, self.folder, self.count = seed, folder, 0
        self.failures: list[dict[str, Any]] = []
        self.totals: Counter[str] = Counter()
        self.errors = Errors()
        self.kept: dict[Path, Pixels] = {}
        self.shadow: Shadow | None = None
        self._painted_on: Any = None
        self._last: Any = None
        self.images = self._make_images()
        self.acts: list[tuple[int, Callable[[], None]]] = [
            (30, self.paint),
            (10, self.erase),
            (5, self.fill),
            (6, self.drag),
            (14, self.undo),
            (8, self.redo),
            (20, self.correct),
            (4, self.correct_all),
            (4, self.take_tool),
            (8, self.judge),
            (4, self.accept_many),
            (6, self.take_over),
            (6, self.take_back),
            (8, self.train),
            (5, self.stop),
            (8, self.predict),
            (10, self.wait),
            (6, self.save),
            (14, self.go_elsewhere),
            (4, self.view_3d),
            (8, self.choose_layer),
            (5, self.add_layer),
            (5, self.rename_layer),
            (6, self.hide_layer),
            (4, self.move_layer),
            (6, self.remove_layer),
            (2, self.transform_image),
            (2, self.replace_pixels),
            (10, self.annotate),
            (5, self.change_recipe),
            (3, self.change_rule),
            (5, self.draw_box),
            (3, self.delete_box),
            (4, self.split),
            (4, self.export),
            (3, self.suggest),
            (3, self.confirm_empty),
            (2, self.take_labels),
            (2, self.use_image),
            (3, self.reopen),
            (1, self.close_window),
            (6, self.front),
        ]
        self._open_window()

    # -- the window -----------------------------------------------------------------------

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

    def settle(self, seconds: float = 0.0) -> None:
        """Let the window answer."""
        from qtpy.QtWidgets import QApplication

        until = time.perf_counter() + seconds
        QApplication.processEvents()
        while time.perf_counter() < until:
            time.sleep(0.005)
            QApplication.processEvents()

    # -- one act --------------------------------------------------------------------------

    def step(self) -> None:
        """Do one thing, and look what became of it."""
        self.random = np.random.default_rng([self.seed, self.count])
        weights = np.array([weight for weight, _ in self.acts], float)
        act = self.acts[self.random.choice(len(self.acts), p=weights / weights.sum())][1]
        self.last_act = act.__name__
        self._claim: Callable[[Pixels, Pixels], str] | None = None
        before = len(self.errors.found)
        try:
            self._note_history()
            act()
            self.settle()
            self._check_painted()
            self._check_docks()
        except Wrong as wrong:
            self._fail(wrong.kind, act.__name__, str(wrong), wrong.count)
            self._resynchronise()
        except Exception:  # the monkey's own calls are clicks: whatever they raise is a failure
            self._fail("exceptions", act.__name__, traceback.format_exc()[-1800:])
            self._resynchronise()
        for error in self.errors.found[before:]:
            self._fail("exceptions", act.__name__, error)
        self.count += 1

    def _fail(self, kind: str, act: str, what: str, count: int = 1) -> None:
        self.totals[kind] += count
        failure = {"seed": self.seed, "count": self.count + 1, "kind": kind, "act": act}
        self.failures.append({**failure, "what": what})

    def allow(self, claim: Callable[[Pixels, Pixels], str]) -> None:
        """Say what may be painted by this act: tells what is wrong with before and after."""
        self._claim = claim

    def _history(self) -> Any:
        history = getattr(self.session.annotation, "_undo_history", ())
        return history[-1] if history else None

    def _note_history(self) -> None:
        self._last = self._history()

    def _check_painted(self) -> None:
        """Compare the annotation layer with what it must be."""
        self._follow()
        layer, shadow = self.session.annotation, self.shadow
        if layer is None or shadow is None:
            return
        now = np.asarray(layer.data)
        if now.shape != shadow.pixels.shape:
            raise Wrong("lost", f"the layer has shape {now.shape}, not {shadow.pixels.shape}")
        changed = now != shadow.pixels
        if self._claim is None and changed.any():
            labels = np.unique(shadow.pixels[changed])
            raise Wrong("lost", f"{int(changed.sum())} pixels of {labels} changed", len(labels))
        if self._claim is not None:
            if changed.any() and (why := self._claim(shadow.pixels, now)):
                raise Wrong("lost", why)
            if self._history() is not self._last:
                shadow.enter(now)
            elif changed.any():
                raise Wrong("undo_failed", "it was painted, and can't be undone")

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
        if layer is not None:
            self.shadow, self._painted_on = Shadow(np.asarray(layer.data)), layer
            self._folder = self.session.store.folder

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
                raise Wrong("disagreed", f"{name} is {button.isEnabled()}, the plan says {gate}")
            if not button.isEnabled() and not button.toolTip().strip():
                raise Wrong("disagreed", f"{name} is closed and doesn't say why")
        items = self.session.state.items
        if label.table.model().rowCount() != len(items):
            raise Wrong("disagreed", f"{label.table.model().rowCount()} of {len(items)} listed")

    def click(self, button: Any, ask: Callable[[], object] | None = None) -> bool:
        """Click a button that is open; one that is closed must refuse in words."""
        from napari_nucleate.core.errors import NucleateError

        if button.isEnabled():
            button.click()
            return True
        if not button.toolTip().strip():
            raise Wrong("disagreed", f"{button.text()} is closed and doesn't say why")
        if ask is not None:
            try:
                ask()
            except NucleateError as error:
                if not str(error).strip():
                    raise Wrong("disagreed", f"{button.text()} refused without a word") from error
            else:
                raise Wrong("disagreed", f"{button.text()} is closed, and what it does was done")
        return False

    # -- painting -------------------------------------------------------------------------

    def _place(self) -> tuple[int | slice, ...]:
        session = self.session
        return session.source.place(session.ref(session.current))

    def _inside(self, before: Pixels, now: Pixels) -> str:
        elsewhere = before != now
        elsewhere[self._place()] = False
        return "another image was painted on, too" if elsewhere.any() else ""

    def _only(self, value: int) -> Callable[[Pixels, Pixels], str]:
        def claim(before: Pixels, now: Pixels) -> str:
            if (now[before != now] != value).any():
                return f"other labels than {value} were painted"
            return self._inside(before, now)

        return claim

    def _spot(self) -> tuple[int, ...] | None:
        """A pixel of the image in view, where one can paint on it."""
        layer = self.session.annotation
        if layer is None or self.session.source is None or layer not in self.viewer.layers:
            return None
        place = self._place()
        drawn = self.random.random(len(place))
        shape = layer.data.shape
        objects = np.argwhere(np.asarray(layer.data[place]) > 0)
        if len(objects) and self.random.random() < 0.5:
            on = iter(objects[int(drawn[0] * len(objects))].tolist())
            return tuple(next(on) if isinstance(at, slice) else at for at in place)
        return tuple(
            int(d * n) if isinstance(at, slice) else at
            for d, n, at in zip(drawn, shape, place, strict=True)
        )

    def _brush(self, value: int) -> tuple[Any, tuple[int, ...]] | None:
        spot = self._spot()
        if spot is None:
            return None
        layer = self.session.annotation
        self._show(spot)
        layer.brush_size = int(self.random.integers(1, 12))
        self.allow(self._only(value))
        return layer, spot

    def _show(self, spot: tuple[int, ...]) -> None:
        """Move the sliders to a pixel: one paints on what one sees."""
        axes = self.session.source.axes
        walked = {a: at for a, at in zip(axes, spot, strict=True) if a not in "YX"}
        self.session.source.show_at(self.viewer, walked)
        self._note_history()

    def _label(self) -> int:
        largest = int(self.shadow.pixels.max()) if self.shadow is not None else 0
        return int(self.random.integers(1, largest + 2))

    def paint(self) -> None:
        label = self._label()
        hand = self._brush(label)
        if hand is None:
            return
        layer, spot = hand
        layer.selected_label = label
        layer.mode = "paint"
        with layer.block_history():
            for _ in range(int(self.random.integers(1, 5))):
                layer.paint(spot, label)
                moves = self.random.integers(-6, 7, len(spot))
                free = [isinstance(at, slice) for at in self._place()]
                spot = tuple(
                    int(np.clip(p + m, 0, n - 1)) if f else p
                    for p, m, n, f in zip(spot, moves, layer.data.shape, free, strict=True)
                )

    def erase(self) -> None:
        hand = self._brush(0)
        if hand is not None:
            hand[0].mode = "erase"
            with hand[0].block_history():
                hand[0].paint(hand[1], 0)

    def fill(self) -> None:
        label = self._label()
        hand = self._brush(label)
        if hand is not None:
            hand[0].fill(hand[1], label)

    def drag(self) -> None:
        """Draw with the mouse, whatever is in view and in the hand."""
        from qtpy.QtCore import QPoint, Qt
        from qtpy.QtTest import QTest

        canvas = self.viewer.window._qt_viewer.canvas.native  # noqa: SLF001
        middle = np.array([canvas.width(), canvas.height()]) / 2
        points = [
            QPoint(*map(int, middle + self.random.integers(-90, 91, 2)))
            for _ in range(int(self.random.integers(2, 6)))
        ]
        layer = self.session.annotation
        if layer is not None and self.session.source is not None:
            label = 0 if layer.mode == "erase" else int(layer.selected_label)
            gesture = self.docks["Correct"].gesture
            tool = gesture is not None and gesture.layer is layer
            self.allow((lambda before, now: "") if tool else self._anywhere(label))
        left = Qt.MouseButton.LeftButton
        QTest.mouseMove(canvas, points[0])
        QTest.mousePress(canvas, left, Qt.KeyboardModifier.NoModifier, points[0])
        for point in points[1:]:
            QTest.mouseMove(canvas, point)
            self.settle()
        QTest.mouseRelease(canvas, left, Qt.KeyboardModifier.NoModifier, points[-1])

    def _anywhere(self, value: int) -> Callable[[Pixels, Pixels], str]:
        """In the 3D view, and of turned volumes, a stroke may reach several images."""

        def claim(before: Pixels, now: Pixels) -> str:
            other = now[before != now] != value
            return f"other labels than {value} were painted" if other.any() else ""

        return claim

    def undo(self) -> None:
        layer = self.session.annotation
        if layer is not None and self.shadow is not None:
            layer.undo()
            self.shadow.undo()

    def redo(self) -> None:
        layer = self.session.annotation
        if layer is not None and self.shadow is not None:
            layer.redo()
            self.shadow.redo()

    # -- the Correct dock -----------------------------------------------------------------

    def _hold(self) -> Any:
        """Bring the Correct dock to the annotation layer; None where nothing can be corrected."""
        dock, layer = self.docks["Correct"], self.session.annotation
        spot = self._spot()
        if layer is None or spot is None:
            return None
        dock.layers.choose(layer)
        if dock._editor is None:  # noqa: SLF001
            if not dock.note.text().strip():
                raise Wrong("disagreed", "nothing can be corrected, and nobody says why")
            return None
        self._show(spot)
        return spot

    def _reshaped(self, before: Pixels, now: Pixels) -> str:
        """A correction takes nothing of other objects than those it is about."""
        changed = before != now
        told = self.docks["Correct"].said.text()
        if not told:
            return "something was corrected, and nothing said"
        return self._inside(before, now)

    def correct(self) -> None:
        from napari_nucleate.gui.corrections import TOOLS

        tool = TOOLS[int(self.random.integers(len(TOOLS)))]
        spot = self._hold()
        if spot is None:
            return
        dock, other = self.docks["Correct"], self._spot()
        dock.put_away(now=True)  # or a click on the tool that is in the hand would only do that
        self.allow(self._reshaped)
        button = dock.buttons[tool.name]
        button.click()
        gesture = dock.gesture
        if gesture is None:
            if not dock.said.text():
                raise Wrong("disagreed", f"{tool.name} can't be taken, and nobody says why")
            return
        if tool.gesture == "line":
            gesture.made.emit(np.linspace(spot, other, 8))
        elif tool.gesture == "points":
            gesture._click(np.array(spot, float))  # noqa: SLF001
            gesture._click(np.array(other, float))  # noqa: SLF001
            dock._cut()  # noqa: SLF001
        else:
            gesture.made.emit(np.array([spot], float))
        if self.random.random() < 0.7:
            dock.put_away(now=True)

    def correct_all(self) -> None:
        from napari_nucleate.gui.corrections import ALL

        if self._hold() is not None:
            self.allow(self._reshaped)
            self.docks["Correct"].buttons[ALL[int(self.random.integers(len(ALL)))].name].click()

    def take_tool(self) -> None:
        """Take a tool of some layer into the hand, and leave it there."""
        dock = self.docks["Correct"]
        buttons = [b for b in dock.buttons.values() if b.isCheckable() and b.isEnabled()]
        if buttons:
            buttons[int(self.random.integers(len(buttons)))].click()

    # -- the Review dock ------------------------------------------------------------------

    def _select(self) -> Any:
        review = self.docks["Review"]
        rows = review.ranking.rowCount()
        at = self.random.random()
        if rows:
            review.gallery.setCurrentIndex(review.ranking.index(int(at * rows), 0))
        return review

    def judge(self) -> None:
        review = self._select()
        self.click(review.accept if self.random.random() < 0.6 else review.reject)

    def accept_many(self) -> None:
        review = self._select()
        review.count.setValue(int(self.random.integers(1, 4)))
        self.click(review.accept_best if self.random.random() < 0.5 else review.accept_down)

    def take_over(self) -> None:
        review = self._select()
        if not review.correct.isEnabled():
            self.click(review.correct)
            return
        key = review._current  # noqa: SLF001
        session = self.session
        place = session.source.place(session.ref(key))
        labels = session.store.load_predicted_labels(key)

        def claim(before: Pixels, now: Pixels) -> str:
            if before[place].any():
                return f"{key} was painted on, and a prediction took its place"
            expected = before.copy()
            expected[place] = labels
            return "" if np.array_equal(expected, now) else f"{key} isn't what was predicted"

        session.annotate()
        self._follow()
        self._note_history()
        self.allow(claim)
        self.click(review.correct)

    def take_back(self) -> None:
        session = self.session
        taken = [item.key for item in session.state.items if item.status == "corrected"]

        def claim(before: Pixels, now: Pixels) -> str:
            changed = before != now
            for key in taken:
                part = changed[session.source.place(session.ref(key))]
                if part.any() and not now[session.source.place(session.ref(key))].any():
                    part[...] = False
            return "more than what was taken over was taken back" if changed.any() else ""

        self.allow(claim)
        self.click(self.docks["Review"].undo, session.judgements.undo)

    # -- training and predicting ----------------------------------------------------------

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

    def train(self) -> None:
        train, review = self.docks["Train"], self.docks["Review"]
        trainings = self.session.trainings
        self.set_recipe()
        self.settle()
        buttons = [
            (train.train, trainings.train),
            (train.further, lambda: trainings.train(further=True)),
            (train.resume, trainings.resume),
            (review.train_again, trainings.again),
        ]
        self.click(*buttons[int(self.random.choice(4, p=[0.55, 0.15, 0.15, 0.15]))])

    def stop(self) -> None:
        self.click(self.docks["Train"].stop)

    def predict(self) -> None:
        self.click(self.docks["Train"].predict, self.session.predict)

    def wait(self) -> None:
        """Let what runs go on; now and then to its end."""
        long = self.random.random() < 0.4
        until = time.perf_counter() + (30 if long else self.random.random() * 0.3)
        while self.session.job.running and time.perf_counter() < until:
            self.settle(0.02)
        if long and self.session.job.running:
            self.session.stop()

    def change_recipe(self) -> None:
        from napari_nucleate.core.targets import Boundary, Semantic

        fields: list[dict[str, Any]] = [{"target": Boundary()}, {"target": Semantic()}]
        recipe = self.session.state.recipe
        optimisation = recipe.optimisation.model_copy(
            update={"learning_rate": float(10 ** self.random.uniform(-4, -2))}
        )
        fields.append({"optimisation": optimisation})
        update = fields[int(self.random.integers(len(fields)))]
        self.session.set_recipe(recipe.model_copy(update=update))

    # -- the project ----------------------------------------------------------------------

    def save(self) -> None:
        """Write now, and compare the files with the layer."""
        self.session.keeper.flush()
        self._check_disk()

    def _check_disk(self) -> None:
        from napari_nucleate.project.model import PAINTED

        session, shadow = self.session, self.shadow
        if shadow is None or session.annotation is None:
            return
        for item in session.state.items:
            must = shadow.pixels[session.source.place(session.ref(item.key))]
            if bool(must.any()) != (item.status in PAINTED):
                raise Wrong("disagreed", f"{item.key} is {item.status}; painted: {must.any()}")
            if not must.any():
                continue
            there = session.store.load_annotation(item.key)
            if there is None or not np.array_equal(there.reshape(must.shape), must):
                raise Wrong("lost", f"{item.key} isn't on the disk as it was painted")

    def confirm_empty(self) -> None:
        from napari_nucleate.core.errors import NucleateError

        try:
            self.click(self.docks["Label"].empty)
        except NucleateError:  # painted on: the button says so when it is clicked
            return

    def suggest(self) -> None:
        self.click(self.docks["Label"].suggest)

    def take_labels(self) -> None:
        from napari.layers import Labels

        from napari_nucleate.gui.taking import fitting

        session = self.session
        layers = [x for x in fitting(session) if isinstance(x, Labels)]
        if not layers or session.annotation is None:
            return
        layer = layers[int(self.random.integers(len(layers)))]

        def claim(before: Pixels, now: Pixels) -> str:
            for key in session.state.keys():
                place = session.source.place(session.ref(key))
                if before[place].any() and not np.array_equal(before[place], now[place]):
                    return f"{key} was painted on, and labels were taken over"
            return ""

        self.allow(claim)
        self.docks["Label"]._take(layer)  # noqa: SLF001

    def change_rule(self) -> None:
        known = self.docks["Label"].known
        known.setCurrentIndex(int(self.random.integers(known.count())))

    def draw_box(self) -> None:
        boxes, source = self.session.boxes, self.session.source
        if boxes is None or source is None:
            return
        spot = self._spot()
        if spot is not None:
            corners = np.tile(np.array(spot, float), (4, 1))
            corners[1:3, -2] += self.random.integers(4, 30)
            corners[2:, -1] += self.random.integers(4, 30)
            boxes.add_rectangles(corners)

    def delete_box(self) -> None:
        boxes = self.session.boxes
        if boxes is not None and len(boxes.data):
            boxes.selected_data = {int(self.random.integers(len(boxes.data)))}
            boxes.remove_selected()

    def use_image(self) -> None:
        """Begin another project: of other images, or of the same in another way."""
        kind = "deep" if self.random.random() < 0.5 else "flat"
        self._use(kind, 3 if self.random.random() < 0.6 else 2)

    def _use(self, kind: str, ndim: int) -> None:
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

    def reopen(self) -> None:
        from napari_nucleate.core.errors import NucleateError
        from napari_nucleate.gui.opening import open_project

        session = self.session
        session.keeper.flush()
        if not session.store.exists:
            return
        running = bool(session.job.running)
        folders = [session.store.folder, *self.kept]
        folder = folders[int(self.random.integers(len(folders)))]
        if running:
            try:
                open_project(self.viewer, folder)
            except NucleateError:
                return
            raise Wrong("disagreed", "a project was opened while something ran")
        self._check_disk()
        if not (folder / "nucleate.json").is_file():
            return
        self.leave()
        open_project(self.viewer, folder)

    def close_window(self) -> None:
        """Close the window, whatever runs, and go on in another one."""
        from napari_nucleate.gui.opening import open_project

        self.docks["Correct"].put_away(now=True)
        folder = self.session.store.folder
        self.leave()
        self.viewer.close()
        self.settle(0.2)
        self._open_window()
        if (folder / "nucleate.json").is_file():
            open_project(self.viewer, folder)
        else:
            self._use("flat", 2)

    # -- looking around -------------------------------------------------------------------

    def go_elsewhere(self) -> None:
        label = self.docks["Label"]
        which, at = self.random.random(), self.random.random()
        if which < 0.4:
            self.click(label.next)
        elif which < 0.7 and self.session.state.items:
            keys = self.session.state.keys()
            label.table.picked.emit(keys[int(at * len(keys))])
        elif self.viewer.dims.ndim > 2:
            axis = int(at * (self.viewer.dims.ndim - 2))
            steps = self.viewer.dims.nsteps[axis]
            self.viewer.dims.set_current_step(axis, int(self.random.integers(steps)))

    def view_3d(self) -> None:
        self.viewer.dims.ndisplay = 3 if self.viewer.dims.ndisplay == 2 else 2

    def front(self) -> None:
        """Bring a dock to the front."""
        names = list(self.docks)
        self.docks[names[int(self.random.integers(len(names)))]].parent().raise_()

    def _any_layer(self) -> Any:
        layers = list(self.viewer.layers)
        return layers[int(self.random.random() * len(layers))] if layers else None

    def choose_layer(self) -> None:
        self.viewer.layers.selection.active = self._any_layer()

    def add_layer(self) -> None:
        shape = (6, 64, 64) if self.random.random() < 0.6 else (40, 48)
        kind = int(self.random.integers(4))
        if len(self.viewer.layers) > 14:
            return
        if kind == 0:
            self.viewer.add_image(self.random.random(shape), name="mine")
        elif kind == 1:
            blobs = np.zeros(shape, np.int32)
            blobs[..., 5:15, 5:15], blobs[..., 20:30, 8:30] = 1, 2
            self.viewer.add_labels(blobs, name="mine")
        elif kind == 2:
            self.viewer.add_points(self.random.random((5, len(shape))) * shape, name="mine")
        else:
            self.viewer.add_shapes(ndim=len(shape), name="mine")

    def rename_layer(self) -> None:
        layer = self._any_layer()
        if layer is not None:
            names = ["annotation", "prediction", "split", "ü/日本 語", "split (live)", "correcting"]
            layer.name = names[int(self.random.integers(len(names)))]

    def hide_layer(self) -> None:
        layer = self._any_layer()
        if layer is not None:
            layer.visible = not layer.visible

    def move_layer(self) -> None:
        count = len(self.viewer.layers)
        if count > 1:
            self.viewer.layers.move(*self.random.integers(0, count, 2).tolist())

    def remove_layer(self) -> None:
        layer = self._any_layer()
        if layer is not None:
            self.viewer.layers.remove(layer)

    def transform_image(self) -> None:
        source = self.session.source
        if source is None:
            return
        layer, which = source.layer, int(self.random.integers(4))
        if which == 0:
            layer.scale = self.random.choice([0.5, 1, 2], layer.ndim)
        elif which == 1:
            layer.translate = self.random.integers(-20, 20, layer.ndim).astype(float)
        elif which == 2:
            turn = np.eye(layer.ndim + 1)
            turn[-3:-1, -3:-1] = [[0.8, 0.6], [-0.6, 0.8]]
            layer.affine = turn
        else:
            layer.affine = np.eye(layer.ndim + 1)

    def replace_pixels(self) -> None:
        session, which = self.session, int(self.random.integers(3))
        if which == 0 and session.annotation is not None:
            # The same labels in another array: napari forgets the strokes, nothing is lost.
            session.annotation.data = np.array(session.annotation.data)
            if self.shadow is not None:
                self.shadow.forget()
        elif which == 1 and session.prediction is not None:
            session.prediction.data = np.zeros((9, 9), int)
        elif which == 2 and session.source is not None:
            session.source.layer.data = np.zeros((30, 30), np.float32)

    def annotate(self) -> None:
        self.click(self.docks["Label"].annotate, self.session.annotate)

    def split(self) -> None:
        dock = self.docks["Split"]
        dock.parent().raise_()
        layers = dock.layers.layers
        if layers:
            dock.layers.choose(layers[int(self.random.integers(len(layers)))])
        self.settle()
        self.click(dock.everything.button)

    def export(self) -> None:
        dock = self.docks["Export"]
        folder = str(self.folder / f"export {int(self.random.integers(3))}")
        dock.folder.setText(folder)
        dock.folder.textEdited.emit(folder)
        dock.overwrite.setChecked(bool(self.random.random() < 0.5))
        self.click(dock.run.button)

    # -- the end --------------------------------------------------------------------------

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
            except Wrong as wrong:
                self._fail(wrong.kind, what.__name__, str(wrong), wrong.count)
            except Exception:  # as in `step`
                self._fail("exceptions", what.__name__, traceback.format_exc()[-1800:])
        for error in self.errors.found[before:]:
            self._fail("exceptions", "finish", error)

    def _annotate_again(self) -> None:
        if self.session.source is not None:
            self.session.annotate()
            self._claim = None
            self._check_painted()

    def unwind(self) -> None:
        """Undo back to the start of the layer's history, and redo to its end."""
        layer, shadow = self.session.annotation, self.shadow
        if layer is None or shadow is None:
            return
        for what, steps in (("undo", len(shadow.done)), ("redo", len(shadow.done))):
            for _ in range(steps):
                getattr(layer, what)()
                getattr(shadow, what)()
            self.settle()
            if not np.array_equal(layer.data, shadow.pixels):
                raise Wrong("undo_failed", f"{steps} times {what} doesn't lead there")

    def _close(self) -> None:
        from napari_nucleate.project.store import Store

        folder, state = self.session.store.folder, self.session.state
        places = {key: self.session.source.place(self.session.ref(key)) for key in state.keys()}
        shadow = self.shadow
        self.viewer.close()
        self.settle(0.2)
        store = Store(folder)
        if shadow is None or not store.exists:
            return
        for item in store.load_state().items:
            must = shadow.pixels[places[item.key]]
            there = store.load_annotation(item.key)
            if must.any() and (there is None or (there.reshape(must.shape) != must).any()):
                raise Wrong("lost", f"{item.key} isn't there after the window was closed")


def play(seed: int, count: int, folder: Path, result: Path | None, loud: bool) -> dict[str, Any]:
    """Let the monkey do so many things in this process."""
    os.environ["NUCLEATE_HOME"] = str(folder / "projects")
    os.environ["NAPARI_CONFIG"] = str(folder / "settings.yaml")
    from napari_nucleate.gui import trainings, warming

    # Compiling ahead would only cost time here; every fourth seed trains in a process of its own.
    warming.needed = lambda: False
    if seed % 4:
        trainings.possible = lambda: False

    def keep(complete: bool) -> dict[str, Any]:
        row = {
            "n": one.count,
            **{name: one.totals[name] for name in ("exceptions", "lost", "undo_failed")},
            "disagreed": one.totals["disagreed"],
            "first": one.failures[:10],
            "complete": complete,
        }
        if result is not None:
            result.write_text(json.dumps(row))
        return row

    one = Monkey(seed, folder)
    one.random = np.random.default_rng([seed])
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
