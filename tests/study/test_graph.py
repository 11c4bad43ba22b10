import pytest

from dance_lib.errors import DanceError
from dance_lib.study.graph import plan


def names(jobs):
    return [job.name for job in jobs]


def test_a_list_fans_out_and_a_declared_list_gathers(made):
    jobs = plan(made.root, "small", {"seed": "0,1"})
    assert names(jobs) == [
        "01_make.seed=0",
        "01_make.seed=1",
        "02_add.seed=0.way=none",
        "02_add.seed=0.way=cv",
        "02_add.seed=1.way=none",
        "02_add.seed=1.way=cv",
        "10_show",
    ]
    assert jobs[-1].parameters == {"seed": [0, 1], "way": ["none", "cv"]}
    assert jobs[3].parameters == {"seed": 0, "way": "cv"}


def test_a_job_needs_those_that_agree_with_it(made):
    jobs = {job.name: job for job in plan(made.root, "small", {"seed": "0,1"})}
    assert names(jobs["02_add.seed=1.way=cv"].needs) == ["01_make.seed=1"]
    assert names(jobs["10_show"].needs) == [name for name in jobs if name.startswith("02_add")]
    assert jobs["02_add.seed=1.way=cv"].inputs == [
        "tables/01_make/values.seed=1.csv",
        "runs/01_make.seed=1.csv",
    ]


def test_files_of_a_job_carry_its_values(made):
    job = plan(made.root, "small", {})[1]
    assert job.outputs == [
        "tables/02_add/sums.seed=0.way=none.csv",
        "runs/02_add.seed=0.way=none.csv",
    ]
    assert job.executed == "notebooks/02_add.seed=0.way=none.ipynb"


def read_outside(made, path):
    """Let 01_make read a file outside the run folder."""
    text = made.manifest.read_text()
    made.manifest.write_text(text.replace("title: Make", f'reads: ["{path}"]\n    title: Make'))


def test_a_file_outside_the_run_folder_is_named_by_a_parameter(made):
    read_outside(made, "data/{note}/{seed}.csv")
    jobs = plan(made.root, "small", {"seed": "0,1", "note": "a"})
    assert [job.reads for job in jobs[:2]] == [("data/a/0.csv",), ("data/a/1.csv",)]
    assert jobs[-1].reads == ()


def test_a_file_named_by_an_unknown_parameter_is_refused(made):
    read_outside(made, "{nte}.csv")
    with pytest.raises(DanceError, match=r"unknown parameter of 01_make 'nte'.*mean note\?"):
        plan(made.root, "small", {})


def test_the_command_line_beats_the_notebooks_own_values_and_those_the_shared(made):
    made.profile.write_text(
        "description: d\nparameters: {epochs: 3, scale: 1}\nnotebooks: {01_make: {epochs: 4}}"
    )
    assert plan(made.root, "small", {})[0].parameters["epochs"] == 4
    assert plan(made.root, "small", {})[0].parameters["scale"] == 1.0
    assert plan(made.root, "small", {"epochs": "5"})[0].parameters["epochs"] == 5


def test_an_exclusive_job_claims_the_machine(made):
    made.manifest.write_text(
        made.manifest.read_text().replace("title: Make", "exclusive: true\n    title: Make")
    )
    first, second, *_ = plan(made.root, "small", {})
    assert (first.claims(8), second.claims(8)) == (8, 1)


@pytest.mark.parametrize(
    ("profile", "complaint"),
    [
        ("parameters: {sed: 1}", r"unknown parameter 'sed'.*did you mean seed\?"),
        ("notebooks: {03_sub: {seed: 1}}", "unknown notebook '03_sub'"),
        ("notebooks: {02_add: {epochs: 1}}", "unknown parameter of 02_add 'epochs'"),
        ("notebooks: {01_make: {results: x}}", "unknown parameter of 01_make 'results'"),
        ("parameters: [seed]", "small.yml: parameters: "),
        ("parameter: {seed: 1}", "small.yml: parameter: "),
        ("parameters: {seed: ", "small.yml: "),
        ("notebooks: {10_show: {seed: [0, 7]}}", "10_show needs 02_add with seed=7"),
    ],
)
def test_a_mistake_in_a_profile_is_one_line(made, profile, complaint):
    made.profile.write_text(f"description: d\n{profile}")
    with pytest.raises(DanceError, match=complaint) as error:
        plan(made.root, "small", {})
    assert "\n" not in str(error.value)


def test_what_is_not_asked_for_need_not_find_what_it_needs(made):
    made.profile.write_text("description: d\nnotebooks: {10_show: {seed: [0, 7]}}")
    jobs = plan(made.root, "small", {}, ["02_add"])
    assert names(jobs) == ["01_make.seed=0", "02_add.seed=0.way=none"]
    for only in ([], ["10_show"]):
        with pytest.raises(DanceError, match="10_show needs 02_add with seed=7"):
            plan(made.root, "small", {}, only)


def test_a_notebook_that_is_asked_for_has_a_job(made):
    """The default profile has no rivals, and `--only 04_rivals` asks for them."""
    none = {"way": "[]"}
    with pytest.raises(DanceError, match=r"02_add runs for each way, and here is none: -p way=A,B"):
        plan(made.root, "small", none, ["02_add"])
    assert plan(made.root, "small", none, ["01_make"])


def test_an_unknown_profile_is_refused_with_those_there_are(made):
    with pytest.raises(DanceError, match=r"unknown profile 'smal'; there are: small.*mean small\?"):
        plan(made.root, "smal", {})


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("needs: [01_make]", "needs: [10_show]", "10_show, which is not listed before"),
        ("report: 10_show", "report: 11_show", "the report 11_show is not among"),
        ("tables/02_add/sums", "tables/01_make/values", "is made by 01_make and 02_add"),
        ("tables/02_add", "../tables", "outside the run folder"),
        ("minutes: {small: 0.1}", "minutes: {small: -1}", "minutes.small: "),
        ("title: Make values", "titel: Make values", "notebooks.01_make.title: "),
    ],
)
def test_a_mistake_in_the_manifest_is_one_line(made, old, new, complaint):
    made.manifest.write_text(made.manifest.read_text().replace(old, new))
    with pytest.raises(DanceError, match=complaint) as error:
        plan(made.root, "small", {})
    assert "\n" not in str(error.value)


def test_a_notebook_of_the_manifest_that_is_not_there(made):
    (made.root / "notebooks" / "02_add.ipynb").unlink()
    with pytest.raises(DanceError, match=r"02_add\.ipynb is in the manifest, but"):
        plan(made.root, "small", {})
