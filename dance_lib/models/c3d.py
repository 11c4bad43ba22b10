"""C3D, the plain 3D CNN of Tran et al., "Learning Spatiotemporal Features with 3D Convolutional
Networks", ICCV 2015 (arXiv 1412.0767), figure 3. No library at hand ships it.

Ours: batch norm after every convolution (the usual modern form, trains without a pretrained start)
and adaptive pooling before the classifier, so that any clip shape works.
"""

from torch import Tensor, nn

# Channels of the eight convolutions; "M" is a max pool, the first of which leaves time alone.
LAYERS = (64, "M1", 128, "M", 256, 256, "M", 512, 512, "M", 512, 512)


class C3D(nn.Module):
    """Eight 3×3×3 convolutions and a two-layer classifier: (N, 3, T, H, W) -> (N, classes)."""

    def __init__(self, num_classes: int, hidden: int = 4096, dropout: float = 0.5) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        for layer in LAYERS:
            if isinstance(layer, str):
                kernel = (1, 2, 2) if layer == "M1" else (2, 2, 2)
                layers.append(nn.MaxPool3d(kernel, ceil_mode=True))  # ceil: a map never vanishes
            else:
                layers += [
                    nn.Conv3d(channels, layer, 3, padding=1, bias=False),
                    nn.BatchNorm3d(layer),
                    nn.ReLU(inplace=True),
                ]
                channels = layer
        self.features = nn.Sequential(*layers)
        self.pool = nn.AdaptiveAvgPool3d((1, 4, 4))
        self.classifier = nn.Sequential(
            nn.Linear(channels * 16, hidden),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(hidden, num_classes),
        )

    def forward(self, clip: Tensor) -> Tensor:
        """(N, 3, T, H, W) -> logits (N, classes)."""
        maps = self.pool(self.features(clip))  # (N, 512, 1, 4, 4)
        return self.classifier(maps.flatten(1))
