"""What a run folder is made with, so that different settings never mix in one folder.

The name of a folder follows from the settings: the profile, and a short hash where parameters were
overridden. Parameters that fan out do not count: their values are part of the names of the files.
"""

import hashlib
import json
import re
import shlex
from collections.abc import Mapping, Set
from pathlib import Path
from typing import Any, Self

from pydantic import ValidationError

from dance_lib.atomic import replacing
from dance_lib.errors import DanceError, in_one_line
from dance_lib.study.paths import SETTINGS
from dance_lib.study.schema import Strict


class Settings(Strict):
    """A profile and the overrides that all files of the folder share.

    `parameters` are the values that result, by notebook, without those fanned out over. It is for
    runs by hand, which are checked against it; the batch settles them anew each time.

    `kept` tells a folder of `dance keep`, which holds what has run so far, from a run folder.
    """

    profile: str
    overrides: dict[str, str]
    name: str | None
    parameters: dict[str, dict[str, Any]]
    kept: bool = False

    @classmethod
    def choose(
        cls,
        profile: str,
        overrides: Mapping[str, str],
        name: str | None,
        parameters: Mapping[str, Mapping[str, Any]],
        fan_out: Set[str],
    ) -> Self:
        """Return the settings for a command line and the parameters it comes to, by notebook.

        Raises:
            DanceError: the folder's name holds anything but letters, digits, `.`, `_` and `-`.
        """
        if name is not None and not re.fullmatch(r"\w[\w.-]*", name):
            raise DanceError(f"--name {name}: use letters, digits, '.', '_' and '-' only")
        return cls(
            profile=profile,
            overrides=_without(overrides, fan_out),
            name=name,
            parameters={key: _without(values, fan_out) for key, values in parameters.items()},
        )

    @property
    def folder(self) -> str:
        """The name of the run folder."""
        if self.name or not self.overrides:
            return self.name or self.profile
        told_apart = hashlib.sha256(json.dumps(self.overrides, sort_keys=True).encode())
        return f"{self.profile}-{told_apart.hexdigest()[:8]}"

    @property
    def command(self) -> str:
        """The command that works in this folder."""
        parts = ["dance", "reproduce", "--profile", self.profile]
        parts += [word for item in self.overrides.items() for word in ("-p", "=".join(item))]
        parts += ["--name", self.name] if self.name else []
        return shlex.join(parts)

    def write(self, run_folder: Path) -> None:
        """Leave the settings in the folder, for notebooks run by hand and for messages."""
        with replacing(run_folder / SETTINGS) as partial:
            partial.write_text(self.model_dump_json(indent=1), encoding="utf-8")

    @classmethod
    def read(cls, run_folder: Path) -> Self | None:
        """Return the folder's settings, None where no batch has worked in it.

        Raises:
            DanceError: the file is not one of ours.
        """
        file = run_folder / SETTINGS
        try:
            return cls.model_validate_json(file.read_bytes())
        except FileNotFoundError:
            return None
        except ValidationError as error:
            raise in_one_line(str(file), error) from error


def _without(values: Mapping[str, Any], names: Set[str]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name not in names}
