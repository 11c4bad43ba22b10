"""A results folder that is full or read-only: a line says so, and what was finished stays."""

import pytest

from tests.study.made import MadeStudy
from tests.torture.disk import change, disk
from tests.torture.real_study import jobs_of, same, tables

pytestmark = [pytest.mark.torture, pytest.mark.mount]


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    """The tables of a batch that had room."""
    study = MadeStudy(tmp_path_factory.mktemp("room") / "study")
    study.reproduce()
    return tables(study.run_folder)


# All of the study takes more: the first has no room for the settings, the last for half the jobs.
@pytest.mark.parametrize("size", ["4k", "16k", "32k", "64k", "96k"])
def test_a_full_disk_is_told_and_the_batch_goes_on_when_there_is_room(
    tmp_path, tally, expected, size
):
    study = MadeStudy(tmp_path / "study")
    with disk(study.root / "results", size):
        said = study.reproduce(status=2)
        change(study.root / "results", "size=8m")
        again = study.reproduce()
        made = tables(study.run_folder)
    told = said.splitlines()[-1]
    held = (
        told.startswith(f"error: {study.run_folder}")
        and told.endswith("can't be written: No space left on device; make room")
        and "Traceback" not in said
        and not jobs_of("done", said).keys() & jobs_of("start", again).keys()
        and same(expected, made) == len(expected)
    )
    tally(group="faults", what=f"a disk that is full at {size}", tried=1, held=int(held))


def test_a_read_only_folder_is_told_and_left_as_it_was(tmp_path, tally, expected):
    study = MadeStudy(tmp_path / "study")
    with disk(study.root / "results", "8m"):
        study.reproduce()
        change(study.root / "results", "ro")
        said = study.reproduce("--force", status=2)
        made = tables(study.run_folder)
    told = (
        f"error: {study.run_folder / '.lock'} can't be written: Read-only file system; "
        "choose a folder that can be written, or mount it so\n"
    )
    held = said.endswith(told) and said.count("\n") == 2 and same(expected, made) == len(expected)
    tally(group="faults", what="a read-only results folder", tried=1, held=int(held))
