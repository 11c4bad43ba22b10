import pandas as pd
import pytest

from dance_lib.bench.ours import PLANNING
from dance_lib.bench.speed_targets import TARGETS, judge

ORIGIN = {
    "kind": "measured",
    "rival": "openvino",
    "commit": "abc",
    "dirty": False,
    "device": "a CPU",
    "date": "today",
}


def row(name, group="ours", **columns):
    return {
        "model": "r2plus1d_18", "clip_shape": "3x16x112x112", "precision": "float32",
        "threads": "one", "batch": 1, "name": name, "group": group, "ms": 100.0,
        "ms_per_clip": 100.0, "speedup": 1.0, "efficiency": 1.0, "time_ratio": 1.0,
        **ORIGIN, **columns,
    }  # fmt: skip


def judged(*rows):
    found = judge(pd.DataFrame(list(rows)))
    return found[found["model"] == "r2plus1d_18"].set_index("setting")


def test_the_speeds_of_the_issue():
    bounds = {(t.model, t.setting): t.to_reach for t in TARGETS}
    assert bounds["r2plus1d_18", "full plan over fastest dense engine"] == 0.95
    assert bounds["r2plus1d_18", "efficiency, channels 0.5"] == 0.9
    assert bounds["r2plus1d_18", "efficiency, mixed"] == 0.8
    assert bounds["r2plus1d_18", "efficiency, features 0.5"] == 0.7
    assert bounds["r2plus1d_18", "efficiency, frames 0.5, bfloat16"] == 0.85
    assert bounds["r3d_18", "full plan over fastest dense engine"] == 0.9
    assert bounds["r3d_18", "efficiency, frames 0.5"] == 0.7
    assert len(bounds) == 23


def test_the_speeds_to_reach_on_a_gpu():
    half = {"precision": "float16", "threads": "cuda"}
    engines = ("eager", "channels_last", "graph", "compile")
    table = judged(
        *(row(name, "dense", batch=batch, **half) for name in engines for batch in (1, 32)),
        row("MACs 0.5", speedup=1.5, efficiency=0.75, **half),
        row("MACs 0.5", speedup=1.3, efficiency=0.65, batch=32, **half),
        row("MACs 0.5", speedup=9.0, efficiency=9.0, batch=32),  # on a processor
    )
    over = "speed over fastest dense engine, MACs 0.5, float16, GPU"
    assert table.loc[f"{over}, batch 1", "verdict"] == "met"
    assert table.loc[f"{over}, batch 32", "verdict"] == "short by 0.070"
    found = table.loc["efficiency, MACs 0.5, float16, GPU, batch 32"]
    assert (found["to_reach"], found["verdict"]) == (0.7, "short by 0.050")


def test_without_the_best_dense_forms_nothing_is_met_on_a_gpu():
    """One was left out, and one could not be built."""
    half = {"precision": "float16", "threads": "cuda"}
    table = judged(
        row("eager", "dense", **half), row("graph", "dense", **half),
        row("compile", "dense", **(half | {"ms": float("nan")})),
        row("MACs 0.5", speedup=9.0, **half),
    )  # fmt: skip
    found = table.loc["speed over fastest dense engine, MACs 0.5, float16, GPU, batch 1"]
    assert (found["verdict"], found["kind"]) == ("not tested", "not tested")
    assert found["reason"] == "not timed: channels_last, compile; 9.000 over the others"


def test_what_is_short_without_all_dense_forms_is_short():
    half = {"precision": "float16", "threads": "cuda"}
    table = judged(row("graph", "dense", **half), row("MACs 0.5", speedup=1.27, **half))
    found = table.loc["speed over fastest dense engine, MACs 0.5, float16, GPU, batch 1"]
    assert (found["measured"], found["verdict"]) == (1.27, "short by 0.100")
    assert found["reason"] == "not timed: channels_last, compile, eager"


def test_met_or_short_by_how_much():
    table = judged(
        row("full", speedup=0.97),
        row("channels 0.5", efficiency=0.83),
        row("channels 0.5", efficiency=0.99, precision="bfloat16"),
    )
    full = table.loc["full plan over fastest dense engine"]
    assert (full["measured"], full["verdict"], full["short_by"]) == (0.97, "met", 0)
    short = table.loc["efficiency, channels 0.5"]
    assert short["verdict"] == "short by 0.070"
    assert short["short_by"] == pytest.approx(0.07)
    assert (short["kind"], short["commit"]) == ("measured", "abc")
    assert table.loc["efficiency, channels 0.5, bfloat16", "measured"] == 0.99


def test_what_was_not_measured_is_not_tested():
    table = judged(row("full"), row("mixed", efficiency=float("nan")))
    for setting in ("efficiency, mixed", "efficiency, frames 0.5"):
        assert table.loc[setting, "verdict"] == "not tested"
        assert table.loc[setting, "kind"] == "not tested"
        assert pd.isna(table.loc[setting, "measured"])


@pytest.mark.parametrize(
    "other", [{"threads": "all"}, {"batch": 8}, {"clip_shape": "3x8x56x56"}, {"model": "s3d"}]
)
def test_other_conditions_do_not_count(other):
    verdicts = judge(pd.DataFrame([row("channels 0.5") | other])).set_index("setting")["verdict"]
    assert verdicts.loc["efficiency, channels 0.5"].tolist() == ["not tested"] * 2


def test_an_upper_bound_is_held_by_the_worst_row():
    table = judged(
        row("full"),
        row("frames 0.5", ms=101.0),
        row("features 0.75", ms=107.0),
        row("eager", group="dense", ms=900.0),
        row(PLANNING, group="part", time_ratio=0.004),
    )
    worst = table.loc["any plan against our full plan"]
    assert (worst["worst_row"], worst["verdict"]) == ("features 0.75", "short by 0.050")
    assert worst["measured"] == pytest.approx(1.07)
    assert table.loc[f"{PLANNING}: share of dense", "verdict"] == "met"


def test_batches_are_compared_row_by_row_a_clip():
    table = judged(
        row("full", ms_per_clip=100.0),
        row("mixed", ms_per_clip=40.0),
        row("full", ms_per_clip=90.0, batch=8),
        row("mixed", ms_per_clip=42.0, batch=8),
    )
    worst = table.loc["batch 8 against batch 1, time a clip"]
    assert (worst["worst_row"], worst["measured"]) == ("mixed", pytest.approx(1.05))
    assert worst["verdict"] == "short by 0.050"
