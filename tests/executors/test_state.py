"""What the executor leaves as it was, keeps to itself, and gives back."""

import copy
import sys
import weakref
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Barrier, get_ident

import pytest
import torch
from torch import nn

from dance_lib import Dance, DanceError, PruningPlan, sparse
from dance_lib.executors.sparse import Sparse
from dance_lib.executors.workspace import Workspace
from tests.executors.agreement import clips, family, fast, kernels
from tests.executors.networks import Net, Residual, conv
from tests.networks import CLIP, FAMILIES, randomise
from tests.plans import by_unit


def moody():
    """Parts whose mode matters: running statistics, dropout, a random slope."""
    branch = (conv(8, 9), nn.InstanceNorm3d(9, track_running_stats=True), nn.RReLU(), conv(9, 8),
              nn.Dropout(0.5))  # fmt: skip
    return Dance(randomise(Net(Residual(*branch), nn.Dropout(0.5))), (3, 3, 7, 9))


@pytest.mark.parametrize("kind", ["native float32", "portable bfloat16"])
@pytest.mark.parametrize("name", FAMILIES)
def test_training_on_does_not_reach_the_executor(name, kind):
    net = copy.deepcopy(family(name)).train()
    executor, clip = Sparse(net, kernels(kind)), clips(net, 1)
    before = executor(clip)
    with torch.no_grad():
        for value in (*net.parameters(), *net.buffers()):
            if value.is_floating_point():
                value.mul_(1.5).add_(0.1)
    assert torch.equal(executor(clip), before)


def test_a_network_in_training_is_run_in_evaluation_and_left_as_it_is():
    net = moody().train()
    net.backbone.stem.eval()  # a part that was frozen
    modes = [module.training for module in net.modules()]
    state = copy.deepcopy(net.state_dict())
    clip = clips(net, 2)
    pixels = clip.clone()
    plan = by_unit(net, 2, 0)
    executor = Sparse(net, kernels("native float32"))
    first = executor(clip, plan)
    executor(clip)
    executor.plan(clip)
    assert torch.equal(executor(clip, plan), first)
    assert [module.training for module in net.modules()] == modes
    assert all(torch.equal(value, state[name]) for name, value in net.state_dict().items())
    assert torch.equal(clip, pixels)
    with torch.no_grad():
        torch.testing.assert_close(first, net.eval()(clip, plan), rtol=1e-4, atol=1e-5)


def test_nothing_is_recorded_for_gradients():
    clip = clips(family("narrow"), 1).requires_grad_()
    assert not fast("narrow", "native float32")(clip).requires_grad


def test_what_is_recorded_stays_as_it_is():
    """The memory of a unit's output is used again by later units and calls."""
    net, executor = family("r2plus1d"), fast("r2plus1d", "native float32")
    clip, plan = clips(net, 2), by_unit(net, 2, 1)
    seen, copies = [], []
    logits = executor(clip, plan, lambda _, y: (seen.append(y), copies.append(y.clone())))
    kept = logits.clone()
    executor(1 - clip, PruningPlan.full(net, 2))
    assert torch.equal(logits, kept)
    assert all(map(torch.equal, seen, copies))


@pytest.mark.parametrize("name", ["r2plus1d", "s3d", "x3d"])
def test_two_threads_may_use_one_executor(name):
    net, executor = family(name), fast(name, "native float32")
    work = [(clips(net, 2, seed), by_unit(net, 2, seed)) for seed in range(6)]
    alone = [executor(*each) for each in work]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # they take turns between any two steps
    try:
        with ThreadPoolExecutor(2) as pool:
            together = list(pool.map(lambda each: executor(*each), 3 * work))
    finally:
        sys.setswitchinterval(interval)
    assert all(map(torch.equal, together, 3 * alone))


def test_two_threads_share_no_buffer(monkeypatch):
    lent, take, meet = {}, Workspace.take, Barrier(2, timeout=60)

    def noted(self, rows, width, dtype):
        given = take(self, rows, width, dtype)
        buffer = given if given._base is None else given._base
        lent.setdefault(get_ident(), {})[id(buffer)] = buffer  # kept: no other gets its id
        return given

    monkeypatch.setattr(Workspace, "take", noted)
    net, executor = family("r2plus1d"), fast("r2plus1d", "native float32")
    clip = clips(net, 1)

    def work(_):
        for _ in range(3):
            meet.wait()
            executor(clip)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(work, range(2)))
    first, second = lent.values()
    assert not first.keys() & second.keys()


@pytest.mark.parametrize("name", FAMILIES)
def test_memory_does_not_grow(name, monkeypatch):
    """Whatever is called, as many buffers are alive after six rounds as after two."""
    buffers, take = [], Workspace.take

    def watched(self, rows, width, dtype):
        given = take(self, rows, width, dtype)
        buffers.append(weakref.ref(given if given._base is None else given._base))
        return given

    monkeypatch.setattr(Workspace, "take", watched)
    net = family(name)
    executor = Sparse(net, kernels("native float32"))
    clip, plan = clips(net, 2), by_unit(net, 2, 2)
    full = PruningPlan.full(net, 2)

    def interrupt(name, output):
        raise KeyboardInterrupt

    alive = []
    for _ in range(6):
        executor(clip, full)
        executor(clip, plan)
        executor(clip, plan, lambda name, output: None)
        executor.plan(clip)
        with suppress(KeyboardInterrupt):  # what it held goes with the error
            executor(clip, plan, interrupt)
        alive.append(len({id(b()) for b in buffers} - {id(None)}))
    assert len(buffers) > 50
    assert alive[-1] == alive[1], alive


def test_the_reference_backend_is_a_copy_too():
    net = copy.deepcopy(family("narrow"))
    executor, clip = sparse(net, backend="reference"), clips(net, 1)
    before = executor(clip)
    with torch.no_grad():
        net.backbone.fc.weight.mul_(2)
    assert torch.equal(executor(clip), before)
    assert net.backbone.fc.weight.dtype == torch.float32


def test_errors_leave_the_executor_usable():
    net, executor = family("r3d"), fast("r3d", "native float32")
    clip = clips(net, 1)
    before = executor(clip)
    with pytest.raises(DanceError, match="NaN"):
        executor(clip * torch.nan)
    assert torch.equal(executor(clip), before)
    assert tuple(clip.shape[1:]) == CLIP


@pytest.mark.parametrize("kind", ["native float32", "portable float32"])
def test_memory_kept_from_inference_mode_serves_later_calls(kind):
    net = family("narrow")
    executor, clip = Sparse(net, kernels(kind)), clips(net, 1)
    with torch.inference_mode():
        first = executor(clip)
        planned = executor(clip, executor.plan(clip))
    assert torch.equal(executor(clip), first)
    assert torch.equal(planned, first)
