"""A bundle as it is read before it goes to a device: whole, unchanged, and inside its folder."""

import hashlib
import re
from pathlib import Path, PurePosixPath
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from dance_lib.devices.runs import DENSE, PRUNED
from dance_lib.errors import DanceError, in_one_line
from dance_lib.study.schema import unknown

MANIFEST = "bundle.json"
RUNNER = "run.py"
NEEDED = (RUNNER, "power.py", "clips.npz")
BESIDE_DENSE = ("codebook", "dynamic")  # pruned forms; the first one there is runs by default
NETWORK = {"dense": DENSE} | dict.fromkeys(BESIDE_DENSE, PRUNED)  # form -> name in runs.yml


class BundleError(DanceError):
    """A folder that is no whole bundle, or a form that is not in it."""


class FormFiles(BaseModel):
    """The networks of one form."""

    model_config = ConfigDict(frozen=True)
    networks: tuple[str, ...] = Field(min_length=1)


class SentBundle(BaseModel):
    """`bundle.json`; what a device alone needs is left to run.py."""

    model_config = ConfigDict(frozen=True)
    format: Literal[1]
    name: str = Field(min_length=1)
    target: str = Field(min_length=1)
    forms: dict[str, FormFiles] = Field(min_length=1)
    hashes: dict[str, str]

    @model_validator(mode="after")
    def _names_are_inside(self) -> Self:
        for name in self.hashes:
            path = PurePosixPath(name)
            odd = path.is_absolute() or ".." in path.parts or str(path) != name
            if odd or not name.isprintable() or "\\" in name or name == MANIFEST:
                raise ValueError(f"{name!r} is no file of a bundle")
        networks = {name for form in self.forms.values() for name in form.networks}
        for name in sorted(networks | set(NEEDED)):
            if name not in self.hashes:
                raise ValueError(f"no hash of {name!r}")
        return self

    @property
    def short_name(self) -> str:
        """The name as that of a folder."""
        return re.sub(r"[^A-Za-z0-9_-]+", "-", self.name).strip("-")[:60] or "bundle"

    def choose(self, forms: list[str]) -> list[str]:
        """The forms to run: those asked for, or dense and the first pruned one.

        Raises:
            BundleError: one is not there, or two would be `pruned` in runs.yml.
        """
        if not forms:
            pruned = [form for form in BESIDE_DENSE if form in self.forms]
            forms = [form for form in ("dense",) if form in self.forms] + pruned[:1]
        for form in forms:
            if form not in self.forms or form not in NETWORK:
                raise BundleError(str(unknown("form", form, self.forms.keys() & NETWORK.keys())))
        forms = list(dict.fromkeys(forms))
        if len(set(forms) & set(BESIDE_DENSE)) > 1:
            raise BundleError("two pruned forms would both be `pruned`: run one, then the other")
        return forms

    def files(self, forms: list[str]) -> dict[str, str]:
        """Name and hash of all that these forms need; what others need stays here."""
        networks = {name for form in self.forms.values() for name in form.networks}
        wanted = {name for form in forms for name in self.forms[form].networks}
        return {n: sha for n, sha in self.hashes.items() if n in wanted or n not in networks}


def read_sent_bundle(folder: Path) -> SentBundle:
    """What is in a bundle.

    Raises:
        BundleError: there is none, it is not as it must be, or a file is missing or changed.
    """
    path = folder / MANIFEST
    try:
        bundle = SentBundle.model_validate_json(path.read_bytes())
    except OSError as error:
        raise BundleError(f"{path}: {error.strerror}; `dance bundle` makes a bundle") from error
    except ValidationError as error:
        raise BundleError(str(in_one_line(str(path), error))) from error
    for name, expected in bundle.hashes.items():
        file = folder / name
        try:
            if not file.resolve().is_relative_to(folder.resolve()):
                raise BundleError(f"{file}: lies outside the bundle; make the bundle again")
            with file.open("rb") as stream:
                found = hashlib.file_digest(stream, "sha256").hexdigest()
        except OSError as error:
            raise BundleError(f"{file}: {error.strerror}; make the bundle again") from error
        if found != expected:
            raise BundleError(f"{file}: is not the file that was bundled; make the bundle again")
    return bundle
