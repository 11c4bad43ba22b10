"""What goes wrong with data. Every message names the thing and what to do about it."""

from pathlib import Path

from dance_lib.errors import DanceError


class DataError(DanceError):
    """A data set, a table or a file of it is not what it should be."""


class DecodeError(DataError):
    """The video `path` does not decode, for `reason`."""

    def __init__(self, path: str | Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.reason = reason

    def __reduce__(self) -> tuple[type, tuple[str, str]]:  # it crosses processes
        return DecodeError, (str(self).removesuffix(f": {self.reason}"), self.reason)
