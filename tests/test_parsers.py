"""Damaged inputs of every parser; many more of them in tests/torture."""

import pytest

from tests.damage import fuzz
from tests.parsers import PARSERS

EXAMPLES = 100


@pytest.mark.parametrize("parser", PARSERS, ids=lambda parser: parser.name)
def test_damaged_input_is_read_or_refused(parser, tmp_path):
    assert fuzz(parser, tmp_path, EXAMPLES) > EXAMPLES / 2
