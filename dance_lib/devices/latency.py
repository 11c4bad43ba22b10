"""What a benchmark tool says of how long a network takes on a device."""

from dataclasses import dataclass
from math import isfinite

from dance_lib.devices.power import LogError

NUMBER = r"[0-9]{1,15}(?:\.[0-9]{1,15})?(?:e[+-]?[0-9]{1,2})?"  # as benchmark tools print them


@dataclass(frozen=True)
class LatencyLog:
    """Milliseconds of one run of a network, as the tool that ran it summed them up.

    Attributes:
        source: the log's name, for messages and tables. format: "tflite" or "trtexec".
        runs: how many were timed; None where the log does not say.
        mean_ms, median_ms, least_ms, most_ms, deviation_ms: NaN where the log does not tell.
        duration_s: what all runs together took, where the log tells; else NaN.
    """

    source: str
    format: str
    runs: int | None
    mean_ms: float
    median_ms: float = float("nan")
    least_ms: float = float("nan")
    most_ms: float = float("nan")
    deviation_ms: float = float("nan")
    duration_s: float = float("nan")

    def __post_init__(self) -> None:
        if not (isfinite(self.mean_ms) and self.mean_ms > 0):
            raise LogError(f"{self.source}: a mean latency of {self.mean_ms} ms is no latency")
