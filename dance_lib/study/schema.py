"""YAML files read into checked models: a mistake in one is told in one line."""

import difflib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from dance_lib.errors import DanceError, in_one_line


class Strict(BaseModel):
    """A model that refuses keys it does not know and does not change once read."""

    model_config = ConfigDict(extra="forbid", frozen=True)


Model = TypeVar("Model", bound=BaseModel)


def read_yaml(path: Path, model: type[Model]) -> Model:
    """Return the file as a `model`.

    Raises:
        DanceError: the file can't be read, is not YAML, or does not fit; the first mistake is
            named.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise DanceError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DanceError(f"{path}: not UTF-8 text ({error.reason}); save it as such") from error
    try:
        return model.model_validate(parse_yaml(text, str(path)) or {})
    except ValidationError as error:
        raise in_one_line(str(path), error) from error


def parse_yaml(text: str, what: str) -> Any:
    """Return the value that a text stands for.

    Raises:
        DanceError: it is not YAML.
    """
    try:
        return yaml.safe_load(text)
    except Exception as error:  # PyYAML's own, and all that its constructors stumble over
        raise DanceError(f"{what}: not YAML: {error}") from error


def unknown(what: str, name: str, known: Iterable[str]) -> DanceError:
    """Return the error for a `name` that is none of the `known`: lists them, guesses one."""
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=1)
    guess = f"; did you mean {close[0]}?" if close else ""
    return DanceError(f"unknown {what} {name!r}; there are: {', '.join(known) or 'none'}{guess}")
