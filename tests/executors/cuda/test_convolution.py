"""The kernel in small tiles against loops over numpy arrays: windows, lists, sums, empty clips."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from dance_lib.executors.cuda.convolution import Convolution, Shared, laid_out
from dance_lib.executors.cuda.layout import Lists, Place
from dance_lib.executors.cuda.neighbours import Neighbours, Reader
from dance_lib.executors.kernels import Window
from tests.executors.test_kernels import naive, random_window

# Of the largest value: both sides start from what the format holds.
BOUNDS = {torch.float32: 1e-5, torch.float16: 1e-3, torch.bfloat16: 8e-3}
CLIPS = 3
CPU = torch.device("cpu")


def lists_of(frames, places, outputs, inputs, from_frames, from_places):
    """Lists of one unit, made by numpy, and where they stand.

    Args:
        each: bool (CLIPS, entries), what is kept; channels in whole groups.
    """
    groups = [outputs.reshape(CLIPS, -1, 8).any(2), inputs.reshape(CLIPS, -1, 8).any(2)]
    lengths = [each.shape[1] for each in (frames, places, *groups)]
    lines, counts, starts = [], [], np.cumsum([0, *lengths]).tolist()
    for clip in range(CLIPS):
        parts = [np.flatnonzero(each[clip]) for each in (frames, places, *groups)]
        line = np.full(starts[-1] + 1, 1 << 20, np.int32)  # where nothing is listed: far away
        for start, part in zip(starts, parts, strict=False):
            line[start : start + len(part)] = part
        lines.append(line)
        counts.append([len(part) for part in parts])
    flags = np.concatenate([outputs, from_frames, from_places], 1)
    place = Place(*starts[:4], channels=0, counts=0)
    source = Place(outputs.shape[1], outputs.shape[1] + from_frames.shape[1], 0, 0, 0, 0)
    made = (torch.from_numpy(np.array(array)) for array in (flags, lines, counts))
    flags, kept, counts = made
    return Lists(flags, kept, counts.int()[:, None]), place, source


def met_of(unit, window, place, source, lists):
    """What the rows of one unit read, looked up between units that have other windows."""
    others = [SimpleNamespace(name=name, in_shape=unit.out_shape, out_shape=unit.out_shape)
              for name in ("before", "behind")]  # fmt: skip
    pointwise = Window((1, 1, 1), (1, 1, 1), (0, 0, 0), (1, 1, 1))
    readers = [Reader(other, pointwise, place) for other in others]
    readers.insert(1, Reader(unit, window, place, source))
    return Neighbours(readers, CPU)(lists)["u"]


def some(rng, count, rate=0.6):
    """Bool (CLIPS, count): all of the first clip, some of the others, in whole groups."""
    kept = rng.random((CLIPS, -(-count // 8) * 8)) < rate
    kept[0] = True
    kept[:, count:] = False
    return kept


def some_channels(rng, count):
    """The same, without whole groups, too."""
    kept = some(rng, count)
    kept[1:] &= (rng.random((CLIPS - 1, kept.shape[1] // 8)) < 0.6).repeat(8, 1)
    return kept


def side_by_side(maps, kept):
    """Maps (CLIPS, C, T, H, W) whose kept groups come first, and NaN behind them.

    Args:
        kept: bool (CLIPS, C), or of whole groups.
    """
    channels = maps.shape[1]
    groups = F.pad(maps, (0,) * 7 + (-channels % 8,)).unflatten(1, (-1, 8))
    moved = torch.full_like(groups, torch.nan)
    for clip in range(CLIPS):
        there = np.pad(kept[clip], (0, -len(kept[clip]) % 8)).reshape(-1, 8).any(1)
        moved[clip, : there.sum()] = groups[clip, torch.from_numpy(there)]
    return moved.flatten(1, 2)[:, :channels]


@pytest.mark.parametrize("split", [1, 3], ids=["alone", "shared"])
@pytest.mark.parametrize("seed", range(24))
def test_random_convolutions(seed, split, small_tiles):
    small_tiles(split)
    rng = np.random.default_rng(seed)
    dtype = [*BOUNDS][seed % 3]
    inputs, outputs = int(rng.integers(1, 34)), int(rng.integers(1, 34))
    size = tuple(int(n) for n in rng.integers(1, 6, 3))
    window = random_window(rng, size)
    while window.taps > 27:
        window = random_window(rng, size)
    conv = nn.Conv3d(
        inputs, outputs, window.kernel, window.stride, window.padding, window.dilation,
        bias=bool(rng.random() < 0.5),
    )  # fmt: skip
    hollow, listed, relu, adds, relu_sum, tight_in, tight_out = (
        bool(rng.random() < 0.5) for _ in range(7)
    )

    read = some_channels(rng, inputs)[:, :inputs] if listed else np.ones((CLIPS, inputs), bool)
    from_frames = some(rng, size[0])[:, : size[0]]
    from_places = some(rng, size[1] * size[2])[:, : size[1] * size[2]]
    stored = torch.from_numpy(rng.normal(size=(CLIPS, inputs, *size))).to(dtype)
    seen = stored.double().numpy() * read[:, :, None, None, None]
    if hollow:
        met = from_frames[:, :, None] & from_places[:, None]  # (CLIPS, T, H·W)
        seen = seen * met.reshape(CLIPS, 1, *size)
        stored[torch.from_numpy(~met.reshape(CLIPS, 1, *size)).expand_as(stored)] = torch.nan
    if listed:  # groups that are not read were not written
        groups = np.pad(read, [(0, 0), (0, -inputs % 8)]).reshape(CLIPS, -1, 8).any(2)
        written = torch.from_numpy(groups.repeat(8, 1)[:, :inputs])
        stored[~written[..., None, None, None].expand_as(stored)] = torch.nan
        stored[torch.from_numpy(written.numpy() & ~read)] = 0  # but their other channels: zeros
    weight = conv.weight.detach().to(dtype).double().numpy()
    bias = np.zeros(outputs) if conv.bias is None else conv.bias.detach().numpy()
    value = np.stack([naive(clip, weight, bias, window) for clip in seen])  # (CLIPS, O, ...)
    out_size = value.shape[2:]

    frames = some(rng, out_size[0])[:, : out_size[0]]
    places = some(rng, out_size[1] * out_size[2])[:, : out_size[1] * out_size[2]]
    written = some_channels(rng, outputs)
    frames[2] = frames[2] if rng.random() < 0.7 else False  # nothing of the last clip
    whole_read = np.pad(read, [(0, 0), (0, -inputs % 8)])
    lists, place, source = lists_of(frames, places, written, whole_read, from_frames, from_places)
    unit = SimpleNamespace(name="u", in_shape=(inputs, *size), out_shape=(outputs, *out_size))
    met = met_of(unit, window, place, source if hollow else None, lists)
    convolution = Convolution(unit, conv, None, relu, place, listed, Shared.on(CPU), CPU, dtype)
    mask = (frames[:, :, None] & places[:, None]).reshape(CLIPS, 1, *out_size)
    mask = mask & written[:, :outputs, None, None, None]
    value = np.maximum(value, 0) if relu else value
    onto = None
    expected = value * mask
    if adds:
        stream = torch.from_numpy(rng.normal(size=value.shape)).to(dtype)
        onto = laid_out(stream)
        total = stream.double().numpy() + expected
        touched = (frames[:, :, None] & places[:, None]).reshape(CLIPS, 1, *out_size)
        groups = written.reshape(CLIPS, -1, 8).any(2).repeat(8, 1)[:, :outputs]
        touched = touched & groups[:, :, None, None, None]
        expected = np.where(touched & relu_sum, np.maximum(total, 0), total)
    tight_in, tight_out = tight_in and listed, tight_out and not adds
    if tight_in:
        stored = side_by_side(stored, read)
    y = convolution(laid_out(stored), lists, met, onto, relu_sum and adds, tight_in, tight_out)
    assert y is onto or not adds
    if tight_out:  # memory is poisoned: see the folder's fixture
        expected = side_by_side(torch.from_numpy(expected), written).numpy()
        there = torch.from_numpy(~np.isnan(expected)) & torch.from_numpy(
            (frames[:, :, None] & places[:, None]).reshape(CLIPS, 1, *out_size)
        )
        assert y[~there].isnan().all()
        y, expected = torch.where(there, y, 0), np.where(there, expected, 0)
    error = np.abs(y.double().numpy() - expected).max()
    assert error <= BOUNDS[dtype] * max(1.0, np.abs(expected).max())


def test_kept_channels_side_by_side_and_nothing_else_is_written():
    """The second group of two comes first; memory keeps what it held where the plan drops."""
    conv = nn.Conv3d(8, 16, 1)
    ones = np.ones((CLIPS, 8), bool)
    frames, places = np.array([[True, False]] * CLIPS), np.ones((CLIPS, 4), bool)
    written = np.array([[False] * 8 + [True] * 8] * CLIPS)
    lists, place, _ = lists_of(frames, places, written, ones, frames, places)
    unit = SimpleNamespace(name="u", in_shape=(8, 2, 2, 2), out_shape=(16, 2, 2, 2))
    met = met_of(unit, Window.of(conv), place, None, lists)
    convolution = Convolution(unit, conv, None, False, place, True, Shared.on(CPU), CPU,
                              torch.float32)  # fmt: skip
    y = convolution(laid_out(torch.ones(CLIPS, 8, 2, 2, 2)), lists, met, tight_out=True)
    second = conv.weight.sum((1, 2, 3, 4))[8:] + conv.bias[8:]  # the memory is poisoned
    torch.testing.assert_close(y[:, :8, 0], second[:, None, None].expand(CLIPS, 8, 2, 2))
    assert y[:, 8:].isnan().all()
    assert y[:, :, 1].isnan().all()


def test_what_lies_side_by_side_meets_its_own_weights():
    """The third group of three lies where the second would: nothing is read behind it."""
    conv = nn.Conv3d(24, 8, 1)
    ones = np.ones((CLIPS, 1), bool)
    read = np.array([[True] * 8 + [False] * 8 + [True] * 8] * CLIPS)
    lists, place, _ = lists_of(ones, ones, read[:, :8], read, ones, ones)
    unit = SimpleNamespace(name="u", in_shape=(24, 1, 1, 1), out_shape=(8, 1, 1, 1))
    met = met_of(unit, Window.of(conv), place, None, lists)
    convolution = Convolution(unit, conv, None, False, place, True, Shared.on(CPU), CPU,
                              torch.float32)  # fmt: skip
    x = torch.rand(CLIPS, 24, 1, 1, 1)
    y = convolution(laid_out(side_by_side(x, read)), lists, met, tight_in=True)
    kept = torch.from_numpy(read)[:, :, None, None, None]
    torch.testing.assert_close(y, conv(x * kept).detach(), rtol=1e-5, atol=1e-5)


def test_maps_are_laid_out_in_whole_groups_and_copied_only_where_they_are_not():
    nine = laid_out(torch.rand(2, 9, 3, 4, 5))
    assert nine.stride() == (3 * 4 * 5 * 16, 1, 4 * 5 * 16, 5 * 16, 16)
    assert not nine.as_strided((2 * 3 * 4 * 5, 16), (16, 1))[:, 9:].any()
    assert laid_out(nine) is nine
    copied = laid_out(nine, copy=True)
    assert copied.stride() == nine.stride()
    assert copied.data_ptr() != nine.data_ptr()
    assert torch.equal(copied, nine)
    eight = torch.rand(1, 8, 3, 4, 5).contiguous(memory_format=torch.channels_last_3d)
    assert laid_out(eight) is eight


def test_what_is_spent_by_hand():
    """15 rows in one tile of 32; 2 groups of outputs, 16; 3 of inputs, 24 in two tiles of 16.

    What each row reads at 3 taps is written and read: 2 · 3 · 15 indices.
    """
    unit = SimpleNamespace(in_shape=(40, 4, 5, 5), out_shape=(24, 4, 5, 5))
    conv = nn.Conv3d(40, 24, (3, 1, 1), padding=(1, 0, 0))
    place = Place(0, 0, 0, 0, 0, 0)
    convolution = Convolution(unit, conv, None, True, place, True, Shared.on(CPU), CPU,
                              torch.float16)  # fmt: skip
    convolution._tile = {"M": 32, "N": 16, "K": 16}
    values = 45 * 24 + 3 * 24 * 16 + 15 * 16
    assert convolution.spent([3, 5, 2, 3], adds=False) == (
        3 * 32 * 16 * 32, 2 * values + 4 * (3 + 5 + 2 + 3 + 90)
    )  # fmt: skip
    assert convolution.spent([3, 5, 2, 3], adds=True)[1] == 2 * (values + 15 * 16) + 4 * 103
    assert convolution.spent([0, 5, 2, 3], adds=False) == (0, 0)
    assert convolution.spent([3, 5, 0, 3], adds=False) == (0, 0)
