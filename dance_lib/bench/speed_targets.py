"""The speeds to reach, as data, and what a latency table says of them."""

from dataclasses import dataclass
from typing import Literal

import pandas as pd

from dance_lib.bench.engines import ENGINES
from dance_lib.bench.ours import PLANNING
from dance_lib.bench.plans import BUDGET, FULL, MIXED
from dance_lib.bench.setting import Cores, Precision

CONDITIONS = {"clip_shape": "3x16x112x112"}  # of all targets
KEPT = ("kind", "rival", "commit", "dirty", "device", "date")


@dataclass(frozen=True)
class Target:
    """A bound on a column of the latency table, held by the worst of the rows it names.

    Attributes:
        setting: in words. rows: names of rows; none means all of our plans.
        column: of the latency table, or one that `judge` adds: `against_batch_1`, time a clip over
            the same row's at batch 1, and `against_full`, time over that of our own full plan.
        rivals: dense engines without which a bound is not met: the fastest may be missing. What is
            short of it without them is so all the more with them.
    """

    model: str
    setting: str
    bound: Literal["at least", "at most"]
    to_reach: float
    column: str
    rows: tuple[str, ...] = ()
    precision: Precision = "float32"
    batch: int = 1
    threads: Cores = "one"
    rivals: tuple[str, ...] = ()


def _targets(
    model: str, full: float, half: float, mixed: float, features: float, bf16: float
) -> list[Target]:
    def efficiency(row: str, least: float, precision: Precision = "float32") -> Target:
        words = f"efficiency, {row}" + (", bfloat16" if precision == "bfloat16" else "")
        return Target(model, words, "at least", least, "efficiency", (row,), precision)

    return [
        Target(model, "full plan over fastest dense engine", "at least", full, "speedup", (FULL,)),
        efficiency("channels 0.5", half),
        efficiency("frames 0.5", half),
        efficiency(MIXED, mixed),
        efficiency("features 0.5", features),
        efficiency("channels 0.5", bf16, "bfloat16"),
        efficiency("frames 0.5", bf16, "bfloat16"),
        Target(model, f"{PLANNING}: share of dense", "at most", 0.01, "time_ratio", (PLANNING,)),
        Target(model, "batch 8 against batch 1, time a clip", "at most", 1.0, "against_batch_1",
               batch=8),
        Target(model, "any plan against our full plan", "at most", 1.02, "against_full"),
    ]  # fmt: skip


def _on_gpus(model: str) -> list[Target]:
    """At half of the ideal MACs, in half precision."""

    def target(setting: str, least: float, column: str, batch: int) -> Target:
        words = f"{setting}, {BUDGET} 0.5, float16, GPU, batch {batch}"
        rows = (f"{BUDGET} 0.5",)
        rivals = tuple(ENGINES["cuda"])
        return Target(
            model, words, "at least", least, column, rows, "float16", batch, "cuda", rivals
        )

    over = "speed over fastest dense engine"
    return [
        target(over, 1.37, "speedup", 1),
        target(over, 1.37, "speedup", 32),
        target("efficiency", 0.7, "efficiency", 32),
    ]


TARGETS = [
    *_targets("r2plus1d_18", full=0.95, half=0.9, mixed=0.8, features=0.7, bf16=0.85),
    *_targets("r3d_18", full=0.9, half=0.7, mixed=0.7, features=0.7, bf16=0.7),
    *_on_gpus("r2plus1d_18"),
]


def judge(latency: pd.DataFrame) -> pd.DataFrame:
    """What a latency table says of the targets.

    Returns:
        A row a target: model, setting, bound, to_reach, measured (of the worst row), worst_row,
        short_by (0 where met), verdict ("met", "short by 0.07" or "not tested"), reason (which
        rivals are missing, and what was measured without them), kind, and the rival and origin of
        the row that decided.
    """
    table = _with_comparisons(latency)
    return pd.DataFrame([_judge_one(target, table) for target in TARGETS])


def _judge_one(target: Target, table: pd.DataFrame) -> dict[str, object]:
    said: dict[str, object] = {
        "model": target.model,
        "setting": target.setting,
        "bound": target.bound,
        "to_reach": target.to_reach,
    }
    wanted = CONDITIONS | {
        "model": target.model, "precision": target.precision, "batch": target.batch,
        "threads": target.threads,
    }  # fmt: skip
    found = table
    for column, value in wanted.items():
        found = found[found[column] == value]
    dense = found.loc[(found["group"] == "dense") & found["ms"].notna(), "name"]
    absent = sorted(set(target.rivals) - set(dense))
    if absent:
        said["reason"] = f"not timed: {', '.join(absent)}"
    named = found["name"].isin(target.rows) if target.rows else found["group"] == "ours"
    found = found[named & found[target.column].notna()]
    if found.empty:
        return said | {"verdict": "not tested", "kind": "not tested"}
    values = found[target.column]
    least = target.bound == "at least"
    worst = found.iloc[int(values.argmin() if least else values.argmax())]
    measured = float(worst[target.column])
    short = max(0.0, (target.to_reach - measured) if least else (measured - target.to_reach))
    if absent and not short:
        said["reason"] = f"{said['reason']}; {measured:.3f} over the others"
        return said | {"verdict": "not tested", "kind": "not tested"}
    return said | {
        "measured": measured,
        "worst_row": worst["name"],
        "short_by": short,
        "verdict": f"short by {short:.3f}" if short else "met",
        **{name: worst[name] for name in KEPT},
    }


def _with_comparisons(latency: pd.DataFrame) -> pd.DataFrame:
    """The table with `against_batch_1` and `against_full`; medians over medians."""
    setting = ["model", "clip_shape", "precision", "threads"]
    ours = latency[latency["group"] == "ours"]
    one = ours[ours["batch"] == 1].set_index([*setting, "name"])["ms_per_clip"].rename("one")
    full = ours[ours["name"] == FULL].set_index([*setting, "batch"])["ms"].rename("full")
    table = latency.join(one, on=[*setting, "name"]).join(full, on=[*setting, "batch"])
    ours_only = table["group"] == "ours"
    table["against_batch_1"] = (table["ms_per_clip"] / table["one"]).where(ours_only)
    table["against_full"] = (table["ms"] / table["full"]).where(ours_only)
    return table
