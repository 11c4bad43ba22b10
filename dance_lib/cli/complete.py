"""Values that the shell can complete: what the study has, read from its files when TAB is hit."""

from collections.abc import Callable, Iterable
from pathlib import Path

from dance_lib.errors import DanceError


def profiles() -> list[str]:
    """Names of the profiles; none outside a study."""
    from dance_lib.study.profile import list_profiles

    return _in_study(list_profiles)


def notebooks() -> list[str]:
    """Names of the notebooks; none outside a study."""
    from dance_lib.study.manifest import load_manifest

    return _in_study(lambda root: load_manifest(root).notebooks)


def _in_study(names: Callable[[Path], Iterable[str]]) -> list[str]:
    from dance_lib.study.paths import find_root

    try:
        return list(names(find_root()))
    except DanceError:
        return []
