"""A narrow R(2+1)D of torchvision's own blocks, small enough to train on two CPU cores in minutes.

Ours: three residual blocks of similar cost, none of which strides over time, so that a decision
about a frame means the same in every branch and no single branch holds most of the MACs.
"""

from collections import OrderedDict

import torch
from torch import nn
from torchvision.models.video.resnet import BasicBlock, Conv2Plus1D


class SpatiallyStrided(Conv2Plus1D):
    """torchvision's (2+1)D convolution, strided over space alone and as wide inside as outside.

    torchvision's own width between the two parts matches the weights of a 3 × 3 × 3 convolution;
    here that doubles the cost of a training step and gains nothing (measured on the built-in set).
    """

    def __init__(
        self, in_planes: int, out_planes: int, midplanes: int, stride: int = 1, padding: int = 1
    ) -> None:
        super().__init__(in_planes, out_planes, out_planes, stride, padding)
        self[3].stride = (1, 1, 1)

    @staticmethod
    def get_downsample_stride(stride: int) -> tuple[int, int, int]:
        """Stride of the shortcut beside a convolution of this kind."""
        return 1, stride, stride


def r2plus1d_narrow(
    num_classes: int, widths: tuple[int, ...] = (16, 32, 64), stem_width: int = 12
) -> nn.Module:
    """(N, 3, T, H, W) -> (N, classes); 64 MMAC for a clip of 16 × 56 × 56.

    The stem strides by 4 in space; every block after the first by 2.
    """
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    layers["stem"] = nn.Sequential(
        nn.Conv3d(3, stem_width, (1, 7, 7), stride=(1, 4, 4), padding=(0, 3, 3), bias=False),
        nn.BatchNorm3d(stem_width),
        nn.ReLU(inplace=True),
        nn.Conv3d(stem_width, widths[0], (3, 1, 1), padding=(1, 0, 0), bias=False),
        nn.BatchNorm3d(widths[0]),
        nn.ReLU(inplace=True),
    )
    before = widths[0]
    for i, width in enumerate(widths):
        stride = 1 if i == 0 else 2
        shortcut = None
        if stride != 1 or before != width:
            shortcut = nn.Sequential(
                nn.Conv3d(
                    before, width, 1, SpatiallyStrided.get_downsample_stride(stride), bias=False
                ),
                nn.BatchNorm3d(width),
            )
        layers[f"layer{i + 1}"] = BasicBlock(before, width, SpatiallyStrided, stride, shortcut)
        before = width
    layers["avgpool"] = nn.AdaptiveAvgPool3d(1)
    layers["flatten"] = nn.Flatten()
    layers["fc"] = nn.Linear(before, num_classes)
    network = nn.Sequential(layers)
    for module in network.modules():  # torchvision's own start for its video networks
        if isinstance(module, nn.Conv3d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    _start_from_motion(network.get_submodule("stem.3"))
    return network


def r2plus1d_medium(num_classes: int) -> nn.Module:
    """Four times as wide as `r2plus1d_narrow`: 913 MMAC for a clip of 16 × 56 × 56.

    Large enough that a runtime's time follows its MACs, small enough to train on two cores.
    """
    return r2plus1d_narrow(num_classes, widths=(64, 128, 256))


def _start_from_motion(temporal: nn.Module) -> None:
    """Let every other kernel of a (3, 1, 1) convolution start as a difference over time.

    What stands still cancels in it. A network this small otherwise spends most of a short training
    on finding out that change over time matters.
    """
    assert isinstance(temporal, nn.Conv3d)
    with torch.no_grad():
        differences = temporal.weight[::2]  # (C / 2, C_in, 3, 1, 1)
        differences[:, :, 1] = 0
        differences[:, :, 0] = -differences[:, :, 2]
