"""Rows of two clips whose plan is written down, against MACs counted by hand."""

import pytest
import torch
from torch import nn

from dance_lib import Dance, PruningPlan, count
from dance_lib.analysis.tables import (
    branch_rows,
    clip_rows,
    controller_rows,
    cost_rows,
    history_rows,
    rival_rows,
    unit_rows,
)
from dance_lib.rivals import Rival
from dance_lib.rivals.fatrelu import input_mac_ratios
from dance_lib.rivals.plans import repeated
from dance_lib.train import Prediction
from tests.analysis.plans import decided
from tests.networks import TwoBlocks
from tests.train.small import every_clip, make_clips

MACS = {"a.0": 294_912, "b.0": 98_304, "c.0": 165_888, "d": 12_288}  # see `TwoBlocks`
DENSE = 630_864  # with the stem's 55,296, the shortcut's 4,096 and the head's 80


@pytest.fixture(scope="module")
def plan(net):
    """Clip 0 keeps half of the first branch's frames, clip 1 everything."""
    first, _ = net.structure.branches
    return decided(net, 2, frames={first: [[1, 1, 0, 0], [1, 1, 1, 1]]})


def test_units_cost_what_they_cost_by_hand(net):
    assert {name: unit.dense_macs for name, unit in net.structure.units.items()} == MACS
    assert net.structure.dense_macs == DENSE


def test_clip_rows(net, plan):
    clips = make_clips(2, group=["x", "y"], video_width=[8, 9])
    logits = torch.tensor([[2.0, 0, 0, 0, 0], [0, 0, 3.0, 0, 0]])  # right on class 0, wrong on 1
    rows = clip_rows(net, clips, Prediction(logits, clips.targets, plan), plans="controller")
    assert rows["path"].tolist() == ["000.mp4", "001.mp4"]
    assert rows["predicted"].tolist() == [0, 2]
    assert rows["correct"].tolist() == [1, 0]
    assert rows["group"].tolist() == ["x", "y"]
    assert "video_width" not in rows
    assert set(rows["plans"]) == {"controller"}
    spent = [DENSE + net.controller.macs - (MACS["a.0"] + MACS["b.0"]) // 2,
             DENSE + net.controller.macs]  # fmt: skip
    assert rows["mac_ratio"].tolist() == [round(macs / DENSE, 5) for macs in spent]
    assert rows["byte_ratio"][0] < rows["byte_ratio"][1]


def test_clip_rows_of_the_dense_network(net):
    clips = make_clips(2)
    rows = clip_rows(net, clips, Prediction(torch.eye(2, 5), clips.targets, None), plans="dense")
    assert rows[["mac_ratio", "byte_ratio", "correct"]].to_numpy().tolist() == [[1, 1, 1]] * 2


def test_rival_rows_by_plan_and_by_size(net):
    clips = make_clips(3)
    first, _ = net.structure.branches
    static = decided(net, 1, frames={first: [[1, 1, 0, 0]]})
    by_plan = Rival(net, [], lambda count: repeated(static, count))
    rows = rival_rows(net, by_plan, clips)
    spent = DENSE - (MACS["a.0"] + MACS["b.0"]) // 2  # it has no controller
    assert rows["mac_ratio"].tolist() == [round(spent / DENSE, 5)] * 3
    assert set(rows["plans"]) == {"static"}
    whole = Rival(net, [], lambda count: PruningPlan.full(net, count))
    rows = rival_rows(net, whole, clips)
    assert rows[["mac_ratio", "byte_ratio"]].to_numpy().tolist() == [[1.0, 1.0]] * 3
    same_size = rival_rows(net, Rival(net, []), clips)
    assert same_size[["mac_ratio", "byte_ratio"]].to_numpy().tolist() == [[1.0, 1.0]] * 3


def test_a_smaller_network_costs_a_share_of_the_dense_one(net):
    """Sixteen channels between c and d instead of 24: two thirds of both."""
    backbone = TwoBlocks()
    backbone.c[0] = nn.Conv3d(8, 16, 3, stride=2, padding=1)
    backbone.d = nn.Conv3d(16, 16, 1, bias=False)
    small = Dance(backbone, TwoBlocks.clip, grid=4).eval()
    rows = rival_rows(net, Rival(small, []), make_clips(2))
    spent = DENSE - (MACS["c.0"] + MACS["d"]) // 3
    assert rows["mac_ratio"].tolist() == [round(spent / DENSE, 5)] * 2
    # Weights and biases of c, weights of d; eight channels of 2 × 4 × 4 written and read.
    less = 4 * (8 * 8 * 27 + 8 + 8 * 16 + 2 * 8 * 32)
    dense = count(net, PruningPlan.full(net))["dense_bytes"].sum()
    assert rows["byte_ratio"].tolist() == [round((dense - less) / dense, 5)] * 2


def test_bytes_of_counted_zeros_are_not_known(net):
    clips = make_clips(3)
    left = input_mac_ratios(net, every_clip(clips)).tolist()
    assert max(left) < 1  # activations have zeros without a threshold, too
    rows = rival_rows(net, Rival(net, [], relu_macs=0.8), clips)
    assert rows["byte_ratio"].isna().all()
    assert rows["mac_ratio"].tolist() == pytest.approx([ratio / 0.8 for ratio in left], abs=1e-5)


def test_controller_rows(net):
    (row,) = controller_rows(net).to_dict("records")
    assert row["reads"] == "stem"
    assert row["macs"] == net.controller.macs
    assert row["dense_macs"] == DENSE
    assert row["parameters"] == sum(p.numel() for p in net.controller.parameters())
    assert row["bytes"] == 4 * net.controller.values_touched
    assert row["dense_parameters"] == sum(p.numel() for p in net.backbone.parameters())
    assert row["dense_bytes"] == count(net, PruningPlan.full(net))["dense_bytes"].sum()
    reading = Dance(TwoBlocks(), TwoBlocks.clip, reads="pixels")
    assert controller_rows(reading)["reads"].tolist() == ["pixels"]


def test_unit_rows(net, plan):
    rows = unit_rows(net, plan).set_index(["unit", "axis"])
    assert len(rows) == 4 * 3
    halved = rows.loc["a.0", "frames"]
    assert halved["keep_rate"] == 0.75  # half of clip 0, all of clip 1
    assert halved["keep_sd"] == 0.25
    assert halved["decision"] == 0.5  # two of four frames are kept by every other clip
    assert halved["mac_ratio"] == 0.75
    assert halved["dense_share"] == MACS["a.0"] / DENSE
    full = rows.loc["a.0", "features"]
    assert full[["keep_rate", "keep_sd", "decision"]].tolist() == [1, 0, 0]
    assert full["mac_ratio"] == 0.75  # of the unit, on whatever axis
    assert rows.loc["d", "frames"][["keep_rate", "mac_ratio", "byte_ratio"]].tolist() == [1, 1, 1]
    assert rows.loc["a.0", "frames"]["branch"] == rows.loc["b.0", "frames"]["branch"]


def test_cost_rows(net, plan):
    rows = cost_rows(net, plan).set_index("unit")
    assert list(rows.index) == ["a.0", "b.0", "c.0", "d", "other"]
    assert set(rows["clips"]) == {2}
    assert set(rows["kind"]) == {"counted"}
    assert rows["dense_macs"].drop("other").to_dict() == MACS
    assert rows["dense_macs"].sum() == DENSE
    assert rows.loc["a.0", "ideal_macs"] == 0.75 * MACS["a.0"]  # half of clip 0, all of clip 1
    assert rows.loc["d", "ideal_macs"] == MACS["d"]
    extra = rows.loc["other", "ideal_macs"] - rows.loc["other", "dense_macs"]
    assert extra == net.controller.macs
    whole = count(net, plan).groupby("unit")["ideal_bytes"].mean()
    assert rows["ideal_bytes"].to_dict() == whole.to_dict()


def test_branch_rows(net, plan):
    rows = branch_rows(net, make_clips(2), plan)
    first, second = net.structure.branches
    table = rows.pivot_table("mac_ratio", "path", "branch")
    assert table[first].tolist() == [0.5, 1.0]
    assert table[second].tolist() == [1.0, 1.0]
    shares = rows.groupby("branch")["dense_share"].first()
    assert shares[first] == pytest.approx((294_912 + 98_304) / DENSE)


def test_history_rows():
    history = [{"stage": "dense", "epoch": 0, "seconds": 1.5, "loss": 2.0},
               {"stage": "joint", "epoch": 0, "seconds": 2.5, "loss": 1.0, "R": 0.5}]  # fmt: skip
    rows = history_rows(history, "cv")
    assert rows["arm"].tolist() == ["cv", "cv"]
    assert rows["R"].isna().tolist() == [True, False]
    assert history_rows([], "cv").empty
