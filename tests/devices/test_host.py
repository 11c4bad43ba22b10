"""codecarbon's parts stand in as small classes; one test runs the real one, without a network."""

import socket
import sys
from types import SimpleNamespace

import pytest

from dance_lib.devices import host
from dance_lib.devices.host import CodeCarbon, Nvml
from dance_lib.errors import DanceError


class _Part:
    def __init__(self, description):
        self.text = description

    def description(self):
        return self.text


class CPU(_Part):
    pass


class RAM(_Part):
    pass


class GPU(_Part):
    pass


class Tracker:
    """Gives 1, 2 and 3 watt-hours to processor, memory and GPU."""

    def __init__(self, hardware):
        self._hardware = hardware
        self.tasks = []

    def start_task(self, name):
        self.tasks.append(name)

    def stop_task(self, name):
        assert self.tasks[-1] == name
        return SimpleNamespace(cpu_energy=1e-3, ram_energy=2e-3, gpu_energy=3e-3)


def meter(monkeypatch, *hardware, counts=False):
    made = CodeCarbon.__new__(CodeCarbon)
    made._tracker = Tracker(list(hardware))
    made._stretches = 0
    monkeypatch.setattr(host, "nvml_counts", lambda: counts)
    return made


def test_a_counter_is_measured_and_an_assumed_power_is_estimated(monkeypatch):
    parts = CPU("CPU(Intel Rapl)"), RAM("RAM()")
    cpu, ram = meter(monkeypatch, *parts).energy_of(lambda: None)
    assert cpu == ("processor", pytest.approx(3600), "RAPL by codecarbon", "measured")
    assert ram == ("memory", pytest.approx(7200), "codecarbon: RAM()", "estimated")


@pytest.mark.parametrize(
    "description", ["CPU(Cpu Load)", "CPU(Some Processor > 15W [generic])", "CPU(Windows Emi)"]
)
def test_what_is_no_known_counter_is_estimated(monkeypatch, description):
    cpu = meter(monkeypatch, CPU(description)).energy_of(lambda: None)[0]
    assert (cpu.kind, cpu.meter) == ("estimated", f"codecarbon: {description}")


@pytest.mark.parametrize(("counts", "kind"), [(True, "measured"), (False, "estimated")])
def test_a_gpu_counts_only_if_each_has_a_counter(monkeypatch, counts, kind):
    parts = CPU("CPU(Cpu Load)"), RAM("RAM()"), GPU("GPU (NVIDIA H100)")
    gpu = meter(monkeypatch, *parts, counts=counts).energy_of(lambda: None)[2]
    assert (gpu.part, gpu.energy_j, gpu.kind) == ("gpu", pytest.approx(10800), kind)


def test_a_release_that_hides_its_meters_is_never_called_measured(monkeypatch):
    made = meter(monkeypatch, CPU("CPU(Intel Rapl)"))
    del made._tracker._hardware
    assert {(r.meter, r.kind) for r in made.energy_of(lambda: None)} == {
        ("codecarbon: unknown", "estimated")
    }


def test_the_stretch_ends_where_the_work_fails(monkeypatch):
    made = meter(monkeypatch)
    stopped = []
    made._tracker.stop_task = stopped.append
    with pytest.raises(ZeroDivisionError):
        made.energy_of(lambda: 1 / 0)
    assert stopped == ["stretch 1"]


def test_no_reading_is_an_error(monkeypatch):
    made = meter(monkeypatch)
    made._tracker.stop_task = lambda name: None
    with pytest.raises(DanceError, match="no reading"):
        made.energy_of(lambda: None)


def test_without_codecarbon_the_remedy_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "codecarbon", None)
    with pytest.raises(DanceError, match=r"codecarbon is not installed: pip install .*\[devices\]"):
        CodeCarbon()


def test_no_nvidia_gpu_counts_without_its_library(monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert not host.nvml_counts()


def test_codecarbon_itself_asks_no_network(monkeypatch):
    asked = []

    def refused(*args, **kwargs):
        asked.append((args, kwargs))
        raise OSError("no network")  # which codecarbon swallows

    monkeypatch.setattr(socket.socket, "connect", refused)
    monkeypatch.setattr(socket, "getaddrinfo", refused)
    readings = CodeCarbon().energy_of(lambda: sum(range(10**6)))
    assert not asked
    assert [r.part for r in readings][:2] == ["processor", "memory"]
    assert all(r.energy_j >= 0 and r.kind in ("measured", "estimated") for r in readings)


@pytest.mark.parametrize(("gpus", "counts"), [(0, False), (2, True)])
def test_no_gpu_counts_where_there_is_none(monkeypatch, gpus, counts):
    library = SimpleNamespace(
        nvmlInit=lambda: None,
        nvmlDeviceGetCount=lambda: gpus,
        nvmlDeviceGetHandleByIndex=lambda index: index,
        nvmlDeviceGetTotalEnergyConsumption=lambda handle: 1,
    )
    monkeypatch.setitem(sys.modules, "pynvml", library)
    assert host.nvml_counts() is counts


def test_a_users_configuration_does_not_scale_the_joules(monkeypatch):
    monkeypatch.setenv("CODECARBON_PUE", "3")
    monkeypatch.setenv("CODECARBON_TRACKING_MODE", "process")
    tracker = CodeCarbon()._tracker
    assert (tracker._pue, tracker._tracking_mode) == (1.0, "machine")


def board(monkeypatch, readings):
    """NVML with one GPU, whose counter shows these millijoules one after the other."""

    def consumption(gpu):
        assert gpu == "GPU-7"
        value = next(readings)
        if isinstance(value, Exception):
            raise value
        return value

    monkeypatch.setitem(sys.modules, "pynvml", SimpleNamespace(
        nvmlInit=lambda: None, nvmlDeviceGetHandleByUUID=lambda uuid: uuid,
        nvmlDeviceGetTotalEnergyConsumption=consumption,
    ))  # fmt: skip


def test_the_counter_of_a_gpu_is_read_before_and_after(monkeypatch):
    board(monkeypatch, iter([6_000_000, 7_000_000, 7_250_000]))
    did = []
    meter = Nvml("GPU-7")
    assert meter.energy_of(lambda: did.append("work")) == [("gpu", 250.0, "NVML", "measured")]
    assert did == ["work"]


def test_a_gpu_without_a_counter_or_a_machine_without_nvml_says_so(monkeypatch):
    board(monkeypatch, iter([RuntimeError("Not Supported")]))
    with pytest.raises(DanceError, match="no counter of energy on GPU-7: Not Supported"):
        Nvml("GPU-7")
    monkeypatch.setitem(sys.modules, "pynvml", None)
    with pytest.raises(DanceError, match=r"pynvml is not installed: pip install 'dance-lib\[dev"):
        Nvml("GPU-7")
