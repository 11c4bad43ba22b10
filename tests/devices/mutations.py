"""Broken logs: a valid one with lines or characters changed, and words of a format in any order."""

from hypothesis import strategies as st

from dance_lib.devices.formats import Declared, Format
from dance_lib.devices.latency import LatencyLog
from dance_lib.devices.power import LogError, PowerLog, energy_table

EXAMPLES = 500  # of each fuzz test: with 21 of them over 10,000 generated logs


def words(*tokens: str) -> st.SearchStrategy[str]:
    """Texts of these words, and of spaces, line ends, numbers and some odd characters."""
    common = [*tokens, *"\n\n\n ,:=.-+\t\"'()0123456789٣é\x1c", "nan", "1e999", "9" * 400]
    return st.lists(st.sampled_from(common), max_size=60).map("".join)


@st.composite
def mutations(draw: st.DrawFn, valid: str, *tokens: str) -> str:
    """`valid` after up to six changes of lines or characters."""
    text = valid
    for _ in range(draw(st.integers(1, 6))):
        lines = text.split("\n")
        at = draw(st.integers(0, max(0, len(lines) - 1)))
        where = draw(st.integers(0, len(text)))
        change = draw(st.sampled_from(["delete", "double", "move", "token", "drop", "insert"]))
        if change == "delete":
            del lines[at]
        elif change == "double":
            lines.insert(at, lines[at])
        elif change == "move":
            lines.insert(draw(st.integers(0, len(lines) - 1)), lines.pop(at))
        elif change == "token":
            parts = lines[at].split(",") if "," in lines[at] else lines[at].split(" ")
            parts[draw(st.integers(0, len(parts) - 1))] = draw(words(*tokens))
            lines[at] = ("," if "," in lines[at] else " ").join(parts)
        text = "\n".join(lines)
        if change == "drop":
            text = text[:where] + text[where + draw(st.integers(1, 5)) :]
        elif change == "insert":
            text = text[:where] + draw(st.sampled_from("0123456789-.,:= \nexé")) + text[where:]
    return text


def read_or_refuse(kind: Format, text: str, declared: Declared) -> None:
    """Any text is either read, and then its energy can be asked for, or refused by LogError."""
    assert kind.recognises(text) in (True, False)
    try:
        log = kind.read("log", text, declared)
        if isinstance(log, PowerLog):
            energy_table(log)
        else:
            assert isinstance(log, LatencyLog)
    except LogError as error:
        assert str(error).startswith("log")  # noqa: PT017 - not to be raised is right too
