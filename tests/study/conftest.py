import pytest

from tests.study.made import MadeStudy


@pytest.fixture
def made(tmp_path):
    """A study that nothing has run in yet."""
    return MadeStudy(tmp_path / "study")
