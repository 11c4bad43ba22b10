"""How clips enter a network on the device: one pass, into what its first convolution reads best."""

from math import prod

import torch
from torch import Tensor, fx, nn
from triton import cdiv, next_power_of_2

from dance_lib.executors.cuda.kernels import INTERPRETED, enter
from dance_lib.executors.cuda.layout import whole
from dance_lib.executors.kernels import Window
from dance_lib.models.nodes import is_plain
from dance_lib.models.structure import Shape, module_of

TILE = 1 << 16 if INTERPRETED else 2048  # values that a program holds


class Entry:
    """Clips (N, C, T, H, W) float32 in [0, 1] -> normalised maps, channels last in whole groups.

    Tensor cores are at their worst with three channels and a stride of two. So where a stem begins
    with a convolution of stride s, blocks of s × s pixels become one position of s² times the
    channels ("space to depth"), with the border that the convolution pads as part of the map. The
    convolution's weights are dealt out alike: the same sums in another order.

    Args:
        stem: normalised clip -> stem output; its first convolution is replaced.
        clip_shape: (C, T, H, W).
        scale, shift: (1, C, 1, 1, 1), of normalising, on the device.
        dtype: of the maps.
    """

    def __init__(
        self, stem: fx.GraphModule, clip_shape: Shape, scale: Tensor, shift: Tensor,
        dtype: torch.dtype,
    ) -> None:  # fmt: skip
        self._scale, self._shift = scale.flatten(), shift.flatten()
        self._dtype = dtype
        self._blocks, self._before, self._size = (1, 1), (0, 0), tuple(clip_shape[2:])
        found = _first_convolution(stem)
        if found is not None:
            self._fit(stem, *found, clip_shape)

    def __call__(self, clip: Tensor) -> tuple[Tensor, Tensor]:
        """The maps (N, C·s², T, H', W'), laid out, and whether all pixels are finite, ()."""
        clip = clip.contiguous()
        N, C, T, H, W = clip.shape
        channels, places = C * prod(self._blocks), prod(self._size)
        pitch = whole(channels)
        width = next_power_of_2(pitch)
        block = max(1, TILE // width)
        programs = cdiv(places, block)
        y = torch.empty(N, T, *self._size, pitch, dtype=self._dtype, device=clip.device)
        bad = torch.empty(N * T, programs, dtype=torch.int32, device=clip.device)
        enter[(N * T, programs)](
            clip, self._scale, self._shift, y, bad, C, T, H, W, *self._size, *self._blocks,
            *self._before, pitch, CHANNELS=width, BLOCK=block,
        )  # fmt: skip
        return y[..., :channels].movedim(-1, 1), ~bad.any()

    def _fit(self, stem: fx.GraphModule, name: str, conv: nn.Conv3d, clip_shape: Shape) -> None:
        """Deal out a convolution's weights to blocks of pixels, if no pixel is lost by that."""
        window, (C, _, *size) = Window.of(conv), clip_shape
        blocks, kernel, padding = window.stride[1:], window.kernel[1:], window.padding[1:]
        before = [cdiv(p, s) for p, s in zip(padding, blocks, strict=True)]
        dealt = [
            (k - 1 - p) // s + b + 1
            for k, p, s, b in zip(kernel, padding, blocks, before, strict=True)
        ]
        outs = [
            (n + 2 * p - k) // s + 1
            for n, p, k, s in zip(size, padding, kernel, blocks, strict=True)
        ]
        whole_size = [out + d - 1 for out, d in zip(outs, dealt, strict=True)]
        reached = [(w - b) * s for w, b, s in zip(whole_size, before, blocks, strict=True)]
        if any(r < n for r, n in zip(reached, size, strict=True)):
            return  # it reads no border at the end, and a NaN there would not be seen
        (sh, sw), (ph, pw), (bh, bw) = blocks, padding, before
        entering = nn.Conv3d(
            C * sh * sw, conv.out_channels, (window.kernel[0], dealt[0], dealt[1]),
            (window.stride[0], 1, 1),
            (window.padding[0], 0, 0), (window.dilation[0], 1, 1), bias=conv.bias is not None,
        )  # fmt: skip
        weight = torch.zeros_like(entering.weight)
        for h in range(kernel[0]):
            block_h, row = divmod(h - ph + bh * sh, sh)
            for w in range(kernel[1]):
                block_w, column = divmod(w - pw + bw * sw, sw)
                part = (row * sw + column) * C
                weight[:, part : part + C, :, block_h, block_w] = conv.weight[:, :, :, h, w]
        entering.weight.data = weight
        if conv.bias is not None:
            assert entering.bias is not None
            entering.bias.data = conv.bias.detach().clone()
        stem.set_submodule(name, entering)
        self._blocks, self._before, self._size = (sh, sw), (bh, bw), tuple(whole_size)


def _first_convolution(stem: fx.GraphModule) -> tuple[str, nn.Conv3d] | None:
    """The plain convolution that alone reads the clip, and is run once; None if there is none."""
    clip = next(node for node in stem.graph.nodes if node.op == "placeholder")
    if len(clip.users) != 1:
        return None
    node = next(iter(clip.users))
    conv = module_of(stem, node)
    runs = sum(other.target == node.target for other in stem.graph.nodes)
    if not isinstance(conv, nn.Conv3d) or not is_plain(conv) or conv.groups > 1 or runs > 1:
        return None
    return None if any(d > 1 for d in Window.of(conv).dilation[1:]) else (str(node.target), conv)
