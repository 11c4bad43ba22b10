"""pytorchvideo's clip samplers, imported without its warnings.

The import uses torch.jit.script, which torch deprecates; nothing here needs scripted code.
"""

import warnings

import dance_lib.torchvision_schemas  # noqa: F401  (first: pytorchvideo imports torchvision)

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from pytorchvideo.data.clip_sampling import ClipInfo, ClipSampler, make_clip_sampler

__all__ = ["ClipInfo", "ClipSampler", "make_clip_sampler"]
