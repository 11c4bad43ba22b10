"""The network of a setting and the clips it runs on."""

import torch
from torch import Tensor

from dance_lib.bench.dense import settle_norms
from dance_lib.bench.setting import CLASSES, Setting
from dance_lib.checkpoint import load, read_config
from dance_lib.models.zoo import create_model
from dance_lib.network import Dance


def open_network(setting: Setting) -> Dance:
    """The checkpoint's network, or a random one whose activations keep their size."""
    if setting.checkpoint is not None:
        return load(setting.checkpoint)
    torch.manual_seed(setting.seed)
    backbone = create_model(setting.model, CLASSES, setting.clip_shape)
    net = Dance(backbone, setting.clip_shape)
    settle_norms(net.backbone, (_noise(setting, 1) - net.mean) / net.std)
    return net.eval()


def draw_clips(setting: Setting) -> tuple[Tensor, str]:
    """Clips (N, C, T, H, W) in [0, 1], and what they show.

    A controller trained on the built-in set gets test clips of that set: what it decides about
    noise would tell nothing. Every other network gets noise.
    """
    if setting.checkpoint is not None:
        from dance_lib.data.actions import ACTIONS

        if set(read_config(setting.checkpoint).classes) == set(ACTIONS):
            return _built_in(setting), "built-in set"
    return _noise(setting, setting.batch), "noise"


def is_trained(net: Dance) -> bool:
    """Whether training has moved the controller's gates: they start with one bias for all."""
    biases = [head.bias for head in net.controller.logit_heads()]
    return any((bias != bias[0]).any().item() for bias in biases if bias is not None)


def _noise(setting: Setting, batch: int) -> Tensor:
    generator = torch.Generator().manual_seed(setting.seed)
    return torch.rand(batch, *setting.clip_shape, generator=generator)


def _built_in(setting: Setting) -> Tensor:
    from dance_lib.data.digits import DigitsSettings
    from dance_lib.data.rendering import render
    from dance_lib.data.scene import draw_scene

    _, T, H, W = setting.clip_shape
    side = max(H, W) + max(H, W) % 2  # the set's frames are square and even
    digits = DigitsSettings(resolution=side, seed=setting.seed)
    frames = [render(draw_scene(digits, "test", i), side).frames for i in range(setting.batch)]
    clips = torch.stack([torch.from_numpy(f) for f in frames])  # (N, frames, side, side, 3)
    clips = clips[:, torch.linspace(0, digits.frames - 1, T).round().long()]  # (N, T, ...)
    return (clips[:, :, :H, :W].permute(0, 4, 1, 2, 3) / 255).contiguous()
