"""The last errors are kept, and keeping them never fails."""

import json

import pytest

from napari_nucleate.core.errors import NucleateError
from napari_nucleate.io import error_log
from napari_nucleate.io.error_log import MOST, keep_error, kept_errors, log_file, trace_of


def failed(message="/data/Smith/a.tif is odd"):
    try:
        try:
            json.loads("{")
        except ValueError as error:
            raise NucleateError(message) from error
    except NucleateError as error:
        return error


def test_what_failed_and_where_is_kept_without_folders():
    keep_error(failed(), "training", "/data/Smith/a.tif is odd")
    (kept,) = kept_errors()
    assert (kept.what, kept.said) == ("training", "…/a.tif is odd")
    assert kept.trace.startswith("NucleateError: …/a.tif is odd\n  test_error_log.py:")
    assert "which came of\nJSONDecodeError: Expecting property name" in kept.trace
    assert "json/decoder.py:" in kept.trace
    assert "Smith" not in log_file().read_text("utf-8")


def test_only_the_last_ones_are_kept_in_their_order():
    for number in range(MOST + 3):
        keep_error(ValueError(str(number)), f"work {number}", "x")
    assert [one.what for one in kept_errors()] == [f"work {n}" for n in range(3, MOST + 3)]


def test_what_a_process_beside_the_window_says_is_kept_too():
    error = RuntimeError("odd")
    error.add_note("there: core/x.py:3")
    assert trace_of(error) == "RuntimeError: odd\nthere: core/x.py:3"


def test_a_long_story_is_cut_and_a_ring_of_errors_ends():
    assert len(trace_of(ValueError("a/b x'" * 10**6))) < 2 * error_log.LONGEST
    first, second = ValueError("a"), ValueError("b")
    first.__context__, second.__context__ = second, first
    assert trace_of(first) == "ValueError: a\nwhich came of\nValueError: b"


@pytest.mark.parametrize("content", ["", "{", "[1]", '[{"when": 3}]', "[" * 10**5, "\udcff"])
def test_a_damaged_file_is_none_and_is_replaced(content):
    log_file().parent.mkdir(parents=True)
    log_file().write_bytes(content.encode("utf-8", "surrogateescape"))
    assert kept_errors() == []
    keep_error(ValueError("odd"), "export", "x")
    assert [one.what for one in kept_errors()] == ["export"]


def test_what_cannot_be_kept_is_no_second_error(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setattr(error_log, "log_file", lambda: tmp_path / "file" / "errors.json")
    keep_error(ValueError("odd"), "export", "x")
    assert kept_errors() == []


def test_an_error_that_cannot_even_be_printed_is_no_second_error():
    class MuteError(Exception):
        def __str__(self):
            raise RuntimeError("no")

    keep_error(MuteError(), "export", "x")
    assert kept_errors() == []
