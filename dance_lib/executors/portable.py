"""Convolutions on rows in public PyTorch, for machines without a C++ compiler: correct, not quick.

A position that is not stored is a row of zeros at the end; each kernel tap is one matrix product
of the rows it meets.
"""

from math import prod

import torch
from torch import Tensor

from dance_lib.aap.statistics import Sums, sums_of
from dance_lib.executors.kernels import Target, Weights, Window
from dance_lib.executors.rows import Index, Rows, row_of


class Portable:
    """Kernels that need nothing but PyTorch."""

    def __init__(self, dtype: torch.dtype) -> None:
        self.dtype = dtype
        self.key = f"portable-{str(dtype).removeprefix('torch.')}"

    def lay_out(self, weight: Tensor, bias: Tensor, depthwise: bool) -> Weights:
        """See `Kernels`: panels (taps, I, O), depthwise (taps, O)."""
        outputs, inputs = weight.shape[:2]
        taps = prod(weight.shape[2:])
        panels = weight.flatten(2).permute(2, 1, 0)  # (O, I, kt, kh, kw) -> (taps, I, O)
        if depthwise:
            return Weights(panels[:, 0].contiguous(), bias, outputs, outputs, taps, 0, True)
        return Weights(panels.to(self.dtype).contiguous(), bias, inputs, outputs, taps, 0, False)

    def pick(self, weights: Weights, inputs: Index | None, outputs: Index | None) -> Weights:
        """See `Kernels`."""
        if inputs is None and outputs is None:
            return weights
        panels, bias = weights.panels, weights.bias
        if inputs is not None and not weights.depthwise:
            panels = panels[:, torch.from_numpy(inputs).long()]
        if outputs is not None:
            index = torch.from_numpy(outputs).long()
            panels, bias = panels[..., index], bias[index]
        n_in, n_out = panels.shape[-2] if panels.dim() == 3 else len(bias), len(bias)
        return Weights(panels, bias, n_in, n_out, weights.taps, 0, weights.depthwise)

    def convolve(self, x: Rows, window: Window, weights: Weights, target: Target) -> int:
        """See `Kernels`."""
        y = target.rows
        table = meeting(x, window, target)  # (rows, taps)
        values = torch.cat([x.values, x.values.new_zeros(1, x.columns)])
        sums = weights.bias.repeat(len(table), 1)
        for tap in range(window.taps):
            met = values[table[:, tap]]  # (rows, I)
            panel = weights.panels[tap]
            sums += (met.float() * panel) if weights.depthwise else (met @ panel).float()
        sums = sums.relu_() if target.relu_before else sums
        sums = sums if target.keep is None else sums * target.keep
        rows: Tensor | slice = slice(None)
        if target.add:
            rows = torch.from_numpy(
                Rows(y.buffer, y.channels_total, y.size, target.frames, target.places).positions()
            ).long()
        columns = slice(0, sums.shape[1]) if target.columns is None else target.columns
        if target.add:
            index = torch.arange(y.columns)[columns]
            sums += y.values[rows][:, index].float()
            sums = sums.relu_() if target.relu_after else sums
            y.values[rows[:, None], index] = sums.to(self.dtype)  # type: ignore[index]
        else:
            y.values.copy_(sums)
            y.buffer[:, y.columns :] = 0
        computed = 1 if weights.depthwise else weights.inputs
        return len(table) * window.taps * computed * weights.outputs

    def sums(self, x: Rows) -> Sums:
        """See `Kernels`."""
        return sums_of(x.view().float())


def meeting(x: Rows, window: Window, target: Target) -> Tensor:
    """(rows, taps) int64: the input row each output row meets at each tap; the last for zeros."""
    T, H, W = x.size
    frame, place = row_of(x.frames, T), row_of(x.places, H * W)
    at_frame = torch.arange(T) if frame is None else torch.from_numpy(frame).long()
    at_place = torch.arange(H * W) if place is None else torch.from_numpy(place).long()
    row = at_frame[:, None] * x.block + at_place  # (T, H·W)
    row[(at_frame < 0)[:, None] | (at_place < 0)] = len(x.buffer)
    padded = torch.nn.functional.pad(
        row.view(T, H, W),
        [n for p in reversed(window.padding) for n in (p, p)],
        value=len(x.buffer),
    )
    oT, oH, oW = target.rows.size
    frames = torch.arange(oT) if target.frames is None else torch.from_numpy(target.frames).long()
    places = (
        torch.arange(oH * oW) if target.places is None else torch.from_numpy(target.places).long()
    )
    starts = [
        frames * window.stride[0],
        places // oW * window.stride[1],
        places % oW * window.stride[2],
    ]
    offsets = torch.cartesian_prod(
        *(torch.arange(k) * d for k, d in zip(window.kernel, window.dilation, strict=True))
    ).reshape(-1, 3)  # (taps, 3)
    t = starts[0][:, None, None] + offsets[:, 0]  # (frames, 1, taps)
    h, w = (starts[i][None, :, None] + offsets[:, i] for i in (1, 2))  # (1, places, taps)
    return padded[t, h, w].flatten(0, 1)
