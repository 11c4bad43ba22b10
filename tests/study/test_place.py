"""Where jobs run, as Snakemake's own parser reads it from a file."""

import pytest

from dance_lib.errors import DanceError
from dance_lib.study.place import find_place


@pytest.fixture
def profile(tmp_path):
    """Write a workflow profile."""

    def write(text):
        file = tmp_path / "elsewhere.yaml"
        file.write_text(text)
        return file

    return write


def test_without_a_profile_it_is_this_machine():
    place = find_place(None, cores=3)
    assert (place.executor, place.resources.cores, place.resources.nodes) == ("local", 3, None)
    assert place.execution["execution_settings"].keep_going


def test_a_profile_says_where_and_with_what(profile):
    told = (
        "executor: local\njobs: 7\nlatency-wait: 11\nretries: 2\ndefault-resources: {mem_mb: 500}"
    )
    place = find_place(profile(told), cores=3)
    assert (place.executor, place.resources.nodes) == ("local", 7)
    assert place.resources.default_resources["mem_mb"].raw == 500
    execution = place.execution["execution_settings"]
    assert (execution.latency_wait, execution.retries) == (11, 2)
    assert execution.keep_going  # what runs stays the batch's to say
    assert not execution.lock


@pytest.mark.parametrize(
    ("told", "complaint"),
    [
        ("executor: slurmm\njobs: 2", r"invalid choice: 'slurmm'.*snakemake-executor-plugin-NAME"),
        ("executor: local", r"say by `jobs: N` how many"),
        ("executor: local\njobs: many", r"elsewhere\.yaml: .*number of jobs.*must be integer"),
        ("executor: local\njobs: 2\nlatncy-wait: 3", r"unrecognized arguments: --latncy-wait=3"),
        ("executor: [local\njobs: 2", r"elsewhere\.yaml: Couldn't parse config file"),
    ],
)
def test_a_mistake_in_a_profile_is_one_line(profile, told, complaint):
    with pytest.raises(DanceError, match=complaint) as error:
        find_place(profile(told), cores=1)
    assert "\n" not in str(error.value)


def test_a_profile_that_is_not_there(tmp_path):
    with pytest.raises(DanceError, match=r"none\.yaml: no such workflow profile; start from"):
        find_place(tmp_path / "none.yaml", cores=1)


def test_the_batch_refuses_it_before_anything_runs(made, profile):
    said = made.reproduce("--workflow-profile", str(profile("executor: local")), status=2)
    assert said.startswith("error: ")
    assert said.count("\n") == 1
    assert not made.run_folder.exists()
