"""README's ways in, by its own words: an empty home, a study without a trace of an earlier run."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dance_lib.study.paths import NOTEBOOKS
from tests.study.copied import copy_study
from tests.test_docs import FENCE
from tests.train.videos import make_videos

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
EPOCHS = ("dense_epochs", "ava_epochs", "controller_epochs", "joint_epochs")


def commands(title):
    """The commands of a section, as lists of words."""
    section = re.search(rf"^### {title}\n(.*?)^##", README, re.MULTILINE | re.DOTALL)[1]
    lines = "".join(FENCE.findall(section)).replace("\\\n", " ").splitlines()
    told = [shlex.split(line, comments=True) for line in lines if line[:1] != " "]  # or output
    return [words for words in told if words and words[0] in ("dance", "make")]


@pytest.fixture
def run(tmp_path_factory):
    """A function that runs `dance` with some words in the study, and returns what it prints."""
    root, home = tmp_path_factory.mktemp("study"), tmp_path_factory.mktemp("home")
    copy_study(root)

    def run(*words):
        done = subprocess.run(
            [sys.executable, "-m", "dance_lib", *words],
            cwd=root,
            env=os.environ | {"HOME": str(home)},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    run.root = root
    run("reproduce", "--profile", "smoke", "--name", "default")  # small, in the default's place
    return run


def read_the_results(run):
    assert commands("Read the results") == [["make", "site"]]
    recipe = re.search(r"^site:.*\n\t\$\(bin\)/dance (\w+)", (ROOT / "Makefile").read_text(), re.M)
    run(recipe[1])
    assert (run.root / "results" / "site" / "index.html").is_file()


def explore(run):
    assert commands("Explore how activations vary") == [["make", "reproduce"], ["make", "lab"]]
    named = re.search(r"then open (\S+\.ipynb)", README)[1]
    assert (run.root / NOTEBOOKS / named).is_file()  # it is opened by tests/explorer/test_lab.py


def try_it_on_a_video(run):
    (words,) = commands("Try it on a video")
    video = next(run.root.glob(re.search(r"`(data/\S+/test)/CLASS/`", README)[1] + "/*/*.mp4"))
    shutil.copy(video, run.root / "clip.mp4")
    said = run(*words[1:])
    assert said.startswith("clip.mp4: ")
    assert re.search(r"MACs +[\d.]+ of [\d.]+ million a clip: R 0\.\d+ of dense", said)
    assert (run.root / "out.gif").read_bytes().startswith(b"GIF89a")


def prune_a_network_of_your_own(run):
    (words,) = commands("Prune a network of your own")
    make_videos(run.root / "videos", 24, frames=16, size=64)
    said = run(*words[1:], *(word for name in EPOCHS for word in ("-p", f"{name}=1")))
    assert "net.safetensors is written; next:" in said
    told = README[README.index("net.safetensors is written; next:") :].splitlines()[1:4]
    assert [line.split()[:2] for line in told] == [
        line.split()[:2] for line in said.splitlines()[-3:]
    ]


def test_the_four_ways_in(run):
    """One test: several would run the study once in each of pytest's processes."""
    read_the_results(run)
    explore(run)
    try_it_on_a_video(run)
    prune_a_network_of_your_own(run)
