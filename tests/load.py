"""Time and memory against size: does work grow in proportion, does memory stay?"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from dance_lib.analysis.figures import set_style


def slopes(table: pd.DataFrame, measure: str = "cpu_s") -> pd.Series:
    """The slope of each work's line on log-log paper, by `what`: 1 is linear, 2 a square.

    Args:
        table: columns what, size, and the measure.
    """
    logs = table.assign(size=np.log(table["size"]), measure=np.log(table[measure]))
    return logs.groupby("what", sort=False)[["size", "measure"]].apply(
        lambda rows: np.polyfit(rows["size"], rows["measure"], 1)[0]
    )


def against_size(table: pd.DataFrame, unit: str) -> Figure:
    """Seconds of processor and peak of memory against size, a line a work.

    Args:
        table: columns what, size, cpu_s, peak_mb.
        unit: what a size counts: clips, runs.
    """
    set_style()
    grows = slopes(table)
    figure, (time, memory) = plt.subplots(ncols=2, figsize=(10, 4))
    named = table.assign(what=[f"{what}, slope {grows[what]:.2f}" for what in table["what"]])
    lines = {"x": "size", "hue": "what", "style": "what", "markers": True, "dashes": False}
    sns.lineplot(named, y="cpu_s", ax=time, **lines)
    sns.lineplot(table, y="peak_mb", ax=memory, legend=False, **lines)
    time.set(xscale="log", yscale="log", xlabel=unit, ylabel="processor, s")
    memory.set(xlabel=unit, ylabel="peak of memory above the start, MB")
    memory.set_ylim(0)
    sizes = sorted(table["size"].unique())
    time.set_xticks(sizes)
    time.minorticks_off()
    memory.set_xticks([0, *sizes[-2:]])
    for axes in (time, memory):
        axes.xaxis.set_major_formatter("{x:,.0f}")
    figure.tight_layout()
    ncols = min(4, len(grows))
    sns.move_legend(
        time, "lower left", bbox_to_anchor=(0, 1), ncols=ncols, title=None, frameon=False
    )
    return figure
