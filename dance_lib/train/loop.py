"""One training loop for every stage: epochs of batches, one loss, exact resumption."""

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from torch import Tensor
from tqdm.auto import tqdm

from dance_lib.atomic import replacing
from dance_lib.data.clips import Augment, ClipSet, batches
from dance_lib.errors import DanceError
from dance_lib.executors.masked import Recorded
from dance_lib.network import Dance


class TrainingError(DanceError):
    """Training that can't go on; the message names the step and, where known, the unit."""


@dataclass
class Step:
    """A batch, and where in its stage it stands.

    Attributes:
        clips: (N, C, T, H, W). targets, rows: (N,).
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
        TrainingError: the loss is NaN or infinite.
    """
    optimizer = torch.optim.AdamW(
        [{"params": list(r.parameters), "lr": r.peak} for r in rates], weight_decay=weight_decay
    )
    history: list[dict[str, Any]] = []
    peaks = [r.peak for r in rates]
    mark = ""
    kept = None if resume is None else resume.with_name(f"{resume.name}.{stage.replace(' ', '-')}")
    if kept is not None:
        numbers = (stage, epochs, batch_size, seed, peaks, weight_decay, clips.hash, len(clips))
        mark = repr((numbers, settings, _digest(net)))
    if kept is not None and kept.is_file():
        state = torch.load(kept, weights_only=True)
        if state["mark"] == mark:
            net.load_state_dict(state["net"])
            optimizer.load_state_dict(state["optimizer"])
            history = state["history"]
    steps = math.ceil(len(clips) / batch_size)
    with tqdm(
        total=epochs * steps, initial=len(history) * steps, desc=stage, mininterval=1.0
    ) as bar:
        for epoch in range(len(history), epochs):
            start = perf_counter()
            prepare()
            epoch_seed = seed * 100_003 + epoch
            torch.manual_seed(epoch_seed)  # gate noise and dropout
            seen: dict[str, list[float]] = {}
            epoch_batches = batches(clips, batch_size, shuffle_seed=epoch_seed, augment=augment)
            for i, batch in enumerate(epoch_batches):
                progress = (epoch * steps + i) / (epochs * steps)
                for group, rate in zip(optimizer.param_groups, rates, strict=True):
                    group["lr"] = rate.peak * rate.shape(progress)
                step = Step(*batch, progress)
                value = loss(step)
                _check_finite(value, net, step, f"{stage}, step {epoch * steps + i}")
                optimizer.zero_grad(set_to_none=True)
                value.backward()
                optimizer.step()
                step.metrics["loss"] = value.item()
                for name, metric in step.metrics.items():
                    seen.setdefault(name, []).append(metric)
                bar.update()
            means = {name: sum(values) / len(values) for name, values in seen.items()}
            history.append(
                {"stage": stage, "epoch": epoch, "seconds": perf_counter() - start, **means}
            )
            bar.set_postfix({k: f"{v:.3f}" for k, v in means.items()}, refresh=False)
            if kept is not None:
                state = {"net": net.state_dict(), "optimizer": optimizer.state_dict()}
                with replacing(kept) as partial:
                    torch.save({"mark": mark, "history": history, **state}, partial)
    return history


def forget(resume: Path) -> None:
    """Remove what the stages of a finished run kept to go on from."""
    for pattern in (f"{resume.name}.*", f".{resume.name}.*"):  # the latter by who was killed
        for kept in resume.parent.glob(pattern):
            kept.unlink()


def _digest(net: Dance) -> str:
    """Hex digits that tell these weights and buffers from any others."""
    digest = hashlib.sha256()
    for name, tensor in net.state_dict().items():
        values = tensor.detach().cpu().contiguous()
        digest.update(f"{name} {tuple(values.shape)} {values.dtype}".encode())
        digest.update(values.flatten().view(torch.uint8).numpy())
    return digest.hexdigest()


def _check_finite(loss: Tensor, net: Dance, step: Step, where: str) -> None:
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
