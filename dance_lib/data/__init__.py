"""From videos on disk, or from the built-in set, to batches of clips."""

from dance_lib.data.augmentation import augmentation
from dance_lib.data.baselines import size_only_accuracy, size_only_predictions
from dance_lib.data.cache import DecodedClips, decode_clips
from dance_lib.data.clips import ClipSet, batches
from dance_lib.data.controls import shuffled_frames, single_frame
from dance_lib.data.decode import VideoClips, read_video
from dance_lib.data.digits import DigitsSettings, make_digits
from dance_lib.data.errors import DataError, DecodeError
from dance_lib.data.index import DATASETS, load_index
from dance_lib.data.opening import open_clips
from dance_lib.data.sampling import ClipSampling

__all__ = [
    "DATASETS",
    "ClipSampling",
    "ClipSet",
    "DataError",
    "DecodeError",
    "DecodedClips",
    "DigitsSettings",
    "VideoClips",
    "augmentation",
    "batches",
    "decode_clips",
    "load_index",
    "make_digits",
    "open_clips",
    "read_video",
    "shuffled_frames",
    "single_frame",
    "size_only_accuracy",
    "size_only_predictions",
]
