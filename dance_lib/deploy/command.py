"""`dance bundle`: from a checkpoint and clips to the folder that goes to a device."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dance_lib.checkpoint import load, read_config
from dance_lib.data import ClipSet, DigitsSettings, open_clips
from dance_lib.deploy.bundle import bundle, check_target
from dance_lib.deploy.codebook import Codebook, make_codebook
from dance_lib.deploy.convolution import ExportError
from dance_lib.network import Dance
from dance_lib.train.evaluate import choose_plans

CLUSTERED = 450  # training clips whose plans are clustered


@dataclass(frozen=True)
class Asked:
    """What the command line says.

    Attributes:
        codes: how many to cluster; 0 for no codebook. Read where `codebook` names no file.
        clips: sample clips in the bundle.
        data_root: folder of the videos; None draws the built-in set.
        fold: to test on, of a set that has folds.
    """

    checkpoint: Path
    target: str
    out: Path
    codebook: Path | None = None
    codes: int = 4
    clips: int = 8
    dataset: str = "digits"
    data_root: Path | None = None
    fold: int | None = None
    cache: Path = Path("data")
    planar: bool = False


def write_bundle(asked: Asked, say: Callable[[str], object]) -> Path:
    """Load, cluster where asked, and write.

    Raises:
        DanceError: what is wrong with the checkpoint, the codebook, the clips or the target.
    """
    check_target(asked.target)
    config, net = read_config(asked.checkpoint), load(asked.checkpoint)
    if asked.clips < 1:
        raise ExportError(f"a bundle needs at least one sample clip, not {asked.clips}")
    book = None
    if asked.codebook is not None:
        book = Codebook.load(asked.codebook, net.structure)
    elif asked.codes:
        train = _clips(asked, net, "train", CLUSTERED)
        book = make_codebook(choose_plans(net, train), net.structure, asked.codes)
        say(
            f"{len(book)} codes, clustered from {len(train)} clips; weights tuned under a codebook "
            "(notebook 05_codebook, --codebook) lose less accuracy"
        )
    test = _clips(asked, net, "test", asked.clips)
    folder = bundle(
        net,
        asked.out,
        test.batch(range(min(asked.clips, len(test)))),
        target=asked.target,
        name=config.model or type(net.backbone).__name__,
        codebook=book,
        classes=config.classes,
        planar=asked.planar,
    )
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    say(f"{folder}: {size / (1 << 20):.1f} MiB for {asked.target}; see {folder / 'README.md'}")
    return folder


def _clips(asked: Asked, net: Dance, split: str, count: int) -> ClipSet:
    """Some clips of one split, as this network wants them."""
    _, T, H, W = net.clip_shape
    digits = None
    if asked.data_root is None:
        if H != W:
            raise ExportError(f"the built-in set has square clips, not {H} × {W}: give --data-root")
        test = max(9, -(-asked.clips // 9) * 9)
        digits = DigitsSettings.of_clips(T, H, train=CLUSTERED, test=test, val=0)
    return open_clips(
        asked.dataset,
        asked.data_root,
        split=split,
        clip_shape=net.clip_shape,
        limit=count,
        fold=asked.fold,
        cache_root=asked.cache,
        digits=digits,
    )
