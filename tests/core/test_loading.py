"""Torch is loaded in a thread while others run on."""

import subprocess
import sys

import pytest

WATCHED = """
import sys, threading, time
from napari_nucleate.core import loading
assert "torch" not in sys.modules
{before}
late, over = [0.0], threading.Event()
def beat():
    last = time.perf_counter()
    while not over.wait(0.002):
        now = time.perf_counter()
        late.append(now - last)
        last = now
thread = threading.Thread(target=beat)
thread.start()
loading.load_torch()
over.set()
thread.join()
assert "torch" in sys.modules
import torch
assert float(torch.ones(3).sum()) == 3
loading.load_torch()
print(max(late))
"""


def stall(before=""):
    code = WATCHED.format(before=before)
    return float(subprocess.check_output([sys.executable, "-c", code], text=True))


def test_torch_is_loaded():
    assert stall() > 0


def test_libraries_that_are_elsewhere_are_left_to_the_import():
    assert stall('loading.LIBRARIES = ("libnothing.so",)') > 0


def test_without_torch_nothing_is_opened(monkeypatch):
    from napari_nucleate.core import loading

    monkeypatch.setattr(loading.importlib.util, "find_spec", lambda name: None)
    loading._open_libraries()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere torch is imported as it is")
def test_what_cannot_be_opened_is_passed_over(monkeypatch, tmp_path):
    from napari_nucleate.core import loading

    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "libc10.so").write_text("no library")
    spec = type("Spec", (), {"origin": str(tmp_path / "__init__.py")})
    monkeypatch.setattr(loading.importlib.util, "find_spec", lambda name: spec)
    loading._open_libraries()
