"""pyproject.toml, env/constraints.txt and environment.yml name the same environment."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
EXTRAS = ("study", "lab", "site", "devices", "deploy", "cluster", "dev")
PYTHONS = ("3.11", "3.12", "3.13")

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
LOCK = (ROOT / "env" / "constraints.txt").read_text(encoding="utf-8")
CONDA = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))


def direct():
    """What pyproject.toml asks for, extras included."""
    asked = PROJECT["dependencies"] + [
        line for extra in EXTRAS for line in PROJECT["optional-dependencies"][extra]
    ]
    return [Requirement(line) for line in asked]


def locked(python):
    """Name and version of every package the lock holds for a Python on Linux."""
    machine = {
        "python_full_version": f"{python}.9",
        "python_version": python,
        "sys_platform": "linux",
        "os_name": "posix",
        "platform_machine": "x86_64",
        "platform_python_implementation": "CPython",
        "implementation_name": "cpython",
    }
    pins = {}
    for line in LOCK.splitlines():
        pin = Requirement(line)
        if pin.marker is None or pin.marker.evaluate(machine):
            (version,) = pin.specifier
            name = canonicalize_name(pin.name)
            assert version.operator == "=="
            assert name not in pins, f"{name} is pinned twice for Python {python}"
            pins[name] = version.version
    return pins


@pytest.mark.parametrize("python", PYTHONS)
def test_every_direct_dependency_is_locked_at_a_version_that_fits(python):
    pins = locked(python)
    for requirement in direct():
        name = canonicalize_name(requirement.name)
        assert name in pins, f"{name} is not locked: run env/lock.sh"
        assert requirement.specifier.contains(pins[name], prereleases=True), name


def test_the_lock_binds_versions_and_names_no_place():
    # A local version (+cpu) or a hash would tie it to one build, an address to one network.
    assert not re.search(r"\+|--|://|@", LOCK)


def test_torch_and_torchvision_are_the_pair_that_fits_together():
    pins = {str(requirement) for requirement in direct()} & {
        "torch==2.13.0",
        "torchvision==0.28.0",
    }
    assert len(pins) == 2
    assert (locked("3.11")["torch"], locked("3.11")["torchvision"]) == ("2.13.0", "0.28.0")


def test_condas_form_is_the_same_environment():
    *plain, pip = CONDA["dependencies"]
    assert f"python{PROJECT['requires-python']}" in plain
    assert pip["pip"] == [
        "--constraint env/constraints.txt",
        "torch==2.13.0",
        "torchvision==0.28.0",
        f"--editable .[{','.join(EXTRAS)}]",
    ]


def test_make_env_installs_the_same_extras_under_the_same_lock():
    script = (ROOT / "env" / "make_env.sh").read_text(encoding="utf-8")
    assert f"--constraint env/constraints.txt --editable '.[{','.join(EXTRAS)}]'" in script
    lock = (ROOT / "env" / "lock.sh").read_text(encoding="utf-8")
    assert " ".join(f"--extra {extra}" for extra in EXTRAS) in lock
