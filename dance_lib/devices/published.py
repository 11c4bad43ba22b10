"""Published figures of the two devices of the abstract, each with where it is published.

Peaks are what the arithmetic units could do if they never waited; no network reaches them. One MAC
is one fused multiply-add, two FLOPs.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite

from dance_lib.errors import DanceError

FIGURES = {
    "float32_gmacs": "GMAC/s", "float16_gmacs": "GMAC/s", "bandwidth_gb": "GB/s", "power_w": "W",
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Device:
    """Published figures of one processor.

    Attributes:
        processor: the part of it that is modelled, and why that one.
        float32_gmacs, float16_gmacs: peak, billion MACs per second.
        bandwidth_gb: of the memory, 10⁹ bytes per second.
        power_w: of the module under load, watts; None where nobody publishes it.
        sources: for each of these four figures where it is published, or how it is derived.
    """

    name: str
    title: str
    processor: str
    float32_gmacs: float
    float16_gmacs: float
    bandwidth_gb: float
    power_w: float | None
    sources: Mapping[str, str]

    def __post_init__(self) -> None:
        for figure in FIGURES:
            value = getattr(self, figure)
            if not self.sources.get(figure):
                raise DanceError(f"{self.name}: {figure} has no source")
            if value is None and figure == "power_w":
                continue
            if not (isinstance(value, int | float) and isfinite(value) and value > 0):
                raise DanceError(f"{self.name}: {figure} is {value}, not a positive number")


JETSON_NANO = Device(
    name="jetson-nano",
    title="Jetson Nano GPU",
    processor="the Maxwell GPU, as the abstract says, in the 10 W mode",
    float32_gmacs=128 * 0.9216,
    float16_gmacs=128 * 0.9216 * 2,
    bandwidth_gb=64 / 8 * 1.6 * 2,
    power_w=10.0,
    sources={
        "float32_gmacs": "128 CUDA cores × 921.6 MHz × 1 multiply-add (NVIDIA, Jetson Nano module "
        "data sheet DA-09366): 0.236 TFLOPS",
        "float16_gmacs": "twice float32, two half-precision values to a core: NVIDIA states "
        "472 GFLOPS (Jetson Nano product page)",
        "bandwidth_gb": "LPDDR4, 64 bits × 1600 MHz × 2: 25.6 GB/s (data sheet DA-09366)",
        "power_w": "budget of the module's 10 W mode (data sheet DA-09366); its 5 W mode has a "
        "slower clock and is not modelled; a budget, not a reading",
    },
)

SNAPDRAGON_8_GEN_1 = Device(
    name="snapdragon-8-gen-1",
    title="Snapdragon 8 Gen 1 CPU",
    processor="the CPU's Prime and Performance cores. Our choice: the abstract names the platform "
    "and no processor. We found no peak of the Adreno GPU by Qualcomm, and LiteRT runs 3-D "
    "convolutions on the CPU alone (google-ai-edge/LiteRT issue 2573)",
    float32_gmacs=1 * 3.0 * 4 * 4 + 3 * 2.5 * 2 * 4,
    float16_gmacs=1 * 3.0 * 4 * 8 + 3 * 2.5 * 2 * 8,
    bandwidth_gb=64 / 8 * 3.2 * 2,
    power_w=None,
    sources={
        "float32_gmacs": "cores × GHz × 128-bit pipes × 4 lanes: Cortex-X2 1 × 3.0 × 4 × 4 + "
        "Cortex-A710 3 × 2.5 × 2 × 4 (clocks: Qualcomm, Snapdragon 8 Gen 1 product brief; pipes: "
        "Arm, Software Optimization Guides of Cortex-X2, PJDOC-466751330-14955, and of "
        "Cortex-A710). The four Cortex-A510 are left out: how wide their shared vector unit is, "
        "Arm leaves to the maker, who does not say",
        "float16_gmacs": "the same with 8 lanes",
        "bandwidth_gb": "LPDDR5, 4 × 16 bits × 3200 MHz × 2: 51.2 GB/s (product brief: LPDDR5, up "
        "to 3200 MHz)",
        "power_w": "not published",
    },
)

DEVICES = (JETSON_NANO, SNAPDRAGON_8_GEN_1)
