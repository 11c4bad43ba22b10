"""Small instances of every backbone family, and networks that no library ships.

Narrow on purpose: a slow reference in float64 has to run them in a fraction of a second.
"""

import warnings

import torch
from torch import Tensor, nn

import dance_lib.torchvision_schemas  # noqa: F401  (before torchvision: see there)

# isort: split
from torchvision.models.video import resnet as tv
from torchvision.models.video.s3d import (
    Conv3dNormActivation,
    SepInceptionBlock3D,
    TemporalSeparableConv,
)

from dance_lib.models import c3d
from dance_lib.models.narrow import r2plus1d_narrow

with warnings.catch_warnings():
    # fvcore scripts its losses on import, which newer torch calls deprecated.
    warnings.simplefilter("ignore", DeprecationWarning)
    from pytorchvideo.models.head import create_res_basic_head
    from pytorchvideo.models.net import Net
    from pytorchvideo.models.resnet import create_bottleneck_block, create_res_stage
    from pytorchvideo.models.stem import create_res_basic_stem
    from pytorchvideo.models.x3d import create_x3d_res_stage

CLASSES = 5
CLIP = (3, 5, 37, 45)  # odd sizes: strides leave remainders, tiles are uneven


class _NarrowResNet(tv.VideoResNet):
    """torchvision's video ResNet with an eighth of its channels; two blocks in the first layer."""

    def __init__(self, conv, stem):
        super().__init__(tv.BasicBlock, [conv] * 4, [2, 1, 1, 1], stem, CLASSES)
        self.fc = nn.Linear(64, CLASSES)

    def _make_layer(self, block, conv_builder, planes, blocks, stride=1):
        return super()._make_layer(block, conv_builder, planes // 8, blocks, stride)


class _NarrowS3D(nn.Module):
    """torchvision's S3D, its forward and its inception blocks, with a few channels."""

    def __init__(self):
        super().__init__()
        norm = nn.BatchNorm3d
        self.features = nn.Sequential(
            TemporalSeparableConv(3, 8, 7, 2, 3, norm),
            nn.MaxPool3d((1, 3, 3), stride=(1, 2, 2), padding=(0, 1, 1)),
            Conv3dNormActivation(8, 10, kernel_size=1, norm_layer=norm),
            TemporalSeparableConv(10, 12, 3, 1, 1, norm),
            SepInceptionBlock3D(12, 9, 6, 10, 4, 5, 8, norm),
            nn.MaxPool3d((3, 3, 3), stride=(2, 2, 2), padding=(1, 1, 1)),
            SepInceptionBlock3D(32, 8, 6, 9, 4, 6, 5, norm),
        )
        self.avgpool = nn.AdaptiveAvgPool3d(1)
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Conv3d(28, CLASSES, 1))

    def forward(self, x):
        return torch.mean(self.classifier(self.avgpool(self.features(x))), dim=(2, 3, 4))


def _narrow_c3d():
    whole = c3d.LAYERS
    c3d.LAYERS = (6, "M1", 10, "M", 12, 9, "M", 8)
    try:
        return c3d.C3D(CLASSES, hidden=7)
    finally:
        c3d.LAYERS = whole


def _pytorchvideo(*stages):
    stem = create_res_basic_stem(in_channels=3, out_channels=8, conv_kernel_size=(1, 7, 7),
                                 conv_stride=(1, 2, 2), conv_padding=(0, 3, 3))  # fmt: skip
    head = create_res_basic_head(
        in_features=20, out_features=CLASSES, pool=nn.AdaptiveAvgPool3d, output_size=(1, 1, 1)
    )
    return Net(blocks=nn.ModuleList([stem, *stages, head]))


def _bottleneck_stage(dim_in, dim_out, stride, groups=1, kernel=(1, 3, 3)):
    return create_res_stage(
        depth=2, dim_in=dim_in, dim_inner=12, dim_out=dim_out, bottleneck=create_bottleneck_block,
        conv_a_kernel_size=(3, 1, 1), conv_a_stride=(1, 1, 1), conv_a_padding=(1, 0, 0),
        conv_b_kernel_size=kernel, conv_b_stride=stride, conv_b_num_groups=groups,
        conv_b_padding=tuple(k // 2 for k in kernel),
    )  # fmt: skip


def _slow():
    return _pytorchvideo(_bottleneck_stage(8, 16, (1, 1, 1)), _bottleneck_stage(16, 20, (1, 2, 2)))


def _csn():
    return _pytorchvideo(
        _bottleneck_stage(8, 16, (1, 1, 1), 12, (3, 3, 3)),
        _bottleneck_stage(16, 20, (2, 2, 2), 12, (3, 3, 3)),
    )


def _x3d():
    def stage(dim_in, dim_out):  # depth 3: squeeze-excite sits in every other block
        return create_x3d_res_stage(
            depth=3, dim_in=dim_in, dim_inner=18, dim_out=dim_out, se_ratio=0.25
        )

    return _pytorchvideo(stage(8, 12), stage(12, 20))


class PreActivation(nn.Module):
    """x + conv3(a(conv2(a(conv1(a(x)))))) with a = relu(norm), conv2 in 4 groups; no norm after
    the last convolution of a branch, biases everywhere."""

    def __init__(self, width=12, strides=((1, 1, 1), (2, 2, 2)), groups=4):
        super().__init__()
        self.stem = nn.Conv3d(3, width, 3, stride=(1, 2, 2), padding=1)
        self.blocks = nn.ModuleList([PreActivationBlock(width, s, groups) for s in strides])
        self.norm = nn.BatchNorm3d(width)
        self.fc = nn.Linear(width, CLASSES)

    def forward(self, x):
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        return self.fc(torch.relu(self.norm(x)).mean((2, 3, 4)))


class PreActivationBlock(nn.Module):
    def __init__(self, width, stride, groups):
        super().__init__()
        self.norms = nn.ModuleList(nn.BatchNorm3d(c) for c in (width, 20, 20))
        self.conv1 = nn.Conv3d(width, 20, 1)
        self.conv2 = nn.Conv3d(20, 20, 3, stride=stride, padding=1, groups=groups)
        self.conv3 = nn.Conv3d(20, width, 1)
        self.shortcut = nn.Conv3d(width, width, 1, stride=stride) if max(stride) > 1 else None

    def forward(self, x):
        y = x
        for norm, conv in zip(self.norms, (self.conv1, self.conv2, self.conv3), strict=True):
            y = conv(torch.relu(norm(y)))
        return (x if self.shortcut is None else self.shortcut(x)) + y


FAMILIES = {
    "r3d": lambda: _NarrowResNet(tv.Conv3DSimple, tv.BasicStem),
    "r2plus1d": lambda: _NarrowResNet(tv.Conv2Plus1D, tv.R2Plus1dStem),
    "narrow": lambda: r2plus1d_narrow(CLASSES, widths=(8, 12, 20), stem_width=5),
    "c3d": _narrow_c3d,
    "s3d": _NarrowS3D,
    "slow": _slow,
    "csn": _csn,
    "x3d": _x3d,
    "pre-activation": PreActivation,
}


def randomise(network: nn.Module, seed: int = 0) -> nn.Module:
    """Draw all weights, norms included, so that norm(0) is not 0 and no channel is like another."""
    generator = torch.Generator().manual_seed(seed)

    def uniform(low: float, high: float, like: Tensor) -> Tensor:
        return torch.rand(like.shape, generator=generator) * (high - low) + low

    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.weight.copy_(uniform(0.5, 1.5, module.weight))
                module.bias.copy_(uniform(-0.5, 0.5, module.bias))
                module.running_mean.copy_(uniform(-0.3, 0.3, module.running_mean))
                module.running_var.copy_(uniform(0.5, 1.5, module.running_var))
            elif isinstance(module, nn.Conv3d | nn.Linear):
                bound = (3 / module.weight[0].numel()) ** 0.5
                module.weight.copy_(uniform(-bound, bound, module.weight))
                if module.bias is not None:
                    module.bias.copy_(uniform(-0.5, 0.5, module.bias))
    return network


def undecided(net, std: float = 2.0, bias: float = 0.0):
    """Random heads without a prior: a controller's gates are about half open, by what it reads."""
    for name, parameter in net.controller.named_parameters():
        if name.endswith("prior"):
            nn.init.zeros_(parameter)
    for head in net.controller.logit_heads():
        nn.init.normal_(head.weight, std=std)
        nn.init.constant_(head.bias, bias)
    return net


class TwoBlocks(nn.Module):
    """Two residual blocks of round numbers, for arithmetic by hand.

    Clip (3, 4, 8, 8): stem 8 channels at (4, 8, 8); block 1 keeps that shape with convolutions
    (1,3,3) to 16 and (3,1,1) back to 8; block 2 goes by a strided 3×3×3 to 24 channels at
    (2, 4, 4) and a 1×1×1 to 16, beside a 1×1×1 shortcut; head 16 -> 5.
    """

    clip = (3, 4, 8, 8)

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv3d(3, 8, (1, 3, 3), padding=(0, 1, 1), bias=False),
                                  nn.BatchNorm3d(8), nn.ReLU())  # fmt: skip
        self.a = nn.Sequential(nn.Conv3d(8, 16, (1, 3, 3), padding=(0, 1, 1), bias=False),
                               nn.BatchNorm3d(16), nn.ReLU())  # fmt: skip
        self.b = nn.Sequential(nn.Conv3d(16, 8, (3, 1, 1), padding=(1, 0, 0)), nn.BatchNorm3d(8))
        self.c = nn.Sequential(nn.Conv3d(8, 24, 3, stride=2, padding=1), nn.ReLU())
        self.d = nn.Conv3d(24, 16, 1, bias=False)
        self.shortcut = nn.Conv3d(8, 16, 1, stride=2, bias=False)
        self.fc = nn.Linear(16, CLASSES)

    def forward(self, x):
        x = self.stem(x)
        x = torch.relu(x + self.b(self.a(x)))
        x = self.shortcut(x) + self.d(self.c(x))
        return self.fc(x.mean((2, 3, 4)))


class Strided(nn.Module):
    """One branch whose units stand at several strides from its output, shortcut beside it."""

    def __init__(self, *steps, channels=8):
        super().__init__()
        self.stem = nn.Conv3d(3, channels, 3, padding=1)
        self.branch = nn.Sequential(*steps)
        self.fc = nn.Linear(channels, CLASSES)

    def forward(self, x):
        x = self.stem(x)
        y = self.branch(x)
        x = nn.functional.adaptive_avg_pool3d(x, y.shape[2:])
        return self.fc(torch.relu(x + y).mean((2, 3, 4)))


class Gated(nn.Module):
    """Squeeze-excite by linear layers behind the last unit of a branch, as SENet has it."""

    def __init__(self, channels=8):
        super().__init__()
        self.stem = nn.Conv3d(3, channels, 3, padding=1)
        self.conv = nn.Conv3d(channels, channels, 3, padding=1)
        self.norm = nn.BatchNorm3d(channels)
        self.reduce, self.expand = nn.Linear(channels, 2), nn.Linear(2, channels)
        self.fc = nn.Linear(channels, CLASSES)

    def forward(self, x):
        x = self.stem(x)
        y = self.norm(self.conv(x))
        squeezed = y.mean((2, 3, 4))
        gate = torch.sigmoid(self.expand(torch.relu(self.reduce(squeezed))))
        x = torch.relu(x + y * gate.view(gate.shape[0], gate.shape[1], 1, 1, 1))
        return self.fc(x.mean((2, 3, 4)))
