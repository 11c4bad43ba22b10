"""What is typed on the command line reaches notebooks as data, never as code or as a place."""

import ast
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from papermill.translators import PythonTranslator

from dance_lib.errors import DanceError
from dance_lib.study.products import runs
from dance_lib.study.settings import Settings
from dance_lib.study.values import parse_overrides

HOSTILE = [
    "$(touch pwned)", "`touch pwned`", "; touch pwned", "| touch pwned", "&& touch pwned",
    "'; touch pwned; '", '"; touch pwned; "', "\n touch pwned", "$PWD", "~", "*", "-rf",
    "'); import os; os.system('touch pwned') #", '"); import os; os.system("touch pwned") #',
    "'''", '"""', "\\", "\\\"", "{seed}", "{wildcards.x}", "{{seed}}", "{ seed }", "{0}", "%s",
    "!touch pwned", "%%bash", "__import__('os')", "../../pwned", "/pwned", "é\u2028\u202e日本",
]  # fmt: skip


@pytest.mark.slow
def test_values_arrive_as_they_were_typed(made):
    """By way of the shell, Snakemake, papermill and the kernel."""
    made.reproduce("--only", "01_make", "-p", f"note={json.dumps(HOSTILE)}")
    (folder,) = (path for path in made.run_folder.parent.iterdir() if path.is_dir())
    (parameters,) = runs(folder)["parameters"]
    assert json.loads(parameters)["note"] == HOSTILE
    assert not list(made.root.rglob("*pwned*"))


@pytest.mark.slow
def test_values_in_names_of_files_stay_in_their_folder(made):
    ways = ["../../pwned", "'; touch pwned; '{seed}", "none"]
    made.reproduce("--only", "02_add", "-p", f"way={json.dumps(ways)}")
    made_there = sorted(path.name for path in made.run_folder.glob("tables/02_add/*"))
    assert len(made_there) == len(ways)
    assert not any(path.name == "pwned" for path in made.root.parent.rglob("*"))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20)
    | st.sampled_from(HOSTILE),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.text(max_size=8), inside),
    max_leaves=5,
)  # fmt: skip


@given(value=json_values)
@settings(deadline=None)
def test_the_cell_that_papermill_writes_assigns_literals_alone(value):
    value = json.loads(json.dumps(value))
    body = ast.parse(PythonTranslator.codify({"note": value, "results": "r"})).body
    assert [type(line) for line in body] == [ast.Assign, ast.Assign]
    scope: dict = {}
    exec(compile(ast.Module(body, []), "cell", "exec"), {"__builtins__": {"float": float}}, scope)
    assert scope == {"note": value, "results": "r"}


@pytest.mark.parametrize("name", ["a b", "a;b", "a-b", "os.system", "", "a\nb", "{a}"])
def test_names_of_parameters_are_names(name):
    with pytest.raises(DanceError, match="give it as NAME=VALUE"):
        parse_overrides([f"{name}=1"])


@pytest.mark.parametrize("name", ["../x", "/tmp/x", ".", "..", "a/b", "", "a b", "$(x)", "-x"])
def test_names_of_run_folders_stay_below_results(name):
    with pytest.raises(DanceError, match="use letters, digits"):
        Settings.choose("small", {}, name, {}, set())
