"""What a plan means, rule by rule, each on the smallest network that shows it."""

import numpy as np
import pytest
import torch
from torch import nn

from dance_lib import Dance, PruningPlan
from dance_lib.executors.masked import Masked, Recorded
from tests.networks import CLIP, FAMILIES, Gated, TwoBlocks, randomise, undecided
from tests.plans import by_unit


def changed(plan, axis, unit, value):
    """The plan with another entry of one axis and unit."""
    entries = {a: dict(getattr(plan, a)) for a in ("frames", "channels", "features")}
    entries[axis][unit] = value.expand(entries[axis][unit].shape)
    return PruningPlan(**entries)


@pytest.fixture
def two():
    """`TwoBlocks` in float64 and evaluation, and two clips."""
    net = Dance(randomise(TwoBlocks()), TwoBlocks.clip).double().eval()
    return net, torch.rand(2, *TwoBlocks.clip, generator=torch.Generator().manual_seed(1)).double()


def outputs_of(net, clip, plan):
    recorded = {}
    with torch.no_grad():
        net.body(net.stem(clip), Recorded(recorded.__setitem__, Masked(plan)))
    return recorded


def test_rule_1_an_all_zero_input_gives_the_bias_behind_its_norm(two):
    net, clip = two
    none = torch.zeros(2, 16, dtype=torch.bool)
    output = outputs_of(net, clip, changed(PruningPlan.full(net, 2), "channels", "a.0", none))
    conv, norm = net.backbone.b
    by_hand = (conv.bias - norm.running_mean) / (norm.running_var + norm.eps).sqrt()
    by_hand = by_hand * norm.weight + norm.bias
    expected = by_hand[None, :, None, None, None].expand(2, 8, 4, 8, 8)
    torch.testing.assert_close(output["b.0"], expected, rtol=1e-12, atol=0)


def test_rule_1_the_mask_multiplies_behind_norm_and_activation(two):
    net, clip = two
    keep = torch.tensor([True, False, True, True])
    plan = changed(PruningPlan.full(net, 2), "frames", "b.0", keep)
    bare = net.backbone
    with torch.no_grad():
        x = bare.stem((clip - net.mean) / net.std)
        branch = bare.b(bare.a(x))
        branch[:, :, 1] = 0.0  # not norm(0): the block's sum is the shortcut's there
        x = torch.relu(x + branch)
        expected = bare.fc((bare.shortcut(x) + bare.d(bare.c(x))).mean((2, 3, 4)))
        torch.testing.assert_close(net(clip, plan=plan), expected, rtol=1e-12, atol=0)


def test_rule_2_a_dropped_branch_adds_zero_and_the_shortcut_passes(two):
    net, clip = two
    plan = PruningPlan.full(net, 2)
    for unit in ("a.0", "b.0", "c.0", "d"):
        plan = changed(plan, "frames", unit, torch.zeros(1, dtype=torch.bool))
    bare = net.backbone
    with torch.no_grad():
        x = bare.stem((clip - net.mean) / net.std)
        expected = bare.fc(bare.shortcut(torch.relu(x)).mean((2, 3, 4)))
        assert torch.equal(net(clip, plan=plan), expected)


def test_rule_2_channels_of_the_last_unit_may_be_dropped(two):
    net, clip = two
    keep = torch.arange(16) % 2 == 0
    plan = changed(PruningPlan.full(net, 2), "channels", "d", keep)
    bare = net.backbone
    with torch.no_grad():
        x = bare.stem((clip - net.mean) / net.std)
        x = torch.relu(x + bare.b(bare.a(x)))
        branch = bare.d(bare.c(x))
        branch[:, 1::2] = 0.0
        expected = bare.fc((bare.shortcut(x) + branch).mean((2, 3, 4)))
        torch.testing.assert_close(net(clip, plan=plan), expected, rtol=1e-12, atol=0)


def test_rule_3_kept_frames_are_not_pushed_together(two):
    """A temporal kernel that reads the next frame finds zero where that frame is dropped."""
    net, clip = two
    conv = net.backbone.b[0]
    with torch.no_grad():
        conv.weight.zero_()
        conv.weight[:, 0, 2] = 1.0  # output t is channel 0 of input t + 1
        conv.bias.zero_()
    net.backbone.b[1] = norm = nn.BatchNorm3d(8, affine=False).double().eval()
    net = Dance(net.backbone, TwoBlocks.clip).double().eval()
    assert norm.running_mean.abs().max() == 0
    keep = torch.tensor([True, False, True, True])
    output = outputs_of(net, clip, changed(PruningPlan.full(net, 2), "frames", "a.0", keep))
    seen = output["b.0"][:, 0] * (1 + norm.eps) ** 0.5
    first = output["a.0"][:, 0]
    assert (seen[:, 0] == 0).all()  # frame 1 is dropped; frame 2 must not take its place
    torch.testing.assert_close(seen[:, 1], first[:, 2], rtol=1e-12, atol=0)
    torch.testing.assert_close(seen[:, 2], first[:, 3], rtol=1e-12, atol=0)
    assert (seen[:, 3] == 0).all()  # padding


def test_rule_9_the_squeeze_averages_over_kept_positions():
    """One kept frame of three and one kept column of four, everything else by hand."""
    net = Dance(randomise(Gated()), (3, 3, 4, 4)).double().eval()
    clip = torch.rand(2, 3, 3, 4, 4, generator=torch.Generator().manual_seed(0)).double()
    plan = changed(PruningPlan.full(net, 2), "frames", "conv", torch.tensor([False, True, False]))
    columns = torch.tensor([False, False, True, False]).expand(4, 4)
    plan = changed(plan, "features", "conv", columns)
    bare = net.backbone
    with torch.no_grad():
        x = bare.stem((clip - net.mean) / net.std)
        y = bare.norm(bare.conv(x))
        kept = torch.zeros_like(y)
        kept[:, :, 1, :, 2] = y[:, :, 1, :, 2]
        squeezed = y[:, :, 1, :, 2].mean(2)
        gate = torch.sigmoid(bare.expand(torch.relu(bare.reduce(squeezed))))
        x = torch.relu(x + kept * gate[:, :, None, None, None])
        expected = bare.fc(x.mean((2, 3, 4)))
        torch.testing.assert_close(net(clip, plan=plan), expected, rtol=1e-12, atol=0)


def test_rule_9_a_squeeze_of_nothing_kept_adds_nothing():
    net = Dance(randomise(Gated()), (3, 3, 4, 4)).double().eval()
    clip = torch.rand(1, 3, 3, 4, 4).double()
    plan = changed(PruningPlan.full(net), "frames", "conv", torch.zeros(1, dtype=torch.bool))
    bare = net.backbone
    with torch.no_grad():
        x = torch.relu(bare.stem((clip - net.mean) / net.std))
        assert torch.equal(net(clip, plan=plan), bare.fc(x.mean((2, 3, 4))))


@pytest.mark.parametrize("training", [False, True], ids=["evaluation", "training"])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_full_plan_equals_the_backbone_bit_for_bit(family, training):
    """Float32, dropout off; in training with the same norm statistics on both sides."""
    backbone = randomise(FAMILIES[family]()).train(training)
    for module in backbone.modules():
        if isinstance(module, nn.Dropout):
            module.eval()
    net = Dance(backbone, CLIP, mean=0.0, std=1.0)
    clip = torch.rand(2, *CLIP, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        logits = net(clip, plan=PruningPlan.full(net, 2))
        assert torch.equal(logits, backbone(clip))
        assert torch.equal(logits, net.dense(clip))


@pytest.mark.parametrize("family", FAMILIES)
def test_rule_10_a_clip_does_not_depend_on_its_batch(family):
    net = Dance(randomise(FAMILIES[family]()), CLIP).double().eval()
    clip = torch.rand(3, *CLIP, generator=torch.Generator().manual_seed(2)).double()
    plan = by_unit(net, 3, seed=2)
    order = torch.tensor([2, 0, 1])
    with torch.no_grad():
        together = net(clip, plan=plan)
        shuffled = net(clip[order], plan=plan[order])
        alone = torch.cat([net(clip[n : n + 1], plan=plan[n]) for n in range(3)])
    torch.testing.assert_close(alone, together, rtol=1e-11, atol=1e-12)
    torch.testing.assert_close(shuffled, together[order], rtol=1e-11, atol=1e-12)


def test_rule_10_evaluation_draws_no_noise():
    net = Dance(randomise(FAMILIES["narrow"]()), CLIP).eval()
    for head in net.controller.logit_heads():
        nn.init.zeros_(head.bias)  # logits near 0: the slightest noise would flip gates
    clip = torch.rand(2, *CLIP, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.manual_seed(1)
        first = net(clip)
        state = torch.get_rng_state()
        torch.manual_seed(2)
        assert torch.equal(net(clip), first)
        torch.manual_seed(1)
        assert torch.equal(torch.get_rng_state(), state)  # and took nothing from the generator


@pytest.mark.parametrize("family", ["narrow", "s3d", "x3d"])
def test_the_gates_own_forward_is_that_of_their_plan(family):
    """net(clip) and net(clip, plan=net.plan(clip)) are one thing, to the last bit."""
    torch.manual_seed(0)
    net = undecided(Dance(randomise(FAMILIES[family]()), CLIP), std=3.0).eval()
    clip = torch.rand(4, *CLIP, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        plan = net.plan(clip)
        assert not all(m.all() for m in plan.features.values())
        assert torch.equal(net(clip), net(clip, plan=plan))


def test_nothing_writes_into_the_stems_output_or_a_recorded_one():
    """In-place additions and activations of the backbone must not reach what others have read."""

    class InPlace(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem = nn.Conv3d(3, 8, 3, padding=1)
            self.conv1, self.conv2 = nn.Conv3d(8, 8, 3, padding=1), nn.Conv3d(8, 8, 3, padding=1)
            self.fc = nn.Linear(8, 5)

        def forward(self, x):
            x = self.stem(x)
            x = self.conv1(x).add_(x).relu_()
            x = x.add_(self.conv2(x))
            return self.fc(x.mean((2, 3, 4)))

    net = Dance(randomise(InPlace()), (3, 3, 4, 4)).eval()
    clip = torch.rand(2, 3, 3, 4, 4)
    seen, copies = {}, {}

    def record(name, output):
        seen[name], copies[name] = output, output.clone()

    with torch.no_grad():
        stem_output = net.stem(clip)
        before = stem_output.clone()
        first = net.body(stem_output, Recorded(record))
        assert torch.equal(stem_output, before)
        assert list(seen) == ["conv1", "conv2"]
        for name, output in seen.items():
            assert torch.equal(output, copies[name]), name
        assert torch.equal(net.body(stem_output, Recorded(record)), first)


def test_gradients_flow_to_every_head_and_weight():
    """Training: the straight-through gates reach the controller, masked units their weights."""
    net = Dance(randomise(FAMILIES["r2plus1d"]()), CLIP).train()
    clip = torch.rand(4, *CLIP, generator=torch.Generator().manual_seed(0))
    net(clip).square().sum().backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
    for head in net.controller.logit_heads():
        assert head.weight.grad.abs().sum() > 0


def test_masks_of_a_plan_are_their_axes_product():
    """`plan.mask(u)` by five loops."""
    net = Dance(TwoBlocks(), TwoBlocks.clip)
    plan = by_unit(net, 2, seed=3)
    for name in plan.units:
        mask = plan.mask(name)
        assert mask.dtype == torch.bool
        for n, c, t, h, w in np.ndindex(*mask.shape):
            kept = (
                plan.channels[name][n, c] & plan.frames[name][n, t] & plan.features[name][n, h, w]
            )
            assert mask[n, c, t, h, w] == kept


def test_a_pool_of_more_positions_than_half_precision_counts():
    """65,536 kept of 131,072: the mean over the kept is twice the mean."""
    kept = torch.arange(2).repeat(65_536)[None].reshape(1, 2, 256, 256).float()

    class Masks:
        def positions(self, name):
            return kept

    pooled = Masked(Masks()).pool("unit", torch.ones(1, 3, 1, 1, 1).half())
    assert pooled.flatten().tolist() == [2, 2, 2]
