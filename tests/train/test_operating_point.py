"""Shifts of a controller's gates: against the table of MACs, and the search as it was written."""

import pytest
import torch

from dance_lib import count
from dance_lib.meter.cost import mac_ratios
from dance_lib.train.operating_point import mean_ratio, shift_for, shift_gates, shifted
from dance_lib.train.settle import calibrate
from tests.networks import undecided
from tests.train.small import RECIPE, every_clip, make_clips, make_net, same, state


@pytest.fixture
def net():
    torch.manual_seed(5)
    return undecided(make_net(), std=1.0).eval()


@pytest.fixture(scope="module")
def pixels():
    return every_clip(make_clips(12))


@pytest.fixture
def statistics(net, pixels):
    """In two batches, of 8 and 4 clips."""
    with torch.no_grad():
        return [net.statistics(net.stem(some), some) for some in pixels.split(8)]


def counted(net, pixels):
    """Mean over clips of ideal over dense MACs."""
    table = count(net, net.plan(pixels)).groupby("clip").sum(numeric_only=True)
    return (table["ideal_macs"] / table["dense_macs"]).mean()


def biases(net):
    return [head.bias for head in net.controller.logit_heads()]


def test_the_mean_ratio_is_that_of_the_table_of_macs(net, pixels, statistics):
    assert mean_ratio(net, statistics) == pytest.approx(counted(net, pixels), rel=1e-6)
    shift_gates(net.controller, 0.75)
    there = counted(net, pixels)
    shift_gates(net.controller, -0.75)
    assert mean_ratio(net, statistics, 0.75) == pytest.approx(there, rel=1e-6)


def test_a_shift_moves_every_logit_by_its_constant(net, statistics):
    before = net.controller(statistics[0])
    shift_gates(net.controller, -1.25)
    after = net.controller(statistics[0])
    for axis in ("frames", "tiles", "channels"):
        assert getattr(before, axis)
        for name, logits in getattr(before, axis).items():
            torch.testing.assert_close(getattr(after, axis)[name], logits - 1.25)


def test_what_was_shifted_for_a_while_comes_back_to_the_bit(net):
    trained = state(net)

    def fail():
        with shifted(net.controller, 0.1):
            for head in ("frame", "tile", "channel"):
                now = net.controller.get_parameter(f"{head}_logits.bias")
                assert torch.equal(now, trained[f"controller.{head}_logits.bias"] + 0.1)
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert same(state(net), trained)


@pytest.mark.parametrize("budget", [0.3, 0.5, 0.8])
def test_the_shift_found_meets_the_budget(net, pixels, statistics, budget):
    trained = state(net)
    shift = shift_for(net, statistics, budget, tolerance=0.02)
    assert same(state(net), trained)
    shift_gates(net.controller, shift)
    assert counted(net, pixels) == pytest.approx(budget, abs=0.02)


def test_a_budget_that_is_met_needs_no_shift(net, statistics):
    assert shift_for(net, statistics, mean_ratio(net, statistics)) == 0.0


def test_a_budget_out_of_reach_gets_the_nearest(net, statistics):
    """All gates open cost 1 and the controller's own MACs, all closed what is never pruned."""
    for budget, end in ((2.0, 8.0), (0.0, -8.0)):
        shift = shift_for(net, statistics, budget)
        assert mean_ratio(net, statistics, shift) == mean_ratio(net, statistics, end)


def test_halvings_bound_the_search(net, statistics):
    """Three halvings upwards try 0, 4 and 6; 0 keeps less than the others."""
    assert shift_for(net, statistics, 2.0, halvings=3) in (4.0, 6.0)
    assert shift_for(net, statistics, 0.5, tolerance=0.0, halvings=1) == 0.0


def calibrated_before(net, statistics, budget, tolerance=0.002):
    """The search as it stood inside `calibrate` when the reference run was made."""
    trained = [bias.clone() for bias in biases(net)]

    def ratio_at(shift):
        for bias, before in zip(biases(net), trained, strict=True):
            bias.copy_(before + shift)
        ratios = [
            mac_ratios(net.structure, net.controller.decide(s), net.controller.macs)
            for s in statistics
        ]
        return torch.cat(ratios).mean().item()

    low, high, missed_by = -8.0, 8.0, {}
    for _ in range(30):
        middle = (low + high) / 2
        ratio = ratio_at(middle)
        missed_by[middle] = abs(ratio - budget)
        if missed_by[middle] < tolerance:
            break
        low, high = (low, middle) if ratio > budget else (middle, high)
    best = min(missed_by, key=missed_by.__getitem__)
    ratio_at(best)
    return best


@pytest.mark.parametrize("budget", [0.2, 0.4, 0.63, 0.9])
def test_calibrate_gives_the_bits_that_it_always_gave(net, budget):
    clips = make_clips()
    trained = state(net)
    found = calibrate(net, clips, RECIPE.model_copy(update={"budget": budget}))
    now = state(net)
    net.load_state_dict(trained)
    with torch.no_grad():
        parts = every_clip(clips).split(RECIPE.batch_size)
        statistics = [net.statistics(net.stem(some), some) for some in parts]
        assert calibrated_before(net, statistics, budget) == found
    assert same(state(net), now)
