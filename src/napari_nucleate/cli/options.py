"""Command-line options made from parameters: names, bounds and help stand on the fields."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar, get_args, get_origin

import typer
from pydantic import BaseModel

from napari_nucleate.core.params import Params

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

P = TypeVar("P", bound=Params)


def field_at(params: type[BaseModel], path: str) -> FieldInfo:
    """Find a field by its dotted path, into nested parameters.

    Examples
    --------
    >>> from napari_nucleate.core.recipe import Recipe
    >>> field_at(Recipe, "optimisation.seed").description
    'Seed of every random draw.'
    """
    first, _, rest = path.partition(".")
    field = params.model_fields[first]
    if not rest:
        return field
    inner = field.annotation
    if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
        message = f"{path} leads through {first}, which is a choice of classes"
        raise TypeError(message)
    return field_at(inner, rest)


def with_options(
    name: str, params: type[P], *paths: str, rename: Mapping[str, str] | None = None
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command options for fields of a Params class, and the values given as one argument.

    Parameters
    ----------
    name : str
        The argument of the command that receives a nested dict of the values that were given.
    params : type of Params
    *paths : str
        Dotted paths of the fields; all fields without any.
    rename : mapping of str to str
        Option names, by path, where the last part of the path won't do.

    Returns
    -------
    callable
        A decorator for the command.
    """
    chosen = paths or tuple(params.model_fields)
    names = {p: (rename or {}).get(p, p.rpartition(".")[2]) for p in chosen}

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(command)
        def run(*args: Any, **kwargs: Any) -> Any:
            given: dict[str, Any] = {}
            for path, option in names.items():
                value = kwargs.pop(option)
                if value is not None:
                    _put(given, path, value)
            return command(*args, **kwargs, **{name: given})

        signature = inspect.signature(command, eval_str=True)
        kept = [p for p in signature.parameters.values() if p.name != name]
        added = [_option(names[p], field_at(params, p)) for p in chosen]
        run.__signature__ = signature.replace(parameters=[*kept, *added])  # type: ignore[attr-defined]
        run.__annotations__ = {p.name: p.annotation for p in (*kept, *added)}
        return run

    return decorate


def merged(params: P, given: Mapping[str, Any]) -> P:
    """The parameters with the given nested values in place, validated."""
    return type(params).parse(_merge(params.model_dump(), given))


def _merge(base: dict[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(base)
    for key, value in given.items():
        old = result.get(key)
        nested = isinstance(old, dict) and isinstance(value, Mapping)
        # Another kind of a choice starts from its own defaults, not from its sibling's values.
        same = nested and value.get("kind", old.get("kind")) == old.get("kind")  # type: ignore[union-attr]
        result[key] = _merge(old, value) if same else value  # type: ignore[arg-type]
    return result


def _put(values: dict[str, Any], path: str, value: Any) -> None:
    *parents, last = path.split(".")
    for parent in parents:
        values = values.setdefault(parent, {})
    values[last] = value


def _option(name: str, field: FieldInfo) -> inspect.Parameter:
    kind, bounds = _plain(field)
    default = field.get_default()
    shown = "" if default is None or default == "" else f" (default: {default})"
    if get_origin(field.annotation) is Literal and kind is not field.annotation:
        shown = f" ({', '.join(str(a) for a in get_args(field.annotation))}){shown}"
    info = typer.Option(help=f"{field.description}{shown}", show_default=False, **bounds)
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[kind | None, info],
    )


def _plain(field: FieldInfo) -> tuple[Any, dict[str, Any]]:
    """The type a command line can parse, and its bounds where typer knows them."""
    kind = field.annotation
    if get_origin(kind) is Literal and not all(isinstance(a, str) for a in get_args(kind)):
        kind = type(get_args(kind)[0])
    bounds: dict[str, Any] = {}
    if kind in (int, float):
        for rule in field.metadata:
            for ours, theirs in (("ge", "min"), ("le", "max")):
                if hasattr(rule, ours):
                    bounds[theirs] = getattr(rule, ours)
    return kind, bounds
