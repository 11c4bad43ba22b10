"""Runs added to a `runs.yml` that a person wrote: at its end, and nothing else in it changes."""

import json
import re
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from dance_lib.atomic import replacing
from dance_lib.devices.runs import RUNS, RunFile
from dance_lib.errors import DanceError, in_one_line
from dance_lib.study.schema import parse_yaml


class RunsFileError(DanceError):
    """A `runs.yml` that nothing can be added to; says why."""


def check_runs(out: Path) -> None:
    """Refuse a `runs.yml` that could not be appended to, before a device works for it.

    Raises:
        RunsFileError: it is not as it should be.
    """
    run = {"log": "new", "device": "new", "network": "dense", "clips": 1, "window": "new"}
    _appended(out / RUNS, [run])


def append_runs(out: Path, runs: list[dict[str, Any]]) -> None:
    """Add runs at the end of `out/runs.yml`; what stands in it stays as it is, remarks too.

    Raises:
        RunsFileError: it is not as it should be, or a run is there already.
    """
    text = _appended(out / RUNS, runs)
    try:
        with replacing(out / RUNS) as partial:
            partial.write_text(text, encoding="utf-8")
    except OSError as error:
        raise RunsFileError(f"can't write {out / RUNS}: {error.strerror}") from error


def _appended(path: Path, runs: list[dict[str, Any]]) -> str:
    try:
        old = path.read_text(encoding="utf-8") if path.is_file() else ""
    except (OSError, UnicodeDecodeError) as error:
        raise RunsFileError(f"{path}: can't be read ({error})") from error
    before = _runs_of(path, old) if old.strip() else []
    first = re.search(r"^( *)- ", old, re.MULTILINE)
    lines = [f"{first[1] if first else '  '}- {_flow(run)}" for run in runs]
    text = "\n".join([*(old.rstrip("\n").split("\n") if old.strip() else ["runs:"]), *lines, ""])
    try:
        after = _runs_of(path, text)
    except RunsFileError as error:
        raise RunsFileError(
            f"{error}; nothing was added: its list must end the file, in lines `- ...`, and hold "
            "none of these runs"
        ) from error
    if after != before + runs:
        raise RunsFileError(f"{path}: its list of runs must end the file, in lines `- ...`")
    return text


def _runs_of(path: Path, text: str) -> list[Any]:
    try:
        read = parse_yaml(text, str(path))
        RunFile.model_validate(read)
    except ValidationError as error:
        raise RunsFileError(str(in_one_line(str(path), error))) from error
    except DanceError as error:
        raise RunsFileError(str(error)) from error
    return list(read["runs"])


def _flow(value: Any) -> str:
    """A value of JSON as YAML on one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_flow(one)}" for key, one in value.items()) + "}"
    if isinstance(value, str) and re.fullmatch(r"[A-Za-z][A-Za-z0-9_./-]*", value):
        # Words that YAML takes for another thing are quoted.
        return value if yaml.safe_load(value) == value else json.dumps(value)
    return json.dumps(value, ensure_ascii=True)
