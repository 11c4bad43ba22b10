"""What a codebook of static networks keeps of dynamic pruning: accuracy, MACs, time, memory."""

from collections.abc import Iterable
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy import stats

from dance_lib.analysis.comparisons import compare
from dance_lib.analysis.figures import sample, seeds_in_words
from dance_lib.analysis.intervals import clip_interval
from dance_lib.bench.deployed import SPARSE

FREE, CODES, TUNED, DENSE = "free plans", "codes", "codes, tuned", "dense"
NAN = float("nan")


def accuracy_table(clips: pd.DataFrame, dense: pd.DataFrame) -> pd.DataFrame:
    """A row a number of codes, before and after tuning; before them dense and free plans.

    Args:
        clips: of 05_codebook, `plans` one of FREE, CODES and TUNED. dense: of 01_dense.
    """
    free = clips[clips["plans"] == FREE].drop_duplicates(["seed", "fold", "path"])
    parts: list[tuple[str, Any, pd.DataFrame]] = [
        (DENSE, 0, dense[dense["plans"] == "dense"]),
        (FREE, 0, free),
    ]
    for plans in (CODES, TUNED):
        own = clips[clips["plans"] == plans]
        parts += [
            (plans, codes, own[own["codes"] == codes]) for codes in sorted(own["codes"].unique())
        ]
    table = []
    for plans, codes, rows in parts:
        accuracy = clip_interval(rows)
        against = compare(rows, free).difference
        table.append(
            {
                "plans": plans,
                "codes": codes,
                "seeds": accuracy.seeds,
                "clips": accuracy.clips,
                "accuracy": accuracy.mean,
                "low": accuracy.low,
                "high": accuracy.high,
                "mac_ratio": rows["mac_ratio"].mean(),
                "over_free": against.mean,
                "over_free_low": against.low,
                "over_free_high": against.high,
                "kind": "measured",
            }
        )
    return pd.DataFrame(table)


def speed_table(timings: pd.DataFrame, loads: pd.DataFrame) -> pd.DataFrame:
    """A row a number of codes, form and engine: milliseconds, and dense over them.

    Both are of means over clips, since a form's time depends on the clip, a tenth cut off at either
    end: what else runs on a machine now and then holds a run up. `speedup` is over the
    fastest dense form of all engines in the same job, its interval by the bootstrap over rounds;
    several seeds are pooled.

    Args:
        timings: of 06_engines: seed, codes, form, engine, round, ms. loads: the same without
            round: load_s, memory_mib, file_mib.
    """
    rows = []
    for codes, job in timings.groupby("codes"):
        times: Any = job.pivot_table(
            index=["seed", "round"], columns=["form", "engine"], values="ms"
        )
        dense = [key for key in times if key[0].startswith(DENSE)]
        best: Any = min(dense, key=lambda key: _trimmed(times[key].to_numpy()))
        for key in times:
            form, engine = map(str, key)
            own = times[key]
            ratio = _ratio_interval(times[best].to_numpy(), own.to_numpy())
            held = loads[
                (loads["codes"] == codes) & (loads["form"] == form) & (loads["engine"] == engine)
            ]
            rows.append(
                {
                    "codes": codes,
                    "form": form,
                    "engine": engine,
                    "rounds": len(own),
                    "ms": float(_trimmed(own.to_numpy())),
                    "ms_median": own.median(),
                    "dense_form": best[0],
                    "dense_engine": best[1],
                    "speedup": ratio[0],
                    "speedup_low": ratio[1],
                    "speedup_high": ratio[2],
                    **{name: held[name].mean() for name in ("load_s", "memory_mib", "file_mib")},
                    "kind": "measured",
                }
            )
    return pd.DataFrame(rows)


def _trimmed(values: np.ndarray, axis: int = 0) -> Any:
    return stats.trim_mean(values, 0.1, axis=axis)


def _ratio_interval(theirs: np.ndarray, ours: np.ndarray) -> tuple[float, float, float]:
    """Trimmed mean of theirs over that of ours, paired by round, with its 95 % interval."""
    mean = float(_trimmed(theirs) / _trimmed(ours))
    if len(ours) < 2 or np.array_equal(theirs, ours):
        return (mean, mean, mean) if np.array_equal(theirs, ours) else (mean, NAN, NAN)
    found = stats.bootstrap(
        (theirs, ours), lambda a, b, axis: _trimmed(a, axis) / _trimmed(b, axis), paired=True,
        vectorized=True, n_resamples=2000, method="percentile", rng=0,
    ).confidence_interval  # fmt: skip
    return mean, float(found.low), float(found.high)


def figure(accuracy: pd.DataFrame, speed: pd.DataFrame) -> Figure:
    """Left accuracy by the number of codes, right the speedup of each form over dense."""
    drawn, (left, right) = plt.subplots(1, 2, figsize=(10.5, 4.2), layout="constrained")
    ends = {DENSE: "--", FREE: ":"}
    for plans, line in ends.items():
        row = accuracy[accuracy["plans"] == plans].iloc[0]
        left.axhline(100 * row["accuracy"], color="0.35", linestyle=line, linewidth=1.2)
        left.annotate(
            f"{plans} ({row['mac_ratio']:.2f} of the MACs)", (1, 100 * row["accuracy"]),
            xycoords=left.get_yaxis_transform(), xytext=(-2, 3), textcoords="offset points",
            ha="right", fontsize="small", color="0.3",
        )  # fmt: skip
    for plans, marker in ((TUNED, "o"), (CODES, "s")):
        rows = accuracy[accuracy["plans"] == plans]
        values = 100 * rows[["accuracy", "low", "high"]].to_numpy(float)
        left.errorbar(
            rows["codes"], values[:, 0],
            [values[:, 0] - values[:, 1], values[:, 2] - values[:, 0]],
            marker=marker, capsize=2.5, label=plans,
        )  # fmt: skip
    first = accuracy.iloc[0]
    _by_codes(left, accuracy["codes"])
    left.set(
        ylabel="accuracy (%), 95 % interval",
        title=sample(first["clips"], accuracy["seeds"].max()),
    )
    left.legend(frameon=False, loc="best")
    shown = speed[~speed["form"].str.startswith(DENSE)]
    for key, rows in shown.groupby(["form", "engine"], sort=False):
        form, engine = map(str, key)
        fixed = form.startswith("codebook")
        right.plot(
            rows["codes"], rows["speedup"], marker="o" if fixed else "x",
            linestyle="-" if fixed else ":", label=f"{form}, {engine}",
        )  # fmt: skip
    right.axhline(1, color="0.35", linestyle="--", linewidth=1.2)
    _by_codes(right, speed["codes"])
    rounds = speed["rounds"].max()
    behind = f"one clip at once, one thread, {rounds} runs"
    right.set(ylabel="speedup over the fastest dense form", title=behind)
    right.set_ylim(bottom=0)
    right.legend(frameon=False, loc="center left", bbox_to_anchor=(1.01, 0.5), fontsize="small")
    return drawn


def run_answer(codes: int, clips: pd.DataFrame) -> str:
    """Accuracy of one run: free plans, codes, tuned codes."""
    means = clips.groupby("plans")[["correct", "mac_ratio"]].mean().to_dict("index")
    told = ", ".join(
        f"{plans} {100 * means[plans]['correct']:.1f} % at {means[plans]['mac_ratio']:.2f}"
        for plans in (FREE, CODES, TUNED)
    )
    return f"{codes} codes on {len(clips) // 3:,} clips, accuracy at a share of the MACs: {told}."


def _by_codes(axes: Axes, codes: Iterable[int]) -> None:
    known = sorted({int(c) for c in codes if c > 0})
    axes.set_xscale("log", base=2)
    axes.set_xticks(known, [str(c) for c in known])
    axes.minorticks_off()
    axes.set_xlabel("static networks in the codebook")


def answer(accuracy: pd.DataFrame, speed: pd.DataFrame) -> str:
    """What each number of codes keeps of free plans and gains in time, and whether one will do."""
    tuned = accuracy[accuracy["plans"] == TUNED]
    kept = ", ".join(
        "{codes:.0f} {:+.1f} [{:+.1f}, {:+.1f}]".format(
            *(100 * row[name] for name in ("over_free", "over_free_low", "over_free_high")),
            codes=row["codes"],
        )
        for row in tuned.to_dict("records")
    )
    lines = [
        f"Against free plans, points of accuracy by the number of static networks: {kept}; at "
        f"{tuned['mac_ratio'].min():.2f} to {tuned['mac_ratio'].max():.2f} of the MACs, "
        f"{seeds_in_words(tuned['seeds'].max())}."
    ]
    best, one = tuned.sort_values("accuracy").iloc[-1], tuned[tuned["codes"] == 1]
    if len(one) and len(tuned) > 1 and one.iloc[0]["high"] >= best["low"]:
        lines.append(
            f"**One network for all clips** is not told from the best ({best['codes']:.0f}): that "
            "choosing among several gains anything is not shown."
        )
    return " ".join([*lines, speed_answer(speed)])


def speed_answer(speed: pd.DataFrame) -> str:
    """What each number of codes gains in its fastest engine, and free plans in ours."""
    told = []
    for codes, job in speed.groupby("codes"):
        forms = job[job["form"].str.startswith("codebook")]
        if len(forms):
            top = forms.sort_values("ms").iloc[0]
            told.append(
                f"{codes} **{top['speedup']:.2f}×** [{top['speedup_low']:.2f}, "
                f"{top['speedup_high']:.2f}] ({top['engine']})"
            )
    if not told:
        return ""
    sparse = speed[speed["engine"] == SPARSE]["speedup"]
    return (
        "Speed over the fastest dense form, where below 1 is slower, by the number of networks: "
        f"{', '.join(told)}; free plans in our own executor {sparse.min():.2f} to "
        f"{sparse.max():.2f}×."
    )
