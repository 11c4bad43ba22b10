"""Convolutions on rows, native and portable, against loops over numpy arrays."""

import numpy as np
import pytest
import torch

from dance_lib.executors.kernels import Target, Window
from dance_lib.executors.portable import Portable
from dance_lib.executors.rows import Rows
from tests.executors.agreement import KERNELS, kernels

# Of the largest value; both sides start from what the format holds. A portable bfloat16 product is
# rounded at every tap.
BOUNDS = {"native float32": 1e-5, "portable float32": 1e-5, "native bfloat16": 2**-8,
          "portable bfloat16": 2e-2}  # fmt: skip


def bound(kind):
    """A processor without bfloat16 products runs them as the portable kernels do."""
    portable = isinstance(kernels(kind), Portable)
    return BOUNDS[kind.replace("native", "portable") if portable else kind]


def naive(x, weight, bias, window):
    """(I, T, H, W), (O, I / groups, ...) -> (O, T', H', W'), one position and tap at a time."""
    groups = x.shape[0] // weight.shape[1]
    x = np.pad(x, [(0, 0), *((p, p) for p in window.padding)])
    each = zip(x.shape[1:], window.kernel, window.stride, window.dilation, strict=True)
    size = [(n - d * (k - 1) - 1) // s + 1 for n, k, s, d in each]
    y = np.zeros((len(weight), *size))
    for at in np.ndindex(*size):
        total = bias.astype(float).copy()
        for tap in np.ndindex(*window.kernel):
            place = [i * s + t * d for i, s, t, d in
                     zip(at, window.stride, tap, window.dilation, strict=True)]  # fmt: skip
            pixels = x[(slice(None), *place)].reshape(groups, -1)
            w = weight[(slice(None), slice(None), *tap)].reshape(groups, -1, weight.shape[1])
            total += np.einsum("goi,gi->go", w, pixels).reshape(-1)
        y[(slice(None), *at)] = total
    return y


def some(rng, count, at_least=1):
    """Ascending indices of a random part, or None for all."""
    if rng.random() < 0.3:
        return None
    kept = np.flatnonzero(rng.random(count) < 0.6).astype(np.int32)
    return kept if len(kept) >= at_least else np.arange(at_least, dtype=np.int32)


def everything(index, count):
    return np.arange(count, dtype=np.int32) if index is None else index


def stored(full, frames, places, channels, dtype):
    """Rows of (C, T, H, W) that leave out what is not in the lists, and that map with zeros."""
    mask = np.zeros(full.shape, dtype=bool)
    C, T, H, W = full.shape
    flat = mask.reshape(C, T, H * W)
    flat[np.ix_(everything(channels, C), everything(frames, T), everything(places, H * W))] = True
    values = torch.from_numpy(full).to(dtype)
    part = values.flatten(2)[everything(channels, C)][:, everything(frames, T)]
    part = part[:, :, everything(places, H * W)][None, ..., None]  # (1, C', T', places, 1)
    buffer = Rows.of(part).buffer
    return Rows(buffer, C, (T, H, W), frames, places, channels), values.double().numpy() * mask


def random_window(rng, size):
    while True:
        kernel, stride, padding, dilation = (
            tuple(int(n) for n in rng.integers(low, high, 3))
            for low, high in ((1, 5), (1, 4), (0, 3), (1, 3))
        )
        if rng.random() < 0.2:
            kernel = (1, 1, 1)
        window = Window(kernel, stride, padding, dilation)
        reach = [n + 2 * p - d * (k - 1) for n, k, p, d in
                 zip(size, kernel, padding, dilation, strict=True)]  # fmt: skip
        if min(reach) > 0 and window.taps <= 40:
            return window


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("kind", KERNELS)
@pytest.mark.parametrize("seed", range(24))
def test_random_convolutions(seed, kind, threads):
    rng = np.random.default_rng(seed)
    torch.set_num_threads(threads)  # the folder's fixture restores it
    k, dtype = kernels(kind), kernels(kind).dtype
    depthwise = seed % 4 == 3
    size = tuple(int(n) for n in rng.integers(1, 9, 3))
    inputs, outputs = int(rng.integers(1, 40)), int(rng.integers(1, 70))
    outputs = inputs if depthwise else outputs
    window = random_window(rng, size)
    full = rng.normal(size=(inputs, *size)).astype(np.float32)
    weight = rng.normal(size=(outputs, 1 if depthwise else inputs, *window.kernel))
    weight, bias = weight.astype(np.float32), rng.normal(size=outputs).astype(np.float32)

    into, read = some(rng, outputs), some(rng, inputs)
    read = into if depthwise else read
    x, values = stored(full, some(rng, size[0]), some(rng, size[1] * size[2]), read, dtype)
    held = torch.from_numpy(weight).to(torch.float32 if depthwise else dtype).double().numpy()
    y = naive(values, held, bias, window)  # (O, T', H', W')
    out_size = y.shape[1:]
    frames, places = some(rng, out_size[0]), some(rng, out_size[1] * out_size[2])
    keep = (rng.random(len(everything(into, outputs))) < 0.7).astype(np.float32)
    keep = keep if rng.random() < 0.5 else None
    before, add, after = (bool(rng.random() < 0.5) for _ in range(3))

    picked = k.pick(k.lay_out(torch.from_numpy(weight), torch.from_numpy(bias), depthwise),
                    read, into)  # fmt: skip
    assert (picked.inputs, picked.outputs) == (
        len(everything(read, inputs)), len(everything(into, outputs))
    )  # fmt: skip
    kept = (
        None
        if keep is None
        else torch.from_numpy(np.pad(keep, (0, 64)))[: -(-len(keep) // 16) * 16]
    )
    if isinstance(k, Portable) and kept is not None:
        kept = kept[: len(keep)]
    chosen = everything(into, outputs)
    part = np.maximum(y[chosen], 0) if before else y[chosen]
    part = part if keep is None else part * keep[:, None, None, None]
    where = np.ix_(chosen, everything(frames, out_size[0]),
                   everything(places, out_size[1] * out_size[2]))  # fmt: skip
    if add:
        stream = torch.from_numpy(rng.normal(size=(1, outputs, *out_size))).to(dtype)
        expected = stream[0].double().flatten(2).numpy()
        expected[where] += part.reshape(len(chosen), out_size[0], -1)[
            np.ix_(range(len(chosen)), where[1].reshape(-1), where[2].reshape(-1))
        ]
        expected[where] = np.maximum(expected[where], 0) if after else expected[where]
        rows = Rows.of(stream)
        k.convolve(x, window, picked, Target(rows, frames, places, into, kept, before, True, after))
    else:
        expected = np.zeros((outputs, out_size[0], out_size[1] * out_size[2]))
        expected[where] = part.reshape(len(chosen), out_size[0], -1)[
            np.ix_(range(len(chosen)), where[1].reshape(-1), where[2].reshape(-1))
        ]
        rows, _ = stored(np.full((outputs, *out_size), np.nan, np.float32), frames, places, into,
                         dtype)  # fmt: skip
        rows.buffer.fill_(float("nan"))
        k.convolve(x, window, picked, Target(rows, frames, places, None, kept, before))
    actual = rows.tensor()[0].flatten(2).double().numpy()
    assert np.abs(actual - expected).max() <= bound(kind) * max(1.0, np.abs(expected).max())
    assert not rows.buffer[:, rows.columns :].any()  # nothing behind the last channel


@pytest.mark.parametrize("kind", KERNELS)
def test_every_number_of_channels_and_rows(kind):
    """All widths of register tiles and what is left over, down and across."""
    k, generator = kernels(kind), torch.Generator().manual_seed(0)
    for outputs in range(1, 131):
        rows, inputs = 1 + outputs % 31, 1 + outputs % 9
        x = torch.randn(1, inputs, 1, 1, rows, generator=generator).to(k.dtype)
        weight = torch.randn(outputs, inputs, 1, 1, 1, generator=generator)
        bias = torch.randn(outputs, generator=generator)
        y = Rows.of(torch.full((1, outputs, 1, 1, rows), float("nan"), dtype=k.dtype))
        window = Window((1, 1, 1), (1, 1, 1), (0, 0, 0), (1, 1, 1))
        k.convolve(Rows.of(x), window, k.lay_out(weight, bias, False), Target(y))
        held = weight[:, :, 0, 0, 0].to(k.dtype).double()
        expected = x[0, :, 0, 0].double().T @ held.T + bias.double()  # (rows, outputs)
        error = (y.values.double() - expected).abs().max()
        assert error <= bound(kind) * max(1.0, expected.abs().max()), outputs
