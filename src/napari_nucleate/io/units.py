"""Names of units: as files spell them, as pint spells them, and as columns spell them."""

from __future__ import annotations

import math
from typing import Any, NamedTuple


class Unit(NamedTuple):
    """One unit: how OME writes it, how ImageJ does, a short ASCII form, and its size."""

    ome: str
    imagej: str
    short: str
    size: float


# By their name in pint; sizes in metres or seconds, 0 where there is none.
UNITS: dict[str, Unit] = {
    "pixel": Unit("pixel", "pixel", "px", 0),
    "angstrom": Unit("Å", "angstrom", "A", 1e-10),
    "nanometer": Unit("nm", "nm", "nm", 1e-9),
    "micrometer": Unit("µm", "micron", "um", 1e-6),
    "millimeter": Unit("mm", "mm", "mm", 1e-3),
    "centimeter": Unit("cm", "cm", "cm", 1e-2),
    "meter": Unit("m", "m", "m", 1),
    "inch": Unit("in", "inch", "in", 0.0254),
    "microsecond": Unit("µs", "usec", "us", 1e-6),
    "millisecond": Unit("ms", "msec", "ms", 1e-3),
    "second": Unit("s", "sec", "s", 1),
    "minute": Unit("min", "min", "min", 60),
    "hour": Unit("h", "hour", "h", 3600),
    "day": Unit("d", "day", "d", 86400),
}

_ALIASES = {
    "micron": "micrometer",
    "microns": "micrometer",
    "metre": "meter",
    "micrometre": "micrometer",
    "nanometre": "nanometer",
    "millimetre": "millimeter",
    "sec": "second",
    "secs": "second",
    "mins": "minute",
    "hr": "hour",
    "px": "pixel",
    "inches": "inch",
}
_NAMES = (
    {u.ome: name for name, u in UNITS.items()}
    | {u.imagej: name for name, u in UNITS.items()}
    | {u.short: name for name, u in UNITS.items()}
    | {name: name for name in UNITS}
    | {f"{name}s": name for name in UNITS}
    | _ALIASES
)


def unit_name(text: Any) -> str:
    r"""Find the name of a unit in pint; "pixel" for what is none.

    Examples
    --------
    >>> unit_name("µm"), unit_name("\\u00B5m"), unit_name("microns"), unit_name("furlong")
    ('micrometer', 'micrometer', 'micrometer', 'pixel')
    """
    # ImageJ escapes µ; Greek mu and the micro sign look the same.
    spelled = str(text).strip().strip("\x00").replace("\\u00B5", "µ").replace("μ", "µ")
    return _NAMES.get(spelled) or _NAMES.get(spelled.lower(), "pixel")


def valid_step(value: Any) -> float | None:
    """Give a pixel size or frame interval as a number; None unless finite and above 0."""
    try:
        number = float(value)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return number if math.isfinite(number) and number > 0 else None
