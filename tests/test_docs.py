"""What the documents say is there is there: links, anchors, commands and their options."""

import functools
import itertools
import re
import shlex
from pathlib import Path

import pytest
from typer.main import get_command

from dance_lib.cli import app
from dance_lib.study import paths
from dance_lib.study.manifest import load_manifest
from dance_lib.study.matrix import ROWS, load_matrix
from dance_lib.study.notebook import declared_parameters

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted(
    file
    for pattern in ("*.md", "results/paper/*.md", "results/reference/**/*.md", "notebooks/*.md")
    for file in ROOT.glob(pattern)
)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
names = pytest.mark.parametrize("file", DOCUMENTS, ids=lambda file: str(file.relative_to(ROOT)))


def anchors(text):
    """Of the headings, as a code host makes them."""
    headings = re.findall(r"^#+ (.*)$", FENCE.sub("", text), re.MULTILINE)
    plain = [re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings]
    return {heading.strip().replace(" ", "-") for heading in plain}


@names
def test_every_link_leads_somewhere(file):
    text = file.read_text(encoding="utf-8")
    for link in LINK.findall(FENCE.sub("", text)):
        path, _, anchor = link.partition("#")
        if re.match(r"[a-z]+:", link):
            assert re.match(r"(https://[\w.-]+\.\w+(/|$)|mailto:)", link), link
            continue
        target = (file.parent / path).resolve() if path else file
        assert target.exists(), f"{file.name}: {link}"
        assert target.is_relative_to(ROOT), f"{file.name}: {link}"
        if anchor:
            assert anchor in anchors(target.read_text(encoding="utf-8")), f"{file.name}: {link}"


def commands(text):
    """Every `dance …` and `make …` of a document, in blocks and in running text."""
    blocks = "".join(FENCE.findall(text)).replace("\\\n", " ")
    inline = re.findall(r"`((?:dance|make) [^`]+)`", FENCE.sub("", text))
    for line in [*blocks.splitlines(), *inline]:
        words = shlex.split(line.removeprefix("$ "), comments=True)
        while words and "=" in words[0]:  # variables set for one command
            words = words[1:]
        if words and Path(words[0]).name in ("dance", "make"):
            yield Path(words[0]).name, words[1:]


@names
def test_every_command_is_one_that_there_is(file):
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for program, words in commands(file.read_text(encoding="utf-8")):
        if program == "make":
            unknown = {word for word in words if "=" not in word} - targets
            assert not unknown, f"make {unknown} in {file.name}"
            if "reproduce" in words:
                values = dict(word.split("=", 1) for word in words if "=" in word)
                profile = ["--profile", values["PROFILE"]] if "PROFILE" in values else []
                check_values(["reproduce", *profile, *shlex.split(values.get("ARGS", ""))])
        else:
            check_options(words)
            check_values(words)


def check_options(words):
    """Every command and every option has the name that is written."""
    command = get_command(app)
    known = {}
    for word in words:
        known |= {
            name: option
            for option in command.params
            for name in (*option.opts, *option.secondary_opts)
        }
        if word.startswith("-") and word != "-":
            assert word.partition("=")[0] in known | {"--help": None}, (word, words)
        elif commands := getattr(command, "commands", None):
            assert word in commands, (word, words)
            command = commands[word]


@functools.cache
def known_values():
    """By option of `dance reproduce`, what the study has."""
    declared = {
        name: declared_parameters(paths.notebook_file(ROOT, name))
        for name in load_manifest(ROOT).notebooks
    }
    return {
        "--profile": {file.stem for file in (ROOT / paths.PROFILES).glob("*.yml")},
        "--only": set(declared),
        "-p": {name for parameters in declared.values() for name in parameters},
    }


def check_values(words):
    """What a batch is told to run is there: its profile, notebooks, parameters, arms and rivals."""
    if words[:1] != ["reproduce"]:
        return
    known = known_values()
    for option, value in itertools.pairwise(words):
        name, _, given = value.partition("=")
        if option in known and not name.endswith("_name"):  # of a notebook yet to be written
            assert name in known[option], (option, value)
        if option == "-p" and name in ROWS:
            assert set(given.split(",")) <= set(load_matrix(ROOT).rows(name)), value


def test_a_document_is_checked_for_what_it_must_have():
    """The checks above find what is wrong."""
    assert anchors("# Does it save energy?\n```\n# no heading\n```\n## `dance bench`, twice\n") == {
        "does-it-save-energy", "dance-bench-twice",
    }  # fmt: skip
    said = list(commands("`make env`\n```\nA=1 dance -q bench \\\n  --quick  # soon\n```\n"))
    assert said == [("dance", ["-q", "bench", "--quick"]), ("make", ["env"])]
    check_options(["-q", "bench", "--quick"])
    for wrong in (["bench", "--quik"], ["benhc"], ["device", "raed"]):
        with pytest.raises(AssertionError, match=wrong[-1]):
            check_options(wrong)
    check_values(["reproduce", "--profile", "full", "-p", "arm=aap,frames", "--only", "03_aap"])
    for wrong in (["--profile", "ful"], ["--only", "03_app"], ["-p", "sead=1"], ["-p", "arm=apa"]):
        with pytest.raises(AssertionError, match=wrong[1]):
            check_values(["reproduce", *wrong])
