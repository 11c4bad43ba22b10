"""Every plan that is refused, and by which words."""

import numpy as np
import pytest
import torch

from dance_lib import Dance, DanceError, PlanError, PruningPlan
from dance_lib.aap.plan import as_plan
from dance_lib.models import find_structure
from tests.networks import CLIP, FAMILIES, PreActivation, TwoBlocks

AXES = ("frames", "channels", "features")


@pytest.fixture(scope="module")
def nets():
    return {name: Dance(FAMILIES[name](), CLIP) for name in ("s3d", "csn", "pre-activation")}


def edited(plan, axis, unit, entry):
    entries = {a: dict(getattr(plan, a)) for a in AXES}
    entries[axis][unit] = entry
    return PruningPlan(**entries)


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("rate", [0, -0.5, 1.01, float("nan")])
def test_keep_rates(nets, axis, rate):
    with pytest.raises(PlanError, match=rf"keep rate of {axis} must lie in \(0, 1\], not {rate}"):
        PruningPlan.random(nets["csn"], 1, **{axis: rate})


def test_entries():
    kept = torch.ones(2, 3, dtype=torch.bool)
    tiles = torch.ones(2, 3, 3, dtype=torch.bool)
    PruningPlan({"u": kept}, {"u": kept}, {"u": tiles})
    with pytest.raises(PlanError, match="must map at least one unit"):
        PruningPlan({}, {}, {})
    with pytest.raises(PlanError, match="channels names other units than frames, or in another"):
        PruningPlan({"u": kept}, {"v": kept}, {"u": tiles})
    with pytest.raises(PlanError, match="features names other units than frames, or in another"):
        PruningPlan({"u": kept, "v": kept}, {"u": kept, "v": kept}, {"v": tiles, "u": tiles})
    wrong = [
        (kept.float(), r"2 axes for 2 clips, not torch.float32 \(2, 3\)"),
        (kept[:1], r"2 axes for 2 clips, not torch.bool \(1, 3\)"),
        (tiles, r"2 axes for 2 clips, not torch.bool \(2, 3, 3\)"),
        (np.ones((2, 3), bool), "2 axes for 2 clips, not <class 'numpy.ndarray'>"),
        ([[True] * 3] * 2, "2 axes for 2 clips, not <class 'list'>"),
        (torch.tensor(True), r"2 axes for 2 clips, not torch.bool \(\)"),
    ]
    for entry, message in wrong:
        with pytest.raises(PlanError, match=rf"channels\['u'\] must be a bool tensor of {message}"):
            PruningPlan({"u": kept}, {"u": entry}, {"u": tiles})
    for entry in (torch.tensor(True), [True]):
        with pytest.raises(PlanError, match=r"frames\['u'\] must be a bool tensor of 2 axes"):
            PruningPlan({"u": entry}, {"u": kept}, {"u": tiles})
    with pytest.raises(PlanError, match=r"features\['u'\] must be a bool tensor of 3 axes"):
        PruningPlan({"u": kept}, {"u": kept}, {"u": kept})


def test_joining(nets):
    with pytest.raises(PlanError, match="no plans to join"):
        PruningPlan.cat([])
    csn = PruningPlan.full(nets["csn"])
    other_size = find_structure(FAMILIES["csn"](), (3, 5, 64, 64))
    for other in (PruningPlan.full(nets["s3d"]), PruningPlan.full(Holder(other_size))):
        with pytest.raises(PlanError, match="plans of different networks can't be joined"):
            PruningPlan.cat([csn, other])


class Holder:
    def __init__(self, structure):
        self.structure = structure


def test_another_network(nets):
    structure = nets["csn"].structure
    first = next(iter(nets["csn"].structure.units))
    with pytest.raises(PlanError, match=r"the plan is for another network: '.*' does not match"):
        PruningPlan.full(nets["s3d"]).check(structure)
    larger = PruningPlan.full(Holder(find_structure(FAMILIES["csn"](), (3, 7, 37, 45))))
    with pytest.raises(
        PlanError, match=rf"frames\['{first}'\] is \(7,\), the unit's output has \(5"
    ):
        larger.check(structure)
    wider = PruningPlan.full(Holder(find_structure(FAMILIES["csn"](), (3, 5, 64, 45))))
    with pytest.raises(
        PlanError, match=r"features\['.*'\] is \(16, 12\), the unit's .* \(10, 12\)"
    ):
        wider.check(structure)
    full = PruningPlan.full(nets["csn"])
    swapped = {a: dict(reversed(getattr(full, a).items())) for a in AXES}
    with pytest.raises(PlanError, match="'the order of units' does not match"):
        PruningPlan(**swapped).check(structure)
    missing = {a: dict(list(getattr(full, a).items())[1:]) for a in AXES}
    with pytest.raises(PlanError, match=f"another network: '{first}' does not match"):
        PruningPlan(**missing).check(structure)


def test_rule_8_grouped_convolutions_share_their_inputs_channels(nets):
    depthwise = "blocks.1.res_blocks.0.branch2.conv_b"
    full = PruningPlan.full(nets["csn"])
    kept = full.channels[depthwise].clone()
    kept[0, 3] = False
    message = rf"'{depthwise}' must keep the channels of its input '.*conv_a'"
    with pytest.raises(PlanError, match=message):
        edited(full, "channels", depthwise, kept).check(nets["csn"].structure)
    both = edited(edited(full, "channels", depthwise, kept), "channels", depthwise[:-1] + "a", kept)
    both.check(nets["csn"].structure)
    # Grouped, not depthwise: the same.
    half = (torch.arange(20) < 10)[None]
    plan = edited(PruningPlan.full(nets["pre-activation"]), "channels", "blocks.0.conv2", half)
    with pytest.raises(PlanError, match=r"'blocks\.0\.conv2' must keep the channels of its input"):
        plan.check(nets["pre-activation"].structure)


def test_rule_8_channels_that_nobody_prunes():
    """A grouped convolution that reads the stream: all of its channels, or none (dropped)."""
    network = PreActivation()
    network.blocks[0].conv1 = torch.nn.Conv3d(12, 20, 1, groups=4)
    net = Dance(network, CLIP)
    full = PruningPlan.full(net)
    some = (torch.arange(20) < 10)[None]
    for unit in ("blocks.0.conv1", "blocks.0.conv2"):
        full = edited(full, "channels", unit, some)
    with pytest.raises(PlanError, match=r"'blocks.0.conv1' reads channels that are never pruned"):
        full.check(net.structure)
    none = torch.zeros(1, 20, dtype=torch.bool)
    for unit in ("blocks.0.conv1", "blocks.0.conv2"):
        full = edited(full, "channels", unit, none)
    full.check(net.structure)


@pytest.mark.parametrize("axis", ["frames", "features"])
def test_plain_networks_have_no_shortcut(nets, axis):
    net = nets["s3d"]
    unit = net.structure.channel_owners[3]
    plan = PruningPlan.full(net, 3)
    kept = getattr(plan, axis)[unit].clone()
    kept[1] = False
    with pytest.raises(PlanError, match=rf"unit '{unit}' of a plain .* tile \(clip 1 keeps none\)"):
        edited(plan, axis, unit, kept).check(net.structure)


def test_the_network_refuses_what_is_no_plan_of_its_batch():
    net = Dance(TwoBlocks(), TwoBlocks.clip).eval()
    clip = torch.rand(2, *TwoBlocks.clip)
    with pytest.raises(DanceError, match="the plan is for 3 clips, the batch has 2"):
        net(clip, plan=PruningPlan.full(net, 3))
    with pytest.raises(PlanError, match="plan must be a PruningPlan, not str"):
        net(clip, plan="full")
    with pytest.raises(PlanError, match="plan must be a PruningPlan, not Masks"):
        net(clip, plan=net.decide(net.stem(clip)))
    plan = PruningPlan.full(net, 2)
    assert as_plan(plan) is plan
