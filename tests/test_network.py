"""`Dance` as its users meet it: the names of DESIGN §4, and what it refuses."""

import copy

import pytest
import torch
from torch import nn

import dance_lib as dance
from dance_lib import Dance, DanceError
from tests.networks import CLASSES, CLIP, FAMILIES, TwoBlocks, randomise


def test_the_names_of_the_design():
    """The first lines of DESIGN §4, at a smaller clip."""
    shape = (3, 4, 32, 32)
    assert {"c3d", "r3d_18", "r2plus1d_18", "s3d", "slow_r50", "x3d_s", "csn_r101"} < set(
        dance.list_models()
    )
    backbone = dance.create_model("r2plus1d_narrow", num_classes=101, clip_shape=shape)
    net = dance.Dance(backbone, clip_shape=shape).eval()
    clip = torch.rand(2, *shape)
    logits = net(clip)
    assert logits.shape == (2, 101)
    plan = net.plan(clip)
    assert torch.equal(net(clip, plan=plan), logits)
    plan = dance.PruningPlan.random(net, batch=2, frames=0.5, channels=0.5, features=0.75, seed=0)
    full = dance.PruningPlan.full(net, batch=2)
    assert plan.units == full.units == tuple(net.structure.units)
    for u in plan.units:
        C, T, H, W = net.structure.units[u].out_shape
        assert plan.frames[u].shape == (2, T)
        assert plan.channels[u].shape == (2, C)
        assert plan.features[u].shape == (2, H, W)
        assert plan.mask(u).shape == (2, C, T, H, W)
    table = dance.count(net, plan)
    assert {"clip", "unit", "dense_macs", "ideal_macs", "dense_bytes", "ideal_bytes"} <= set(table)


def test_errors_are_told_in_one_line():
    for error in (dance.PlanError, dance.ModelError, dance.StructureError, dance.CheckpointError):
        assert issubclass(error, DanceError)
    assert issubclass(DanceError, ValueError)


def test_units_run_in_the_order_they_are_named():
    net = Dance(FAMILIES["s3d"](), CLIP)
    modules = dict(net.backbone.named_modules())
    order = []
    hooks = [
        modules[name].register_forward_hook(lambda m, i, o, name=name: order.append(name))
        for name in net.structure.units
    ]
    net.dense(torch.rand(1, *CLIP))
    for hook in hooks:
        hook.remove()
    assert order == list(net.structure.units)


@pytest.mark.parametrize("shape", [(3, 4, 8, 9), (1, 4, 8, 8), (3, 8, 8)])
def test_clips_of_another_shape(shape):
    net = Dance(TwoBlocks(), TwoBlocks.clip)
    for call in (net, net.plan, net.dense):
        with pytest.raises(
            DanceError, match=r"clips must be \(N, 3, 4, 8, 8\), not \(2, .*feed it"
        ):
            call(torch.rand(2, *shape))


@pytest.mark.parametrize("pixel", [float("nan"), float("inf"), -float("inf")])
def test_pixels_that_are_no_numbers_are_refused_in_evaluation(pixel):
    """Gates of NaN would all close: a broken clip would look like a cheap one."""
    net = Dance(TwoBlocks(), TwoBlocks.clip).eval()
    clip = torch.rand(2, *TwoBlocks.clip)
    clip[1, 0, 2, 3, 4] = pixel
    for call in (net, net.plan, net.dense):
        with pytest.raises(DanceError, match="the clips hold NaN or infinite pixels"):
            call(clip)
    net.train()(clip)  # training's own loop names the step; see TrainingError
    with pytest.raises(DanceError, match="NaN"):
        net.plan(clip)  # a plan is evaluation's, wherever it is asked for


def test_normalisation_is_inside():
    backbone = randomise(TwoBlocks()).eval()
    clip = torch.rand(2, *TwoBlocks.clip)
    net = Dance(backbone, TwoBlocks.clip, mean=[0.1, 0.2, 0.3], std=[0.5, 1.0, 2.0]).eval()
    mean, std = torch.tensor([0.1, 0.2, 0.3]), torch.tensor([0.5, 1.0, 2.0])
    with torch.no_grad():
        pixels = (clip - mean[:, None, None, None]) / std[:, None, None, None]
        assert torch.equal(net.dense(clip), backbone(pixels))
    with pytest.raises(DanceError, match="mean and std need one value or 3, not 2"):
        Dance(backbone, TwoBlocks.clip, mean=[0.1, 0.2])


def test_the_state_holds_every_tensor_once():
    net = Dance(TwoBlocks(), TwoBlocks.clip)
    names = set(net.state_dict())
    assert {n.partition(".")[0] for n in names} == {"backbone", "controller", "mean", "std"}
    assert {n.partition(".")[2] for n in names if n.startswith("backbone.")} == set(
        net.backbone.state_dict()
    )
    assert len(list(net.parameters())) == len(set(map(id, net.parameters())))


class Positioned(nn.Module):
    """Adds a buffer and a parameter of its own to what runs behind the stem."""

    def __init__(self):
        super().__init__()
        self.stem, self.conv = nn.Conv3d(3, 8, 3, padding=1), nn.Conv3d(8, 8, 3, padding=1)
        self.fc = nn.Linear(8, CLASSES)
        self.register_buffer("where", torch.rand(8, 1, 1, 1))
        self.scale = nn.Parameter(torch.rand(8, 1, 1, 1))

    def forward(self, x):
        x = self.stem(x)
        x = torch.relu(x + self.conv(x)) * self.where * self.scale
        return self.fc(x.mean((2, 3, 4)))


def test_buffers_follow_the_network():
    """To another dtype, and then to other values: the two halves must not keep the old ones."""
    backbone = Positioned()
    net = Dance(backbone, (3, 2, 4, 4), mean=0.0, std=1.0).eval().double()
    state = {n: torch.rand_like(t) for n, t in backbone.state_dict().items()}
    backbone.load_state_dict(state)
    clip = torch.rand(2, 3, 2, 4, 4).double()
    with torch.no_grad():
        assert net.dense(clip).dtype == torch.float64
        assert torch.equal(net.dense(clip), backbone(clip))


def test_a_copy_is_independent():
    net = Dance(randomise(FAMILIES["x3d"]()), CLIP).eval()
    clip = torch.rand(2, *CLIP)
    with torch.no_grad():
        before = net(clip)
        twin = copy.deepcopy(net)
        assert torch.equal(twin(clip), before)
        for parameter in twin.backbone.parameters():
            parameter.zero_()
        assert not torch.equal(twin(clip), before)
        assert torch.equal(net(clip), before)
        torch.testing.assert_close(copy.deepcopy(net).double()(clip.double()).float(), before)


def test_memory_formats_do_not_matter():
    net = Dance(randomise(FAMILIES["r2plus1d"]()), CLIP).eval()
    clip = torch.rand(2, *CLIP)
    plan = dance.PruningPlan.random(net, 2, frames=0.5, channels=0.5, features=0.5)
    with torch.no_grad():
        before = net(clip, plan=plan)
        net.backbone.to(memory_format=torch.channels_last_3d)
        after = net(clip.contiguous(memory_format=torch.channels_last_3d), plan=plan)
    torch.testing.assert_close(after, before, rtol=1e-3, atol=1e-4)


def test_it_changes_nothing_of_the_backbone():
    backbone = randomise(FAMILIES["csn"]()).train()
    before = {n: t.clone() for n, t in backbone.state_dict().items()}
    net = Dance(backbone, CLIP)
    assert backbone.training
    net.eval()
    clip = torch.rand(2, *CLIP)
    with torch.no_grad():
        net(clip)
        net.plan(clip)
    assert net.backbone is backbone
    assert all(torch.equal(t, before[n]) for n, t in backbone.state_dict().items())


def test_clip_shapes_may_come_as_lists():
    net = Dance(TwoBlocks(), list(TwoBlocks.clip)).eval()
    assert net.clip_shape == TwoBlocks.clip
    assert net(torch.rand(1, *TwoBlocks.clip)).shape == (1, CLASSES)
