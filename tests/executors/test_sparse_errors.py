"""What `dance.sparse` refuses, and how it says so."""

import copy
import sys
from contextlib import nullcontext

import pytest
import torch

import dance_lib as dance
from dance_lib import DanceError, PlanError, PruningPlan
from dance_lib.executors.portable import Portable
from tests.executors.agreement import clips, family, fast, kernels
from tests.executors.networks import Net, Residual, conv
from tests.networks import CLIP


@pytest.mark.parametrize("backend", ["gpu", "CPU", ""])
def test_an_unknown_backend_is_named_with_those_there_are(backend):
    with pytest.raises(DanceError, match=rf"{backend!r}.*auto, cpu, cuda or reference"):
        dance.sparse(family("narrow"), backend=backend)


def test_without_triton_the_remedy_is_named(monkeypatch):
    ours = [name for name in sys.modules if name.startswith("dance_lib.executors.cuda")]
    for name in ours:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "triton", None)
    with pytest.raises(DanceError, match=r"needs triton: pip install 'dance-lib\[cuda\]'"):
        dance.sparse(family("narrow"), backend="cuda")


@pytest.mark.parametrize("dtype", [torch.float16, torch.float64, torch.int8])
def test_an_unknown_number_format_is_named(dtype):
    with pytest.raises(DanceError, match=f"{dtype}"):
        dance.sparse(family("narrow"), dtype=dtype)


@pytest.mark.parametrize("backend", ["cpu", "reference"])
@pytest.mark.parametrize(
    "clip",
    [torch.zeros(CLIP), torch.zeros(1, 3, 5, 37, 44), torch.zeros(1, 1, *CLIP[1:])],
    ids=["no batch", "another size", "one channel"],
)
def test_clips_of_another_shape(backend, clip):
    executor = dance.sparse(family("narrow"), backend=backend)
    with pytest.raises(DanceError, match=r"clips must be \(N, 3, 5, 37, 45\)"):
        executor(clip)


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("backend", ["cpu", "reference"])
def test_pixels_that_are_no_numbers(backend, value):
    executor = dance.sparse(family("narrow"), backend=backend)
    clip = clips(family("narrow"), 2)
    clip[1, 2, 4, 36, 44] = value
    for call in (executor, executor.plan):
        with pytest.raises(DanceError, match="NaN or infinite"):
            call(clip)


@pytest.mark.parametrize("backend", ["cpu", "reference"])
def test_plans_that_do_not_fit(backend):
    net = family("narrow")
    executor, clip = dance.sparse(net, backend=backend), clips(net, 2)
    with pytest.raises(PlanError, match="another network"):
        executor(clip, PruningPlan.full(family("r3d"), 2))
    with pytest.raises(DanceError, match="the plan is for 3 clips, the batch has 2"):
        executor(clip, PruningPlan.full(net, 3))
    with pytest.raises(PlanError, match="must be a PruningPlan, not dict"):
        executor(clip, {})
    grouped = dance.sparse(family("csn"), backend=backend)
    plan = PruningPlan.full(family("csn"), 2)
    shared = next(u.name for u in family("csn").structure.units.values() if u.shares)
    channels = dict(plan.channels)
    channels[shared] = channels[shared].clone()
    channels[shared][0, 0] = False
    with pytest.raises(PlanError, match="must keep the channels of its input"):
        grouped(clips(family("csn"), 2), PruningPlan(plan.frames, channels, plan.features))


def test_a_unit_with_a_forward_of_its_own_is_refused():
    """Its weights are not what it multiplies by."""

    class Standardised(torch.nn.Conv3d):
        def forward(self, x):
            weight = self.weight - self.weight.mean((1, 2, 3, 4), keepdim=True)
            return self._conv_forward(x, weight, self.bias)

    unit = Standardised(8, 8, 3, padding=1)
    net = dance.Dance(Net(Residual(unit, torch.nn.ReLU(), conv(8, 8))), (3, 3, 7, 9))
    with pytest.raises(DanceError, match=r"body\.0\.branch\.0.*forward of its own"):
        dance.sparse(net)


@pytest.mark.parametrize("reads", ["pixels", "average", "layer2"])
def test_a_controller_that_reads_something_else_is_refused(reads):
    """The stem's output is all that the executor has of a clip when it decides."""
    net = dance.Dance(family("narrow").backbone, CLIP, reads=reads)
    for call in (dance.sparse, lambda n: dance.sparse(n, backend="cpu")):
        with pytest.raises(DanceError, match=rf"the controller reads '{reads}'.*'reference'"):
            call(net)
    reference, clip = dance.sparse(net, backend="reference"), clips(net, 2)
    plan, expected = reference.plan(clip), copy.deepcopy(net).double().eval().plan(clip.double())
    assert all(torch.equal(plan.mask(u), expected.mask(u)) for u in plan.units)


def test_auto_is_the_quickest_there_is():
    net = family("narrow")
    clip = clips(net, 1)
    auto, cpu = dance.sparse(net), dance.sparse(net, backend="cpu")
    assert auto.dtype == torch.float32
    assert torch.equal(auto(clip), cpu(clip))
    assert torch.equal(auto(clip), fast("narrow", "native float32")(clip))
    without = isinstance(kernels("native bfloat16"), Portable)  # no bfloat16 products here
    slow = pytest.warns(UserWarning, match="slow kernels are used") if without else nullcontext()
    with slow:
        assert dance.sparse(net, dtype=torch.bfloat16).dtype == torch.bfloat16


def test_an_empty_batch_is_refused():
    net = family("narrow")
    for executor in (net, fast("narrow", "native float32"), dance.sparse(net, backend="reference")):
        with pytest.raises(DanceError, match="holds no clips"):
            executor(torch.zeros(0, *net.clip_shape))


def test_the_reference_checks_its_plan_and_records_what_the_mask_leaves():
    net = family("narrow")
    reference = dance.sparse(net, backend="reference")
    clip = clips(net, 2)
    with pytest.raises(DanceError, match="plan is for 1 clips, the batch has 2"):
        reference(clip, PruningPlan.full(net, 1))
    plan = PruningPlan.random(net, 2, frames=0.5, channels=0.5, features=0.5)
    seen = {}
    reference(clip, plan, seen.__setitem__)
    assert all(not value[~plan.mask(name)].any() for name, value in seen.items())


def test_a_norm_with_a_forward_of_its_own_is_not_folded():
    class Doubled(torch.nn.BatchNorm3d):
        def forward(self, x):
            return 2 * super().forward(x)

    body = Residual(conv(8, 8), Doubled(8), torch.nn.ReLU(), conv(8, 8))
    net = dance.Dance(Net(body), (3, 3, 7, 9)).eval()
    clip, plan = clips(net, 1), PruningPlan.random(net, 1, frames=0.5, channels=0.5)
    torch.testing.assert_close(
        dance.sparse(net)(clip, plan).double(),
        dance.sparse(net, backend="reference")(clip, plan), rtol=1e-4, atol=1e-5,
    )  # fmt: skip


def test_a_network_in_another_number_format():
    net = copy.deepcopy(family("narrow"))
    clip = clips(net, 1)
    expected = dance.sparse(net)(clip)
    torch.testing.assert_close(dance.sparse(net.double())(clip), expected)
