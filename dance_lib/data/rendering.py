"""From a scene of the built-in set to pixels."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from dance_lib.data.glyphs import INK, MARGIN, glyphs
from dance_lib.data.scene import Poses, Scene

CANVAS = 1.5  # the backdrop's side in frames: room for camera and drift
FRAGMENTS = 6  # faint strokes on the backdrop
VISIBLE = 0.1  # opacity from which a pixel counts as the actor's


@dataclass(frozen=True)
class Rendering:
    """What `render` gives.

    `frames` is uint8 (T, H, W, 3). `region` says where the action is, as x0, y0, x1, y1 in
    fractions of the frame: the union of the actor's visible pixels over the frames of the action
    and the still frame before it, from which the first change starts. None where the actor rests.
    """

    frames: np.ndarray
    region: tuple[float, float, float, float] | None


def render(scene: Scene, resolution: int, *, actor: bool = True) -> Rendering:
    """Render `scene` at H = W = `resolution`, without its actor if so asked."""
    opacities = opacity(scene.digits, scene.poses, resolution)  # (K, T, H, W)
    flicker = torch.from_numpy(scene.flicker.astype(np.float32))[:, :, None, None]
    colours = torch.from_numpy(scene.colours.astype(np.float32))[:, :, None, None]
    frames = _backdrop(scene, resolution)  # (T, 3, H, W)
    shown = len(opacities) if actor else len(opacities) - 1
    for alpha, colour in zip((opacities * flicker)[:shown, :, None], colours, strict=False):
        frames.lerp_(colour, alpha)
    pixels = (frames.clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1)  # (T, H, W, 3)
    return Rendering(pixels.contiguous().numpy(), _region(scene, opacities[-1]))


def _region(scene: Scene, actor: Tensor) -> tuple[float, float, float, float] | None:
    """Bounding box of the action from the actor's opacity (T, H, W)."""
    if not scene.length:
        return None
    seen = actor[scene.first - 1 : scene.first + scene.length].amax(0) > VISIBLE  # (H, W)
    rows, columns = seen.any(1).nonzero(), seen.any(0).nonzero()
    edges = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
    x0, y0, x1, y1 = (float(edge) / len(seen) for edge in edges)
    return x0, y0, x1, y1


def opacity(digits: np.ndarray, poses: Poses, resolution: int) -> Tensor:
    """Opacity of each of K digits in each of T frames, (K, T, resolution, resolution)."""
    count, frames = poses.x.shape
    shapes = glyphs()[torch.from_numpy(digits)]  # (K, h, w)
    shapes = shapes[:, None].expand(-1, frames, -1, -1)  # (K, h, w) -> (K, T, h, w)
    # From a place in the frame to a place on the glyph, both in [-1, 1]: shift, turn back, scale.
    scale = INK / (INK + 2 * MARGIN) / poses.size
    cos, sin = np.cos(poses.angle) * scale, np.sin(poses.angle) * scale
    x, y = 2 * poses.x - 1, 2 * poses.y - 1
    rows = [[cos, sin, -cos * x - sin * y], [-sin, cos, sin * x - cos * y]]
    theta = torch.from_numpy(np.array(rows, dtype=np.float32))  # (2, 3, K, T)
    grid = F.affine_grid(
        theta.permute(2, 3, 0, 1).reshape(-1, 2, 3),
        [count * frames, 1, resolution, resolution],
        align_corners=False,
    )
    sampled = F.grid_sample(shapes.reshape(-1, 1, *shapes.shape[2:]), grid, align_corners=False)
    return sampled.view(count, frames, resolution, resolution)


def _backdrop(scene: Scene, resolution: int) -> Tensor:
    """The cluttered backdrop, seen through a moving window, (T, 3, resolution, resolution)."""
    rng = np.random.default_rng(scene.texture_seed)
    side = round(CANVAS * resolution)
    texture = _texture(rng, side) * scene.contrast
    canvas = texture + torch.from_numpy(scene.base_colour.astype(np.float32))[:, None, None]
    shift = -2 / CANVAS * scene.backdrop_shift  # the scene moves right: the window moves left
    theta = torch.zeros(len(shift), 2, 3)
    theta[:, 0, 0] = theta[:, 1, 1] = 1 / CANVAS
    theta[:, :, 2] = torch.from_numpy(shift)
    grid = F.affine_grid(theta, [len(shift), 3, resolution, resolution], align_corners=False)
    window = canvas.expand(len(shift), -1, -1, -1)
    return F.grid_sample(window, grid, padding_mode="reflection", align_corners=False)


def _texture(rng: np.random.Generator, side: int) -> Tensor:
    """Clouds in colour and faint strokes, (3, side, side), of mean 0 and deviation 1."""
    layers = []
    for cells, channels in ((5, 3), (14, 1)):
        noise = torch.from_numpy(rng.standard_normal((1, channels, cells, cells), np.float32))
        smooth = F.interpolate(noise, (side, side), mode="bicubic", align_corners=False)
        layers.append(smooth[0])
    x, y = rng.uniform(0, 1, (2, FRAGMENTS, 1))
    size, angle = rng.uniform(0.2, 0.6, (FRAGMENTS, 1)), rng.uniform(-np.pi, np.pi, (FRAGMENTS, 1))
    ids = rng.integers(len(glyphs()), size=FRAGMENTS)
    strokes = opacity(ids, Poses(x, y, size, angle), side)[:, 0]  # (FRAGMENTS, side, side)
    signs = torch.from_numpy(rng.choice((-1.5, 1.5), FRAGMENTS).astype(np.float32))
    texture = layers[0] + 0.6 * layers[1] + torch.einsum("f,fhw->hw", signs, strokes)
    return (texture - texture.mean()) / texture.std()
