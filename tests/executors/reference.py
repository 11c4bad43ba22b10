"""A slow executor of plans: numpy in float64, loops over kernel offsets, no fx, nothing of ours.

It walks the module objects of each family by hand. `Slow.unit` is what a plan means in four lines:
the convolution, what follows it, the output kept for comparison, the mask.
"""

from math import ceil

import numpy as np
from torch import nn


class Slow:
    """Runs a network under a plan and keeps each unit's output before its mask in `outputs`."""

    def __init__(self, network, plan):
        self.network = network
        self.plan = plan
        self.paths = {id(module): path for path, module in network.named_modules()}
        self.outputs = {}

    def unit(self, x, conv, *after):
        name = self.paths[id(conv)]
        y = conv3d(x, conv)
        for module in after:
            y = apply(y, module)
        self.outputs[name] = y
        return y * mask_of(self.plan, name)

    def kept_mean(self, x, conv):
        """Mean over the positions that the mask of unit `conv` keeps; zero where it keeps none."""
        mask = mask_of(self.plan, self.paths[id(conv)], channels=False)  # (N, 1, T, H, W)
        pooled = np.zeros((*x.shape[:2], 1, 1, 1))
        for n in range(len(x)):
            kept = [
                x[n, :, t, h, w] for t, h, w in np.ndindex(*mask.shape[2:]) if mask[n, 0, t, h, w]
            ]
            if kept:
                pooled[n, :, 0, 0, 0] = np.mean(kept, axis=0)
        return pooled


def mask_of(plan, unit, channels=True):
    """(N, C, T, H, W), written one position at a time; without channels (N, 1, T, H, W)."""
    frames, features = plan.frames[unit].tolist(), plan.features[unit].tolist()
    kept = plan.channels[unit].numpy() if channels else np.ones((len(frames), 1))
    mask = np.zeros((*kept.shape, len(frames[0]), len(features[0]), len(features[0][0])))
    for n, t, h, w in np.ndindex(mask.shape[0], *mask.shape[2:]):
        if frames[n][t] and features[n][h][w]:
            mask[n, :, t, h, w] = kept[n]
    return mask


# ------------------------------------------------------------------ modules by formula
def conv3d(x, conv):
    weight = conv.weight.detach().numpy()  # (O, I / groups, kt, kh, kw)
    pads = [(0, 0), (0, 0)] + [(p, p) for p in conv.padding]
    x = np.pad(x, pads)
    size = [
        (n - d * (k - 1) - 1) // s + 1
        for n, k, s, d in zip(
            x.shape[2:], conv.kernel_size, conv.stride, conv.dilation, strict=True
        )
    ]
    N, G = len(x), conv.groups
    out = np.zeros((N, G, conv.out_channels // G, *size))
    for offset in np.ndindex(*conv.kernel_size):
        window = tuple(
            slice(o * d, o * d + s * (n - 1) + 1, s)
            for o, d, s, n in zip(offset, conv.dilation, conv.stride, size, strict=True)
        )
        seen = x[(slice(None), slice(None), *window)].reshape(N, G, -1, *size)
        w = weight[(slice(None), slice(None), *offset)].reshape(G, -1, weight.shape[1])
        out += np.einsum("goi,ngithw->ngothw", w, seen, optimize=True)
    out = out.reshape(N, conv.out_channels, *size)
    return out if conv.bias is None else out + conv.bias.detach().numpy()[:, None, None, None]


def norm(x, module):
    """Batch norm: running statistics, or those of all positions of this batch where it trains."""
    if module.training:
        mean = x.mean((0, 2, 3, 4))
        variance = ((x - mean[:, None, None, None]) ** 2).mean((0, 2, 3, 4))
    else:
        mean, variance = module.running_mean.numpy(), module.running_var.numpy()
    scale = module.weight.detach().numpy() / np.sqrt(variance + module.eps)
    shift = module.bias.detach().numpy() - mean * scale
    return x * scale[:, None, None, None] + shift[:, None, None, None]


def max_pool(x, pool):
    kernel, stride, padding = (
        v if isinstance(v, tuple) else (v,) * 3
        for v in (pool.kernel_size, pool.stride, pool.padding)
    )
    size = []
    for n, k, s, p in zip(x.shape[2:], kernel, stride, padding, strict=True):
        steps = (n + 2 * p - k) / s
        count = (ceil(steps) if pool.ceil_mode else int(steps)) + 1
        size.append(count - 1 if (count - 1) * s >= n + p else count)  # starts inside the map
    out = np.full((*x.shape[:2], *size), -np.inf)
    for position in np.ndindex(*size):
        window = tuple(
            slice(max(0, i * s - p), max(0, i * s - p + k))
            for i, k, s, p in zip(position, kernel, stride, padding, strict=True)
        )
        seen = x[(slice(None), slice(None), *window)]
        out[(slice(None), slice(None), *position)] = seen.max((2, 3, 4))
    return out


def adaptive_mean(x, size):
    """Bins [⌊i·n/m⌋, ⌈(i+1)·n/m⌉), as torch documents adaptive pooling."""
    out = np.zeros((*x.shape[:2], *size))
    for position in np.ndindex(*size):
        window = tuple(
            slice(i * n // m, -(-(i + 1) * n // m))
            for i, n, m in zip(position, x.shape[2:], size, strict=True)
        )
        out[(slice(None), slice(None), *position)] = x[(slice(None), slice(None), *window)].mean(
            (2, 3, 4)
        )
    return out


def linear(x, module):
    return x @ module.weight.detach().numpy().T + module.bias.detach().numpy()


def relu(x):
    return np.maximum(x, 0.0)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def swish(x):
    return x * sigmoid(x)


def apply(x, module):
    if module is swish:
        return swish(x)
    if isinstance(module, nn.BatchNorm3d):
        return norm(x, module)
    if isinstance(module, nn.ReLU):
        return relu(x)
    raise NotImplementedError(type(module))


# ------------------------------------------------------------------ families
def torchvision_resnet(slow, x):
    """r3d, r2plus1d, narrow: blocks of conv1, conv2 (flat lists of leaves), sum, relu."""
    network = slow.network
    for module in network.stem:
        x = conv3d(x, module) if isinstance(module, nn.Conv3d) else apply(x, module)
    layers = [module for name, module in network.named_children() if name.startswith("layer")]
    blocks = [
        b for layer in layers for b in (layer if isinstance(layer, nn.Sequential) else [layer])
    ]
    for block in blocks:
        leaves = [
            m
            for m in (*block.conv1.modules(), *block.conv2.modules())
            if not len(list(m.children()))
        ]
        y = x
        while leaves:
            conv, *leaves = leaves
            after = []
            while leaves and not isinstance(leaves[0], nn.Conv3d):
                after.append(leaves.pop(0))
            y = slow.unit(y, conv, *after)
        if block.downsample is not None:
            x = norm(conv3d(x, block.downsample[0]), block.downsample[1])
        x = relu(x + y)
    return linear(x.mean((2, 3, 4)), network.fc)


def c3d(slow, x):
    modules = list(slow.network.features)
    x = apply(apply(conv3d(x, modules[0]), modules[1]), modules[2])
    for i in range(3, len(modules)):
        if isinstance(modules[i], nn.MaxPool3d):
            x = max_pool(x, modules[i])
        elif isinstance(modules[i], nn.Conv3d):
            x = slow.unit(x, *modules[i : i + 3])
    first, _, _, last = slow.network.classifier
    return linear(relu(linear(adaptive_mean(x, (1, 4, 4)).reshape(len(x), -1), first)), last)


def s3d(slow, x):
    features = list(slow.network.features)
    x = apply(apply(conv3d(x, features[0][0][0]), features[0][0][1]), features[0][0][2])
    x = slow.unit(x, *features[0][1])
    for module in features[1:]:
        if isinstance(module, nn.MaxPool3d):
            x = max_pool(x, module)
        elif hasattr(module, "branch0"):
            y1 = slow.unit(x, *module.branch1[0])
            y1 = slow.unit(slow.unit(y1, *module.branch1[1][0]), *module.branch1[1][1])
            y2 = slow.unit(x, *module.branch2[0])
            y2 = slow.unit(slow.unit(y2, *module.branch2[1][0]), *module.branch2[1][1])
            y3 = slow.unit(max_pool(x, module.branch3[0]), *module.branch3[1])
            x = np.concatenate([slow.unit(x, *module.branch0), y1, y2, y3], axis=1)
        elif isinstance(module[0], nn.Conv3d):
            x = slow.unit(x, *module)
        else:
            x = slow.unit(slow.unit(x, *module[0]), *module[1])
    pooled = x.mean((2, 3, 4), keepdims=True)
    return conv3d(pooled, slow.network.classifier[1])[:, :, 0, 0, 0]


def bottlenecks(slow, x):
    """slow, csn and x3d of pytorchvideo: stem, stages of bottlenecks, linear head."""
    stem, *stages, head = slow.network.blocks
    x = max_pool(relu(norm(conv3d(x, stem.conv), stem.norm)), stem.pool)
    for stage, block in ((s, b) for s in stages for b in s.res_blocks):
        del stage
        branch = block.branch2
        y = slow.unit(x, branch.conv_a, branch.norm_a, branch.act_a)
        if isinstance(branch.norm_b, nn.Sequential) and hasattr(branch.norm_b[1], "block"):
            # Squeeze-excite stands between norm and swish, so the swish is not the unit's.
            y = slow.unit(y, branch.conv_b, branch.norm_b[0])
            reduce, _, expand, _ = branch.norm_b[1].block
            squeezed = slow.kept_mean(y, branch.conv_b)
            y = swish(y * sigmoid(conv3d(relu(conv3d(squeezed, reduce)), expand)))
        elif isinstance(branch.norm_b, nn.Sequential):
            y = slow.unit(y, branch.conv_b, branch.norm_b[0], swish)
        else:
            y = slow.unit(y, branch.conv_b, branch.norm_b, branch.act_b)
        y = slow.unit(y, branch.conv_c, branch.norm_c)
        if block.branch1_conv is not None:
            x = conv3d(x, block.branch1_conv)
            if block.branch1_norm is not None:
                x = norm(x, block.branch1_norm)
        x = relu(x + y)
    return linear(x.mean((2, 3, 4)), head.proj)


def pre_activation(slow, x):
    network = slow.network
    x = conv3d(x, network.stem)
    for block in network.blocks:
        y = relu(norm(x, block.norms[0]))
        y = slow.unit(y, block.conv1, block.norms[1], nn.ReLU())
        y = slow.unit(y, block.conv2, block.norms[2], nn.ReLU())
        y = slow.unit(y, block.conv3)
        x = (x if block.shortcut is None else conv3d(x, block.shortcut)) + y
    return linear(relu(norm(x, network.norm)).mean((2, 3, 4)), network.fc)


FORWARD = {
    "r3d": torchvision_resnet,
    "r2plus1d": torchvision_resnet,
    "narrow": torchvision_resnet,
    "c3d": c3d,
    "s3d": s3d,
    "slow": bottlenecks,
    "csn": bottlenecks,
    "x3d": bottlenecks,
    "pre-activation": pre_activation,
}
