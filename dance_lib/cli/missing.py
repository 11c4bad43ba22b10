"""A package that is not installed, and the extra that brings it."""

import re
from importlib import metadata

MODULES = {"scikit-learn": "sklearn", "pyyaml": "yaml"}  # where it is not the distribution's name


def remedy(error: ModuleNotFoundError) -> str | None:
    """One line with the extra to install; None for a module that no extra brings."""
    module = (error.name or "").partition(".")[0]
    for line in metadata.requires("dance-lib") or ():
        name = re.split(r"[^\w.-]", line, maxsplit=1)[0].lower()
        extra = re.search(r"extra == [\"'](\w+)[\"']", line)
        if extra and module == MODULES.get(name, name.replace("-", "_")):
            return f"{name} is not installed: pip install 'dance-lib[{extra[1]}]'"
    return None
