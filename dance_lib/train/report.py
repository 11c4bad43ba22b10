"""What `dance train` is going to do, and what came of it, in lines."""

import shlex
from pathlib import Path

from dance_lib.aap.plan import AXES, PruningPlan
from dance_lib.ava import Variant
from dance_lib.data import ClipSet, size_only_accuracy
from dance_lib.explain.decision import kept_rates
from dance_lib.explain.report import counted
from dance_lib.network import Dance
from dance_lib.train.pruning import Pruned
from dance_lib.train.recipe import Recipe

MISSED = 0.02  # of mean R from the budget: beyond it, a run is none of that budget


def clips(train: ClipSet, test: ClipSet) -> list[str]:
    """How many there are, and how many videos do not decode."""
    skipped = len(train.skipped) + len(test.skipped)
    T, H, W = train.clip_shape[1:]
    lines = [
        f"clips: {len(train)} to learn from, {len(test)} held out, {len(train.classes)} classes, "
        f"{T} × {H} × {W}"
    ]
    return lines + [f"skipped: {counted(skipped, 'video')}, not decodable"] * bool(skipped)


def stages(recipe: Recipe, variant: Variant) -> str:
    """Epochs of each stage, and what else is easily chosen."""
    return (
        f"epochs: {recipe.dense_epochs} dense, {recipe.ava_epochs} AVA {variant}, "
        f"{recipe.controller_epochs} controller, {recipe.joint_epochs} joint; batches of "
        f"{recipe.batch_size}, budget {recipe.budget}"
    )


def results(net: Dance, train: ClipSet, test: ClipSet, done: Pruned, recipe: Recipe) -> list[str]:
    """Of the held-out clips: accuracy without looking, dense and pruned; R, and what is kept."""
    assert done.pruned.plan is not None
    ratios = done.pruned.mac_ratios(net)
    low, high = ratios.quantile(0.05), ratios.quantile(0.95)
    usual = (test.table["target"] == train.table["target"].mode()[0]).mean()
    lines = [
        f"held-out clips: {len(test)}, {1 / len(test):.1%} each; right by the commonest class "
        f"{usual:.1%}, by size and length of the video alone {size_only_accuracy(train, test):.1%}",
        f"dense:  {done.dense.accuracy:6.1%} right, after {recipe.dense_epochs} epochs",
        f"pruned: {done.pruned.accuracy:6.1%} right, after {recipe.retrain_epochs} more; "
        f"R {ratios.mean():.3f} of the MACs, {low:.2f} to {high:.2f} (5 to 95 % of clips)",
        f"kept:   {_kept(net, done.pruned.plan)}",
    ]
    if abs(ratios.mean() - recipe.budget) > MISSED:
        lines.append(f"note: mean R misses the budget of {recipe.budget} by more than {MISSED}")
    return lines


def next_commands(
    checkpoint: Path, dataset: str, videos: Path | None, fold: int | None
) -> list[str]:
    """What can be done with the checkpoint."""
    name = shlex.quote(str(checkpoint))
    data = f" --dataset {dataset} --data-root {shlex.quote(str(videos))}" if videos else ""
    data += "" if fold is None else f" --fold {fold}"
    return [
        f"{checkpoint} is written; next:",
        f"  dance predict {name} VIDEO...",
        f"  dance bundle {name}{data}",
        f"  dance bench --checkpoint {name}",
    ]


def _kept(net: Dance, plan: PruningPlan) -> str:
    """Mean keep rate of each axis over clips and units, these by their MACs."""
    rates = kept_rates(net, plan)
    return ", ".join(f"{axis} {rates[axis]:.0%}" for axis in AXES)
