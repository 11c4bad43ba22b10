import torch
from torch import nn

from dance_lib import Dance
from dance_lib.train.layout import laid_out
from tests.networks import CLASSES


class ImageFirst(nn.Module):
    """3-D convolutions, and a 2-D one at the end, whose weights have another number of axes."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv3d(3, 8, 3, padding=1)
        self.conv = nn.Conv3d(8, 8, 3, padding=1)
        self.image = nn.Conv2d(8, 8, 3)
        self.fc = nn.Linear(8, CLASSES)

    def forward(self, x):
        x = self.stem(x)
        x = torch.relu(x + self.conv(x))
        return self.fc(self.image(x.mean(2)).mean((2, 3)))


def test_kernels_of_three_axes_are_channels_last_and_the_rest_as_it_was():
    net = Dance(ImageFirst(), (3, 4, 8, 8)).eval()
    clip = torch.rand(2, 3, 4, 8, 8)
    with torch.no_grad():
        before = net(clip)
        assert laid_out(net) is net
        torch.testing.assert_close(net(clip), before)
    for name in ("stem", "conv"):
        weight = net.get_submodule(f"backbone.{name}").weight
        assert weight.is_contiguous(memory_format=torch.channels_last_3d)
        assert isinstance(weight, nn.Parameter)
    assert net.backbone.image.weight.is_contiguous()
