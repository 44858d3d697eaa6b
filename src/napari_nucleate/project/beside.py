"""A generator that runs in a process of its own, with its events here.

Threads of one Python take turns (the GIL): while one of them loads torch, compiles, or counts
objects, the others wait. A window that is to answer at once can't have a training beside it so. In
a process of its own the same generator has the other cores to itself. What is sent are pickles,
between a process and the one that it started.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.core.failures import explained, in_words
from napari_nucleate.core.memory import keep_memory
from napari_nucleate.io.error_log import trace_of

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

log = logging.getLogger(__name__)

NICENESS = 5
"""Where both want a core, the window gets it."""

PATIENCE = 300.0
"""Seconds that a process has for its last step, once it was asked to stop: validating large volumes
takes minutes."""


@dataclass(frozen=True)
class Asked:
    """What the process may ask here.

    Parameters
    ----------
    call : callable
        Called in the thread that drives the generator.
    every : float
        Seconds between two questions; in between the process answers itself.
    otherwise : object
        What it answers then.
    """

    call: Callable[..., Any]
    every: float = 0.0
    otherwise: Any = None


def possible() -> bool:
    """Whether there is a Python to start; in programs made of one file there is none."""
    return bool(sys.executable) and not getattr(sys, "frozen", False)


def beside(
    make: Callable[..., Generator[Any, None, Any]],
    *args: Any,
    asked: Mapping[str, Asked],
    **kwargs: Any,
) -> Generator[Any, None, Any]:
    """Run a generator in a process of its own.

    Closing this generator stops the other at its next event, and waits for its end; what it asks
    meanwhile is answered.

    Parameters
    ----------
    make : callable
        Makes the generator there: a function of a module.
    *args, **kwargs
        For `make`; what can be pickled.
    asked : mapping of str to Asked
        Arguments of `make` that are functions: they are called here.

    Yields
    ------
    object
        Its events, in their order.

    Returns
    -------
    object
        What it returns.

    Raises
    ------
    NucleateError
        As the generator does, or if the process ends by itself; also when this generator is
        closed, and what is done or asked at the end goes wrong.
    RuntimeError
        What else went wrong there.
    """
    with _prepared() or _started() as process:
        there = _There(process, {name: one.call for name, one in asked.items()})
        try:
            often = {name: (one.every, one.otherwise) for name, one in asked.items()}
            there.send("make", make, args, kwargs, often)
            return (yield from there.events())
        except GeneratorExit:
            # What the last questions were to keep may not be kept; who closes this must know.
            wrong = there.end()
            if wrong:
                raise NucleateError(wrong) from None
            raise
        finally:
            there.end()


_waiting: list[subprocess.Popen[bytes]] = []
"""At most one process that was prepared, and has nothing to do yet."""


def prepare(load: Callable[[], object]) -> None:
    """Start a process for the next generator, unless one waits already; returns at once.

    Parameters
    ----------
    load : callable
        A function of a module: called there, so that what takes long to load is loaded.
    """
    if _waiting and _waiting[0].poll() is None:
        return
    process = _started()
    _There(process, {}).send("load", load)
    _waiting[:] = [process]


def dismiss() -> None:
    """End the process that waits."""
    while _waiting:
        with _waiting.pop() as process:
            # It ends when it hears nobody any more; loading may keep it from hearing.
            process.kill()


atexit.register(dismiss)


def _prepared() -> subprocess.Popen[bytes] | None:
    """The process that waits, if there is one."""
    process = _waiting.pop() if _waiting else None
    return process if process is not None and process.poll() is None else None


def _started() -> subprocess.Popen[bytes]:
    flags = getattr(subprocess, "CREATE_NO_WINDOW", 0)
    # -P, so that no file where the window was started is taken for a module.
    command = [sys.executable, "-P", "-m", __name__]
    return subprocess.Popen(  # noqa: S603
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, creationflags=flags
    )


class _There:
    """The other process, seen from here."""

    def __init__(
        self, process: subprocess.Popen[bytes], calls: Mapping[str, Callable[..., Any]]
    ) -> None:
        self._process = process
        self._calls = calls
        self._over = self._late = False

    def send(self, *message: Any) -> None:
        """Send a message; what isn't heard any more is told by the end of the answers."""
        with contextlib.suppress(OSError):
            _write(self._process.stdin, message)

    def events(self) -> Generator[Any, None, Any]:
        """Give events and answer questions until the generator there ends."""
        while True:
            kind, *rest = self._next()
            if kind == "event":
                yield rest[0]
            elif kind == "returned":
                return rest[0]

    def end(self) -> str:
        """Have it stop, answer its last questions, wait for its end; say what went wrong first."""
        wrong = ""
        if not self._over:
            self.send("stop")
            late = threading.Timer(PATIENCE, self._end_it)
            late.start()
            try:
                # What it says now comes too late, but whether something was wrong is to be told.
                while not self._over:
                    try:
                        self._next()
                    except Exception as error:  # noqa: BLE001  # it is waited for, whatever it was
                        log.warning("While stopping: %s", error)
                        wrong = wrong or in_words(error, "stopping")
            finally:
                late.cancel()
        with contextlib.suppress(OSError):
            if self._process.stdin is not None:
                self._process.stdin.close()
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
        return wrong

    def _end_it(self) -> None:
        self._late = True
        self._process.kill()

    def _next(self) -> tuple[Any, ...]:
        """The next event, or the end; questions are answered on the way."""
        while True:
            kind, *rest = self._read()
            if kind == "question":
                self._answer(*rest)
                continue
            self._over = kind != "event"
            if kind == "failed":
                ours, message, trace = rest
                failed = NucleateError(message) if ours else RuntimeError(message)
                if trace:
                    failed.add_note(f"Beside the window: {trace}")
                raise failed
            return kind, *rest

    def _read(self) -> Any:
        try:
            return pickle.load(self._process.stdout)  # type: ignore[arg-type]  # noqa: S301
        except (EOFError, pickle.UnpicklingError) as error:
            self._over = True
            status = self._process.wait()
            if self._late:
                raise NucleateError(
                    f"It didn't stop within {PATIENCE / 60:g} minutes and was ended; what it kept "
                    "before is there."
                ) from error
            raise NucleateError(
                f"The process that worked beside the window ended by itself (status {status}); "
                "where memory is short, close other programs or choose smaller patches."
            ) from error

    def _answer(self, name: str, args: tuple[Any, ...]) -> None:
        try:
            self.send("answer", self._calls[name](*args))
        except Exception as error:
            # It waits for an answer, also where the error ends the work here.
            self.send("refused", str(error))
            if not isinstance(error, NucleateError):
                raise


def main() -> None:
    """Run what comes in by the standard input; ends with the process that started it."""
    # What libraries print is no message.
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    # Ctrl+C in a terminal, and the end of a session, are for the process that started this one:
    # that has it stop, and where that ends, this ends.
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    if hasattr(os, "nice"):
        os.nice(NICENESS)
    keep_memory()
    incoming = os.fdopen(os.dup(0), "rb")
    here = _Here(incoming, out)
    try:
        make, args, kwargs, often = here.task()
        here.listen()
        asked = {name: here.question(name, *how) for name, how in often.items()}
        here.drive(make(*args, **asked, **kwargs))
    except NucleateError as error:
        here.say("failed", True, str(error), trace_of(error))
    except Exception as error:  # noqa: BLE001  # last words: whatever it was, say it
        # Here it is known what kind of error it is; there its sentence is enough.
        known = bool(explained(error))
        said = in_words(error, "work") if known else f"{type(error).__name__}: {error}"
        here.say("failed", known, said, trace_of(error))
    # A thread waits for messages still.
    os._exit(0)


class _Here:
    """The generator in this process, and the one that listens."""

    def __init__(self, incoming: BinaryIO, out: BinaryIO) -> None:
        self._incoming = incoming
        self._out = out
        self._answers: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        self._stopping = threading.Event()

    def say(self, *message: Any) -> None:
        """Send a message."""
        _write(self._out, message)

    def task(self) -> tuple[Any, ...]:
        """Load what is asked for, until it is known what to do."""
        while True:
            try:
                kind, *rest = pickle.load(self._incoming)  # noqa: S301
            except EOFError:  # nobody needs this process
                os._exit(0)
            if kind == "make":
                return tuple(rest)
            rest[0]()

    def listen(self) -> None:
        """Hear answers, and whether to stop, from now on."""
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while True:
            try:
                kind, *rest = pickle.load(self._incoming)  # noqa: S301
            except Exception:  # noqa: BLE001  # nobody is there any more
                os._exit(1)
            if kind == "stop":
                self._stopping.set()
            else:
                self._answers.put((kind, rest[0]))

    def question(self, name: str, every: float, otherwise: Any) -> Callable[..., Any]:
        """A function that is answered in the other process, so many seconds apart."""
        last = -float("inf")

        def ask(*args: Any) -> Any:
            nonlocal last
            if time.monotonic() - last < every and not self._stopping.is_set():
                return otherwise
            self.say("question", name, args)
            kind, answer = self._answers.get()
            last = time.monotonic()
            if kind == "refused":
                raise NucleateError(answer)
            return answer

        return ask

    def drive(self, generator: Generator[Any, None, Any]) -> None:
        """Tell each event, until the end or until it is to stop."""
        result = None
        try:
            while not self._stopping.is_set():
                try:
                    event = next(generator)
                except StopIteration as end:
                    result = end.value
                    break
                self.say("event", event)
        finally:
            generator.close()
        self.say("returned", result)


def _write(stream: Any, message: tuple[Any, ...]) -> None:
    pickle.dump(message, stream, protocol=pickle.HIGHEST_PROTOCOL)
    stream.flush()


if __name__ == "__main__":
    main()
