import pytest

from dance_lib.errors import DanceError
from dance_lib.study.notebook import declared_parameters
from dance_lib.study.values import parse_overrides, settle

DECLARED = {"epochs": 2, "lr": 0.1, "ava": "none", "strict": False, "root": None, "seed": [0]}


def settled(chosen, fan_out=()):
    return settle("01_make", DECLARED, chosen, fan_out)


def test_nothing_chosen_leaves_the_literals():
    assert settled({}) == DECLARED


@pytest.mark.parametrize(
    ("name", "given", "value"),
    [
        ("epochs", "3", 3),
        ("lr", "1e-3", 0.001),  # which YAML takes for text
        ("lr", 1, 1.0),
        ("ava", "cv", "cv"),
        ("strict", "true", True),
        ("root", "../shared/data", "../shared/data"),
        ("root", "null", None),
        ("root", "5", 5),
        ("seed", "0,1,2", [0, 1, 2]),
        ("seed", 3, [3]),
        ("seed", "[4, 5]", [4, 5]),
        ("seed", "1,1,0", [1, 0]),
    ],
)
def test_the_literal_gives_the_type(name, given, value):
    result = settled({name: given})[name]
    assert result == value
    assert type(result) is type(value)


def test_no_values_to_fan_out_over_are_no_jobs():
    assert settled({"seed": []}, ["seed"])["seed"] == []


@pytest.mark.parametrize(
    ("name", "given", "complaint"),
    [
        ("epochs", "many", "epochs is of type int"),
        ("epochs", "1.5", "epochs is of type int"),
        ("epochs", True, "epochs is of type int"),
        ("epochs", "1,2", "does not fan out over it"),
        ("lr", "fast", "lr is of type float"),
        ("ava", 3, "ava is of type str"),
        ("strict", "perhaps", "strict is of type bool"),
        ("seed", "0,x", "seed is of type int"),
    ],
)
def test_what_does_not_fit_is_refused(name, given, complaint):
    with pytest.raises(DanceError, match=complaint) as error:
        settled({name: given})
    assert "\n" not in str(error.value)


def test_a_name_fanned_out_over_has_a_list_of_values():
    assert settled({"ava": "none,cv"}, ["ava"])["ava"] == ["none", "cv"]
    assert settled({}, ["ava"])["ava"] == ["none"]


def test_an_unknown_name_is_refused_with_a_guess():
    with pytest.raises(DanceError, match=r"unknown parameter of 01_make 'epoch'.*mean epochs\?"):
        settled({"epoch": 3})
    with pytest.raises(DanceError, match="'way'"):
        settled({}, ["way"])


def test_overrides_are_names_and_text():
    assert parse_overrides(["seed=0,1", "root=a=b"]) == {"seed": "0,1", "root": "a=b"}


@pytest.mark.parametrize("arguments", [["seed"], ["=1"], ["a b=1"], ["a=1", "a=2"], ["results=x"]])
def test_bad_overrides_are_refused(arguments):
    with pytest.raises(DanceError, match="-p "):
        parse_overrides(arguments)


def test_declared_parameters_are_the_cells_literals(made):
    file = made.write_notebook("04", ['results = "r"\nlr: float = -1.5  # why\nseed = [0, 1]'])
    assert declared_parameters(file) == {"lr": -1.5, "seed": [0, 1]}


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ('results = "r"\nseed = 1 + 1 + x', "plain"),
        ('results = "r"\nimport os', "plain"),
        ("seed = 0", "no parameter `results`"),
        ("seed = ", "plain"),
    ],
)
def test_a_parameters_cell_holds_nothing_else(made, source, complaint):
    with pytest.raises(DanceError, match=complaint):
        declared_parameters(made.write_notebook("04", [source]))


def test_one_cell_has_the_parameters(made):
    file = made.root / "notebooks" / "01_make.ipynb"
    file.write_text(file.read_text().replace('"parameters"', '"other"'))
    with pytest.raises(DanceError, match="0 cells tagged parameters"):
        declared_parameters(file)
    file.write_text("{}")
    with pytest.raises(DanceError, match="is not a notebook"):
        declared_parameters(file)
