"""The base of every set of parameters: frozen, closed, bounded and described.

JSON, validation, the forms in the docks and the help of the command line all come from the
same classes, so that a field is described once.
"""

from __future__ import annotations

import errno
import reprlib
from typing import TYPE_CHECKING, Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from napari_nucleate.core.errors import DamagedError, NucleateError
from napari_nucleate.core.failures import reason
from napari_nucleate.core.foreign import json_of, one_line

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


_MOST = 1_000_000
"""Values of a file; of each that is wrong, pydantic keeps a kilobyte."""


class Params(BaseModel):
    """Parameters of one choice: a target, a splitter, a network, a loss.

    Subclasses give every field a bound and a description. Instances are immutable and hashable;
    unknown fields, NaN and infinities are refused.

    Examples
    --------
    >>> from pydantic import Field
    >>> class Blur(Params):
    ...     sigma: float = Field(1.0, ge=0, le=10, description="Width in pixels.")
    >>> Blur.parse({"sigma": 2}).sigma
    2.0
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    version_field: ClassVar[str] = ""
    """The field that says by which version of a format a file was written, where there is one."""

    @classmethod
    def parse(cls, values: dict[str, Any]) -> Self:
        """Validate plain values, as they come from JSON or a form.

        Parameters
        ----------
        values : dict
            Field names and values.

        Returns
        -------
        Params
            The validated parameters.

        Raises
        ------
        NucleateError
            If a value is out of its bounds, of a wrong type, or not a field.
        """
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise NucleateError(explain(error, cls.__name__)) from error

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read and validate parameters from a JSON file.

        Raises
        ------
        NucleateError
            If the file is missing, can't be read, comes from a newer version, or its values aren't
            valid; a `DamagedError` if it isn't JSON.
        """
        try:
            values = json_of(path, _MOST)
        except FileNotFoundError as error:
            raise NucleateError(f"{path} does not exist.") from error
        except OSError as error:
            # Where the disk itself can't read it, a copy of it may help as where it is damaged.
            kind = DamagedError if error.errno == errno.EIO else NucleateError
            raise kind(f"{path} can't be read: {reason(error)}.") from error
        except ValueError as error:
            raise DamagedError(f"{path} can't be read as JSON: {one_line(error)}.") from error
        if not isinstance(values, dict):
            raise DamagedError(f"{path} holds {type(values).__name__}, not a JSON object.")
        cls.check_version(values, path)
        try:
            return cls.parse(values)
        except NucleateError as error:
            raise NucleateError(f"{path}: {error}") from error

    @classmethod
    def check_version(cls, values: Mapping[str, Any], path: Path) -> None:
        """Refuse values that a newer version wrote into the file `path`.

        Raises
        ------
        NucleateError
            If so.
        """
        if not cls.version_field:
            return
        known = cls.model_fields[cls.version_field].default
        written = values.get(cls.version_field, known)
        if isinstance(written, int) and written > known:
            raise NucleateError(
                f"{path} has format {written} of a newer napari-nucleate, this one reads "
                f"{known}; update napari-nucleate."
            )

    def to_json(self) -> str:
        """Indented JSON that `load` reads back to an equal object."""
        return self.model_dump_json(indent=2) + "\n"


_SHORT = reprlib.Repr()
_SHORT.maxlevel = 3
_SHORT.maxstring = _SHORT.maxother = 200


def explain(error: ValidationError, what: str) -> str:
    """Turn the first of pydantic's errors into one sentence with the offending value."""
    first = error.errors(include_url=False)[0]
    if first["type"] == "value_error":
        # A rule of ours between several fields: its sentence says all.
        return f"{what}: {first['ctx']['error']}."
    where = one_line(".".join(str(part) for part in first["loc"])) or what
    more = error.error_count() - 1
    tail = f" ({more} more like it)" if more else ""
    value = _SHORT.repr(first.get("input"))
    value = value if len(value) <= 60 else value[:57] + "…"
    return f"{what}: {where} = {value} is not valid: {one_line(first['msg'], 300)}{tail}."
