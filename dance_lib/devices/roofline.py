"""A roofline of two devices: what MACs and bytes alone let a network expect there. Modelled only.

A unit takes the longer of its arithmetic and its traffic (Williams, Waterman, Patterson: Roofline,
Communications of the ACM 52(4), 2009): time = max(MACs / peak, bytes / bandwidth). Nothing else
counts: no launch, no cost of skipping, no cache.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd

from dance_lib.devices.published import Device
from dance_lib.errors import DanceError
from dance_lib.models.structure import OTHER

Precision = Literal["float32", "float16"]
PLANS = ("dense", "ideal")
COSTS = [f"{plan}_{what}" for plan in PLANS for what in ("macs", "bytes")]

# Horowitz: Computing's energy problem, ISSCC 2014, figure 1.1.9, 45 nm at 0.9 V: a float32 multiply
# 3.7 pJ and add 0.9 pJ; 1.3 to 2.6 nJ for 64 bits from DRAM. Of another process: ratios only.
MAC_PJ = 3.7 + 0.9
DRAM_PJ_PER_BYTE = (1300 / 8, 2600 / 8)


def unit_times(
    costs: pd.DataFrame, device: Device, precision: Precision = "float32"
) -> pd.DataFrame:
    """How long each unit takes, dense and under its plan: the longer of arithmetic and traffic.

    Args:
        costs: as `dance.count` gives it for float32: unit, dense_macs, ideal_macs, dense_bytes,
            ideal_bytes, and whatever columns tell clips apart.
        precision: float16 halves the bytes and doubles the peak of both devices, so their times
            halve and no ratio changes.

    Returns:
        The columns of `costs`, and device, dense_ms, ideal_ms, dense_bound and ideal_bound
        (`compute` or `memory`), kind.

    Raises:
        DanceError: a column is missing, a cost is negative or no number, an unknown precision.
    """
    _check(costs)
    peaks = {"float32": device.float32_gmacs, "float16": device.float16_gmacs}
    if precision not in peaks:
        raise DanceError(f"precision {precision!r} is not modelled; there are: {', '.join(peaks)}")
    shrunk = 2 if precision == "float16" else 1
    times = costs.assign(device=device.name)
    for plan in PLANS:
        compute_ms = costs[f"{plan}_macs"] / (1e6 * peaks[precision])
        memory_ms = costs[f"{plan}_bytes"] / shrunk / (1e6 * device.bandwidth_gb)
        times[f"{plan}_ms"] = np.maximum(compute_ms, memory_ms)
        times[f"{plan}_bound"] = np.where(compute_ms >= memory_ms, "compute", "memory")
    return times.assign(kind="modelled")


def clip_times(
    costs: pd.DataFrame,
    device: Device,
    *,
    by: Sequence[str] = ("clip",),
    precision: Precision = "float32",
) -> pd.DataFrame:
    """Time and energy of a clip: the sum over its units and `other`, one after the other.

    Energy is power × time. Power is one constant, so the ratio of energies *is* that of times.

    Args:
        by: the columns that tell clips (or arms and seeds) apart.

    Returns:
        A row for each of `by`: device, dense_ms, ideal_ms, speedup (dense over ideal), dense_mj,
        ideal_mj (empty where the device's power is not published), kind.

    Raises:
        DanceError: as `unit_times`; or a clip has a unit twice, or no `other`.
    """
    keys = list(by)
    _check_whole(costs, keys)
    times = unit_times(costs, device, precision)
    sums = times.groupby([*keys, "device"], sort=False)[["dense_ms", "ideal_ms"]].sum()
    power_w = device.power_w if device.power_w is not None else float("nan")
    return sums.assign(
        speedup=sums["dense_ms"] / sums["ideal_ms"],
        dense_mj=power_w * sums["dense_ms"],
        ideal_mj=power_w * sums["ideal_ms"],
        kind="modelled",
    ).reset_index()


def operation_energy(costs: pd.DataFrame, *, by: Sequence[str] = ("clip",)) -> pd.DataFrame:
    """How many times less energy by the energy of each operation, on no device in particular.

    MACs × 4.6 pJ + bytes × 162.5 or 325 pJ, all traffic from DRAM (Horowitz 2014, 45 nm). The
    constants are of another process than the devices', so only the ratio is given.

    Returns:
        A row for each of `by`: energy_low and energy_high (dense over ideal, the lower and the
        higher of the two figures for DRAM), kind.

    Raises:
        DanceError: as `clip_times`.
    """
    keys = list(by)
    _check_whole(costs, keys)
    sums = costs.groupby(keys, sort=False)[COSTS].sum()
    ratios = pd.DataFrame(
        {
            per_byte: (MAC_PJ * sums["dense_macs"] + per_byte * sums["dense_bytes"])
            / (MAC_PJ * sums["ideal_macs"] + per_byte * sums["ideal_bytes"])
            for per_byte in DRAM_PJ_PER_BYTE
        }
    )
    ends = {"energy_low": ratios.min(axis=1), "energy_high": ratios.max(axis=1)}
    return pd.DataFrame(ends).assign(kind="modelled").reset_index()


def _check(costs: pd.DataFrame) -> None:
    missing = [name for name in ("unit", *COSTS) if name not in costs]
    if missing:
        raise DanceError(f"a table of costs needs the column {missing[0]!r}")
    values = costs[COSTS].to_numpy(dtype=float)
    if not (np.isfinite(values) & (values >= 0)).all():
        raise DanceError("a cost is negative or no number")


def _check_whole(costs: pd.DataFrame, keys: list[str]) -> None:
    _check(costs)
    missing = [name for name in keys if name not in costs]
    if missing:
        raise DanceError(f"a table of costs needs the column {missing[0]!r}")
    if costs.duplicated([*keys, "unit"]).any():
        raise DanceError(f"a unit comes twice for one of {', '.join(keys)}: name what differs")
    if not costs.groupby(keys)["unit"].agg(lambda units: OTHER in set(units)).all():
        raise DanceError(f"no row {OTHER!r}: without stem, shortcuts and head it is no whole clip")
