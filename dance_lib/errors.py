"""Mistakes of the person at the keyboard, told in one line and without a traceback."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError


class DanceError(ValueError):
    """What was asked for cannot be done; the message says why, and how to mend it, in one line."""

    def __str__(self) -> str:  # messages of other libraries, quoted in ours, may have several
        return " ".join(super().__str__().split())

    def _render_traceback_(self) -> list[str]:
        """What IPython shows in the place of a traceback."""
        return [f"{type(self).__name__}: {self}"]


def in_one_line(what: str, error: "ValidationError") -> DanceError:
    """The first mistake that a schema found in `what`."""
    first = error.errors()[0]
    where = ".".join(map(str, first["loc"])) or "top level"
    return DanceError(f"{what}: {where}: {first['msg']}")
