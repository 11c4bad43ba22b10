"""Any log of power or latency: which format it is in, and what it says."""

from pathlib import Path

from dance_lib.devices import (
    batterystats,
    dumpsys_battery,
    meter_csv,
    power_supply,
    tegrastats,
    tflite,
    trepn,
    trtexec,
)
from dance_lib.devices.formats import HEAD, Declared, Format, read_text
from dance_lib.devices.latency import LatencyLog
from dance_lib.devices.power import LogError, PowerLog

FORMATS: dict[str, Format] = {
    module.FORMAT.name: module.FORMAT
    for module in (
        tegrastats,
        meter_csv,
        trepn,
        power_supply,
        dumpsys_battery,
        batterystats,
        tflite,
        trtexec,
    )
}
NOTHING = Declared()


def read_log(
    path: Path, format: str | None = None, declared: Declared = NOTHING
) -> PowerLog | LatencyLog:
    """What a log says, read by its format.

    Args:
        format: a key of FORMATS; by default what its first lines are recognised as.
        declared: what the log itself does not tell.

    Raises:
        LogError: no such file or format; recognised as none or as several; not to be supported.
    """
    text = read_text(path)
    if format is None:
        format = _recognised(path, text[:HEAD])
    if format not in FORMATS:
        raise LogError(f"{path}: unsupported format {format!r}; {_known()}")
    return FORMATS[format].read(path.name, text, declared)


def _recognised(path: Path, head: str) -> str:
    hits = [name for name, kind in FORMATS.items() if kind.recognises(head)]
    if len(hits) != 1:
        looks = f"looks like {' and like '.join(hits)}" if hits else "looks like none of them"
        raise LogError(f"{path}: unsupported log: it {looks}; {_known()}")
    return hits[0]


def _known() -> str:
    return f"known formats: {', '.join(FORMATS)}; name it by --format"
