"""Tables of a made bench, by hand: one dense engine of 100 ms, keep rates 1, 0.5 and 0.25."""

import matplotlib.pyplot as plt
import pandas as pd
import pytest

from dance_lib.analysis import figures, latency, latency_figures, latency_report
from tests.analysis.test_figures import drawn, labels

COMMON = {
    "model": "r3d_18", "clip_shape": "3x16x112x112", "precision": "float32", "threads": "one",
    "batch": 1, "rounds": 9, "cores": 1, "clip": "noise", "commit": "a" * 40, "dirty": False,
    "seed": 0, "device": "a processor", "instruction_set": "AVX2", "date": "2026-01-02",
}  # fmt: skip
OURS = {  # name: (axis, keep rate, MAC ratio, ms)
    "full": ("full", 1.0, 1.0, 120),
    "frames 0.5": ("frames", 0.5, 0.6, 55),
    "frames 0.25": ("frames", 0.25, 0.4, 40),
    "channels 0.5": ("channels", 0.5, 0.5, 90),
    "channels 0.25": ("channels", 0.25, 0.3, 80),
    "features 0.5": ("features", 0.5, 0.6, 45),
    "features 0.25": ("features", 0.25, 0.4, 50),
    "all 0.5": ("all", 0.5, 0.2, 25),
    "controller": ("controller", None, 0.8, 80),
}
STATIC = {0.5: 50, 0.3: 35}  # ms of the pruned network by its MAC ratio


def timed(name, group, ms, mac_ratio=None, **facts):
    """A row; speedup and time ratio against 100 ms, quartiles a tenth away."""
    ratio = {"ideal_mac_ratio": mac_ratio, "efficiency": 100 / ms * (mac_ratio or float("nan"))}
    times = {
        "kind": "measured", "ms": ms, "ms_per_clip": ms, "speedup": 100 / ms,
        "speedup_q25": 90 / ms, "speedup_q75": 110 / ms, "time_ratio": ms / 100,
    }  # fmt: skip
    return {"name": name, "group": group, "rival": "openvino", **times, **ratio, **COMMON, **facts}


def bench(**changed):
    """A latency table of one setting; `changed` are its columns."""
    rows = [
        timed("openvino", "dense", 100, 1.0, engine="openvino"),
        {"name": "onnxruntime", "group": "dense", "kind": "not tested", "engine": "onnxruntime",
         "reason": "onnxruntime is not installed", "rival": "openvino", **COMMON},
        *(timed(name, "ours", ms, macs, axis=axis, keep_rate=rate, ideal_byte_ratio=0.8,
                plan="untrained controller" if axis == "controller" else "random")
          for name, (axis, rate, macs, ms) in OURS.items()),
        timed("stem", "part", 5),
        timed("statistics, controller, planning", "part", 2.5),
        *(timed(f"pruned @ {macs}", "pruned", ms, macs) for macs, ms in STATIC.items()),
        {"name": "narrower @ 0.5", "group": "narrower", "kind": "not tested",
         "reason": "torch-pruning is not installed", "rival": "openvino", **COMMON},
    ]  # fmt: skip
    return pd.DataFrame(rows).reindex(columns=latency.LATENCY).assign(**changed)


def targets():
    """Three of them: met, short, and not tested."""
    said = [("met", 0.95, 1.0), ("short by 0.076", 0.9, 0.824), ("not tested", 0.85, None)]
    return pd.DataFrame(
        [
            {"model": "r3d_18", "setting": "a setting", "bound": "at least", "to_reach": to_reach,
             "measured": measured, "verdict": verdict, "kind": "measured"}
            for verdict, to_reach, measured in said
        ]
    )  # fmt: skip


@pytest.fixture
def plans():
    return latency.plans(bench())


@pytest.fixture
def absent(tmp_path):
    """Both tables of a folder that is not there, and the folder."""
    return *latency.read(tmp_path / "nowhere"), tmp_path / "nowhere"


# ------------------------------------------------------------------ plans
def test_plans_by_hand(plans):
    row = plans.set_index("label").loc["frames 0.5"]
    assert row["by_macs"] == pytest.approx(1 / 0.6)
    assert row["by_bytes"] == pytest.approx(1.25)
    # The pruned network takes 50 ms at 0.5 and, being the dense one, 100 ms at 1: 60 ms at 0.6.
    assert row["pruned"] == pytest.approx(100 / 60)
    assert row["against_pruned"] == pytest.approx(60 / 55)
    assert (row["kind"], row["commit"], row["device"]) == ("measured", "a" * 40, "a processor")


def test_whose_plans_they_are_is_told(plans):
    assert set(plans["plan"]) == {"random", "untrained controller"}
    assert "untrained controller" in plans["label"].tolist()
    trained = bench().replace({"plan": {"untrained controller": "controller"}})
    assert "controller" in latency.plans(trained)["label"].tolist()


@pytest.mark.parametrize(
    ("macs", "expected"),
    [(1.01, 1), (0.75, 0.75), (0.4, 0.425), (0.29, 0.35), (0.27, None)],
)
def test_a_static_rival_stands_in_as_far_as_it_was_made(macs, expected):
    table = bench()
    table.loc[table["name"] == "controller", "ideal_mac_ratio"] = macs
    found = latency.plans(table).set_index("label").loc["untrained controller", "pruned"]
    assert found == pytest.approx(1 / expected) if expected else pd.isna(found)


def test_without_static_rivals_nothing_is_held_against_them(plans):
    assert plans["against_narrower"].isna().all()
    table = bench()
    alone = latency.plans(table[table["group"] != "pruned"])
    assert alone["against_pruned"].isna().all()


# ------------------------------------------------------------------ crossovers
def crossover(plans, axis, against):
    return latency.crossovers(plans).set_index(["axis", "against"]).loc[(axis, against)]


@pytest.mark.parametrize(
    ("axis", "against", "keep_rate", "mac_ratio"),
    [
        # 55 ms at 0.5 and 120 ms at 1: 100 ms after 45 / 65 of the way.
        ("frames", "dense", 0.5 + 0.5 * 9 / 13, 0.6 + 0.4 * 9 / 13),
        # 90 and 120 ms: after a third.
        ("channels", "dense", 2 / 3, 2 / 3),
        # 55/60 at 0.5 and 1.2 at 1: 1 after (1/12) / (17/60) = 5/17.
        ("frames", "pruned", 0.5 + 0.5 * 5 / 17, 0.6 + 0.4 * 5 / 17),
    ],
)
def test_crossovers_by_hand(plans, axis, against, keep_rate, mac_ratio):
    found = crossover(plans, axis, against)
    assert found["keep_rate"] == pytest.approx(keep_rate)
    assert found["mac_ratio"] == pytest.approx(mac_ratio)
    assert found["quicker"] == f"below {keep_rate:.2f} (MACs {mac_ratio:.2f})"
    assert found["between"] == "0.5, 1"
    assert (found["kind"], found["commit"]) == ("measured", "a" * 40)


def test_where_pruning_is_never_quicker_or_not_all_the_way_down(plans):
    never = crossover(plans, "channels", "pruned")  # 90 against 50 ms, 80 against 35
    assert never["quicker"] == "none"
    assert pd.isna(never["keep_rate"])
    # 45 against 60 ms at 0.5, but 50 against 42.5 at 0.25.
    assert crossover(plans, "features", "pruned")["quicker"] == "only at 0.5"


def test_how_far_down_a_rival_was_made_is_told():
    table = bench()
    table = table[table["ideal_mac_ratio"] != 0.3]  # the pruned network ends at half the MACs
    found = crossover(latency.plans(table), "frames", "pruned")
    assert found["quicker"] == "below 0.65 (MACs 0.72), down to 0.5"


def test_where_every_tested_rate_is_quicker():
    table = bench()
    table.loc[table["name"] == "full", ["ms", "speedup"]] = [98, 100 / 98]
    found = crossover(latency.plans(table), "frames", "dense")
    assert (found["quicker"], found["keep_rate"]) == ("all tested", 1)


@pytest.mark.parametrize("against", ["dense", "pruned", "narrower"])
def test_what_was_not_timed_is_not_tested(against):
    table = bench()
    times = ["ms", "speedup", "time_ratio", "ms_per_clip"]
    table.loc[table["axis"] == "frames", times] = float("nan")
    found = crossover(latency.plans(table), "frames", against)
    assert (found["quicker"], found["kind"]) == ("not tested", "not tested")


# ------------------------------------------------------------------ engines, parts, scaling
def test_an_engine_that_was_not_tested_says_why():
    table = latency.engines(bench()).set_index("engine")
    assert table["kind"].to_dict() == {"openvino": "measured", "onnxruntime": "not tested"}
    shown = latency_report.engines(table.reset_index()).data
    assert shown["openvino"].tolist() == ["100.0"]
    assert shown["onnxruntime"].tolist() == ["not tested: onnxruntime is not installed"]


def test_parts_by_hand():
    table = latency.parts(bench()).set_index("part")
    shares = ["share_of_dense", "share_of_full", "share_of_half"]
    assert table.loc["stem", shares].tolist() == pytest.approx([0.05, 5 / 120, 0.2])
    planning = table.loc["statistics, controller, planning", shares]
    assert planning.tolist() == pytest.approx([0.025, 2.5 / 120, 0.1])


def several():
    """One core and two, batch 1 and 8: two cores halve the time, a batch saves a tenth a clip."""
    parts = []
    for threads, cores in (("one", 1), ("all", 2)):
        for batch, share in ((1, 1.0), (8, 0.9)):
            table = bench(threads=threads, cores=cores, batch=batch)
            parts.append(table.assign(ms_per_clip=table["ms"] * share / cores))
    return pd.concat(parts, ignore_index=True)


def test_scaling_by_hand():
    table = latency.scaling(several(), latency.plans(several()))
    rows = table.set_index(["label", "threads", "batch"])
    assert len(rows) == 4 * (len(OURS) + 1)
    both = rows.loc[("frames 0.5", "all", 8)]
    assert both["ms_per_clip"] == pytest.approx(55 * 0.9 / 2)
    assert both["over_one_core"] == pytest.approx(0.5)
    assert both["over_batch_1"] == pytest.approx(0.9)
    assert rows.loc[(latency.DENSE, "one", 1), "ms_per_clip"] == 100


def test_a_single_setting_is_held_against_itself_or_nothing(plans):
    assert (latency.scaling(bench(), plans)["over_batch_1"] == 1).all()
    eight = bench(batch=8)
    assert latency.scaling(eight, latency.plans(eight))["over_batch_1"].isna().all()


def test_one_core_and_batch_1_are_shown_or_else_what_there_is():
    assert set(latency.shown(several())["cores"]) == {1}
    assert set(latency.shown(several())["batch"]) == {1}
    assert set(latency.shown(bench(threads="all", cores=2))["cores"]) == {2}


# ------------------------------------------------------------------ where it comes from
def test_origin_names_device_commit_and_plans(tmp_path):
    bench().to_csv(tmp_path / "latency.csv", index=False)
    targets().to_csv(tmp_path / "targets.csv", index=False)
    rows, read = latency.read(tmp_path)
    text = latency_report.origin(rows, tmp_path)
    assert "measured on a processor (AVX2), commit aaaaaaaa, 2026-01-02. Clips: noise." in text
    assert text.endswith("Plans: random, untrained controller.")
    assert read["verdict"].tolist() == ["met", "short by 0.076", "not tested"]
    assert "commit aaaaaaaa with changes" in latency.measured_on(rows.assign(dirty=True))
    pd.testing.assert_frame_equal(
        latency.crossovers(latency.plans(rows)), latency.crossovers(latency.plans(bench())),
        check_dtype=False,
    )  # fmt: skip


def test_without_tables_everything_is_empty_and_says_so(absent):
    rows, read, folder = absent
    text = latency_report.origin(rows, folder)
    assert f"`{folder}` has no `latency.csv` and no `targets.csv`" in text
    assert "`make bench`" in text
    plans = latency.plans(rows)
    crossovers, scaling = latency.crossovers(plans), latency.scaling(rows, plans)
    for table in (latency.engines(rows), plans, crossovers, latency.parts(rows), read, scaling):
        assert len(table) == 0
        assert "kind" in table
    for show, table in (
        (latency_report.engines, latency.engines(rows)), (latency_report.plans, plans),
        (latency_report.crossovers, crossovers), (latency_report.parts, latency.parts(rows)),
        (latency_report.targets, read), (latency_report.scaling, scaling),
    ):  # fmt: skip
        assert "<table" in show(table).to_html()
    assert not list(latency.networks(plans, "speedup"))
    assert latency.in_several(scaling).empty
    assert latency_report.answer(plans, crossovers, read) == "Not tested."


# ------------------------------------------------------------------ what a reader sees
def test_tables_show_what_they_are_made_of(plans):
    shown = latency_report.plans(plans).data
    assert shown.loc[0, ["plan kept", "plan by", "ms"]].tolist() == ["full", "random", 120]
    crossed = latency_report.crossovers(latency.crossovers(plans)).data.set_index("axis")
    assert crossed.loc["frames", "dense"] == "below 0.85 (MACs 0.88)"
    assert crossed.loc["channels", ["pruned", "narrower"]].tolist() == ["none", "not tested"]
    assert "2.50%" in latency_report.parts(latency.parts(bench())).to_html()
    reached = latency_report.targets(targets()).data
    assert reached["to reach"].tolist() == ["≥ 0.95", "≥ 0.9", "≥ 0.85"]
    assert reached["measured"].tolist() == ["1.000", "0.824", ""]
    scaling = latency.scaling(several(), latency.plans(several()))
    wide = latency_report.scaling(scaling).data.set_index("label")
    assert wide.loc["frames 0.5", "cores: 2, batch 8"] == "24.8"
    assert "frames 0.25" not in wide.index


def test_the_answer_says_what_the_tables_say(plans):
    text = latency_report.answer(plans, latency.crossovers(plans), targets())
    assert text.startswith("Of 3 speeds to reach: **1 met, 1 short, 1 not tested**.")
    assert "r3d_18, 3x16x112x112, float32, against openvino: full plan **× 0.83**" in text
    assert "half of every axis **× 4.00**" in text
    assert "quicker than dense at keep rates: frames below 0.85 (MACs 0.88)" in text
    assert "statically pruned network at keep rates: frames below 0.65 (MACs 0.72)" in text


# ------------------------------------------------------------------ figures
@pytest.fixture(autouse=True)
def _style():
    with plt.rc_context():
        figures.set_style()
        yield


def test_over_keep_rates():
    table = pd.concat([bench(), bench(precision="bfloat16")], ignore_index=True)
    ((name, plans),) = latency.networks(latency.plans(table), "speedup")
    assert name == "r3d_18.16x112x112"
    figure = drawn(latency_figures.over_keep_rates(plans))
    assert [axes.get_title() for axes in figure.axes[:4]] == [
        "frames", "channels", "features", "all three axes"
    ]  # fmt: skip
    assert len(figure.axes) == 8
    own = figure.axes[0].containers[0].lines[0].get_xydata().tolist()
    assert own[0] == pytest.approx([0.25, 2.5])
    assert own[-1] == pytest.approx([1, 100 / 120])
    assert "narrower, same MACs" not in labels(figure)  # not tested
    assert "statically pruned, same MACs" in labels(figure)


def test_at_equal_macs():
    ((_, plans),) = latency.networks(latency.plans(bench()), "speedup")
    figure = drawn(latency_figures.at_equal_macs(bench(), plans))
    (axes,) = figure.axes
    pruned = axes.lines[0].get_xydata().tolist()
    assert pruned == [pytest.approx([0.3, 100 * 0.3 / 0.35]), pytest.approx([0.5, 100])]
    assert "by the untrained controller" in labels(figure)
    assert "narrower" not in labels(figure)


def test_cores_and_batches():
    scaling = latency.scaling(several(), latency.plans(several()))
    ((_, rows),) = latency.networks(scaling, "ms_per_clip")
    figure = drawn(latency_figures.cores_and_batches(rows))
    (axes,) = figure.axes
    assert labels(figure) == [
        "1 core, batch 1", "1 core, batch 8", "2 cores, batch 1", "2 cores, batch 8"
    ]  # fmt: skip
    assert [t.get_text() for t in axes.get_yticklabels()][:2] == [latency.DENSE, "full"]
    assert axes.lines[0].get_xydata().tolist()[:2] == [[100, 0], [120, 1]]


def test_what_was_timed_in_one_setting_alone_has_nothing_to_be_compared_with(plans):
    table = several()
    table = table[(table["cores"] == 1) & (table["batch"] == 1) | (table["name"] != "all 0.5")]
    compared = latency.in_several(latency.scaling(table, latency.plans(table)))
    assert len(compared) == 4 * len(OURS)
    assert "all 0.5" not in set(compared["label"])
    assert latency.in_several(latency.scaling(bench(), plans)).empty


def test_a_figure_is_signed_with_its_origin(plans):
    figure = latency_figures.at_equal_macs(bench(), plans)
    (text,) = figure.texts
    assert text.get_text() == (
        "r3d_18, clips 3x16x112x112 (noise); medians of 9 rounds; cores: 1; batch: 1\n"
        "measured on a processor (AVX2), commit aaaaaaaa, 2026-01-02"
    )


def test_a_bench_of_which_ours_failed_draws_nothing():
    table = bench()
    table.loc[table["group"] == "ours", ["ms", "ms_per_clip", "speedup", "time_ratio"]] = None
    plans = latency.plans(table)
    assert not list(latency.networks(plans, "speedup"))
    ((_, rows),) = latency.networks(latency.scaling(table, plans), "ms_per_clip")
    assert set(rows["label"]) == {latency.DENSE}
    drawn(latency_figures.cores_and_batches(rows))


# ------------------------------------------------------------------ on a GPU
def test_what_was_timed_on_a_gpu_has_a_table_of_its_own():
    """At every batch, with its distance to what the chip allows."""
    chip = {"roofline_ms": 0.5, "of_roofline": 0.25, "cuda": "13.0", "triton": "3.7.1"}
    gpu = [
        bench(threads="cuda", precision="float16", batch=batch).assign(**chip) for batch in (1, 32)
    ]
    rows = pd.concat([bench(), *gpu], ignore_index=True)
    pd.testing.assert_frame_equal(latency.on_processors(rows)[latency.LATENCY], bench())
    table = latency.gpu_table(latency.on_gpus(rows))
    assert table["batch"].unique().tolist() == [1, 32]
    assert set(table["group"]) == {"dense", "ours", "part"}
    full = table[(table["label"] == "full") & (table["batch"] == 32)].iloc[0]
    assert (full["ms_per_clip"], full["roofline_ms"], full["of_roofline"]) == (120, 0.5, 0.25)
    assert latency_report.gpu_origin(table).startswith(
        f"{len(table)} rows, measured on a processor"
    )
    assert latency_report.gpu_origin(table).endswith("CUDA 13.0, Triton 3.7.1.")
    shown = latency_report.on_gpus(table).data
    assert list(shown.columns[:5]) == ["model", "precision", "batch", "what", "ms a clip"]
    assert {"full", "all 0.5", "untrained controller", "stem"} <= set(shown["what"])
    assert "all 0.75" not in set(shown["what"])
    assert latency_report.gpu_answer(table).splitlines()[-1] == (
        "- r3d_18, float16, batch 32, against openvino, the fastest of openvino: full plan × 0.83, "
        "half of the frames × 1.82, of the channels × 1.11, of the tiles × 2.22"
    )


def test_without_a_gpu_its_times_are_not_tested():
    table = latency.gpu_table(latency.on_gpus(bench()))
    assert list(table.columns) == latency.GPU
    assert latency_report.gpu_origin(table).startswith("**Not tested:**")
    assert latency_report.on_gpus(table) is None
    assert latency_report.gpu_answer(table) == ""
