"""Baselines on sets so small that their accuracy is known beforehand."""

import pytest

from dance_lib.analysis import baselines
from dance_lib.analysis.baselines import run_baselines
from dance_lib.data import shuffled_frames, single_frame
from dance_lib.errors import DanceError
from dance_lib.train import Recipe, predict
from tests.train.small import make_clips, same, state

MODEL = "r2plus1d_narrow"


def sized(count, width, **columns):
    """A set whose videos are as wide as the function of their class says."""
    classes = [i % 5 for i in range(count)]
    return make_clips(count, video_width=[width(c) for c in classes], video_height=8,
                      video_frames=16, **columns)  # fmt: skip


@pytest.fixture
def untrained(monkeypatch):
    """`train_dense` takes note and trains nothing."""
    calls = []

    def train(net, clips, recipe, *, seed):
        calls.append((net, clips, recipe, seed))

    monkeypatch.setattr(baselines, "train_dense", train)
    return calls


def test_size_gives_the_class_away():
    train, test = sized(20, lambda c: 10 * c), sized(10, lambda c: 10 * c)
    table = run_baselines(["size_only"], train, test, MODEL, Recipe(), seed=0)
    assert table.to_dict("records") == [
        {"baseline": "size_only", "accuracy": 1.0, "low": 1.0, "high": 1.0, "clips": 10,
         "kind": "measured"}
    ]  # fmt: skip


def test_size_says_nothing():
    """All alike: one class is guessed for all, a fifth of them is right."""
    table = run_baselines(["size_only"], sized(20, lambda c: 8), sized(10, lambda c: 8), MODEL,
                          Recipe(), seed=0)  # fmt: skip
    assert table["accuracy"].tolist() == [0.2]


def test_intervals_draw_whole_groups():
    """Half of the classes can be told by size; each group is of one class."""
    group = [f"group {i % 5}" for i in range(10)]
    train, test = sized(20, lambda c: c), sized(10, lambda c: min(c, 2), group=group)
    row = run_baselines(["size_only"], train, test, MODEL, Recipe(), seed=0).iloc[0]
    assert row["accuracy"] == 0.6  # classes 0, 1, 2
    # Quantiles of Binomial(5, 0.6)/5; of Binomial(10, 0.6)/10 they would be 0.3 and 0.9.
    assert (row["low"], row["high"]) == (0.2, 1.0)


@pytest.mark.parametrize(
    ("name", "control"), [("single_frame", single_frame), ("shuffled_frames", shuffled_frames)]
)
def test_networks_are_trained_as_long_as_the_reference(clips, untrained, name, control):
    recipe = Recipe(dense_epochs=3, ava_epochs=1, controller_epochs=2, joint_epochs=4)
    test = make_clips(10, seed=1)
    row = run_baselines([name], clips, test, MODEL, recipe, seed=4).iloc[0]
    ((net, seen, used, seed),) = untrained
    assert used.dense_epochs == 3 + 7
    assert seed == 4
    assert seen.order.tolist() == control(clips, seed=0).order.tolist()
    assert row["accuracy"] == pytest.approx(predict(net, control(test, seed=1), "dense").accuracy)


def test_the_background_is_tested_on_clips_without_actors(clips, untrained):
    empty = make_clips(20, seed=2), make_clips(15, seed=3)
    row = run_baselines(["background"], clips, clips, MODEL, Recipe(), seed=0, background=empty)
    ((net, seen, _, _),) = untrained
    assert seen is empty[0]
    assert row["clips"].tolist() == [15]
    assert row["accuracy"][0] == pytest.approx(predict(net, empty[1], "dense").accuracy)


def test_a_background_without_clips_is_refused(clips):
    with pytest.raises(DanceError, match="background baseline needs the built-in set"):
        run_baselines(["background"], clips, clips, MODEL, Recipe(), seed=0)


def test_an_unknown_baseline_is_refused_before_any_is_run(clips, untrained):
    with pytest.raises(DanceError, match="unknown baseline 'size'; known: size_only, single_frame"):
        run_baselines(["single_frame", "size"], clips, clips, MODEL, Recipe(), seed=0)
    assert untrained == []


def test_no_baselines_give_an_empty_table_with_its_columns(clips):
    table = run_baselines([], clips, clips, MODEL, Recipe(), seed=0)
    assert list(table) == ["baseline", "accuracy", "low", "high", "clips", "kind"]
    assert table.empty


def test_a_network_is_really_trained(clips):
    """One epoch of the real thing."""
    recipe = Recipe(batch_size=16, dense_epochs=1, ava_epochs=0, controller_epochs=0,
                    joint_epochs=0)  # fmt: skip
    few = clips.take(range(16))
    first, again = (
        run_baselines(["shuffled_frames"], few, few, MODEL, recipe, seed=0) for _ in range(2)
    )
    assert first.equals(again)
    net = baselines.build_network(MODEL, few, 0)
    before = state(net)
    baselines.train_dense(net, few, recipe, seed=0)
    assert not same(before, state(net))
