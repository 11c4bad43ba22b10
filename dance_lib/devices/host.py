"""Joules of this machine, through codecarbon, and where each of them came from.

codecarbon reads a counter where the machine has one (RAPL for the processor, NVML's for the GPU)
and otherwise multiplies time by a power that it assumes from the processor's model and load. The
first is measured. The second is an estimate of time, and evidence of nothing but time.
"""

from collections.abc import Callable
from typing import Literal, NamedTuple, Protocol

from dance_lib.errors import DanceError

JOULES = 3.6e6  # in a kWh, codecarbon's unit
# codecarbon's description of a part -> its meter, where that reads a counter of energy
COUNTERS = {"CPU(Intel Rapl)": "RAPL"}

Part = Literal["processor", "memory", "gpu"]


class Reading(NamedTuple):
    """Joules of one part of the machine over one stretch of time, by one meter."""

    part: Part
    energy_j: float
    meter: str
    kind: Literal["measured", "estimated"]


class Meter(Protocol):
    """Whatever tells the joules of this machine while something runs."""

    def energy_of(self, work: Callable[[], object]) -> list[Reading]:
        """Do the work; a reading for each part of the machine that the meter knows."""


class CodeCarbon:
    """codecarbon's offline tracker: it asks no network, and its estimates of carbon are not used.

    Raises:
        DanceError: codecarbon is not installed, or could not start.
    """

    def __init__(self) -> None:
        try:
            from codecarbon import OfflineEmissionsTracker
        except ModuleNotFoundError as error:
            raise DanceError(
                f"{error.name} is not installed: pip install 'dance-lib[devices]'"
            ) from error
        self._tracker = OfflineEmissionsTracker(
            country_iso_code="USA",  # it wants one, for carbon
            output_methods=[],
            log_level="error",
            measure_power_secs=1,
            # Said here, since a configuration file of the user would scale or redefine the joules.
            tracking_mode="machine",
            pue=1.0,
            force_mode_cpu_load=False,
            rapl_include_dram=False,
            rapl_prefer_psys=False,
            allow_multiple_runs=True,  # else a lock file that a killed run left stops the next one
        )
        self._stretches = 0

    def energy_of(self, work: Callable[[], object]) -> list[Reading]:
        """Do the work; processor, memory and, where there is one, the GPU."""
        self._stretches += 1
        task = f"stretch {self._stretches}"
        self._tracker.start_task(task)
        try:
            work()
        finally:
            used = self._tracker.stop_task(task)
        if used is None:
            raise DanceError("codecarbon gave no reading; its log above says why")
        meters = self._meters()
        processor = meters.get("CPU", "unknown")
        found = [
            _reading("processor", used.cpu_energy, processor),
            _reading("memory", used.ram_energy, meters.get("RAM", "unknown")),
        ]
        if "GPU" in meters:
            found.append(_reading("gpu", used.gpu_energy, meters["GPU"]))
        return found

    def _meters(self) -> dict[str, str]:
        """By codecarbon's class of a part, how it says that it reads it.

        The tables it writes do not tell, so this reads what is private to it; where a later release
        has it no more, the meter is unknown, and what is unknown is never called measured.
        """
        hardware = getattr(self._tracker, "_hardware", [])
        return {type(part).__name__: part.description() for part in hardware}


class Nvml:
    """The counter of energy that an NVIDIA GPU has from Volta on: the whole board, in millijoules.

    Args:
        uuid: of the GPU, `GPU-...`: NVML counts in another order than CUDA, and does not know
            CUDA_VISIBLE_DEVICES.

    Raises:
        DanceError: no NVML, or a GPU without the counter.
    """

    def __init__(self, uuid: str) -> None:
        try:
            import pynvml

            pynvml.nvmlInit()
            gpu = pynvml.nvmlDeviceGetHandleByUUID(uuid)
            pynvml.nvmlDeviceGetTotalEnergyConsumption(gpu)
        except ModuleNotFoundError as error:
            raise DanceError(
                f"{error.name} is not installed: pip install 'dance-lib[devices]'"
            ) from error
        except Exception as error:  # an error of its own for each of driver, GPU and counter
            raise DanceError(f"no counter of energy on {uuid}: {error}") from error
        self._millijoules = lambda: pynvml.nvmlDeviceGetTotalEnergyConsumption(gpu)

    def energy_of(self, work: Callable[[], object]) -> list[Reading]:
        """Do the work; the GPU's joules."""
        before = self._millijoules()
        work()
        return [Reading("gpu", (self._millijoules() - before) / 1e3, "NVML", "measured")]


def nvml_counts() -> bool:
    """Whether every NVIDIA GPU here has a counter of energy, as those from Volta on have.

    Without one codecarbon takes power at intervals, and says so in its log alone.
    """
    try:
        import pynvml

        pynvml.nvmlInit()
        count = pynvml.nvmlDeviceGetCount()
        for index in range(count):
            pynvml.nvmlDeviceGetTotalEnergyConsumption(pynvml.nvmlDeviceGetHandleByIndex(index))
    except Exception:  # no such library, driver, GPU or counter, each with an error of its own
        return False
    return count > 0


def _reading(part: Part, kwh: float, description: str) -> Reading:
    counter = COUNTERS.get(description)
    if part == "gpu" and nvml_counts():
        counter = "NVML"
    if counter:
        return Reading(part, kwh * JOULES, f"{counter} by codecarbon", "measured")
    return Reading(part, kwh * JOULES, f"codecarbon: {description}", "estimated")
