"""`dance train`, from folders of videos to a checkpoint."""

import shutil
from functools import partial

import pytest
import torch

from dance_lib import DanceError, load, save
from dance_lib.checkpoint import read_config
from dance_lib.data import open_clips
from dance_lib.train import predict, pruning
from dance_lib.train.command import Asked, train
from tests.train.small import same
from tests.train.videos import make_videos

EPOCHS = ("dense_epochs=2", "ava_epochs=1", "controller_epochs=1", "joint_epochs=1")
CLASSES = ("left", "right", "still")
SHAPE = {"frames": 8, "size": 32}


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    """Divided; one video of the class `left` does not decode."""
    folder = tmp_path_factory.mktemp("videos")
    make_videos(folder / "train", 6, frames=8, size=32)
    make_videos(folder / "test", 4, frames=8, size=32, seed=1)
    (folder / "train" / "left" / "broken.mp4").write_text("no video")
    return folder


@pytest.fixture(scope="module")
def ask(videos, cache):
    """What is asked for, but for some fields; without a place for the checkpoint."""

    def ask(out, folder=videos, **fields):
        said = {"recipe": EPOCHS, "budget": 0.6, **SHAPE, **fields}
        return Asked(videos=folder, cache=cache, out=out / "net.safetensors", **said)

    return ask


@pytest.fixture
def asked(ask, tmp_path):
    return partial(ask, tmp_path)


@pytest.fixture(scope="module")
def done(ask, tmp_path_factory):
    """A whole run: its folder, and what was said."""
    folder = tmp_path_factory.mktemp("done")
    return folder, run(ask(folder))


def run(asked):
    said = []
    train(asked, said.append)
    return said


def starts(said, word):
    return next(line for line in said if line.startswith(word))


def test_it_ends_with_a_checkpoint_and_the_truth_about_it(done, videos, cache):
    folder, said = done
    assert [p.name for p in folder.iterdir()] == ["net.safetensors"]  # no progress is left
    net = load(folder / "net.safetensors")
    config = read_config(folder / "net.safetensors")
    assert config.classes == CLASSES
    assert (config.model, net.clip_shape) == ("r2plus1d_narrow", (3, 8, 32, 32))
    test = open_clips("folder", videos, split="test", clip_shape=(8, 32, 32), cache_root=cache)
    own = predict(net, test)
    ratios = own.mac_ratios(net)
    pruned = starts(said, "pruned:  ")
    assert f"{own.accuracy:6.1%} right, after 3 more" in pruned
    assert f"R {ratios.mean():.3f} of the MACs" in pruned
    assert "right, after 2 epochs" in starts(said, "dense:")
    missed = abs(ratios.mean() - 0.6) > 0.02
    assert any("mean R misses the budget of 0.6" in line for line in said) == missed
    assert starts(said, "clips:") == "clips: 18 to learn from, 12 held out, 3 classes, 8 × 32 × 32"
    assert starts(said, "skipped:") == "skipped: 1 video, not decodable"
    assert starts(said, "pruned: 12 of 17 layers")
    assert "batches of 16, budget 0.6" in starts(said, "epochs: 2 dense, 1 AVA cv")
    assert "12, 8.3% each; right by the commonest class 33.3%" in starts(said, "held-out")
    assert f"  dance predict {folder / 'net.safetensors'} VIDEO..." in said


def test_a_stopped_run_goes_on_with_the_same_result(asked, done, tmp_path, monkeypatch):
    stage, steps = pruning.train_gates, []

    def stopped(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(pruning, "train_gates", stopped)
    said = []
    with pytest.raises(KeyboardInterrupt):
        train(asked(), said.append)
    assert said[-1] == "stopped; the same command goes on behind the last whole epoch"
    kept = sorted(p.name for p in tmp_path.iterdir())
    assert kept == [f"net.safetensors.progress.{stage}" for stage in ("ava-cv", "dense")]
    monkeypatch.setattr(pruning, "train_gates", stage)
    step = torch.optim.AdamW.step
    monkeypatch.setattr(torch.optim.AdamW, "step", lambda self: (steps.append(1), step(self)))
    said = run(asked())
    assert starts(said, str(tmp_path)).endswith("goes on from it, unless something was changed")
    assert len(steps) == 2 * 2  # controller and joint: two batches an epoch
    whole, again = (load(f / "net.safetensors").state_dict() for f in (done[0], tmp_path))
    assert same(whole, again)


def test_from_a_trained_network(done, tmp_path, videos, cache):
    start = done[0] / "net.safetensors"
    first = load(start)
    short = ("ava_epochs=0", "controller_epochs=0", "joint_epochs=1")
    options = {"start": start, "recipe": short, "frames": None, "size": None, "axes": ("frames",)}
    other = Asked(videos=videos, cache=cache, out=tmp_path / "b.safetensors", budget=0.6, **options)
    said = run(other)
    assert starts(said, "epochs: 0 dense")
    test = open_clips("folder", videos, split="test", clip_shape=(8, 32, 32), cache_root=cache)
    before = predict(first, test, "dense").accuracy
    assert f"{before:6.1%} right, after 0 epochs" in starts(said, "dense:")
    assert load(tmp_path / "b.safetensors").controller.axes == ("frames",)


def test_the_built_in_set_needs_no_folder(tmp_path, monkeypatch):
    monkeypatch.setattr("dance_lib.train.command.BUILT_IN", {"train": 18, "test": 9, "val": 0})
    said = run(Asked(out=tmp_path / "net.safetensors", cache=tmp_path, budget=0.6, recipe=EPOCHS,
                     **SHAPE))  # fmt: skip
    assert starts(said, "clips:") == "clips: 18 to learn from, 9 held out, 9 classes, 8 × 32 × 32"
    assert "  dance bundle " + str(tmp_path / "net.safetensors") in said


def test_a_table_is_found_in_its_folder(asked, videos, tmp_path):
    folder = tmp_path / "table"
    shutil.copytree(videos, folder / "clips")
    lines = ["path,label,split"]
    for split in ("train", "test"):
        for label in CLASSES[:2]:
            lines += [f"clips/{split}/{label}/{i:02}.mp4,{label},{split}" for i in range(4)]
    (folder / "labels.csv").write_text("\n".join(lines))
    said = run(asked(folder))
    assert starts(said, "clips: 8 to learn from, 8 held out, 2 classes")
    assert f"--dataset csv --data-root {folder}" in said[-2]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"recipe": ("epochs=3",)}, "unknown field of the recipe 'epochs'.*dense_epochs"),
        ({"recipe": ("dense_epochs",)}, "give it as NAME=VALUE"),
        ({"recipe": ("slack=[0.1",)}, r"-p slack=\[0.1: not YAML"),
        ({"recipe": ("lr=fast",)}, "Recipe: lr: Input should be a valid number"),
        ({"recipe": ("budget=0.5",)}, "--budget and -p budget: give one of them"),
        ({"budget": 1.5}, "Recipe: budget: Input should be less than or equal to 1"),
        ({"budget": 0.01}, "a budget of 0.01 can't be met: 0.1"),
        ({"variant": "cw"}, "unknown AVA variant 'cw'"),
        ({"variant": "interaction", "recipe": ("batch_size=4",)}, "at least 16 clips"),
        ({"axes": ("frame",)}, "axes must be some of frames, channels, features"),
        ({"model": "r3d"}, "unknown model 'r3d'"),
        ({"dataset": "imagenet"}, "unknown data set 'imagenet'"),
        ({"start": "nowhere.safetensors"}, "no checkpoint at nowhere.safetensors"),
        ({"fold": 1}, "asked of a set without folds"),
    ],
    ids=str,
)
def test_bad_options_are_told_before_anything_is_trained(asked, rates_used, fields, message):
    with pytest.raises(DanceError, match=message):
        run(asked(**fields))
    assert rates_used == []


def test_lists_and_small_numbers_of_the_recipe_are_read(asked, tmp_path, monkeypatch):
    seen = {}

    def stands_in(net, train, test, recipe, **rest):
        seen["recipe"] = recipe
        raise KeyboardInterrupt

    monkeypatch.setattr("dance_lib.train.command.prune", stands_in)
    with pytest.raises(KeyboardInterrupt):
        run(asked(recipe=("slack=0.1,0.1", "lr=1e-3", "augment=false")))
    recipe = seen["recipe"]
    assert (recipe.slack, recipe.lr, recipe.augment) == ((0.1, 0.1), 0.001, False)
    assert recipe.dense_epochs == 48  # 18 clips are few: eight times the six of the built-in set
    assert recipe.budget == 0.6


def test_real_video_is_augmented_and_the_built_in_set_is_not(asked, tmp_path):
    from dance_lib.train.command import _recipe_fields

    assert _recipe_fields(asked())["augment"]
    assert not _recipe_fields(Asked())["augment"]


def test_the_place_of_the_checkpoint_is_looked_at_first(asked, tmp_path):
    out = tmp_path / "net.safetensors"
    out.write_text("mine")
    with pytest.raises(DanceError, match="exists: choose another --out, or --force"):
        run(asked())
    assert out.read_text() == "mine"
    with pytest.raises(DanceError, match=r"no folder .*nowhere for net\.safetensors"):
        run(Asked(out=tmp_path / "nowhere" / "net.safetensors"))
    with pytest.raises(DanceError, match="is a folder: --out names a file"):
        run(Asked(out=tmp_path))


def test_folders_that_are_no_data_set(asked, tmp_path):
    with pytest.raises(DanceError, match="no such folder"):
        run(asked(tmp_path / "nowhere"))
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(DanceError, match="--dataset csv needs the folder of its videos"):
        run(asked(None, dataset="csv"))
    with pytest.raises(DanceError, match="no class folders with videos in it"):
        run(asked(empty))
    make_videos(tmp_path / "one", 5, frames=8, size=32, moves={"left": -3})
    with pytest.raises(DanceError, match="only one class, left"):
        run(asked(tmp_path / "one"))
    few = make_videos(tmp_path / "few", 1, frames=8, size=32)
    with pytest.raises(DanceError, match="too few clips to hold out 20% as test"):
        run(asked(few))


def test_a_class_of_which_nothing_decodes(asked, tmp_path):
    folder = tmp_path / "videos"
    make_videos(folder / "train", 3, frames=8, size=32)
    make_videos(folder / "test", 3, frames=8, size=32)
    for video in (folder / "train" / "right").iterdir():
        video.write_text("no video")
    with pytest.raises(DanceError, match="no training clip of class right decodes"):
        run(asked(folder))


def test_checkpoints_that_do_not_fit(done, videos, cache, tmp_path):
    start = done[0] / "net.safetensors"
    where = {"videos": videos, "cache": cache, "out": tmp_path / "b.safetensors", "start": start}
    with pytest.raises(DanceError, match="is for clips of 8 × 32 × 32: leave out"):
        run(Asked(size=48, **where))
    with pytest.raises(DanceError, match="leave out --model and --weights"):
        run(Asked(model="c3d", **where))
    where["start"] = save(load(start), tmp_path / "a.safetensors", ("up", "down", "still"))
    message = r"tells 3 classes \(up, down, still\) apart, these clips are of 3 classes \(left"
    with pytest.raises(DanceError, match=message):
        run(Asked(**where))
