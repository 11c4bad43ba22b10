"""Values that the shell can complete: what the study has, read from its files when TAB is hit."""

from dance_lib.errors import DanceError


def profiles() -> list[str]:
    """Names of the profiles; none outside a study."""
    from dance_lib.study.paths import find_root
    from dance_lib.study.profile import list_profiles

    try:
        return list_profiles(find_root())
    except DanceError:
        return []


def notebooks() -> list[str]:
    """Names of the notebooks; none outside a study."""
    from dance_lib.study.manifest import load_manifest
    from dance_lib.study.paths import find_root

    try:
        return list(load_manifest(find_root()).notebooks)
    except DanceError:
        return []
