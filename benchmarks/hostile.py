"""Files to do damage to, of every format that the program reads, and bombs."""

import io
import json
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import tifffile

from napari_nucleate.core.architectures import UNet
from napari_nucleate.core.confidence import Scores
from napari_nucleate.core.events import Prediction
from napari_nucleate.core.instances import Instances
from napari_nucleate.core.model import Card, Model, Record, build, weights_of
from napari_nucleate.core.recipe import Recipe
from napari_nucleate.core.targets import StarConvexTarget
from napari_nucleate.core.training.snapshot import (
    Draws,
    Judged,
    Learned,
    Progress,
    Seen,
    Snapshot,
    Timed,
)
from napari_nucleate.io.write import write_image, write_labels
from napari_nucleate.project.model import Item, RoundEntry, State
from napari_nucleate.project.store import Store

KEY = "cells"


def images(folder: Path) -> Iterator[Path]:
    """Write TIFF, PNG, JPEG and BMP files of many kinds."""
    rng = np.random.default_rng(0)
    flat = rng.integers(0, 4000, (48, 64)).astype(np.uint16)
    stack = rng.integers(0, 255, (3, 2, 40, 50)).astype(np.uint8)
    colour = rng.integers(0, 255, (40, 50, 3)).astype(np.uint8)
    units = ("second", "pixel", "micrometer", "micrometer")
    write_image(folder / "imagej.tif", stack, "TCYX", (2, 1, 0.5, 0.5), units, ("a", "b"))
    write_image(folder / "ome.ome.tif", stack, "TCYX", (2, 1, 0.5, 0.5), units, ("a", "b"))
    write_labels(folder / "labels.tif", flat // 500, "YX")
    plain = {
        "raw": (flat, {}),
        "big": (flat, {"bigtiff": True}),
        "endian": (flat, {"byteorder": ">"}),
        "float": (flat.astype(np.float32), {"predictor": True, "compression": "zlib"}),
        "planar": (stack[0], {"planarconfig": "separate", "photometric": "minisblack"}),
        "tiled": (np.tile(flat, (2, 2)), {"tile": (32, 32), "compression": "zlib"}),
        "shaped": (stack, {"metadata": {"axes": "TZYX"}, "photometric": "minisblack"}),
        "bits": (flat > 2000, {"photometric": "minisblack"}),
        "rgb": (colour, {"photometric": "rgb", "compression": "jpeg"}),
    } | {c: (flat, {"compression": c, "rowsperstrip": 16}) for c in ("lzw", "zstd", "packbits")}
    for name, (pixels, options) in plain.items():
        tifffile.imwrite(folder / f"{name}.tif", pixels, **options)
    with tifffile.TiffWriter(folder / "pyramid.tif") as writer:
        writer.write(np.tile(flat, (2, 2)), subifds=1, tile=(32, 32))
        writer.write(flat, subfiletype=1, tile=(32, 32))
    for name, pixels in {
        "grey": colour[..., 0],
        "colour": colour,
        "alpha": np.dstack([colour, colour[..., :1]]),
        "deep": flat,
        "deepcolour": np.dstack([flat] * 3),
    }.items():
        (folder / f"{name}.png").write_bytes(_png(pixels))
    iio.imwrite(folder / "photo.jpg", colour)
    iio.imwrite(folder / "bitmap.bmp", colour)
    yield from sorted(folder.iterdir())


def _png(pixels: np.ndarray) -> bytes:
    import imagecodecs

    return imagecodecs.png_encode(np.ascontiguousarray(pixels))


def project(folder: Path) -> None:
    """Write a project with all that one may hold, a snapshot, too."""
    rng = np.random.default_rng(1)
    image = rng.integers(0, 255, (64, 64)).astype(np.uint8)
    labels = np.zeros((64, 64), np.int32)
    labels[5:20, 5:20], labels[30:50, 30:45] = 1, 2
    recipe = Recipe(architecture=UNet(width=4, levels=2), target=StarConvexTarget(rays=8))
    card = Card(recipe=recipe, record=Record(name="round-0", started="2026-01-01T00:00:00"))
    weights = weights_of(build(recipe))
    with Store(folder) as store:
        item = Item(
            key=KEY,
            status="predicted",
            model="round-0",
            round=0,
            confidence=0.5,
            source=str(folder / "image.tif"),
        )
        entry = RoundEntry(number=0, model="round-0", human=1, pseudo=0, seconds=1.0)
        own = Item(key="mine", status="labelled")
        store.save_state(State(recipe=recipe, items=(item, own), rounds=(entry,)))
        write_image(folder / "image.tif", image, "YX")
        for key in (KEY, "mine"):
            store.save_annotation(key, labels)
        store.save_boxes({KEY: [((0, 0), (30, 40))]})
        points, rays = np.array([[12, 12], [40, 37]], np.float32), np.full((2, 8), 7, np.float32)
        known = Instances(labels, np.array([0.5, 0.75], np.float32), points, rays)
        scores = Scores(0.5, {1: 0.25, 2: 0.75}, "the network is unsure of the objects")
        maps = rng.random((9, 64, 64)).astype(np.float16)
        store.save_prediction(Prediction(KEY, maps, labels, scores, known))
        store.save_model(Model(card, weights))
        progress = Progress(
            step=3,
            fraction=0.25,
            seconds=1.5,
            draws=Draws.of(rng),
            learned=Learned(batch=2, patch=32, patch_depth=8, half=False, tuned=False),
            judged=Judged(highest=0.5),
            timed=Timed(),
            seen=(Seen(key=KEY, image="00", labels="11"),),
        )
        arrays = {f"network/{name}": value for name, value in weights.items()}
        store.save_snapshot("round-0", Snapshot(card, progress, arrays))


def tables(folder: Path) -> Iterator[Path]:
    """Write tables of points and of objects, and a recipe."""
    for name, text in {
        "points.csv": "image,y,x\ncells,1.5,2\ncells,30,40\n",
        "napari.csv": "index,axis-0,axis-1\n0,1.5,2\n1,30,40\n",
        "objects.csv": "image,label,probability,class\ncells,1,0.5,2\ncells,2,0.75,1\n",
        "recipe.json": Recipe().to_json(),
    }.items():
        (folder / name).write_text(text)
        yield folder / name


def zipped(folder: Path, archive: Path) -> Path:
    """Pack a folder."""
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            packed.write(path, path.relative_to(folder))
    return archive


def bombs(folder: Path) -> Iterator[Path]:
    """Write small files that claim, or unfold into, more than there is."""
    made = {
        "huge.tif": _tiff(100_000, 100_000),
        "cyclic.tif": _cyclic(),
        "strips.tif": _tiff(60_000, 60_000, rows=1),
        "planes.ome.tif": _ome('SizeT="1000000000"', "<TiffData/>"),
        "counted.ome.tif": _ome('SizeT="2"', '<TiffData PlaneCount="1000000000"/>'),
        "elsewhere.ome.tif": _ome(
            'SizeT="2"',
            '<TiffData FirstT="1" IFD="0"><UUID FileName="../../../../etc/x.tif">urn:uuid:1</UUID>'
            "</TiffData>",
        ),
        "laughs.ome.tif": _laughing(),
        "deep.ome.tif": _ome('SizeT="1"', "<TiffData/>" + "<a>" * 50_000 + "</a>" * 50_000),
        "modulo.ome.tif": _modulo(),
        "images.tif": _tiff(64, 64, b"ImageJ=1.54f\nimages=1000000000\nframes=1000000000\n"),
        "channels.tif": _tiff(64, 64, b"ImageJ=1.54f\nimages=1\nchannels=1000000000\n"),
        "shape.tif": _tiff(64, 64, b'{"shape": [1000000000, 64, 64], "axes": "TYX"}'),
        "nested.tif": _tiff(64, 64, b'{"shape": ' + b"[" * 100_000 + b"}"),
        "huge.png": _png_bomb(2**31 - 1, 2**31 - 1),
        "wide.png": _png_bomb(60_000, 60_000),
        "text.png": _png_bomb(8, 8, [(b"zTXt", b"a\0\0" + zlib.compress(bytes(2**28)))] * 4),
        "profile.png": _png_bomb(8, 8, [(b"iCCP", b"a\0\0" + zlib.compress(bytes(2**28)))]),
        "deep.recipe.json": b'{"target": ' + b"[" * 2_000_000,
        "lists.recipe.json": b'{"target": [' + b"[]," * 20_000_000 + b"0]}",
        "keys.recipe.json": json.dumps({f"{i}": 0 for i in range(2_000_000)}).encode(),
        "digits.recipe.json": b'{"channels": ' + b"9" * 10_000_000 + b"}",
        "lists.state.json": b'{"items": [' + b"{}," * 15_000_000 + b"0]}",
        "keys.state.json": b'{"self_training": {' + b'"":0,' * 10_000_000 + b'"a": 0}}',
        "head.safetensors": (2**62).to_bytes(8, "little") + b"{}",
        "long.safetensors": (2**26).to_bytes(8, "little") + b"{" + b" " * 2**26,
        "shape.safetensors": _tensors(
            {"a": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 8]}}
        ),
        "nested.safetensors": _tensors("[" * 1_000_000),
        "cells.csv": b"y,x\n" + b"1,2\n" * 8_000_000,
        "columns.csv": b"y,x" + b",a" * 20_000_000 + b"\n1,2\n",
        "escape.zip": _zip({"../../x": b"x"}),
        "absolute.zip": _zip({"/tmp/x": b"x"}),
        "zeros.zip": _zip({f"{i}": bytes(2**27) for i in range(8)}),
        "entries.zip": _zip({f"{i}": b"" for i in range(120_000)}),
        "quine.zip": _zip({"a.zip": _zip({"b.zip": bytes(2**20)})}),
    }
    for name, raw in made.items():
        (folder / name).write_bytes(raw)
        yield folder / name


def _tiff(height: int, width: int, text: bytes = b"", rows: int = 0) -> bytes:
    """One page of zeros in deflate, all of its strips in one place."""
    strip = zlib.compress(bytes(2**16))
    count = -(-height // rows) if rows else 1
    tags = [
        (256, 4, [width]),
        (257, 4, [height]),
        (258, 3, [8]),
        (259, 3, [8]),
        (262, 3, [1]),
        (270, 2, list(text + b"\0")),
        (273, 4, [8] * count),
        (277, 3, [1]),
        (278, 4, [rows or height]),
        (279, 4, [len(strip)] * count),
    ]
    body, entries = bytearray(strip), b""
    for tag, kind, values in tags:
        packed = struct.pack(f"<{len(values)}{'_BBHI'[kind]}", *values)
        if len(packed) > 4:
            place = 8 + len(body)
            body += packed
            packed = struct.pack("<I", place)
        entries += struct.pack("<HHI", tag, kind, len(values)) + packed.ljust(4, b"\0")
    start = struct.pack("<2sHI", b"II", 42, 8 + len(body))
    return start + bytes(body) + struct.pack("<H", len(tags)) + entries + bytes(4)


def _cyclic() -> bytes:
    raw = bytearray(_tiff(64, 64))
    raw[-4:] = raw[4:8]
    return bytes(raw)


def _ome(size: str, inside: str, before: str = "", after: str = "") -> bytes:
    sizes = 'SizeX="64" SizeY="64" SizeC="1" SizeZ="1" Type="uint8" DimensionOrder="XYZCT"'
    xml = (
        f'<?xml version="1.0" encoding="UTF-8"?>{before}<OME xmlns="http://www.openmicroscopy.org/'
        f'Schemas/OME/2016-06"><Image ID="Image:0" Name="a"><Pixels ID="Pixels:0" {sizes} {size}>'
        f"{inside}</Pixels></Image>{after}</OME>"
    )
    return _tiff(64, 64, xml.encode())


def _laughing() -> bytes:
    entities = '<!ENTITY a0 "ha">' + "".join(
        f'<!ENTITY a{i} "{f"&a{i - 1};" * 10}">' for i in range(1, 10)
    )
    return _ome('SizeT="1"', "<TiffData/>&a9;", f"<!DOCTYPE x [{entities}]>")


def _modulo() -> bytes:
    along = '<ModuloAlongT Type="lifetime" Start="0" End="1000000000" Step="0.01"/>'
    return _ome(
        'SizeT="1"',
        "<TiffData/>",
        after='<StructuredAnnotations><XMLAnnotation ID="A" Namespace="openmicroscopy.org/omero/'
        f'dimension/modulo"><Value><Modulo>{along}</Modulo></Value></XMLAnnotation>'
        "</StructuredAnnotations>",
    )


def _png_bomb(width: int, height: int, more: list[tuple[bytes, bytes]] | None = None) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = [
        (b"IHDR", head),
        *(more or []),
        (b"IDAT", zlib.compress(bytes(2**20))),
        (b"IEND", b""),
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )


def _tensors(header: object) -> bytes:
    head = (header if isinstance(header, str) else json.dumps(header)).encode()
    return len(head).to_bytes(8, "little") + head + bytes(8)


def _zip(entries: dict[str, bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in entries.items():
            packed.writestr(name, content)
    return made.getvalue()
