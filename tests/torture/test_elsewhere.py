"""What the other tests hold against faults and hostile input, counted into the same table."""

import os
import shlex
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

pytestmark = pytest.mark.torture
ROOT = Path(__file__).parents[2]
LOOP = "tests/train/test_loop.py"
HELD = (
    # (group, what, arguments of pytest)
    ("faults", "a worker that dies or wants too much memory is told",
     "tests/study/test_execute.py tests/study/test_batch.py -k 'dies or memory or signal'"),
    ("faults", "a second batch in a folder is told so; orphans are ended",
     "tests/study/test_batch.py -k 'orphans or interrupted'"),
    ("faults", "a data set that vanishes is told", "tests/data/test_vanished.py"),
    ("faults", "a file is written as a whole or not at all", "tests/test_atomic.py"),
    ("faults", "decoding that was killed goes on", "tests/data/test_cache.py -k killed"),
    ("faults", "training that was killed goes on as if it had not been",
     f"{LOOP} tests/train/test_pruning.py tests/train/test_stages.py -k 'killed or kept'"),
    ("same in, same out", "a seed gives the same weights and clips to the last bit",
     f"{LOOP} tests/data/test_clips.py tests/data/test_digits.py "
     "-k 'one_seed or repeats or shuffled_by_seed or same_bytes'"),
    ("same in, same out", "neither batches nor order of clips matter",
     "tests/train/test_evaluate.py tests/executors/test_batches.py tests/executors/test_rules.py "
     "-k 'matter or see_the_others or rule_10'"),
    ("same in, same out", "the number of workers does not matter",
     "tests/data/test_parallel.py tests/data/test_cache.py tests/data/test_digits.py -k workers"),
    ("bad input", "odd, damaged and empty videos, made and real", "tests/data/test_decode.py"),
    ("bad input", "folders and lists of data sets",
     "tests/data/test_layouts.py tests/data/test_index.py"),
    ("bad input", "NaN and infinity in pixels, loss, weights and checkpoints",
     f"{LOOP} tests/test_network.py tests/test_checkpoint.py tests/executors/test_sparse_errors.py "
     "-k 'nan or infinity or no_numbers'"),
    ("bad input", "wrong types, shapes and values at every public function",
     "tests/test_public.py"),
    ("damaged input", "readers of device logs, 500 logs a test", "tests/devices -k 'any_'"),
    ("hostile files", "checkpoints and weights carry no code",
     f"tests/test_checkpoint.py tests/models/test_weights.py {LOOP} "
     "-k 'unpickler or alone or pickle'"),
    ("hostile files", "no reader of the source runs code or unpacks an archive",
     "tests/test_doors.py"),
    ("hostile files", "tables and bundles lead to no file outside their folder",
     "tests/data/test_index.py tests/deploy/test_device_run.py tests/deploy/test_kit_run.py "
     "-k 'out_of_the_root or outside'"),
    ("hostile files", "the command line reaches notebooks as data", "tests/study/test_hostile.py"),
    ("hostile files", "pages show names and labels as text",
     "tests/site/test_safe.py tests/site/test_build.py tests/site/test_front.py "
     "-k 'safe or text or html'"),
    ("hostile files", "holes of dependencies are told", "tests/test_audit.py"),
)  # fmt: skip


@pytest.mark.parametrize(("group", "what", "arguments"), HELD, ids=[what for _, what, _ in HELD])
def test_held_elsewhere(group, what, arguments, tmp_path, tally):
    report = tmp_path / "report.xml"
    inside = f"--junitxml={report}", f"--basetemp={tmp_path / 'inside'}"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:xdist", "-p", "no:cacheprovider"]
    outside = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    said = subprocess.run(
        [*command, *inside, *shlex.split(arguments)],
        cwd=ROOT, env=outside, capture_output=True, text=True,
    )  # fmt: skip
    suite = ElementTree.parse(report).getroot().find("testsuite")
    ran, failed = (
        sum(int(suite.get(name)) for name in names)
        for names in (("tests",), ("failures", "errors"))
    )
    ran -= int(suite.get("skipped"))
    if failed:
        print(said.stdout)
    tally(
        group=group,
        what=what,
        tried=ran,
        held=ran - failed,
        command=f"python -m pytest {arguments}",
    )
