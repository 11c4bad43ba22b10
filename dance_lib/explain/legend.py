"""The strip of words and bars under an explained frame."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.font_manager import FontProperties, findfont
from PIL import Image, ImageDraw, ImageFont

from dance_lib.explain.picture import BAR_EMPTY, BAR_FULL

NARROWEST = 320  # pixels: the width that sizes below are meant for
HEIGHT, MARGIN = 96, 8
BACKGROUND, WORDS, ASIDE = (18, 18, 18), (245, 245, 245), (190, 190, 190)


@dataclass(frozen=True)
class Caption:
    """What is said of one clip.

    Attributes:
        label, probability: the likeliest class.
        mac_ratio: R.
        shares: (T,) in [0, 1], the share computed of each frame.
        times: (T,) seconds in the video.
        part: which clip of how many; "" where there is one.
    """

    label: str
    probability: float
    mac_ratio: float
    shares: Sequence[float]
    times: Sequence[float]
    part: str = ""


def legend(caption: Caption, frame: int, width: int) -> np.ndarray:
    """The strip for one frame: the class, R, this frame's share, and a bar for each frame's.

    Returns:
        uint8 (height, width, 3), 96 × 320 or in proportion.
    """
    scale = width / NARROWEST
    strip = Image.new("RGB", (width, round(HEIGHT * scale)), BACKGROUND)
    pen = _Pen(ImageDraw.Draw(strip), scale)
    time = f"{caption.times[frame]:.2f} s"
    pen.line(6, 17, caption.label, f"{100 * caption.probability:.0f} %", bold=True)
    pen.line(
        31, 13, f"MACs: R = {caption.mac_ratio:.2f} of dense", f"{caption.part} {time}".strip()
    )
    pen.line(48, 13, f"this frame: {100 * caption.shares[frame]:.0f} % computed", "")
    pen.bars(68, 88, caption.shares, frame)
    return np.asarray(strip)


class _Pen:
    """Draws at sizes of a strip 320 pixels wide, whatever its width is."""

    def __init__(self, draw: ImageDraw.ImageDraw, scale: float) -> None:
        self._draw, self._scale = draw, scale

    def line(self, top: int, size: int, left: str, right: str, *, bold: bool = False) -> None:
        """A line of words from the left and one that ends at the right; a long left one is cut."""
        font = ImageFont.truetype(_font(bold), round(size * self._scale))
        y, margin = top * self._scale, MARGIN * self._scale
        end = NARROWEST * self._scale - margin
        room = end - margin - font.getlength(right + "  ")
        whole = left
        while left and font.getlength(left) > room:
            whole = whole[:-1]
            left = whole + "…"
        self._draw.text((margin, y), left, WORDS, font)
        self._draw.text((end, y), right, WORDS if bold else ASIDE, font, anchor="ra")

    def bars(self, top: int, bottom: int, shares: Sequence[float], current: int) -> None:
        """A bar for each frame as high as its share, the current one in colour with a mark."""
        s = self._scale
        step = (NARROWEST - 2 * MARGIN) * s / len(shares)
        gap = 1 if step > 3 else 0
        for i, share in enumerate(shares):
            x = MARGIN * s + i * step
            right = max(x, x + step - 1 - gap)
            y = (bottom - (bottom - top) * share) * s
            self._draw.rectangle((x, top * s, right, bottom * s), BAR_EMPTY)
            self._draw.rectangle((x, y, right, bottom * s), BAR_FULL if i == current else ASIDE)
            if i == current:
                self._draw.rectangle((x, (bottom + 3) * s, right, (bottom + 5) * s), BAR_FULL)


def _font(bold: bool) -> str:
    """matplotlib's own, which knows accents and Greek and is on every machine."""
    return findfont(FontProperties(family="DejaVu Sans", weight="bold" if bold else "normal"))
