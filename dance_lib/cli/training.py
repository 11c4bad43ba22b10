"""From videos to a network: `dance train`."""

from pathlib import Path
from typing import Annotated, Any

import typer


def train(
    context: typer.Context,
    videos: Annotated[
        Path | None,
        typer.Argument(
            help="A folder: class/video, or train/class/video and test/class/video, or what "
            "--dataset says. Without one, the built-in set is made.",
        ),
    ] = None,
    dataset: Annotated[
        str | None,
        typer.Option(
            help="folder, csv, ucf101, hmdb51, kinetics or digits; by default csv where labels.csv "
            "lies in the folder, digits where manifest.csv does, else folder."
        ),
    ] = None,
    fold: Annotated[int | None, typer.Option(help="To test on, of a set that has folds.")] = None,
    test_fraction: Annotated[
        float, typer.Option(help="Held out, of a set that is not divided.")
    ] = 0.2,
    model: Annotated[
        str | None,
        typer.Option(help="A backbone of `list_models()`; by default r2plus1d_narrow."),
    ] = None,
    weights: Annotated[
        str | None,
        typer.Option(help="Of the backbone, to start from: a file, or hub for pretrained ones."),
    ] = None,
    start: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="CHECKPOINT",
            help="A trained network of these classes; its dense training is left out.",
        ),
    ] = None,
    frames: Annotated[int | None, typer.Option(min=1, help="Of a clip; by default 16.")] = None,
    size: Annotated[
        int | None, typer.Option(min=1, help="Height and width of a clip; by default 56.")
    ] = None,
    axes: Annotated[
        str, typer.Option(metavar="A,B", help="What is pruned.")
    ] = "frames,channels,features",
    ava: Annotated[str, typer.Option(help="none, raw, cv or interaction.")] = "cv",
    budget: Annotated[
        float | None, typer.Option(help="Mean share of the MACs; by default 0.5.")
    ] = None,
    parameter: Annotated[
        list[str] | None,
        typer.Option(
            "-p",
            "--parameter",
            metavar="NAME=VALUE",
            help="A number of the recipe, again for more: dense_epochs, ava_epochs, "
            "controller_epochs, joint_epochs, batch_size, lr, augment ... A wrong name lists all.",
        ),
    ] = None,
    seed: Annotated[
        int, typer.Option(min=0, max=2**32 - 1, help="Of first weights, order, gates.")
    ] = 0,
    out: Annotated[Path, typer.Option(help="The checkpoint.")] = Path("net.safetensors"),
    cache: Annotated[
        Path, typer.Option(help="Folder of decoded clips and the built-in set.")
    ] = Path("data"),
    force: Annotated[bool, typer.Option("--force", help="Replace the checkpoint.")] = False,
) -> None:
    """Train a network on videos, prune it, and say what that costs in accuracy and saves in MACs.

    Stopped, the same command goes on behind the last whole epoch.
    """
    from dance_lib.train.command import Asked
    from dance_lib.train.command import train as run

    words: dict[str, Any] = {"axes": tuple(axes.split(",")), "variant": ava}  # checked where read
    asked = Asked(
        videos=videos,
        dataset=dataset,
        fold=fold,
        test_fraction=test_fraction,
        model=model,
        weights=weights,
        start=start,
        frames=frames,
        size=size,
        budget=budget,
        recipe=parameter or [],
        seed=seed,
        out=out,
        cache=cache,
        force=force,
        **words,
    )
    run(asked, say=context.obj)
