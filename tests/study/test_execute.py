import json
import os
import subprocess
import sys

import nbformat
import pytest

PARAMETERS = 'results = "results/small"\nseed = 0'


@pytest.fixture
def execute(made):
    """Run a notebook of these cells as the batch does; return the process and the executed copy."""

    def run(*sources, products=(), **environment):
        notebook = made.write_notebook("04", [PARAMETERS, *sources])
        target = made.run_folder / "notebooks" / "04.seed=7.ipynb"
        command = [sys.executable, "-m", "dance_lib.study.execute", str(notebook), str(target)]
        command += ["--parameters", json.dumps({"seed": 7}), "--threads", "3"]
        process = subprocess.run(
            [*command, "--products", *products],
            capture_output=True,
            text=True,
            env=os.environ | environment,
            timeout=600,
        )
        assert list(target.parent.iterdir()) == [target]  # and no partial file
        return process, nbformat.read(target, as_version=4)

    return run


def printed(notebook):
    return "".join(output.text for cell in notebook.cells for output in cell.get("outputs", []))


def test_it_runs_under_this_interpreter_in_its_folder_with_its_environment(execute, made):
    other = made.root / "jupyter" / "kernels" / "python3"  # somebody else's kernel of that name
    other.mkdir(parents=True)
    (other / "kernel.json").write_text(json.dumps({"argv": ["false"], "display_name": "other"}))
    show = "import os, sys\nprint(seed, sys.executable, os.getcwd(), os.environ['OMP_NUM_THREADS'])"
    trim = "print(os.environ['MALLOC_MMAP_MAX_'], os.environ['MALLOC_TRIM_THRESHOLD_'])"
    process, notebook = execute(show, trim, JUPYTER_PATH=str(made.root / "jupyter"))
    assert (process.returncode, process.stderr) == (0, "")
    assert printed(notebook) == (f"7 {sys.executable} {made.root / 'notebooks'} 3\n0 {2**35}\n")


def test_a_failed_notebook_is_kept_and_the_cell_named(execute):
    process, notebook = execute("print('before')", "ok = 1\nraise ValueError('bad\\nworse')", "0")
    assert process.returncode == 1
    assert process.stderr.startswith(
        "error: 04.seed=7: cell In [4] `ok = 1` failed: ValueError: bad worse; kept as "
    )
    assert process.stderr.count("\n") == 1
    assert "before" in printed(nbformat.from_dict({"cells": notebook.cells[:4]}))
    assert any("ValueError" in str(cell.get("outputs")) for cell in notebook.cells)


@pytest.mark.parametrize(
    ("death", "told"),
    [
        ("os._exit(9)", "kernel ended with status 9 in the cell `import os`; kept as "),
        (
            "os.kill(os.getpid(), 9)",
            "kernel killed by signal 9 in the cell `import os`; probably for want of memory: "
            "run fewer jobs at once (--cores 1), or smaller batches (-p batch_size=...); kept as ",
        ),
    ],
)
def test_a_kernel_that_dies_is_told_with_its_cell(execute, death, told):
    process, _ = execute(f"import os\n{death}")
    assert process.returncode == 1
    assert process.stderr.startswith(f"error: 04.seed=7: {told}")
    assert process.stderr.count("\n") == 1


def test_a_cell_that_wants_too_much_memory_is_told_what_helps(execute):
    limit = "import resource\n\nresource.setrlimit(resource.RLIMIT_AS, (2**32, 2**32))"
    process, _ = execute(limit, "too_much = bytearray(2**33)")
    assert process.returncode == 1
    assert process.stderr.startswith(
        "error: 04.seed=7: cell In [4] `too_much = bytearray(2**33)` failed: MemoryError: ; "
        "probably for want of memory: run fewer jobs at once (--cores 1), or "
    )


def test_a_run_without_its_product_has_failed(execute):
    process, _ = execute("1", products=["tables/04/none.csv"])
    assert process.returncode == 1
    assert process.stderr == "error: 04.seed=7: ran to its end without making tables/04/none.csv\n"
