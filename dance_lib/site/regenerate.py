"""The command that makes an executed notebook again, with the parameters it was made with."""

import json
import shlex
from pathlib import Path
from typing import Any

from dance_lib.errors import DanceError
from dance_lib.site.executed import Executed
from dance_lib.study.graph import plan
from dance_lib.study.manifest import load_manifest
from dance_lib.study.settings import Settings


def commands(executed: Executed, run_folder: Path, root: Path) -> list[str]:
    """Return two commands, one that executes the notebook and one that makes its page of that."""
    settings = Settings.read(run_folder)
    profile = settings.profile if settings else "default"
    overrides = {
        **(settings.overrides if settings else {}),
        **_differing(executed, profile, root),
    }
    name = executed.run["run_id"].partition("/")[0] if executed.run else run_folder.name
    words = ["dance", "reproduce", "--profile", profile, "--only", executed.notebook]
    words += [word for item in overrides.items() for word in ("-p", "=".join(item))]
    fan_out = load_manifest(root).fan_out_names
    if Settings.choose(profile, overrides, None, {}, fan_out).folder != name:
        words += ["--name", name]
    return [shlex.join(words), shlex.join(["dance", "site", f"results/{name}"])]


def as_override(value: Any) -> str:
    """Return a parameter's value as `-p NAME=VALUE` wants it."""
    if isinstance(value, list):
        words = [as_override(item) for item in value]
        plain = words and not any("," in word or word.startswith("[") for word in words)
        return ",".join(words) if plain else json.dumps(value)
    return value if isinstance(value, str) else json.dumps(value)


def _differing(executed: Executed, profile: str, root: Path) -> dict[str, str]:
    """The parameters in which the run differs from what the profile would give it."""
    try:
        jobs = [job for job in plan(root, profile, {}) if job.notebook == executed.notebook]
    except DanceError:  # the profile that made it is gone or has changed
        jobs = []
    made_with = executed.parameters
    same = [
        job for job in jobs if all(made_with.get(n) == value for n, value in job.values.items())
    ]
    planned = same[0].parameters if same else {}
    return {
        name: as_override(value)
        for name, value in made_with.items()
        if name != "results" and (name not in planned or planned[name] != value)
    }
