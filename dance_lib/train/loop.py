"""One training loop for every stage: epochs of batches, one loss, exact resumption."""

import glob
import hashlib
import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from torch import Tensor
from tqdm.auto import tqdm

from dance_lib.arguments import checked
from dance_lib.atomic import replacing
from dance_lib.data.clips import Augment, ClipSet, batches
from dance_lib.errors import DanceError
from dance_lib.executors.masked import Recorded
from dance_lib.network import Dance, not_finite
from dance_lib.shard import opened
from dance_lib.train.processes import here

logger = logging.getLogger(__name__)


class TrainingError(DanceError):
    """Training that can't go on; the message names the step and, where known, the unit."""


@dataclass
class Step:
    """A batch, and where in its stage it stands.

    Attributes:
        clips: (n, C, T, H, W), those of this process: all of them, n = N, where it is alone.
        targets, rows: (N,), of the whole batch. Rows are on the CPU, the rest with the network.
        progress: part of the stage that is done, in [0, 1).
    """

    clips: Tensor
    targets: Tensor
    rows: Tensor
    progress: float
    metrics: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Rate:
    """Learning rate of a group of parameters: a peak, and its shape over the stage."""

    parameters: Sequence[torch.nn.Parameter]
    peak: float
    shape: Callable[[float], float]


def one_cycle(progress: float, rise: float = 0.2) -> float:
    """Linear rise from 4 % to the peak, then a cosine to 0."""
    if progress < rise:
        return 0.04 + 0.96 * progress / rise
    return cosine((progress - rise) / (1 - rise))


def cosine(progress: float) -> float:
    """Cosine from 1 to 0."""
    return 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


def fit(
    net: Dance,
    clips: ClipSet,
    loss: Callable[[Step], Tensor],
    rates: Sequence[Rate],
    *,
    stage: str,
    epochs: int,
    batch_size: int,
    seed: int,
    weight_decay: float = 0.0,
    augment: Augment | None = None,
    prepare: Callable[[], object] = lambda: None,
    settings: object = None,
    resume: Path | None = None,
) -> list[dict[str, Any]]:
    """Train by AdamW; every epoch depends on its number and the seed alone.

    Args:
        loss: scalar loss of a step; it may add metrics to the step.
        stage: name in progress bar, history and errors.
        prepare: sets modes before each epoch (what trains, what is frozen).
        settings: what else the loss depends on; its `repr` tells it from other settings.
        resume: path that names the run; beside it, weights and optimiser of every stage are kept
            after each epoch. Training goes on from there, with the same result as if it had never
            stopped, unless stage, data, numbers, settings or the weights it starts from have
            changed. `forget` removes them.

    Returns:
        A row an epoch: stage, epoch, loss, seconds, and every metric's mean over its steps.

    Raises:
        TrainingError: the loss, a gradient, a weight or a statistic of a norm is NaN or infinite;
            the message names stage, step and unit or tensor. What was kept before stays, to go on
            from.
    """
    processes = here()
    with processes.at_work(net) as device, processes.together(net, loss) as run:
        optimizer = torch.optim.AdamW(
            [{"params": list(r.parameters), "lr": r.peak} for r in rates], weight_decay=weight_decay
        )
        history: list[dict[str, Any]] = []
        peaks = [r.peak for r in rates]
        mark = ""
        kept = None
        if resume is not None:
            kept = resume.with_name(f"{resume.name}.{stage.replace(' ', '-')}")
            numbers = (stage, epochs, batch_size, seed, peaks, weight_decay, clips.hash, len(clips))
            mark = repr((numbers, settings, _digest(net)))
        # Told by the main process, which alone writes: the others may not see its disk.
        state = processes.told(lambda: _read_kept(kept, mark))
        if state is not None:
            net.load_state_dict(state["net"])
            optimizer.load_state_dict(state["optimizer"])
            history = state["history"]
        _check_weights(net, f"the start of {stage}")
        steps = math.ceil(len(clips) / batch_size)
        with tqdm(
            total=epochs * steps,
            initial=len(history) * steps,
            desc=stage,
            mininterval=1.0,
            **processes.bar,
        ) as bar:
            for epoch in range(len(history), epochs):
                start = perf_counter()
                prepare()
                epoch_seed = seed * 100_003 + epoch
                torch.manual_seed(epoch_seed)  # gate noise and dropout
                seen: dict[str, list[float]] = {}
                epoch_batches = batches(
                    clips,
                    batch_size,
                    shuffle_seed=epoch_seed,
                    augment=augment,
                    process=processes.place,
                )
                for i, (own, targets, rows) in enumerate(epoch_batches):
                    progress = (epoch * steps + i) / (epochs * steps)
                    for group, rate in zip(optimizer.param_groups, rates, strict=True):
                        group["lr"] = rate.peak * rate.shape(progress)
                    step = Step(own.to(device), targets.to(device), rows, progress)
                    where = f"{stage}, step {epoch * steps + i}"
                    with opened(processes.shard(len(rows))):
                        value = run(step)
                    _check_loss(value, net, step, where)
                    optimizer.zero_grad(set_to_none=True)
                    value.backward()
                    _check_gradients(net, where)
                    optimizer.step()
                    step.metrics["loss"] = value.item()
                    for name, metric in step.metrics.items():
                        seen.setdefault(name, []).append(metric)
                    bar.update()
                _check_weights(net, f"{stage}, end of epoch {epoch}")
                means = {name: sum(values) / len(values) for name, values in seen.items()}
                history.append(
                    {"stage": stage, "epoch": epoch, "seconds": perf_counter() - start, **means}
                )
                bar.set_postfix({k: f"{v:.3f}" for k, v in means.items()}, refresh=False)
                if kept is not None and processes.is_main:
                    state = {"net": net.state_dict(), "optimizer": optimizer.state_dict()}
                    # Opened here: of a path of its own, torch would not say that the disk is full.
                    with replacing(kept) as partial, partial.open("wb") as file:
                        torch.save({"mark": mark, "history": history, **state}, file)
        return history


@checked
def forget(resume: Path) -> None:
    """Remove what the stages of a finished run kept to go on from."""
    name = glob.escape(resume.name)
    for pattern in (f"{name}.*", f".{name}.*"):  # the latter by who was killed
        for kept in resume.parent.glob(pattern):
            kept.unlink()


def _read_kept(kept: Path | None, mark: str) -> dict[str, Any] | None:
    """What a run of the same numbers left to go on from; None where there is nothing of use."""
    if kept is None or not kept.is_file():
        return None
    try:
        state = torch.load(kept, map_location="cpu", weights_only=True)
        return state if state["mark"] == mark else None
    except Exception as error:  # as many kinds as there are ways to damage a file
        logger.warning("%s can't be read, so this stage starts anew (%r)", kept, error)
        return None


def _digest(net: Dance) -> str:
    """Hex digits that tell these weights and buffers from any others."""
    digest = hashlib.sha256()
    for name, tensor in net.state_dict().items():
        values = tensor.detach().cpu().contiguous()
        digest.update(f"{name} {tuple(values.shape)} {values.dtype}".encode())
        digest.update(values.flatten().view(torch.uint8).numpy())
    return digest.hexdigest()


def _check_gradients(net: Dance, where: str) -> None:
    """Before they reach the weights: a gate closes on NaN, and the loss would stay a number."""
    gradients = {name: p.grad for name, p in net.named_parameters() if p.grad is not None}
    if torch.isfinite(torch.nn.utils.get_total_norm(gradients.values())):
        return
    bad = [name for name, gradient in gradients.items() if not torch.isfinite(gradient).all()]
    if bad:  # else their squares alone are too large
        raise TrainingError(f"the gradient of {bad[0]!r} is NaN or infinite at {where}")


def _check_weights(net: Dance, where: str) -> None:
    if bad := not_finite(net):
        raise TrainingError(f"{bad!r} holds NaN or infinite values at {where}")


def _check_loss(loss: Tensor, net: Dance, step: Step, where: str) -> None:
    if torch.isfinite(loss):
        return
    if not torch.isfinite(step.clips).all():
        raise TrainingError(
            f"loss is {loss.item()} at {where}: the clips hold NaN or infinite pixels"
        )
    bad: list[str] = []

    def look(name: str, output: Tensor) -> None:
        if not torch.isfinite(output).all():
            bad.append(name)

    with torch.no_grad():
        net.body(net.stem(step.clips), Recorded(look))
    unit = f"unit {bad[0]!r} is the first to" if bad else "no unit does, so a term of the loss must"
    raise TrainingError(f"loss is {loss.item()} at {where}: {unit} give NaN or infinity")
