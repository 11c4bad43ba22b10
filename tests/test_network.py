"""`Dance` as its users meet it: the names they call, and what it refuses."""

import copy

import pytest
import torch
from torch import nn

import dance_lib as dance
from dance_lib import Dance, DanceError
from dance_lib.aap import AXES, stem_statistics
from dance_lib.executors.masked import Dense, Recorded
from tests.networks import CLASSES, CLIP, FAMILIES, TwoBlocks, randomise, undecided


def test_the_names_of_the_design():
    """The first lines of the README, at a smaller clip."""
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


# ------------------------------------------------------------------ what the controller reads
READS = ("stem", "pixels", "average", "layer1.1")


def reading(what, family="r2plus1d", **options):
    """A network whose gates are about half open, different for each clip that it tells apart."""
    torch.manual_seed(1)
    net = Dance(randomise(FAMILIES[family]()), CLIP, reads=what, **options).eval()
    undecided(net, std=3.0)
    with torch.no_grad():
        statistics = net.statistics(net.stem(some_clips(8)), some_clips(8))
        for norm in net.controller.standard.values():
            norm.momentum = 1.0
        net.controller.train()(statistics)  # logits lie around 0 if it knows how large these are
    return net.eval()


def some_clips(count=4, seed=0):
    return torch.rand(count, *CLIP, generator=torch.Generator().manual_seed(seed))


def distinct(plan):
    """How many different plans the clips have."""
    return len({tuple(torch.cat([getattr(plan, axis)[u][n].flatten() for axis in AXES
                for u in plan.units]).tolist()) for n in range(len(plan))})  # fmt: skip


def assert_equal_statistics(one, other):
    for name in ("channels", "frames", "tiles"):
        torch.testing.assert_close(getattr(one, name), getattr(other, name))


def test_the_stem_is_read_unless_something_else_is_asked_for():
    net = Dance(TwoBlocks(), TwoBlocks.clip)
    assert net.reads == "stem"
    assert net.controller.reads == net.structure.stem_shape
    assert net.controller.opened == ()


@pytest.mark.parametrize("what", ["stem", "pixels", "layer1.1"])
def test_the_statistics_are_of_what_is_read(what):
    net, clip = reading(what, mean=0.3, std=0.2, grid=4), some_clips()
    with torch.no_grad():
        stem_output = net.stem(clip)
        outputs = {}
        net.body(stem_output, Recorded(outputs.__setitem__, Dense()))
        maps = {
            "stem": stem_output,
            "pixels": (clip - 0.3) / 0.2,
            "layer1.1": outputs["layer1.1.conv2.0.3"],
        }[what]
        assert_equal_statistics(net.statistics(stem_output, clip), stem_statistics(maps, 4))
    assert net.controller.reads == tuple(maps.shape[1:])


def test_the_average_is_of_the_stem_and_of_the_clips_that_training_saw():
    net = reading("average", grid=4)
    with torch.no_grad():
        of_each = stem_statistics(net.stem(some_clips(8)), 4)
        given = net.controller.average(net.statistics(net.stem(some_clips(2, seed=5))))
    torch.testing.assert_close(given.frames, of_each.frames.mean(0).expand(2, -1, -1))
    torch.testing.assert_close(given.tiles, of_each.tiles.mean(0).expand(2, -1, -1, -1))
    assert net.controller.reads == net.structure.stem_shape


@pytest.mark.parametrize("what", READS)
def test_every_way_to_a_plan_reads_the_same(what):
    net, clip = reading(what), some_clips()
    with torch.no_grad():
        plan = net.plan(clip)
        stem_output = net.stem(clip)
        again, masks = net.plan_from(stem_output, clip), net.decide(stem_output, clip)
        for unit in plan.units:
            assert torch.equal(plan.mask(unit), again.mask(unit))
            assert torch.equal(plan.mask(unit).float(), masks.mask(unit))
        torch.testing.assert_close(net(clip), net(clip, plan=plan))
    kept = sum(plan.mask(u).float().mean().item() for u in plan.units) / len(plan.units)
    assert 0.02 < kept < 0.98
    assert distinct(plan) == (1 if what == "average" else 4)


def test_a_controller_that_reads_the_average_says_the_same_of_all_clips():
    """Of other clips too, and after it has seen some in training."""
    net = reading("average")
    net.train()(some_clips())
    plans = dance.PruningPlan.cat([net.plan(some_clips(3, seed=seed)) for seed in (1, 2)])
    assert distinct(plans) == 1


def test_a_controller_that_reads_pixels_needs_them():
    net, clip = reading("pixels"), some_clips()
    with torch.no_grad():
        stem_output = net.stem(clip)
        for call in (net.statistics, net.plan_from, net.decide):
            with pytest.raises(DanceError, match="reads pixels: give it the clips as well"):
                call(stem_output)


@pytest.mark.parametrize(
    ("family", "what", "opened"),
    [
        ("r2plus1d", "layer1.1", ("layer1.0", "layer1.1")),
        ("c3d", "features.8", ("features.4", "features.8")),  # plain: convolutions are branches
    ],
)
def test_branches_that_have_run_are_kept_open(family, what, opened):
    net = reading(what, family, group_size=4)
    for head in net.controller.logit_heads():
        nn.init.constant_(head.bias, -1e4)
    assert net.controller.opened == opened
    plan = net.plan(some_clips())
    for unit in net.structure.units.values():
        for axis in AXES:
            kept = getattr(plan, axis)[unit.name]
            assert kept.all() == (unit.branch in opened)


def test_what_is_read_does_not_count_twice_in_norm_statistics():
    """In training the branches that are read run twice; their norms must see each batch once.

    One step with a full plan leaves every norm of the backbone where the dense step does.
    """
    clip = some_clips()
    net, dense = reading("layer2.0"), reading("stem")
    for head in net.controller.logit_heads():
        nn.init.constant_(head.bias, 1e4)
    net.train()(clip)
    dense.train().dense(clip)
    expected = dense.backbone.state_dict()
    for name, value in net.backbone.state_dict().items():
        torch.testing.assert_close(value, expected[name], msg=name)
    assert net.backbone.get_buffer("layer1.0.conv1.1.num_batches_tracked") == 1
    assert all(
        m.track_running_stats for m in net.modules() if isinstance(m, nn.BatchNorm3d)
    )  # as before


@pytest.mark.parametrize("what", READS)
def test_gradients_reach_the_controller_whatever_it_reads(what):
    net = reading(what).train()
    net(some_clips()).sum().backward()
    assert all(head.bias.grad.abs().sum() > 0 for head in net.controller.logit_heads())


@pytest.mark.parametrize("what", ["", "Stem", "layer9", "layer2.0.conv2.0.3"])
def test_what_can_not_be_read(what):
    message = rf"reads one of stem, pixels, average, layer1\.0, .*layer4\.0; not '{what}'"
    with pytest.raises(DanceError, match=message):
        reading(what)


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
