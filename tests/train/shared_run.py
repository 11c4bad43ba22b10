"""What each process of `test_processes.py` runs: all of training, and what it saw of it.

torchrun --nproc-per-node 2 shared_run.py FOLDER
"""

import sys
from pathlib import Path

import torch

from dance_lib import Dance, create_model
from dance_lib.data.augmentation import augmentation
from dance_lib.data.clips import batches
from dance_lib.train import Recipe, choose_plans, predict, prune
from dance_lib.train.processes import here
from tests.networks import CLASSES
from tests.train.small import make_clips, state, without_seconds

SHAPE = (3, 4, 16, 16)
CLIPS, TEST, BATCH = 43, 13, 21  # two batches that do not divide evenly, and one of one clip
RECIPE = Recipe(
    batch_size=BATCH,
    dense_epochs=2,
    ava_epochs=1,
    controller_epochs=1,
    joint_epochs=1,
    augment=True,
    lr=1e-3,
    retrain_lr=5e-4,
)
VARIANTS = ("cv", "interaction")


def trained(variant: str, resume: Path | None = None) -> dict:
    """Train on as many clips as do not divide evenly; everything that could differ."""
    clips, test = make_clips(CLIPS, shape=SHAPE), make_clips(TEST, seed=1, shape=SHAPE)
    torch.manual_seed(
        0
    )  # in float64: what rounding does grows with every step, what is wrong stays
    net = Dance(create_model("r2plus1d_narrow", CLASSES, SHAPE), SHAPE, grid=4).double()
    done = prune(net, clips, test, RECIPE, variant=variant, seed=3, resume=resume)
    return {
        "dense": done.dense.logits,
        "pruned": done.pruned.logits,
        "targets": done.pruned.targets,
        "ratios": done.pruned.mac_ratios(net),
        "chosen": choose_plans(net, test).mask("layer1.conv1.0.0").sum((1, 2, 3, 4)),
        "one plan": predict(net, test, done.pruned.plan).logits,
        "few": predict(net, test.take([0])).logits,
        "state": state(net),
        "history": without_seconds(done.history),
    }


def clips_read() -> list:
    """(rows of the batch, its own clips) of an augmented epoch."""
    clips, place = make_clips(CLIPS, shape=SHAPE), here().place
    read = batches(clips, BATCH, shuffle_seed=7, augment=augmentation(flip=True), process=place)
    return [(rows, own) for own, _, rows in read]


def main(folder: Path) -> None:
    """Write what this process found to a file of its own."""
    torch.set_num_threads(1)
    number, _ = here().place
    found = {variant: trained(variant, folder / variant) for variant in VARIANTS}
    found["read"] = clips_read()
    torch.save(found, folder / f"process{number}.pt")
    here().end()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
