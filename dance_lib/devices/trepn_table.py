"""The parts of a csv export of Trepn: preamble, samples, averages."""

import csv
import re
from dataclasses import dataclass
from io import StringIO

from dance_lib.devices.power import LogError

TIME = re.compile(r"Time\s*\[(.*)\]")  # header of a column of time, with its unit


@dataclass(frozen=True)
class Table:
    """An export: of the samples the header, the rows and their lines in the file."""

    source: str
    header: list[str]
    rows: list[list[str]]
    lines: list[int]
    preamble: list[list[str]]
    statistics: list[list[str]]

    def column(self, place: int) -> list[str]:
        """All cells of a column."""
        return [row[place].strip() for row in self.rows]

    def where(self, place: int) -> list[str]:
        """Of each cell of a column where it is, for messages."""
        return [f"{self.source}, line {n}, column '{self.header[place]}'" for n in self.lines]


def read_table(source: str, text: str) -> Table:
    """Take an export apart.

    Raises:
        LogError: it is no csv, has no samples, a row is too short or too long, or samples stop
            and go on.
    """
    reader = csv.reader(StringIO(text), strict=True)
    rows: list[tuple[int, list[str]]] = []
    try:
        for row in reader:
            rows.append((reader.line_num, row))
    except csv.Error as error:
        raise LogError(f"{source}, line {reader.line_num}: is no line of csv ({error})") from error
    begin = next((at for at, (_, row) in enumerate(rows) if row and TIME.fullmatch(row[0])), None)
    if begin is None:
        raise LogError(f"{source}: no table of samples in it (a header that begins 'Time [ms]')")
    header = [name.strip() for name in rows[begin][1]]
    body, end = [], begin + 1
    while end < len(rows) and any(cell.strip() for cell in rows[end][1]):
        line, row = rows[end]
        if len(row) != len(header):
            raise LogError(
                f"{source}, line {line}: {len(row)} cells, but the header has {len(header)}; the "
                "export was cut or damaged there"
            )
        body.append((line, row))
        end += 1
    if not body:
        raise LogError(f"{source}: a header and no sample below it")
    rest = [(line, row) for line, row in rows[end:] if any(cell.strip() for cell in row)]
    if rest and not rest[0][1][0].strip().endswith("Statistics:"):
        raise LogError(
            f"{source}, line {rest[0][0]}: samples stop before an empty line and go on after it; "
            "nobody knows what was between, so keep one part"
        )
    preamble = [row for _, row in rows[:begin]]
    lines = [line for line, _ in body]
    return Table(
        source, header, [row for _, row in body], lines, preamble, [row for _, row in rest]
    )
