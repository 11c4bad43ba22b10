"""Damaged inputs for any parser, and the one rule: a result, or the declared error of one line."""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dance_lib.errors import DanceError
from tests.devices.mutations import mutations

Damage = Callable[[bytes], st.SearchStrategy[bytes]]


@dataclass(frozen=True)
class Parser:
    """A parser and its input.

    Attributes:
        make: writes a valid input below a folder, and returns the file of it to damage.
        read: reads what lies there.
        damage: of the file's bytes.
    """

    name: str
    make: Callable[[Path], Path]
    read: Callable[[Path], object]
    damage: Damage


def fuzz(parser: Parser, folder: Path, examples: int) -> int:
    """Read so many damaged inputs below `folder`; return how many it were."""
    file = parser.make(folder)
    valid = file.read_bytes()
    parser.read(folder)
    tried = 0

    @settings(
        max_examples=examples, deadline=None, database=None, derandomize=True,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(content=parser.damage(valid))
    def read_or_refuse(content: bytes) -> None:
        nonlocal tried
        tried += 1
        file.write_bytes(content)
        try:
            parser.read(folder)
        except DanceError as error:  # not to be raised is right too
            assert len(str(error).splitlines()) == 1  # noqa: PT017

    read_or_refuse()
    return tried


@st.composite
def broken_bytes(draw: st.DrawFn, valid: bytes) -> bytes:
    """`valid` after up to four changes: flipped bits, bytes cut out, put in, doubled, set to one
    value, or an end that is missing."""
    content = bytearray(valid)
    for _ in range(draw(st.integers(1, 4))):
        at, length = draw(st.integers(0, max(0, len(content) - 1))), draw(st.integers(1, 64))
        change = draw(st.sampled_from(["flip", "cut", "insert", "double", "fill", "end"]))
        if change == "flip" and content:
            content[at] ^= 1 << draw(st.integers(0, 7))
        elif change == "cut":
            del content[at : at + length]
        elif change == "insert":
            content[at:at] = draw(st.binary(max_size=16))
        elif change == "double":
            content[at:at] = content[at : at + length]
        elif change == "fill":
            content[at : at + length] = bytes([draw(st.sampled_from([0, 255, 128]))]) * length
        elif change == "end":
            del content[at:]
    return bytes(content)


def text(*tokens: str) -> Damage:
    """Changes to lines and characters, these words among them; some to bytes."""

    def damage(valid: bytes) -> st.SearchStrategy[bytes]:
        changed = mutations(valid.decode(), *tokens).map(lambda t: t.encode("utf-8", "replace"))
        return changed | changed | broken_bytes(valid)

    return damage


def safetensors(*tokens: str) -> Damage:
    """As bytes, or with a changed header before the right numbers."""

    def damage(valid: bytes) -> st.SearchStrategy[bytes]:
        (length,) = struct.unpack("<Q", valid[:8])
        header, numbers = valid[8 : 8 + length].decode(), valid[8 + length :]

        def whole(header: str) -> bytes:
            encoded = header.encode("utf-8", "replace")
            return struct.pack("<Q", len(encoded)) + encoded + numbers

        return broken_bytes(valid) | mutations(header, *tokens).map(whole)

    return damage
