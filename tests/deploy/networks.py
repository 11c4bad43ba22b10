"""Exported networks run clip by clip in ONNX Runtime, and their worst error."""

import numpy as np
import onnxruntime
import torch

from dance_lib.deploy.engines import in_onnx_runtime
from dance_lib.network import Dance
from tests.networks import CLIP, FAMILIES, randomise, undecided

CLIPS = 3


def network(build, shape=CLIP, seed=0, **options):
    """A network whose random controller keeps about half, by what it reads, and clips for it."""
    torch.manual_seed(seed)
    net = undecided(Dance(randomise(build()), shape, **options)).eval()
    clips = torch.rand(CLIPS, *shape)
    for i in range(CLIPS):  # more moves in one than in the other
        clips[i, :, :, 5 * i : 5 * i + 9] *= 0.2
    net.controller.train()
    with torch.no_grad():
        for _ in range(50):  # so that the statistics are standardised
            net.decide(net.stem(clips), clips)
    return net.eval(), clips


def family(name, **options):
    """The small instance of a backbone family."""
    return network(FAMILIES[name], **options)


def run(files, clips):
    """Logits (N, classes) of files that one export gave."""
    each = in_onnx_runtime(files)
    return np.concatenate([each(clip[None].numpy()) for clip in clips])


def error(logits, expected):
    """Largest error over the largest logit."""
    expected = expected.detach().numpy()
    return np.abs(logits - expected).max() / np.abs(expected).max()


def outputs(file, clip):
    """All that one network gives for a clip."""
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: clip.numpy()})
