import torch

from dance_lib.bench.network import is_trained
from dance_lib.bench.plans import fresh, timed_plans

FULL_SET = ["full"] + [
    f"{axis} {rate}" for rate in (0.75, 0.5, 0.25)
    for axis in ("frames", "channels", "features", "all")
] + ["mixed", "controller"]  # fmt: skip


def test_every_axis_alone_and_together_at_every_rate(net, clip):
    plans = {p.name: p for p in timed_plans(net, clip)}
    assert list(plans) == FULL_SET
    assert all(len(p.plan) == 2 for p in plans.values())
    unit = net.structure.units[plans["full"].plan.units[0]]
    assert plans["full"].plan.frames[unit.name].all()
    half = plans["frames 0.5"].plan
    assert half.frames[unit.name].sum(1).tolist() == [3, 3]  # of 6
    assert half.channels[unit.name].all()
    assert half.features[unit.name].all()
    assert (plans["all 0.5"].axis, plans["all 0.5"].keep_rate) == ("all", 0.5)
    assert not plans["all 0.5"].plan.channels[unit.name].all()


def test_quick_keeps_half(net, clip):
    names = [p.name for p in timed_plans(net, clip, quick=True)]
    assert names == ["full", "frames 0.5", "channels 0.5", "features 0.5", "all 0.5", "mixed",
                     "controller"]  # fmt: skip


def test_plans_say_where_they_come_from(net, clip):
    assert {p.source for p in timed_plans(net, clip)[:-1]} == {"random"}
    assert not is_trained(net)
    assert timed_plans(net, clip)[-1].source == "untrained controller"
    with torch.no_grad():
        net.controller.logit_heads()[0].bias[0] -= 0.1
    assert is_trained(net)
    assert timed_plans(net, clip)[-1].source == "controller"


def test_copies_are_equal_and_new(net, clip):
    plan = timed_plans(net, clip)[0].plan
    copies = fresh(plan, 2)
    a, b, again = next(copies), next(copies), next(copies)
    assert a is not b
    assert a is not plan
    assert again is a
    unit = plan.units[0]
    assert torch.equal(a.frames[unit], plan.frames[unit])
    assert a.frames[unit].data_ptr() != plan.frames[unit].data_ptr()
