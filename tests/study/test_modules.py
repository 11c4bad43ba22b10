import sys
from pathlib import Path

import pytest

import dance_lib
from dance_lib.errors import DanceError
from dance_lib.study.modules import reached_files

TOP = Path(dance_lib.__file__).parent
PARAMETERS = 'results = "results/small"'


def reached(made, *sources):
    notebook = made.write_notebook("04", [PARAMETERS, *sources])
    return {str(file.relative_to(TOP)) for file in reached_files(notebook)}


def test_a_notebook_reaches_what_it_imports_and_what_that_imports(made):
    files = reached(made, "%matplotlib inline\nfrom dance_lib import study")
    assert {"study/__init__.py", "study/run.py", "study/paths.py", "errors.py"} <= files


def test_it_does_not_reach_what_it_never_imports(made):
    # The batch may change without any notebook running again.
    files = reached(made, "from dance_lib import study")
    assert not files & {"study/graph.py", "study/batch.py", "study/execute.py"}
    assert not any(file.startswith(("cli/", "models", "aap", "data")) for file in files)


def test_a_module_brings_the_packages_above_it(made):
    files = reached(made, "from dance_lib.study.paths import find_root")
    assert {"study/paths.py", "study/__init__.py", "study/run.py"} <= files
    assert "__init__.py" not in files


def test_the_package_itself_leads_to_the_home_of_each_of_its_names(made):
    files = reached(made, "import dance_lib as dance")
    for name in dance_lib.__all__:
        home = sys.modules[getattr(dance_lib, name).__module__].__file__
        assert str(Path(home).relative_to(TOP)) in files


def test_other_libraries_are_not_ours(made):
    assert reached(made, "import numpy as np\nimport json, os.path") == set()


def test_a_cell_that_is_not_python_is_one_line(made):
    with pytest.raises(DanceError, match=r"04\.ipynb: .*: x = ="):
        reached(made, "x = =")
