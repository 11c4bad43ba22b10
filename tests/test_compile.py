"""`torch.compile` gives what eager gives: dense, by the controller's plan, and by any plan."""

import warnings

import pytest
import torch
import torch._dynamo

from dance_lib import Dance, DanceError, PruningPlan
from dance_lib.models.zoo import create_model
from tests.networks import CLIP, FAMILIES, TwoBlocks, randomise, undecided
from tests.threads import one_thread  # noqa: F401

FORMS = ("masked", "planned", "dense")


@pytest.fixture(autouse=True)
def _forget_what_was_compiled():
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()


def network(family="two blocks"):
    """A narrow network with random weights, its gates about half open, by what it sees."""
    own = family == "two blocks"
    backbone = TwoBlocks() if own else FAMILIES[family]()
    torch.manual_seed(0)
    net = undecided(Dance(randomise(backbone), TwoBlocks.clip if own else CLIP)).eval()
    net.controller.train()  # its norms learn what statistics are usual
    with torch.no_grad():
        for seed in range(60):
            net.decide(net.stem(clips_of(net, seed)))
    return net.eval()


def clips_of(net, seed=1):
    return torch.rand(2, *net.clip_shape, generator=torch.Generator().manual_seed(seed))


def form_of(net, form):
    """What is compiled, and what it is given beside the clips."""
    plan = PruningPlan.random(net, batch=2, frames=0.5, channels=0.5, features=0.5, seed=0)
    return (net.dense if form == "dense" else net), ({"plan": plan} if form == "planned" else {})


def agree(net, form, **options):
    eager, given = form_of(net, form)
    compiled = torch.compile(eager, **options)
    for seed in (1, 2):  # what was traced with one batch holds for another
        clips = clips_of(net, seed)
        found = compiled(clips, **given)  # before eager, which might keep something
        torch.testing.assert_close(found, eager(clips, **given), atol=1e-4, rtol=0)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("grad", [True, False], ids=["grad", "no grad"])
def test_one_graph_without_breaks(form, grad):
    with torch.set_grad_enabled(grad):
        agree(network(), form, backend="eager", fullgraph=True)


def test_another_clip_is_not_run_by_the_plan_of_the_first():
    net = network()
    clips = [clips_of(net, seed) for seed in range(4)]
    compiled = torch.compile(net, backend="eager", fullgraph=True)
    with torch.no_grad():
        rates = {net.plan(batch).mask("c.0").float().mean().item() for batch in clips}
        assert len(rates) == len(clips)
        for batch in clips:
            torch.testing.assert_close(compiled(batch), net(batch), atol=1e-4, rtol=0)


@pytest.mark.slow
def test_gradients_are_the_same():
    net = network().train()
    clips = clips_of(net)
    gradients = []
    for forward in (torch.compile(net, backend="aot_eager", fullgraph=True), net):
        net.zero_grad()
        forward(clips).square().sum().backward()
        gradients.append([p.grad for p in net.parameters() if p.grad is not None])
    assert len(gradients[0]) == len(gradients[1]) > 0
    for compiled, eager in zip(*gradients, strict=True):
        torch.testing.assert_close(compiled, eager, atol=1e-4, rtol=1e-3)


def test_a_plan_that_does_not_fit_is_still_refused():
    net = network()
    compiled = torch.compile(net, backend="eager")
    with pytest.raises(DanceError, match="for 3 clips"):
        compiled(clips_of(net), plan=PruningPlan.full(net, 3))


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
def test_grouped_convolutions_may_break_the_graph_at_the_plan(form):
    """Whether channels agree with those of the input is asked of the plan's values."""
    agree(network("pre-activation"), form, backend="aot_eager")
    breaks = sum(torch._dynamo.utils.counters["graph_break"].values())
    assert (breaks > 0) == (form == "planned")


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("family", ["narrow", "r3d"])
def test_inductor(family, form):
    with warnings.catch_warnings():  # of torch's own, on its way to its compiler
        warnings.filterwarnings("ignore", ".*script_method.*", DeprecationWarning)
        agree(network(family), form)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["slow_r50", "x3d_xs"])
def test_networks_of_pytorchvideo_are_one_graph(name):
    """Its strides are NumPy's numbers, which torch.compile would take for data."""
    clip = (3, 4, 32, 32)
    torch.manual_seed(0)
    net = Dance(create_model(name, 5, clip), clip).eval()
    with torch.no_grad():
        agree(net, "masked", backend="eager", fullgraph=True)
