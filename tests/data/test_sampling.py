import random

import pytest

from dance_lib.data.sampling import ClipSampling, clip_spans
from dance_lib.errors import DanceError


def test_one_clip_of_the_whole_video():
    assert clip_spans(ClipSampling(), 3.5, "a") == [(0, 3.5)]


def test_parts_of_equal_length():
    spans = clip_spans(ClipSampling(clips_per_video=2), 4.0, "a")
    # pytorchvideo starts clip i of n at i/n of the last possible start: 0 and (4 - 2) / 2 = 1.
    assert spans == [(0, 2), (1, 3)]


def test_uniform_cuts_end_to_end():
    spans = clip_spans(ClipSampling(kind="uniform", clip_seconds=1), 3.5, "a")
    assert spans == [(0, 1), (1, 2), (2, 3)]


def test_random_is_fixed_by_seed_and_video_and_leaves_the_global_generator():
    sampling = ClipSampling(kind="random", clip_seconds=1)
    random.seed(3)
    first = random.random()
    random.seed(3)
    spans = clip_spans(sampling, 10, "a")
    assert random.random() == first
    assert clip_spans(sampling, 10, "a") == spans
    assert clip_spans(sampling, 10, "b") != spans
    assert clip_spans(sampling.model_copy(update={"seed": 1}), 10, "a") != spans
    ((start, end),) = spans
    assert 0 <= start <= 9
    assert end - start == pytest.approx(1)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"kind": "uniform"}, "uniform clips need clip_seconds"),
        ({"kind": "random", "clip_seconds": 1, "clips_per_video": 3}, "belongs to constant clips"),
        ({"clip_seconds": 0}, "greater than 0"),
        ({"kind": "dense"}, "constant_clips_per_video"),
    ],
)
def test_sampling_that_makes_no_sense(wrong, message):
    with pytest.raises(DanceError, match=message):
        ClipSampling(**wrong)


def test_a_name_that_is_no_utf8_draws_as_well():
    sampling = ClipSampling(kind="random", clip_seconds=1)
    assert clip_spans(sampling, 9.0, "\udcff.mp4") == clip_spans(sampling, 9.0, "\udcff.mp4")
