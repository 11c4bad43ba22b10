"""The values a notebook runs with: its own literals, a profile's, the command line's.

The literal in the notebook gives the type. A list may stand where the notebook declares a list or
fans out over the name, and nowhere else; there, a single value is a list of one, and text with
commas is split.
"""

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from pydantic import JsonValue, TypeAdapter

from dance_lib.errors import DanceError
from dance_lib.study.schema import parse_yaml, unknown


def parse_overrides(arguments: Iterable[str]) -> dict[str, str]:
    """Return `NAME=VALUE` arguments as a dict; what a value means is for the notebooks to say.

    Raises:
        DanceError: an argument is not of the form NAME=VALUE, or a name is given twice.
    """
    overrides: dict[str, str] = {}
    for argument in arguments:
        name, equals, text = argument.partition("=")
        if not equals or not name.isidentifier():
            raise DanceError(f"-p {argument}: give it as NAME=VALUE, a list as NAME=A,B,C")
        if name in overrides:
            raise DanceError(f"-p {name} is given twice; a list is written {name}=A,B,C")
        if name == "results":
            raise DanceError("-p results: the batch names the run folder; choose it by --name")
        overrides[name] = text
    return overrides


def settle(
    notebook: str, declared: Mapping[str, Any], chosen: Mapping[str, Any], fan_out: Iterable[str]
) -> dict[str, Any]:
    """Return every declared parameter, with the chosen value where there is one.

    A name of `fan_out` gets the list of the values to fan out over.

    Raises:
        DanceError: a name is not declared, or a value does not fit the notebook's literal.
    """
    for name in (*chosen, *fan_out):
        if name not in declared:
            raise unknown(f"parameter of {notebook}", name, declared)
    values = {}
    for name, literal in declared.items():
        value, what = chosen.get(name, literal), f"{notebook}: {name}"
        if name in fan_out:
            values[name] = _as_list(value, literal, what)
        elif isinstance(literal, list):
            values[name] = _as_list(value, literal[0] if literal else None, what)
        else:
            values[name] = _as_type(value, literal, what)
    return values


def _as_list(value: Any, like: Any, what: str) -> list[Any]:
    """Return the values, each once and in the order given, as the type of `like`.

    No values at all are fine: a notebook that fans out over them then has no jobs.
    """
    if isinstance(value, str):
        value = parse_yaml(value, what) if value.startswith("[") else value.split(",")
    items = [_as_type(item, like, what) for item in (value if isinstance(value, list) else [value])]
    return [item for number, item in enumerate(items) if item not in items[:number]]


def _as_type(value: Any, like: Any, what: str) -> Any:
    """Return `value` as the type of `like`; where that is None, as YAML reads it.

    What JSON can't hold (a date, a set) is refused: it could not be handed to a notebook.
    """
    kind: Any = JsonValue if like is None else type(like)
    if like is None and isinstance(value, str):
        value = parse_yaml(value, what)
    try:
        if isinstance(value, bool) and not isinstance(like, bool | None):
            raise ValueError("True is not the number 1")
        return _adapter(kind).validate_python(value)
    except ValueError as error:  # pydantic's ValidationError is one
        several = isinstance(value, list) or (isinstance(value, str) and "," in value)
        hint = "; it takes one value, the notebook does not fan out over it" if several else ""
        wanted = "plain" if like is None else f"of type {type(like).__name__} (like {like!r})"
        raise DanceError(f"{what} is {wanted}, not {value!r}{hint}") from error


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)  # slow to make, and a sweep has thousands of values
