"""A pair at budgets it was not trained for, against the table of MACs."""

import numpy as np
import pytest
import torch

import dance_lib as dance
from dance_lib import count
from dance_lib.checkpoint import CheckpointError
from dance_lib.errors import DanceError
from dance_lib.explorer.networks import Networks
from dance_lib.explorer.pair import SHIFTS
from dance_lib.train.operating_point import shifted
from tests.explorer import made
from tests.networks import undecided
from tests.train.small import every_clip, make_clips, same, state


@pytest.fixture(scope="module")
def pair():
    return made.pair(1)


def counted(pair, plan):
    """R of each clip of a plan, (N,)."""
    table = count(pair.pruned, plan).groupby("clip").sum(numeric_only=True)
    return (table["ideal_macs"] / table["dense_macs"]).to_numpy()


def tuning_clips():
    return every_clip(make_clips(made.TUNING, seed=3))


def test_as_trained_nothing_is_shifted(pair):
    plan = pair.pruned.plan(tuning_clips())
    assert pair.as_trained == round(counted(pair, plan).mean(), 2)
    assert pair.shift(pair.as_trained) == 0.0
    again = pair.plan(pair.tuning, pair.as_trained)
    assert all(torch.equal(again.mask(u), plan.mask(u)) for u in plan.units)


def test_a_budget_is_the_mean_ratio_of_the_tuning_clips(pair):
    """24 clips of a tiny network: R has steps, so that it is met to a hundredth or two."""
    trained = state(pair.pruned)
    means = [counted(pair, pair.plan(pair.tuning, b)).mean() for b in (0.3, 0.5, 0.7)]
    assert means == pytest.approx([0.3, 0.5, 0.7], abs=0.02)
    assert same(state(pair.pruned), trained)


def test_reach_ends_a_step_inside_the_farthest_shifts(pair):
    ends = []
    for shift in (-8.0, 8.0):
        with shifted(pair.pruned.controller, shift):
            ends.append(counted(pair, pair.pruned.plan(tuning_clips())).mean())
    lowest, highest = pair.reach
    assert ends[0] <= lowest < ends[0] + 0.01
    assert ends[1] - 0.01 < highest <= ends[1]


def test_ratios_are_those_of_the_clips_own_plans(pair):
    pixels = made.shown().pixels
    found = pair.ratios(pair.pruned.statistics(pair.pruned.stem(pixels), pixels))
    assert found.shape == pair.budgets.shape == SHIFTS.shape
    for i in (0, 6, 8, 13, 16):
        with shifted(pair.pruned.controller, SHIFTS[i]):
            assert found[i] == pytest.approx(counted(pair, pair.pruned.plan(pixels))[0], rel=1e-6)
            mean = counted(pair, pair.pruned.plan(tuning_clips())).mean()
        assert pair.budgets[i] == pytest.approx(mean, rel=1e-6)
    assert (np.diff(SHIFTS) > 0).all()
    assert SHIFTS[[0, 8, 16]].tolist() == pytest.approx([-8.0, 0.0, 8.0])


SHAPE = (3, 4, 8, 8)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkpoints")
    saved = {}
    for i, name in enumerate(("dense", "before", "pruned")):
        torch.manual_seed(i)
        net = undecided(dance.Dance(dance.create_model("r2plus1d_narrow", 5, SHAPE), SHAPE, grid=4))
        saved[name] = dance.save(net, folder / f"{name}.safetensors")
    return saved


def test_networks_are_opened_from_checkpoints(files):
    clips = make_clips(70)
    before, pruned = (dict.fromkeys(("none", "cv"), files[name]) for name in ("before", "pruned"))
    networks = Networks.open(files["dense"], before, pruned, clips)
    assert list(networks.pairs) == ["without AVA", "AVA cv"]
    assert networks.classes == clips.classes
    pair = networks.pairs["AVA cv"]
    assert same(state(pair.before), state(dance.load(files["before"])))
    assert same(state(pair.pruned), state(dance.load(files["pruned"])))
    assert not pair.pruned.training
    assert pair.tuned_on == 64
    rows = [0, 1, 2, 3]  # the first of 64 that are spread over 70
    pixels = clips.batch(rows)
    with torch.no_grad():
        expected = pair.pruned.statistics(pair.pruned.stem(pixels), pixels)
    torch.testing.assert_close(pair.tuning.channels[:4], expected.channels)
    pixels = clips.batch([69])  # and the last
    with torch.no_grad():
        expected = pair.pruned.statistics(pair.pruned.stem(pixels), pixels)
    torch.testing.assert_close(pair.tuning.tiles[-1:], expected.tiles)


def test_what_cannot_be_opened_is_named(files, tmp_path):
    clips = make_clips(4)
    lost = tmp_path / "lost.safetensors"
    with pytest.raises(CheckpointError, match=r"no checkpoint at .*lost\.safetensors"):
        Networks.open(files["dense"], {"none": lost}, {"none": files["pruned"]}, clips)
    torch.manual_seed(0)
    other = dance.Dance(dance.create_model("r2plus1d_narrow", 5, (3, 8, 16, 16)), (3, 8, 16, 16))
    file = dance.save(other, tmp_path / "other.safetensors")
    with pytest.raises(DanceError, match=r"clips must be \(N, 3, 8, 16, 16\)"):
        Networks.open(files["dense"], {"none": files["before"]}, {"none": file}, clips)
