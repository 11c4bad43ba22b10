import numpy as np
import pandas as pd
import pytest
import torch

from dance_lib.data.augmentation import augmentation
from dance_lib.data.clips import ClipSet, batches
from dance_lib.data.controls import shuffled_frames, single_frame


@pytest.fixture
def clips() -> ClipSet:
    """Six clips of 4 frames of 2 × 3 pixels; frame t of clip i is 10 i + t, red 100 more."""
    value = 10 * np.arange(6)[:, None] + np.arange(4)  # (6, 4)
    frames = np.broadcast_to(value[:, :, None, None, None], (6, 4, 2, 3, 3)).astype(np.uint8)
    frames[..., 0] += 100
    return ClipSet(
        table=pd.DataFrame({"path": list("fedcba"), "target": [0, 1, 2, 0, 1, 2]}),
        classes=("x", "y", "z"),
        hash="0123",
        skipped=pd.DataFrame(columns=["path", "reason"]),
        frames=frames,
        stored=np.array([5, 4, 3, 2, 1, 0]),  # clip i of the set is stored clip 5 - i
    )


def values(batch: torch.Tensor) -> np.ndarray:
    """The blue value of every frame, (N, T), as stored."""
    return (batch[:, 2, :, 0, 0] * 255).round().int().numpy()


def test_one_clip(clips):
    clip, target, row = clips[1]
    assert clip.shape == clips.clip_shape == (3, 4, 2, 3)
    assert clip.dtype == torch.float32
    assert (target, row) == (1, 1)
    assert clip[2, 3, 0, 0] == pytest.approx(43 / 255)  # stored clip 4, frame 3, blue
    assert clip[0, 3, 0, 0] == pytest.approx(143 / 255)  # and red
    assert len(clips) == 6
    assert clips[-1][2] == 5
    with pytest.raises(IndexError):
        clips[6]


def test_batch_is_channels_last(clips):
    batch = clips.batch([2, 0])
    assert batch.shape == (2, 3, 4, 2, 3)
    assert batch.is_contiguous(memory_format=torch.channels_last_3d)
    assert values(batch).tolist() == [[30, 31, 32, 33], [50, 51, 52, 53]]


def test_batches_in_order(clips):
    got = list(batches(clips, 4))
    assert [rows.tolist() for _, _, rows in got] == [[0, 1, 2, 3], [4, 5]]
    assert [targets.tolist() for _, targets, _ in got] == [[0, 1, 2, 0], [1, 2]]


def test_batches_shuffled_by_seed(clips):
    def rows(seed: int) -> list[int]:
        return [int(row) for _, _, some in batches(clips, 4, shuffle_seed=seed) for row in some]

    assert sorted(rows(1)) == [0, 1, 2, 3, 4, 5]
    assert rows(1) == rows(1) != rows(2)
    for batch, targets, some in batches(clips, 4, shuffle_seed=1):
        assert values(batch)[:, 0].tolist() == [10 * (5 - int(row)) for row in some]
        assert targets.tolist() == [int(row) % 3 for row in some]


def test_works_with_a_data_loader(clips):
    batch, targets, rows = next(iter(torch.utils.data.DataLoader(clips, batch_size=3)))
    assert batch.shape == (3, 3, 4, 2, 3)
    assert targets.tolist() == rows.tolist() == [0, 1, 2]


def test_take(clips):
    some = clips.take([4, 1])
    assert some.table["path"].tolist() == ["b", "e"]
    assert values(some.batch([0, 1]))[:, 0].tolist() == [10, 40]
    assert some.targets.tolist() == [1, 1]


def test_single_frame(clips):
    still = single_frame(clips, seed=1)
    shown = values(still.batch(range(6)))
    assert (shown == shown[:, :1]).all()
    assert len(set((shown[:, 0] % 10).tolist())) > 1  # not one frame for all
    assert np.array_equal(values(single_frame(clips, seed=1).batch(range(6))), shown)
    assert not np.array_equal(values(single_frame(clips, seed=2).batch(range(6))), shown)


def test_shuffled_frames(clips):
    plain = values(clips.batch(range(6)))
    shown = values(shuffled_frames(clips, seed=1).batch(range(6)))
    assert np.array_equal(np.sort(shown, axis=1), plain)
    assert len({tuple(row % 10) for row in shown}) > 1  # an order of its own for each
    assert np.array_equal(values(shuffled_frames(clips, seed=1).batch([3])), shown[3:4])
    twice = shuffled_frames(single_frame(clips, seed=1), seed=1)
    assert np.array_equal(
        values(twice.batch(range(6))), values(single_frame(clips, seed=1).batch(range(6)))
    )


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def ramp(count: int = 8) -> torch.Tensor:
    """Clips (count, 3, 2, 4, 4), each pixel another value in (0, 0.5]."""
    return (torch.arange(1, 17) / 32).view(4, 4).expand(count, 3, 2, 4, 4)


def test_flip_mirrors_some_clips():
    flipped = augmentation(flip=True, shift=0, brightness=0)(ramp(), generator())
    mirrored = [torch.equal(clip, ramp(1)[0].flip(-1)) for clip in flipped]
    kept = [torch.equal(clip, ramp(1)[0]) for clip in flipped]
    assert any(mirrored)
    assert any(kept)
    assert all(a != b for a, b in zip(mirrored, kept, strict=True))


def test_shift_moves_whole_clips():
    moved = augmentation(shift=0.25, brightness=0)(ramp(32), generator())
    seen = set()
    for clip in moved:
        assert (clip == clip[:1, :1]).all()  # the same in all colours and frames
        padded = torch.nn.functional.pad(ramp(1)[0, 0, 0], (1, 1, 1, 1))  # (6, 6)
        places = [
            (down, right)
            for down in (-1, 0, 1)
            for right in (-1, 0, 1)
            if torch.equal(clip[0, 0], padded[1 - down : 5 - down, 1 - right : 5 - right])
        ]
        assert len(places) == 1
        seen.update(places)
    assert len(seen) > 5


def test_brightness_is_one_factor_a_clip():
    brighter = augmentation(shift=0, brightness=0.5)(ramp(), generator())
    factors = brighter / ramp()
    assert torch.allclose(factors, factors[:, :1, :1, :1, :1].expand_as(factors))
    assert factors.min() >= 0.5
    assert factors.max() <= 1.5
    assert factors[:, 0, 0, 0, 0].unique().numel() == 8


def test_augmentation_repeats_by_seed(clips):
    augment = augmentation(flip=True)

    def epoch(seed: int) -> torch.Tensor:
        return torch.cat([b for b, _, _ in batches(clips, 4, shuffle_seed=seed, augment=augment)])

    assert torch.equal(epoch(1), epoch(1))
    assert not torch.equal(epoch(1), epoch(2))
    assert clips.batch([0]).equal(clips.batch([0]))
