"""What a TIFF file says of its axes: pixel sizes, units, channel names."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tifffile import xml2dict

from napari_nucleate.io.units import unit_name, valid_step

if TYPE_CHECKING:
    from tifffile import TiffFile

# The key under which `write` notes our own axes, since neither ImageJ nor OME knows an N.
AXES_KEY = "nucleate_axes"


@dataclass(frozen=True)
class TiffFacts:
    """What the metadata of a file say.

    Parameters
    ----------
    steps : dict
        For an axis, its pixel size or frame interval, and its unit as pint spells it.
    channels : tuple of str
        Names of the channels; empty where unknown.
    rename : dict
        Letters of tifffile that mean another of ours.
    """

    steps: dict[str, tuple[float, str]] = field(default_factory=dict)
    channels: tuple[str, ...] = ()
    rename: dict[str, str] = field(default_factory=dict)


def facts(tif: TiffFile) -> TiffFacts:
    """Read the metadata of an open file; nothing is known of a plain TIFF.

    The resolution of a plain TIFF is ignored: it is that of a printer more often than that of a
    microscope.
    """
    if tif.is_ome and tif.ome_metadata:
        return _from_ome(tif.ome_metadata)
    if tif.is_imagej:
        return _from_imagej(tif, tif.imagej_metadata or {})
    if tif.is_stk:
        return _from_stk(tif.stk_metadata or {})
    return TiffFacts()


def _from_ome(xml: str) -> TiffFacts:
    root = xml2dict(xml).get("OME", {})
    pixels = _first(_first(root.get("Image")).get("Pixels"))
    steps = {}
    for axis in "XYZ":
        step = valid_step(pixels.get(f"PhysicalSize{axis}"))
        if step:
            # Micrometre is the default of the OME schema.
            steps[axis] = (step, unit_name(pixels.get(f"PhysicalSize{axis}Unit", "µm")))
    step = valid_step(pixels.get("TimeIncrement"))
    if step:
        steps["T"] = (step, unit_name(pixels.get("TimeIncrementUnit", "s")))
    names = tuple(str(c["Name"]) for c in _list(pixels.get("Channel")) if "Name" in c)
    return _ours(steps, names, _ome_axes(root))


def _ome_axes(root: dict[str, Any]) -> str:
    annotations = _first(root.get("StructuredAnnotations"))
    for annotation in _list(annotations.get("MapAnnotation")):
        for pair in _list(_first(annotation.get("Value")).get("M")):
            if pair.get("K") == AXES_KEY:
                return str(pair.get("value", ""))
    return ""


def _list(value: Any) -> list[dict[str, Any]]:
    """List the dictionaries of an XML element that may occur never, once or often."""
    values = value if isinstance(value, list) else [value]
    return [v for v in values if isinstance(v, dict)]


def _first(value: Any) -> dict[str, Any]:
    return next(iter(_list(value)), {})


def _from_imagej(tif: TiffFile, metadata: dict[str, Any]) -> TiffFacts:
    steps: dict[str, tuple[float, str]] = {}
    if "unit" in metadata:
        unit = unit_name(metadata["unit"])
        for axis in "XY":
            step = _resolution(tif, f"{axis}Resolution")
            if step:
                steps[axis] = (step, unit)
        steps["Z"] = (abs(valid_step(metadata.get("spacing")) or 1.0), unit)
    step = valid_step(metadata.get("finterval"))
    if step:
        steps["T"] = (step, unit_name(metadata.get("tunit", "sec")))
    return _ours(steps, _slice_labels(metadata), str(metadata.get(AXES_KEY, "")))


def _resolution(tif: TiffFile, name: str) -> float | None:
    """Take the pixel size from a tag that holds pixels per unit as a fraction."""
    tag = tif.pages.first.tags.get(name)
    if tag is None or not isinstance(tag.value, tuple) or len(tag.value) != 2:
        return None
    per, unit = tag.value
    return valid_step(unit / per) if per else None


def _slice_labels(metadata: dict[str, Any]) -> tuple[str, ...]:
    """Channel names, where the labels of all slices of a channel are the same."""
    count = int(metadata.get("channels", 1))
    labels = [str(label) for label in metadata.get("Labels") or []]
    if not 2 <= count <= len(labels):  # so many as a file claims may be billions
        return ()
    per_channel = [set(labels[i::count]) for i in range(count)]
    if not all(len(names) == 1 for names in per_channel):
        return ()
    return tuple(labels[:count])


def _from_stk(metadata: dict[str, Any]) -> TiffFacts:
    unit = unit_name(metadata.get("CalibrationUnits", ""))
    keys = {"X": "XCalibration", "Y": "YCalibration", "Z": "ZDistance"}
    found = {axis: valid_step(_scalar(metadata.get(key))) for axis, key in keys.items()}
    # Without a unit the calibration was never set.
    known = unit != "pixel"
    return TiffFacts({axis: (step, unit) for axis, step in found.items() if step and known})


def _scalar(value: Any) -> Any:
    return value.flat[0] if getattr(value, "size", 0) else value


def _ours(steps: dict[str, tuple[float, str]], channels: tuple[str, ...], axes: str) -> TiffFacts:
    unrelated = "N" in axes and "T" not in axes
    return TiffFacts(steps, channels, {"T": "N"} if unrelated else {})
