"""Damage done to files: at random, and where their formats are easily hurt. All of it is seeded."""

import json
import re
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Rng = np.random.Generator
Change = Callable[[bytes, Rng], bytes]

NUMBERS = (0, 1, 2, 255, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**63 - 1)
WRONG: tuple[Any, ...] = (
    *(float("nan"), float("inf"), -1, 0, 0.5, 10**30, 1e300, -(2**63)),
    *(None, True, "", "x" * 10_000, "../../x", "/etc/passwd", "C:\\x", "a\x00b", "\ud800"),
    *([], {}, [[]], {"": None}, [1] * 1000, "[red]x[/red]", "<img src=x>", "1e5"),
)


def mutated(path: Path, raw: bytes, rng: Rng) -> bytes:
    """Change a file once or twice; the half of the changes know its format."""
    own = KNOWING.get(path.suffix.lower(), ())
    for _ in range(int(rng.integers(1, 3))):
        changes = own if own and rng.random() < 0.5 else ANY
        raw = changes[rng.integers(len(changes))](raw, rng)
    return raw


def _span(raw: bytes, rng: Rng) -> tuple[int, int]:
    start = int(rng.integers(len(raw) + 1))
    return start, min(len(raw), start + int(2 ** rng.uniform(0, 10)))


def flip(raw: bytes, rng: Rng) -> bytes:
    """Turn bits over, many of them near the beginning, where headers are."""
    changed = bytearray(raw)
    for _ in range(int(2 ** rng.uniform(0, 6)) if raw else 0):
        end = min(len(raw), 512) if rng.random() < 0.5 else len(raw)
        changed[rng.integers(end)] ^= 1 << int(rng.integers(8))
    return bytes(changed)


def cut(raw: bytes, rng: Rng) -> bytes:
    """Leave the end out."""
    return raw[: int(rng.integers(len(raw) + 1))]


def insert(raw: bytes, rng: Rng) -> bytes:
    """Put random bytes in between."""
    at, end = _span(raw, rng)
    return raw[:at] + rng.bytes(end - at + 1) + raw[at:]


def drop(raw: bytes, rng: Rng) -> bytes:
    """Leave a part out."""
    start, end = _span(raw, rng)
    return raw[:start] + raw[end:]


def swap(raw: bytes, rng: Rng) -> bytes:
    """Exchange two parts."""
    (a, b), (c, d) = sorted([_span(raw, rng), _span(raw, rng)])
    return raw if b > c else raw[:a] + raw[c:d] + raw[b:c] + raw[a:b] + raw[d:]


def fill(raw: bytes, rng: Rng) -> bytes:
    """Overwrite a part with one byte."""
    start, end = _span(raw, rng)
    return raw[:start] + bytes([rng.choice([0, 255, 65])]) * (end - start) + raw[end:]


def digits(raw: bytes, rng: Rng) -> bytes:
    """Replace a number in the text of a header, such as ImageJ's and OME's, by another."""
    found = list(re.finditer(rb'(?<=[="])-?\d+', raw[:200_000]))
    if not found:
        return flip(raw, rng)
    one = found[rng.integers(len(found))]
    new = [b"9" * len(one[0]), b"0" * len(one[0]), (b"-1" + b" " * len(one[0]))[: len(one[0])]]
    return raw[: one.start()] + new[rng.integers(3)] + raw[one.end() :]


ANY: tuple[Change, ...] = (flip, flip, cut, insert, drop, swap, fill)


def tiff_field(raw: bytes, rng: Rng) -> bytes:
    """Set tag, type, count or value of an entry to what it may not be."""
    fields, _ = _tiff_places(raw)
    if not fields:
        return flip(raw, rng)
    changed = bytearray(raw)
    at, order, big = fields[rng.integers(len(fields))]
    number = int(rng.choice(NUMBERS)) if rng.random() < 0.7 else int(rng.integers(2**20))
    place, form = (
        (at, "H"),
        (at + 2, "H"),
        (at + 4, "Q" if big else "I"),
        *[(at + (12 if big else 8), "Q" if big else "I")] * 3,
    )[rng.integers(6)]
    size = struct.calcsize(form)
    struct.pack_into(order + form, changed, place, number % 2 ** (8 * size))
    return bytes(changed)


def tiff_chain(raw: bytes, rng: Rng) -> bytes:
    """Let a list of entries be followed by itself, by an earlier one, or by anything."""
    _, links = _tiff_places(raw)
    if not links:
        return flip(raw, rng)
    changed = bytearray(raw)
    at, order, big = links[rng.integers(len(links))]
    targets = [struct.unpack_from(o + ("Q" if b else "I"), raw, a)[0] for a, o, b in links]
    to = int(rng.choice([*targets, at, len(raw), int(rng.integers(len(raw)))]))
    struct.pack_into(order + ("Q" if big else "I"), changed, at, to % 2**32)
    return bytes(changed)


def _tiff_places(raw: bytes) -> tuple[list[Any], list[Any]]:
    """Where entries and the links between their lists lie: offset, byte order, BigTIFF."""
    fields: list[Any] = []
    links: list[Any] = []
    order = {b"II": "<", b"MM": ">"}.get(raw[:2])
    if order is None or len(raw) < 16:
        return fields, links
    big = raw[2:4] in (b"\x2b\x00", b"\x00\x2b")
    at = 8 if big else 4
    for _ in range(20):
        links.append((at, order, big))
        place = struct.unpack_from(order + ("Q" if big else "I"), raw, at)[0]
        if not 0 < place < len(raw) - 8:
            break
        count = struct.unpack_from(order + ("Q" if big else "H"), raw, place)[0]
        first, step = place + (8 if big else 2), 20 if big else 12
        at = first + count * step
        if at + 8 > len(raw):
            break
        fields += [(first + i * step, order, big) for i in range(count)]
    return fields, [link for link in links if link[0] + 8 <= len(raw)]


def png_chunk(raw: bytes, rng: Rng) -> bytes:
    """Change, drop or repeat a chunk, with the right checksum."""
    chunks, at = [], 8
    while at + 12 <= len(raw) and len(chunks) < 1000:
        size = struct.unpack_from(">I", raw, at)[0]
        chunks.append([raw[at + 4 : at + 8], raw[at + 8 : at + 8 + size]])
        at += 12 + size
    if not chunks:
        return flip(raw, rng)
    i = int(rng.integers(len(chunks))) if rng.random() < 0.5 else 0
    what = rng.integers(4)
    if what == 0:
        chunks.insert(i, chunks[rng.integers(len(chunks))])
    elif what == 1 and len(chunks) > 1:
        del chunks[i]
    elif chunks[i][0] == b"IHDR" and len(chunks[i][1]) == 13:
        head = list(struct.unpack(">IIBBBBB", chunks[i][1]))
        field = int(rng.integers(7))
        head[field] = int(rng.choice(NUMBERS)) % (2**32 if field < 2 else 256)
        chunks[i][1] = struct.pack(">IIBBBBB", *head)
    else:
        chunks[i][1] = ANY[rng.integers(len(ANY))](chunks[i][1], rng)
    parts = [
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    ]
    return raw[:8] + b"".join(parts)


def json_value(raw: bytes, rng: Rng) -> bytes:
    """Put something wrong in the place of a value, or leave a key out, or add one."""
    try:
        values = json.loads(raw)
    except (ValueError, RecursionError):
        return flip(raw, rng)
    places = list(_places(values))
    if not places:
        return b"[]"
    inside, key = places[rng.integers(len(places))]
    what = rng.integers(6)
    if what == 0:
        del inside[key]
    elif what == 1 and isinstance(inside, dict):
        inside[f"{key}{rng.integers(9)}"] = inside[key]
    elif what == 2:
        other, its = places[rng.integers(len(places))]
        inside[key] = json.loads(json.dumps(other[its]))
    else:
        inside[key] = WRONG[rng.integers(len(WRONG))]
    return json.dumps(values).encode("utf-8", "surrogatepass")


def json_text(raw: bytes, rng: Rng) -> bytes:
    """Put what no reader of JSON likes in the place of a value."""
    found = list(re.finditer(rb'-?\d[\d.eE+-]*|"[^"]*"', raw))
    new = (
        b"[" * 100_000,
        b"9" * 10_000,
        b"1e999",
        b'{"a":' * 5000,
        b"-",
        b"\xff\xfe",
        b'"\\ud800"',
    )
    if not found:
        return new[rng.integers(len(new))]
    one = found[rng.integers(len(found))]
    return raw[: one.start()] + new[rng.integers(len(new))] + raw[one.end() :]


def _places(values: Any) -> Any:
    keys = values if isinstance(values, dict) else range(len(values))
    for key in keys:
        yield values, key
        if isinstance(values[key], dict | list):
            yield from _places(values[key])


def tensors_header(raw: bytes, rng: Rng) -> bytes:
    """Change the header of safetensors, with the right length, or the length alone."""
    size = int.from_bytes(raw[:8], "little")
    if rng.random() < 0.3 or size > len(raw):
        return int(rng.choice(NUMBERS)).to_bytes(8, "little") + raw[8:]
    change = (json_value, json_value, json_text)[rng.integers(3)]
    head = change(raw[8 : 8 + size], rng)
    return len(head).to_bytes(8, "little") + head + raw[8 + size :]


def csv_cell(raw: bytes, rng: Rng) -> bytes:
    """Put something else into a cell, or into a heading."""
    new = (
        b"",
        b"nan",
        b"1e999",
        b"x" * 200_000,
        b'"',
        b"\x00",
        b"=1+1",
        b"1,2",
        b"1\n2",
        b"9" * 5000,
    )
    cells = re.split(rb"([,\n])", raw)
    cells[2 * int(rng.integers(len(cells) // 2 + 1))] = new[rng.integers(len(new))]
    return b"".join(cells)


def zip_field(raw: bytes, rng: Rng) -> bytes:
    """Set a field of a header in a zip to what it may not be."""
    found = [m.start() for m in re.finditer(rb"PK(\x01\x02|\x03\x04|\x05\x06)", raw)]
    if not found:
        return flip(raw, rng)
    changed = bytearray(raw)
    at = found[rng.integers(len(found))] + 4 + int(rng.integers(42))
    form = "BHI"[rng.integers(3)]
    if at + 4 <= len(raw):
        number = int(rng.choice(NUMBERS)) % 256 ** struct.calcsize(form)
        struct.pack_into("<" + form, changed, at, number)
    return bytes(changed)


KNOWING: dict[str, tuple[Change, ...]] = {
    ".tif": (tiff_field, tiff_field, tiff_field, tiff_chain, digits),
    ".tiff": (tiff_field, tiff_field, tiff_field, tiff_chain, digits),
    ".stk": (tiff_field, tiff_chain),
    ".png": (png_chunk,),
    ".json": (json_value, json_value, json_value, json_text),
    ".safetensors": (tensors_header,),
    ".csv": (csv_cell,),
    ".zip": (zip_field,),
}
