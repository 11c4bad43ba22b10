"""Over 10,000 damaged inputs: each is read, or refused by the declared error in one line."""

import pytest

from tests.damage import fuzz
from tests.parsers import PARSERS

pytestmark = pytest.mark.torture
EXAMPLES = 500


@pytest.mark.parametrize("parser", PARSERS, ids=lambda parser: parser.name)
def test_damaged_input_is_read_or_refused(parser, tmp_path, tally):
    tried = fuzz(parser, tmp_path, EXAMPLES)
    assert tried >= EXAMPLES
    tally(group="damaged input", what=parser.name, tried=tried, held=tried)
