"""Profiles: named sets of parameters, from a smoke test to the full study."""

from pathlib import Path

from pydantic import Field, JsonValue

from dance_lib.study.paths import PROFILES
from dance_lib.study.schema import Strict, read_yaml, unknown


class Profile(Strict):
    """Parameters for all notebooks that declare them, and for single notebooks on top."""

    description: str
    parameters: dict[str, JsonValue] = Field(default_factory=dict)
    notebooks: dict[str, dict[str, JsonValue]] = Field(default_factory=dict)


def list_profiles(root: Path) -> list[str]:
    """Return the names of the profiles."""
    return sorted(file.stem for file in (root / PROFILES).glob("*.yml"))


def load_profile(root: Path, name: str) -> Profile:
    """Read a profile; a DanceError lists the known names, or says what does not fit."""
    if name not in list_profiles(root):
        raise unknown("profile", name, list_profiles(root))
    return read_yaml(root / PROFILES / f"{name}.yml", Profile)
