import errno

import pytest

from dance_lib.atomic import UnwritableError, remove_partials, replacing, writing
from dance_lib.errors import DanceError


def refused(code, file=None):
    return OSError(code, "the system's words", file)


def test_a_file_is_replaced_as_a_whole_or_not_at_all(tmp_path):
    file = tmp_path / "new folder" / "table.csv"
    with replacing(file) as partial:
        assert (partial.parent, partial.suffix) == (file.parent, ".csv")
        partial.write_text("first")
        assert not file.exists()
    assert file.read_text() == "first"

    with pytest.raises(KeyError), replacing(file) as partial:  # noqa: PT012
        partial.write_text("sec")
        raise KeyError
    assert file.read_text() == "first"
    assert list(file.parent.iterdir()) == [file]


@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        (errno.ENOSPC, "make room"),
        (errno.EDQUOT, "make room in your quota"),
        (errno.EROFS, "choose a folder that can be written, or mount it so"),
        (errno.EACCES, "choose a folder that you may write, or change its rights"),
    ],
)
def test_a_refusal_of_the_system_is_one_line_with_a_remedy(tmp_path, code, remedy):
    file = tmp_path / "table.csv"
    file.write_text("first")
    with pytest.raises(UnwritableError) as caught, replacing(file) as partial:  # noqa: PT012
        partial.write_text("sec")
        raise refused(code)
    assert str(caught.value) == f"{file} can't be written: the system's words; {remedy}"
    assert file.read_text() == "first"
    assert list(tmp_path.iterdir()) == [file]


def test_a_refusal_behind_another_library_s_error_is_found(tmp_path):
    with pytest.raises(UnwritableError, match="make room"), replacing(tmp_path / "net.pt"):  # noqa: PT012
        try:
            raise refused(errno.ENOSPC)
        except OSError:
            raise RuntimeError("unexpected pos 704 vs 598")  # noqa: B904  (as torch does)


@pytest.mark.parametrize(
    "error",
    [
        refused(errno.EACCES, "/another/folder/video.mp4"),  # not to be written at all
        refused(errno.EIO),  # no remedy is known
        RuntimeError("no refusal behind it"),
        DanceError("told well enough"),
    ],
)
def test_other_errors_stay_what_they_are(tmp_path, error):
    with pytest.raises(type(error)) as caught, writing(tmp_path / "table.csv"):
        raise error
    assert caught.value is error


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    with pytest.raises(UnwritableError), writing(tmp_path / "a" / "b" / "table.csv"):
        raise refused(errno.EROFS, str(tmp_path / "a"))


def test_partials_are_removed_and_nothing_else(tmp_path):
    kept = tmp_path / "tables" / "partial.csv"
    left = tmp_path / "tables" / ".table.seed=0.123.partial.csv"
    kept.parent.mkdir()
    kept.touch()
    left.touch()
    remove_partials(tmp_path)
    assert list(kept.parent.iterdir()) == [kept]
