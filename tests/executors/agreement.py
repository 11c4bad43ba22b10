"""Holds an executor against the masked one in float64: clip by clip, unit by unit, and the logits.

An error is relative to the largest magnitude that the value has in the *dense* network on that
clip. A plan may keep but a few values of a unit, all of them small: they are no measure, since the
sums they come from are as large as everywhere else.
"""

import copy
from functools import cache

import torch

from dance_lib import Dance, PruningPlan
from dance_lib.executors.masked import Dense, Masked, Recorded
from dance_lib.executors.native import Native, NativeError
from dance_lib.executors.portable import Portable
from dance_lib.executors.sparse import Sparse
from tests.networks import CLIP, FAMILIES, randomise

BOUNDS = {torch.float32: 1e-4, torch.float16: 4e-3, torch.bfloat16: 3e-2}
KERNELS = ("native float32", "native bfloat16", "portable float32", "portable bfloat16")


@cache
def kernels(name):
    """One of KERNELS; a processor without bfloat16 products runs them as `dance.sparse` would."""
    kind, dtype = name.split()
    dtype = getattr(torch, dtype)
    if kind == "portable":
        return Portable(dtype)
    try:
        return Native(dtype)
    except NativeError:
        assert dtype == torch.bfloat16
        return Portable(dtype)


@cache
def family(name):
    """A network of a family in evaluation, drawn once; nobody may change it."""
    return Dance(randomise(FAMILIES[name](), list(FAMILIES).index(name)), CLIP).eval()


@cache
def fast(name, kind):
    """The sparse executor of a family; nobody may change it."""
    return Sparse(family(name), kernels(kind))


def clips(net, count, seed=0):
    return torch.rand(count, *net.clip_shape, generator=torch.Generator().manual_seed(seed))


def changed(plan, axis, unit, value):
    """The plan with another entry of one axis and unit."""
    entries = {a: dict(getattr(plan, a)) for a in ("frames", "channels", "features")}
    entries[axis][unit] = torch.as_tensor(value).expand(entries[axis][unit].shape)
    return PruningPlan(**entries)


def expected(net, clip, plan):
    """Value and dense magnitude (N,) of each unit and of the logits, in float64."""
    net = copy.deepcopy(net).double().eval()
    dense, masked = {}, {}
    with torch.no_grad():
        stem = net.stem(clip.double())
        dense["logits"] = net.body(stem, Recorded(dense.__setitem__, Dense()))
        masked["logits"] = net.body(stem, Recorded(masked.__setitem__, Masked(plan)))
    for unit in plan.units:
        masked[unit] = masked[unit] * plan.mask(unit)  # it is recorded before its mask
    sizes = {name: value.abs().flatten(1).amax(1) for name, value in dense.items()}
    return {name: (value, sizes[name]) for name, value in masked.items()}


def found(executor, clip, plan):
    """Each unit's output and the logits; every unit must be recorded once for each clip."""
    outputs = {}
    logits = executor(clip, plan, lambda name, value: outputs.setdefault(name, []).append(value))
    assert sorted(outputs) == sorted(executor.structure.units)
    assert {name: len(values) for name, values in outputs.items()} == dict.fromkeys(
        outputs, len(clip)
    )
    return {"logits": logits, **{name: torch.cat(values) for name, values in outputs.items()}}


def assert_agree(executor, reference, clip, plan, names=None):
    """Every clip of every unit and of the logits within the bound of the executor's dtype."""
    bound = BOUNDS[executor.dtype]
    actual = found(executor, clip, plan)
    assert actual["logits"].dtype == torch.float32
    for value_of, (value, size) in reference.items():
        assert actual[value_of].shape == value.shape, value_of
        error = (actual[value_of].double() - value).abs().flatten(1).amax(1) / size
        if not (error <= bound).all():
            wrong = [*zip(names or range(len(clip)), error.tolist(), strict=True)]
            raise AssertionError(f"{value_of}, by clip: {wrong}; bound {bound}")
    for unit in plan.units:
        assert not (actual[unit] * ~plan.mask(unit)).any(), f"{unit} is not zero where dropped"
    # Where nobody records, a branch is added as it is computed: the same must come out.
    assert torch.equal(executor(clip, plan), actual["logits"]), "a record changes the logits"
