"""What the columns of a table of power are, by the words and units of its header or as declared."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from dance_lib.devices.power import LogError

ROLES = ("time", "power", "current", "voltage")
WHOLE = "power"  # the rail of a column whose header names none


def _electric(symbol: str) -> dict[str, float]:
    scales = {"": 1.0, "m": 1e-3, "u": 1e-6, "µ": 1e-6, "μ": 1e-6}
    return {
        prefix + spelt: scale
        for prefix, scale in scales.items()
        for spelt in (symbol, symbol.lower())
    }


UNITS: dict[str, dict[str, float]] = {  # role -> unit -> what one of it is in s, W, A or V
    "time": {
        **dict.fromkeys(("s", "sec", "second", "seconds"), 1.0),
        **dict.fromkeys(("ms", "msec", "milliseconds"), 1e-3),
        **dict.fromkeys(("us", "µs", "μs", "usec", "microseconds"), 1e-6),
        "ns": 1e-9,
    },
    "power": _electric("W"),
    "current": _electric("A"),
    "voltage": _electric("V"),
}

_WORDS = {"power": "power", "current": "current", "curr": "current", "voltage": "voltage"}
_TIME = {"time", "timestamp", "timestamps", "datetime", "elapsed", "epoch"}
_OF_TIME = {"unix", "utc", "local", "system", "host", "sample", "since", "start", "date", "and"}
_GENERAL = {"bus", "load", "supply", "input", "total", "board", "device", "system"}
_ASIDE = {  # sums over time, limits, and quantities that are none of the device's power
    *("avg", "average", "mean", "median", "max", "maximum", "min", "minimum", "peak", "std"),
    *("limit", "cap", "threshold", "budget", "mode", "delta"),
    *("shunt", "factor", "apparent", "reactive"),
}


@dataclass(frozen=True)
class Column:
    """One column: where it is, what it holds, and of which rail.

    Attributes:
        role: one of ROLES; "aside" for a quantity that is like one of them and must not be taken
            for it, as the drop across a shunt or an average; "" for all others.
        unit: as the header spells it; None where it has none.
    """

    place: int
    name: str
    role: str
    unit: str | None
    rail: str = ""


@dataclass(frozen=True)
class Choice:
    """Columns to read: the time, and of each rail its power, or its current and its voltage."""

    time: Column | None
    rails: dict[str, tuple[Column, ...]]
    aside: tuple[str, ...]


def column(place: int, text: str) -> Column:
    """What the header of one column says."""
    text = text.strip()
    bracket = re.fullmatch(r"(.*?)\s*[(\[]([^()\[\]]*)[)\]]", text)
    base, unit = (bracket[1], bracket[2].strip()) if bracket else (text, None)
    if not bracket and text.rpartition("_")[2] in {
        unit for known in UNITS.values() for unit in known
    }:
        base, _, unit = text.rpartition("_")
    words = [word for word in re.split(r"[\W_]+", base) if word]
    lower = {word.lower() for word in words}
    meant = {_WORDS[word] for word in lower & _WORDS.keys()}
    of_unit = next((role for role in ROLES if unit in UNITS[role]), "")
    if lower & _TIME and lower <= _TIME | _OF_TIME:
        return Column(place, text, "time", unit)
    if len(meant) > 1:  # "current power (mW)"
        meant = {of_unit} & meant or {"power"}
    if not meant and (of_unit == "power" or (bracket and of_unit in ("current", "voltage"))):
        meant = {of_unit}  # "POM_5V_IN (mW)"
    if not meant:
        return Column(place, text, "", unit)
    role = meant.pop()
    if lower & _ASIDE:
        return Column(place, text, "aside", unit)
    if lower & _WORDS.keys():
        rail = " ".join(word for word in words if word.lower() not in _WORDS.keys() | _GENERAL)
    else:
        rail = "" if lower <= _GENERAL else base
    return Column(place, text, role, unit, rail)


def choose(source: str, header: list[str], declared: Mapping[str, tuple[str, str]]) -> Choice:
    """Which columns to read.

    Raises:
        LogError: no column for power, two for one role, or a declared one that is not there.
    """
    columns = [column(place, text) for place, text in enumerate(header)]
    named = {role: _declared(source, columns, role, *declared[role]) for role in declared}
    by_role = {
        role: [named[role]] if role in named else [one for one in columns if one.role == role]
        for role in ROLES
    }
    if "power" not in named and ("current" in named or "voltage" in named):
        by_role["power"] = []
    times = by_role["time"]
    if len(times) > 1:
        raise _two(source, "the time", times[0], times[1])
    rails: dict[str, tuple[Column, ...]] = {}
    if by_role["power"]:
        for one in by_role["power"]:
            rail = one.rail or WHOLE
            if rail in rails:
                raise _two(source, f"the power of '{rail}'", rails[rail][0], one)
            rails[rail] = (one,)
    elif by_role["current"] and by_role["voltage"]:
        rails = _pairs(source, by_role["current"], by_role["voltage"])
    else:
        raise LogError(
            f"{source}: no column of power, nor of current and voltage, in its header "
            f"({', '.join(header)[:80]}); declare which column is what, and its unit"
        )
    aside = tuple(one.name for one in columns if one.role == "aside")
    return Choice(times[0] if times else None, rails, aside)


def scale(source: str, one: Column) -> float:
    """What one unit of a column is in s, W, A or V.

    Raises:
        LogError: it has no unit, or one that is not known for its role.
    """
    known = UNITS[one.role]
    if one.unit is None:
        raise LogError(
            f"{source}, column '{one.name}': no unit in its header; write it there, as in "
            f"'{one.role} ({list(known)[2]})', or declare it"
        )
    if one.unit not in known:
        raise LogError(
            f"{source}, column '{one.name}': '{one.unit}' is no known unit of {one.role}; known "
            f"are {', '.join(known)}; mend the header or declare the unit"
        )
    return known[one.unit]


def _declared(source: str, columns: list[Column], role: str, name: str, unit: str) -> Column:
    if role not in ROLES:
        raise LogError(f"{source}: '{role}' is no role of a column; roles are {', '.join(ROLES)}")
    found = [one for one in columns if one.name == name.strip()]
    if len(found) != 1:
        there = ", ".join(one.name for one in columns)
        many = "no column" if not found else "more than one column"
        raise LogError(f"{source}: {many} '{name}', declared as {role}; columns are {there}")
    return replace(found[0], role=role, unit=unit)


def _pairs(
    source: str, currents: list[Column], voltages: list[Column]
) -> dict[str, tuple[Column, ...]]:
    """Current and voltage of each rail; where there is one of each, one of them names it."""
    if len(currents) == len(voltages) == 1 and "" in (currents[0].rail, voltages[0].rail):
        return {currents[0].rail or voltages[0].rail or WHOLE: (currents[0], voltages[0])}
    sides: list[dict[str, Column]] = []
    for what, found in (("current", currents), ("voltage", voltages)):
        side: dict[str, Column] = {}
        for one in found:
            if one.rail in side:
                raise _two(source, f"the {what} of '{one.rail or WHOLE}'", side[one.rail], one)
            side[one.rail] = one
        sides.append(side)
    alone = next(iter(sides[0].keys() ^ sides[1].keys()), None)
    if alone is not None:
        one = (sides[0] | sides[1])[alone]
        raise LogError(
            f"{source}, column '{one.name}': no column that goes with it as current and voltage "
            "of one rail; declare current and voltage"
        )
    return {rail or WHOLE: (one, sides[1][rail]) for rail, one in sides[0].items()}


def _two(source: str, what: str, first: Column, second: Column) -> LogError:
    return LogError(
        f"{source}: '{first.name}' and '{second.name}' can both be {what}; declare which one is"
    )
