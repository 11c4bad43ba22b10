"""The study matrix: which arms and rivals are compared, how each differs, and in how many seeds.

An arm is one way to train and to prune by plans made for each clip; a rival does without looking
at the clip. A notebook that fans out over `arm` or `rival` runs once for each of them and each
seed, with the entry's parameters in the place of its own literals.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field, JsonValue, PositiveInt

from dance_lib.study.paths import MATRIX
from dance_lib.study.schema import Strict, read_yaml, unknown

SEED = "seed"
ROWS = ("arm", "rival")  # names to fan out over that the matrix explains


class Row(Strict):
    """One arm or rival.

    Attributes:
        title: its name in tables and figures.
        question: what it is there to tell.
        seeds: so many of the study's seeds, the first ones; all of them where None.
        parameters: of its notebook, where they differ from the notebook's literals.
    """

    title: str
    question: str
    seeds: PositiveInt | None = None
    parameters: dict[str, JsonValue] = Field(default_factory=dict)


class Matrix(Strict):
    """All arms and rivals, in the order of tables."""

    arms: dict[str, Row] = Field(default_factory=dict)
    rivals: dict[str, Row] = Field(default_factory=dict)

    def rows(self, name: str) -> dict[str, Row]:
        """Return all arms, or all rivals."""
        return self.arms if name == "arm" else self.rivals

    def row(self, values: Mapping[str, Any]) -> Row | None:
        """Return the arm or rival of a combination of values, None where it has neither.

        Raises:
            DanceError: the matrix does not know it; the message lists those it knows.
        """
        for name in ROWS:
            if name in values:
                rows = self.rows(name)
                if values[name] not in rows:
                    raise unknown(name, values[name], rows)
                return rows[values[name]]
        return None

    def wants(self, values: Mapping[str, Any], seeds: Sequence[Any]) -> bool:
        """Whether the study runs with these values, given all its seeds."""
        row = self.row(values)
        return row is None or SEED not in values or values[SEED] in list(seeds)[: row.seeds]


def load_matrix(root: Path) -> Matrix:
    """Read `notebooks/matrix.yml`, which a study without arms need not have.

    Raises:
        DanceError: it does not fit; the first mistake is named.
    """
    file = root / MATRIX
    return read_yaml(file, Matrix) if file.is_file() else Matrix()
