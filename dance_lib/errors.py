"""Mistakes of the person at the keyboard, told in one line and without a traceback."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError


class DanceError(ValueError):
    """What was asked for cannot be done; the message says why, and how to mend it, in one line."""


def in_one_line(what: str, error: "ValidationError") -> DanceError:
    """The first mistake that a schema found in `what`."""
    first = error.errors()[0]
    where = ".".join(map(str, first["loc"])) or "top level"
    return DanceError(f"{what}: {where}: {first['msg']}")
