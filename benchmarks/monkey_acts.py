"""What the monkey of `fault_monkey.py` does: each method is one act of a person."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import numpy as np

from monkey_window import Acts, Pixels, Window, WrongError

if TYPE_CHECKING:
    from collections.abc import Callable


class Monkey(Window):
    """Does anything, as often as people do."""

    def acts(self) -> Acts:
        """What can be done, and how often it is."""
        return [
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
            (4, self.paint_unwritten),
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
        """Paint a few dabs."""
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
        """Erase a dab."""
        hand = self._brush(0)
        if hand is not None:
            hand[0].mode = "erase"
            with hand[0].block_history():
                hand[0].paint(hand[1], 0)

    def fill(self) -> None:
        """Fill what is connected."""
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
            self.allow((lambda *_: "") if tool else self._anywhere(label))
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
        """Take the last act back, wherever it was; or the last stroke, as napari does."""
        self._move("undo")

    def redo(self) -> None:
        """Do again what was taken back."""
        self._move("redo")

    def _move(self, what: str) -> str:
        layer, shadow, session = self.session.annotation, self.shadow, self.session
        before = self._depth()
        said = ""
        if self.random.random() < 0.7:
            said = getattr(session.undoing, what)()
        elif layer is not None:
            getattr(layer, what)()
        moved = self._depth() - before
        if layer is None or shadow is None:
            return said
        if (moved > 0) == (what == "undo"):
            for _ in range(abs(moved)):
                getattr(shadow, what)()
        elif moved:
            raise WrongError("undo_failed", f"{what} moved {moved} steps")
        return said

    def _hold(self) -> Any:
        """Bring the Correct dock to the annotation layer; None where nothing can be corrected."""
        dock, layer = self.docks["Correct"], self.session.annotation
        spot = self._spot()
        if layer is None or spot is None:
            return None
        dock.layers.choose(layer)
        if dock._editor is None:  # noqa: SLF001
            if not dock.note.text().strip():
                raise WrongError("disagreed", "nothing can be corrected, and nobody says why")
            return None
        self._show(spot)
        return spot

    def _reshaped(self, before: Pixels, now: Pixels) -> str:
        """A correction takes nothing of other objects than those it is about."""
        dock = self.docks["Correct"]
        # What a split made comes to the dock as soon as it is there, and nothing is said of that.
        if not dock.said.text() and dock.layers.layer is self.session.annotation:
            return "something was corrected, and nothing said"
        return self._inside(before, now)

    def correct(self) -> None:
        """Correct an object by a tool."""
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
                raise WrongError("disagreed", f"{tool.name} can't be taken, and nobody says why")
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
        """Correct all objects in view."""
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

    def _select(self) -> Any:
        review = self.docks["Review"]
        rows = review.ranking.rowCount()
        at = self.random.random()
        if rows:
            review.gallery.setCurrentIndex(review.ranking.index(int(at * rows), 0))
        return review

    def judge(self) -> None:
        """Accept or reject a prediction."""
        review = self._select()
        self.click(review.accept if self.random.random() < 0.6 else review.reject)

    def accept_many(self) -> None:
        """Accept several predictions."""
        review = self._select()
        review.count.setValue(int(self.random.integers(1, 4)))
        self.click(review.accept_best if self.random.random() < 0.5 else review.accept_down)

    def take_over(self) -> None:
        """Take a prediction over as labels."""
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
        """Take the last judgement back."""
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
        before = self._depth()
        self.click(self.docks["Review"].undo, session.judgements.undo)
        for _ in range(self._depth() - before):  # taken back by napari's own undo
            self.shadow.undo()

    def train(self) -> None:
        """Train, train further or again, or go on."""
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
        """Stop what runs."""
        self.click(self.docks["Train"].stop)

    def predict(self) -> None:
        """Predict the rest."""
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
        """Train another way from now on."""
        from napari_nucleate.core.targets import Boundary, Semantic

        fields: list[dict[str, Any]] = [{"target": Boundary()}, {"target": Semantic()}]
        recipe = self.session.state.recipe
        optimisation = recipe.optimisation.model_copy(
            update={"learning_rate": float(10 ** self.random.uniform(-4, -2))}
        )
        fields.append({"optimisation": optimisation})
        update = fields[int(self.random.integers(len(fields)))]
        self.session.set_recipe(recipe.model_copy(update=update))

    def confirm_empty(self) -> None:
        """Say that the image in view is empty."""
        from napari_nucleate.core.errors import NucleateError

        try:
            self.click(self.docks["Label"].empty)
        except NucleateError:  # painted on: the button says so when it is clicked
            return

    def suggest(self) -> None:
        """Ask which image to label next."""
        self.click(self.docks["Label"].suggest)

    def take_labels(self) -> None:
        """Take the labels of another layer over."""
        from napari.layers import Labels

        from napari_nucleate.gui.taking import fitting

        session = self.session
        layers = [x for x in fitting(session) if isinstance(x, Labels)]
        if not layers or session.annotation is None:
            return
        layer = layers[int(self.random.integers(len(layers)))]

        def claim(before: Pixels, now: Pixels) -> str:
            for key in session.refs():
                place = session.source.place(session.ref(key))
                if before[place].any() and not np.array_equal(before[place], now[place]):
                    return f"{key} was painted on, and labels were taken over"
            return ""

        self.allow(claim)
        self.docks["Label"]._take(layer)  # noqa: SLF001

    def change_rule(self) -> None:
        """Say how unpainted pixels count."""
        known = self.docks["Label"].known
        known.setCurrentIndex(int(self.random.integers(known.count())))

    def draw_box(self) -> None:
        """Draw a box around something known."""
        boxes, source = self.session.boxes, self.session.source
        if boxes is None or source is None or self.viewer.dims.ndisplay == 3:
            return  # nobody can draw one in 3D
        spot = self._spot()
        if spot is not None:
            corners = np.tile(np.array(spot, float), (4, 1))
            corners[1:3, -2] += self.random.integers(4, 30)
            corners[2:, -1] += self.random.integers(4, 30)
            boxes.visible = True  # nobody draws on what isn't seen
            boxes.add_rectangles(corners)

    def delete_box(self) -> None:
        """Delete a box."""
        boxes = self.session.boxes
        if boxes is not None and len(boxes.data):
            boxes.selected_data = {int(self.random.integers(len(boxes.data)))}
            boxes.remove_selected()

    def use_image(self) -> None:
        """Begin another project: of other images, or of the same in another way."""
        kind = "deep" if self.random.random() < 0.5 else "flat"
        self._use(kind, 3 if self.random.random() < 0.6 else 2)

    def paint_unwritten(self) -> None:
        """Paint while the disk takes no labels; it takes them again afterwards."""
        from napari_nucleate.core.errors import NucleateError

        store, full = self.session.store, NucleateError("the disk is full")
        with (
            patch.object(store, "save_annotation", side_effect=full),
            patch.object(store, "save_planes", side_effect=full),
        ):
            self.paint()
            self.settle()
            self.session.keeper.flush()

    def reopen(self) -> None:
        """Open this project again, or one of before."""
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
            raise WrongError("disagreed", "a project was opened while something ran")
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

    def go_elsewhere(self) -> None:
        """Go to another image."""
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
        """Look at it in 3D, or in 2D again."""
        self.viewer.dims.ndisplay = 3 if self.viewer.dims.ndisplay == 2 else 2

    def front(self) -> None:
        """Bring a dock to the front."""
        names = list(self.docks)
        self.docks[names[int(self.random.integers(len(names)))]].parent().raise_()

    def _any_layer(self) -> Any:
        layers = list(self.viewer.layers)
        return layers[int(self.random.random() * len(layers))] if layers else None

    def choose_layer(self) -> None:
        """Select any layer."""
        self.viewer.layers.selection.active = self._any_layer()

    def add_layer(self) -> None:
        """Add a layer of one's own."""
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
        """Give any layer another name."""
        layer = self._any_layer()
        if layer is not None:
            names = ["annotation", "prediction", "split", "ü/日本 語", "split (live)", "correcting"]
            layer.name = names[int(self.random.integers(len(names)))]

    def hide_layer(self) -> None:
        """Hide any layer, or show it."""
        layer = self._any_layer()
        if layer is not None:
            layer.visible = not layer.visible

    def move_layer(self) -> None:
        """Change the order of layers."""
        count = len(self.viewer.layers)
        if count > 1:
            self.viewer.layers.move(*self.random.integers(0, count, 2).tolist())

    def remove_layer(self) -> None:
        """Remove any layer."""
        layer = self._any_layer()
        if layer is not None:
            self.viewer.layers.remove(layer)

    def transform_image(self) -> None:
        """Move, turn or scale the image."""
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
        """Give one of our layers other pixels."""
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
        """Press Annotate."""
        self.click(self.docks["Label"].annotate, self.session.annotate)

    def split(self) -> None:
        """Split any layer."""
        dock = self.docks["Split"]
        dock.parent().raise_()
        layers = dock.layers.layers
        if layers:
            dock.layers.choose(layers[int(self.random.integers(len(layers)))])
        self.settle()
        self.click(dock.everything.button)

    def export(self) -> None:
        """Export the layers ticked."""
        dock = self.docks["Export"]
        folder = str(self.folder / f"export {int(self.random.integers(3))}")
        dock.folder.setText(folder)
        dock.folder.textEdited.emit(folder)
        dock.overwrite.setChecked(bool(self.random.random() < 0.5))
        self.click(dock.run.button)
