"""Explained videos, read back."""

import av
import numpy as np
import pytest
import torch
from PIL import Image, ImageSequence

from dance_lib.data.errors import DataError
from dance_lib.explain.decision import Decision, decide
from dance_lib.explain.legend import legend
from dance_lib.explain.picture import enlarged
from dance_lib.explain.video import (
    caption_of,
    explained_frames,
    frame_seconds,
    write_explained,
)
from tests.explain.made import CLASSES, clips_of, network

SIZE = (416, 320)  # 32 pixels ten times, and 96 for the legend


@pytest.fixture(scope="module")
def net():
    return network()


def decided(net, clips=1, seconds=2.0):
    pixels = np.random.default_rng(0).integers(0, 256, (clips, 8, 4, 4, 3), np.uint8)
    smooth = pixels.repeat(8, axis=2).repeat(8, axis=3)  # (clips, *CLIP[1:], 3)
    return decide(net, clips_of(smooth, seconds))


def read_back(path):
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
        return np.stack(frames), float(stream.average_rate)


def test_frames_are_dimmed_where_work_is_dropped_over_a_legend(net):
    decision = decided(net, clips=2)
    decision.work[:] = 1
    decision.work[1, 3, :, :16] = 0
    frames = explained_frames(decision, CLASSES)
    assert frames.shape == (16, *SIZE, 3)
    originals = [enlarged(clip, 320, 320) for clip in decision.video.frames]
    np.testing.assert_array_equal(frames[:8, :320], originals[0])
    np.testing.assert_array_equal(frames[11, :320, 160:], originals[1][3, :, 160:])
    left = frames[11, :320, :160]
    assert (left == left[..., :1]).all()  # without colour
    assert left.max() <= 93
    strip = legend(caption_of(decision, CLASSES, 1), 3, 320)
    np.testing.assert_array_equal(frames[11, 320:], strip)


def test_the_caption_says_what_the_clip_is(net):
    decision = decided(net, clips=2, seconds=4.0)
    caption = caption_of(decision, CLASSES, 1)
    probabilities = decision.probabilities[1]
    assert caption.label == CLASSES[int(probabilities.argmax())]
    assert caption.probability == probabilities.max().item()
    assert caption.mac_ratio == decision.mac_ratios[1].item()
    assert caption.times == pytest.approx([2.125 + 0.25 * t for t in range(8)])
    assert caption.shares == pytest.approx(decision.work[1].mean((1, 2)).tolist())
    assert caption.part == "clip 2 of 2,"


def test_an_mp4_has_every_frame_at_the_real_pace(net, tmp_path):
    decision = decided(net, clips=2, seconds=4.0)  # a clip of 2 s, 8 frames: 4 a second
    path = tmp_path / "out.mp4"
    write_explained(decision, CLASSES, path)
    frames, rate = read_back(path)
    assert frames.shape == (16, *SIZE, 3)
    assert rate == 4
    expected = explained_frames(decision, CLASSES).astype(int)
    assert np.abs(frames - expected).mean() < 6  # colours are at half resolution


def test_a_pace_without_a_whole_rate_holds_frames(net, tmp_path):
    path = tmp_path / "out.mp4"
    write_explained(decided(net, seconds=2.4), CLASSES, path)  # 0.3 s a frame: 3 at 10 a second
    frames, rate = read_back(path)
    assert (len(frames), rate) == (24, 10)


@pytest.mark.parametrize(("seconds", "shown"), [(80, 1.0), (2, 0.25), (0.08, 0.02)])
def test_nobody_waits_longer_than_a_second_and_no_frame_flits_by(net, seconds, shown):
    assert frame_seconds(decided(net, seconds=seconds)) == pytest.approx(shown)


def test_a_gif_has_every_frame_too(net, tmp_path):
    path = tmp_path / "out.gif"
    write_explained(decided(net, clips=2, seconds=4.0), CLASSES, path)
    with Image.open(path) as gif:
        shown = [(frame.size, frame.info["duration"]) for frame in ImageSequence.Iterator(gif)]
        assert gif.info["loop"] == 0
    assert shown == [(SIZE[::-1], 250)] * 16


def test_a_file_that_can_not_be_written_is_one_line(net, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=r"^can't write .*file/out\.mp4: "):
        write_explained(decided(net), CLASSES, tmp_path / "file" / "out.mp4")


def test_odd_sizes_are_made_even():
    video = clips_of(np.zeros((1, 2, 325, 331, 3), np.uint8))
    whole = Decision(
        video=video,
        probabilities=torch.ones(1, 3) / 3,
        plan=None,
        mac_ratios=torch.ones(1),
        work=torch.ones(1, 2, 325, 331),
        kept=None,
    )
    height = 325 + round(96 * 331 / 320)
    assert explained_frames(whole, CLASSES).shape == (2, height + height % 2, 332, 3)
