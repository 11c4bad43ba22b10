"""The training loop: what it does to weights, what it keeps, and how it goes on."""

import pickle
import shutil
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from dance_lib.errors import DanceError
from dance_lib.train import TrainingError, forget, loop
from dance_lib.train.loop import Rate, cosine, fit, one_cycle
from tests.train.small import (
    BATCH,
    CLIPS,
    STEPS,
    changed,
    make_clips,
    make_net,
    same,
    state,
    without_seconds,
)


class KilledError(Exception):
    """Stands for whatever ends a run before its time."""


def run(net, clips, *, calls=None, kill_at=None, peak=1e-2, **options):
    """Train all of the backbone; `calls` gathers the steps, the call `kill_at` is the last."""
    calls = [] if calls is None else calls

    def loss(step):
        calls.append(step)
        if len(calls) == kill_at:
            raise KilledError
        logits = net.dense(step.clips)
        step.metrics["right"] = (logits.argmax(1) == step.targets).float().mean().item()
        noise = torch.rand(len(logits), 1)  # as gates and dropout draw it
        return F.cross_entropy(logits * (0.5 + noise), step.targets)

    settings = {"stage": "dense", "epochs": 3, "batch_size": BATCH, "seed": 0, "prepare": net.train}
    rates = [Rate(list(net.backbone.parameters()), peak, cosine)]
    return fit(net, clips, loss, rates, **(settings | {"weight_decay": 0.1} | options))


@pytest.fixture
def kept(tmp_path):
    """A run's name for what it keeps."""
    return tmp_path / "01_dense.seed=0.pt"


# ------------------------------------------------------------------ steps
def test_every_epoch_sees_every_clip_once_in_an_order_of_its_own(net, clips):
    calls = []
    history = run(net, clips, calls=calls)
    assert len(calls) == 3 * STEPS
    orders = [torch.cat([s.rows for s in calls[e * STEPS :][:STEPS]]).tolist() for e in range(3)]
    assert all(sorted(order) == list(range(CLIPS)) for order in orders)
    assert len({tuple(order) for order in orders}) == 3
    for step in calls:
        assert torch.equal(step.targets, clips.targets[step.rows])
        assert torch.equal(step.clips, clips.batch(step.rows))
    assert [s.progress for s in calls] == pytest.approx([i / 9 for i in range(9)])
    assert [(row["stage"], row["epoch"]) for row in history] == [("dense", e) for e in range(3)]


def test_history_is_the_mean_over_steps(net, clips):
    calls = []
    history = run(net, clips, calls=calls)
    for epoch, row in enumerate(history):
        steps = calls[epoch * STEPS :][:STEPS]
        for name in ("loss", "right"):
            assert row[name] == pytest.approx(sum(s.metrics[name] for s in steps) / STEPS)
    assert history[-1]["loss"] < history[0]["loss"]  # it learns


def test_rates_are_peak_times_shape(net, clips, rates_used):
    first, second = [net.backbone.stem[0].weight], list(net.backbone.fc.parameters())
    rates = [Rate(first, 0.1, lambda p: 1 - p), Rate(second, 0.01, lambda p: 1 + p)]
    fit(net, clips, lambda s: net.dense(s.clips).square().mean(), rates,
        stage="x", epochs=2, batch_size=BATCH, seed=0)  # fmt: skip
    expected = [[0.1 * (1 - i / 6), 0.01 * (1 + i / 6)] for i in range(6)]
    assert rates_used == [pytest.approx(pair) for pair in expected]


@pytest.mark.parametrize(
    ("shape", "progress", "value"),
    [
        (one_cycle, 0.0, 0.04),
        (one_cycle, 0.1, 0.52),  # half-way up: 0.04 + 0.96 / 2
        (one_cycle, 0.2, 1.0),
        (one_cycle, 0.6, 0.5),  # half-way down
        (one_cycle, 1.0, 0.0),
        (cosine, 0.0, 1.0),
        (cosine, 1 / 3, 0.75),  # (1 + cos 60°) / 2
        (cosine, 0.5, 0.5),
        (cosine, 1.0, 0.0),
        (cosine, 1.5, 0.0),  # it does not rise again
    ],
)
def test_shapes_of_the_learning_rate(shape, progress, value):
    assert shape(progress) == pytest.approx(value, abs=1e-15)


def test_one_seed_gives_one_result(clips):
    def trained(seed):
        net = make_net()
        history = run(net, clips, seed=seed, epochs=1)
        return state(net), without_seconds(history)

    weights, history = trained(0)
    again, history_again = trained(0)
    other, other_history = trained(1)
    assert same(weights, again)
    assert history == history_again
    assert not same(weights, other)
    assert history != other_history


def test_augmentation_repeats_with_the_seed(clips):
    def brightened(clip, generator):
        return clip * torch.rand(len(clip), 1, 1, 1, 1, generator=generator)

    def seen(seed):
        calls = []
        run(make_net(), clips, calls=calls, augment=brightened, epochs=1, seed=seed)
        return calls[0].clips

    assert torch.equal(seen(0), seen(0))
    assert not torch.equal(seen(0), seen(1))


def test_no_epochs_do_nothing(net, clips):
    before = state(net)
    assert run(net, clips, epochs=0) == []
    assert same(state(net), before)


# ------------------------------------------------------------------ going on
@pytest.mark.parametrize(
    "kill_at", [STEPS + 1, STEPS + 2, 2 * STEPS + 3], ids=["at-2", "in-2", "in-3"]
)
def test_a_killed_run_goes_on_as_if_it_had_not_been(clips, kept, kill_at):
    whole = make_net()
    history = run(whole, clips)
    calls = []
    with pytest.raises(KilledError):
        run(make_net(), clips, calls=calls, kill_at=kill_at, resume=kept)
    torch.manual_seed(123)  # whatever the new process drew before
    net, calls = make_net(), []
    resumed = run(net, clips, calls=calls, resume=kept)
    done = (kill_at - 1) // STEPS
    assert len(calls) == (3 - done) * STEPS  # finished epochs are not repeated
    assert same(state(net), state(whole))
    assert without_seconds(resumed) == without_seconds(history)
    assert [row["epoch"] for row in resumed] == [0, 1, 2]


def test_a_finished_stage_is_not_repeated(clips, kept):
    first = make_net()
    history = run(first, clips, resume=kept)
    net, calls = make_net(), []
    assert run(net, clips, calls=calls, resume=kept) == history  # the seconds too
    assert calls == []
    assert same(state(net), state(first))


def test_killed_in_the_first_epoch_nothing_is_kept(clips, kept):
    with pytest.raises(KilledError):
        run(make_net(), clips, kill_at=STEPS, resume=kept)
    assert list(kept.parent.iterdir()) == []


@pytest.mark.parametrize(
    "other",
    [
        {"seed": 1},
        {"epochs": 4},
        {"batch_size": 20},
        {"weight_decay": 0.2},
        {"peak": 2e-2},
        {"clips": changed(make_clips(), hash="other clips")},
        {"clips": make_clips().take(range(CLIPS - 1))},
        {"net": 1},
    ],
    ids=["seed", "epochs", "batch", "decay", "rate", "data", "fewer", "weights"],
)
def test_what_a_run_of_other_numbers_kept_is_ignored(clips, kept, other):
    run(make_net(), clips, resume=kept)
    other = dict(other)
    clips, seed = other.pop("clips", clips), other.pop("net", 0)
    expected, net = make_net(seed), make_net(seed)
    history = run(expected, clips, **other)
    assert without_seconds(run(net, clips, resume=kept, **other)) == without_seconds(history)
    assert same(state(net), state(expected))


def test_stages_are_kept_apart(clips, kept):
    run(make_net(), clips, resume=kept)
    calls = []
    run(make_net(), clips, calls=calls, stage="ava cv", resume=kept)
    assert len(calls) == 3 * STEPS
    assert len(list(kept.parent.iterdir())) == 2
    files = sorted(kept.parent.iterdir())  # and a file under another stage's name is told apart
    shutil.copy(files[0], files[1])
    calls.clear()
    run(make_net(), clips, calls=calls, stage="dense", resume=kept)
    assert len(calls) == 3 * STEPS


def test_another_network_does_not_read_what_was_kept(clips, kept):
    run(make_net(), clips, resume=kept)
    calls = []
    run(make_net(axes=("frames",)), clips, calls=calls, resume=kept)
    assert len(calls) == 3 * STEPS


class Payload:
    """Unpickled, it makes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_what_was_kept_is_data_alone(clips, kept):
    """Code in its place is not run, and the stage starts anew."""
    run(make_net(), clips, resume=kept)
    (file,) = kept.parent.iterdir()
    pwned = kept.with_name("pwned")
    for damaged in (pickle.dumps(Payload(pwned)), b"", file.read_bytes()[:-100]):
        file.write_bytes(damaged)
        calls = []
        run(make_net(), clips, calls=calls, resume=kept)
        assert len(calls) == 3 * STEPS
    torch.save({"mark": Payload(pwned)}, file)
    run(make_net(), clips, resume=kept)
    assert not pwned.exists()


def test_forget_removes_what_one_run_kept(clips, kept):
    other = kept.with_name("01_dense.seed=1.pt")
    for resume in (kept, other):
        for stage in ("dense", "retrain"):
            run(make_net(), clips, stage=stage, epochs=1, resume=resume)
    checkpoint = kept.with_name("net.safetensors")
    checkpoint.touch()
    left = {path.name for path in kept.parent.iterdir() if not path.name.startswith(kept.name)}
    assert len(left) == 3
    forget(kept)
    assert {path.name for path in kept.parent.iterdir()} == left
    forget(kept)  # nothing left to do


@pytest.mark.parametrize("name", ["net[1].pt", "net*.pt"])
def test_forget_takes_a_name_as_it_is(tmp_path, name):
    kept, another = tmp_path / f"{name}.dense", tmp_path / "net2.pt.dense"
    for file in (kept, another):
        file.touch()
    forget(tmp_path / name)
    assert list(tmp_path.iterdir()) == [another]


# ------------------------------------------------------------------ NaN
def poisoned_at(net, weight, call):
    """A loss that spoils a weight before the call."""
    count = iter(range(1000))

    def loss(step):
        if next(count) == call:
            with torch.no_grad():
                weight[0] = float("nan")
        return net.dense(step.clips).square().mean()

    return loss


@pytest.mark.parametrize(
    ("layer", "call", "message"),
    [
        (lambda b: b.a[0], 0, r"loss is nan at ava cv, step 0: unit 'a\.0' is the first to give"),
        (lambda b: b.c[0], 4, r"loss is nan at ava cv, step 4: unit 'c\.0' is the first to give"),
        (lambda b: b.fc, 4, r"loss is nan at ava cv, step 4: no unit does"),
    ],
    ids=["first", "later", "behind-all"],
)
def test_nan_names_stage_step_and_unit(net, clips, layer, call, message):
    loss = poisoned_at(net, layer(net.backbone).weight, call)
    rates = [Rate(list(net.backbone.parameters()), 1e-3, cosine)]
    with pytest.raises(TrainingError, match=message):
        fit(net, clips, loss, rates, stage="ava cv", epochs=2, batch_size=BATCH, seed=0,
            prepare=net.train)  # fmt: skip


def test_infinity_is_refused_too(net, clips):
    rates = [Rate(list(net.backbone.parameters()), 1e-3, cosine)]
    with pytest.raises(TrainingError, match="loss is inf at joint, step 0: no unit does"):
        fit(net, clips, lambda s: net.dense(s.clips).sum() * 0 + float("inf"), rates,
            stage="joint", epochs=1, batch_size=BATCH, seed=0)  # fmt: skip


@pytest.mark.parametrize("training", [True, False])
def test_nan_pixels_are_named(net, clips, training):
    def spoil(clip, generator):
        clip[3, 0, 1, 2, 2] = float("nan")
        return clip

    with pytest.raises(DanceError, match="clips hold NaN or infinite pixels"):
        run(net, clips, augment=spoil, prepare=lambda: net.train(training))


def test_a_nan_loss_changes_no_weight_and_is_not_kept(net, clips, kept):
    before = state(net)
    rates = [Rate(list(net.backbone.parameters()), 1e-3, cosine)]
    with pytest.raises(TrainingError):
        fit(net, clips, lambda s: net.dense(s.clips).sum() * float("nan"), rates, stage="x",
            epochs=1, batch_size=BATCH, seed=0, resume=kept)  # fmt: skip
    weights = {name for name, _ in net.named_parameters()}
    assert all(torch.equal(before[name], net.state_dict()[name]) for name in weights)
    assert list(kept.parent.iterdir()) == []


def test_the_bar_counts_finished_epochs_as_done(clips, kept, monkeypatch):
    """A resumed run's bar starts where the last one stopped."""
    with pytest.raises(KilledError):
        run(make_net(), clips, kill_at=STEPS + 1, resume=kept)
    made = []
    bar = loop.tqdm

    def recorded(*args, **kwargs):
        made.append(kwargs)
        return bar(*args, **kwargs)

    monkeypatch.setattr(loop, "tqdm", recorded)
    run(make_net(), clips, resume=kept)
    assert made[0]["total"] == 9
    assert made[0]["initial"] == STEPS
