"""What is done with one network: `dance predict` and `dance bundle`."""

from pathlib import Path
from typing import Annotated

import typer


def predict(
    context: typer.Context,
    checkpoint: Annotated[Path, typer.Argument(help="A network that the study trained.")],
    videos: Annotated[
        list[Path],
        typer.Argument(metavar="VIDEO", help="Videos, or folders with videos anywhere below."),
    ],
    top: Annotated[int, typer.Option(min=1, help="Likeliest classes shown of a video.")] = 5,
    clips: Annotated[
        int,
        typer.Option(min=1, help="Equal parts of a video; their probabilities are averaged."),
    ] = 1,
    explain: Annotated[
        Path | None,
        typer.Option(
            metavar="OUT",
            help="Also write the video with what was dropped dimmed: OUT.mp4 or OUT.gif; for "
            "several videos, a folder.",
        ),
    ] = None,
    csv: Annotated[Path | None, typer.Option(help="Also write a row a video.")] = None,
    rounds: Annotated[
        int, typer.Option(min=0, help="Timed runs of each form for a video; 0 for none.")
    ] = 5,
) -> None:
    """Say what a network sees in videos, what it computes for that, and how long it takes.

    A video that does not decode is skipped and named; the status is 0 as long as one does.
    """
    from dance_lib.explain.command import Asked
    from dance_lib.explain.command import predict as tell

    asked = Asked(
        checkpoint=checkpoint,
        videos=videos,
        top=top,
        clips=clips,
        explain=explain,
        csv=csv,
        rounds=rounds,
    )
    tell(asked, say=context.obj, complain=lambda line: typer.echo(line, err=True))


def bundle(
    context: typer.Context,
    checkpoint: Annotated[Path, typer.Argument(help="A network that the study trained.")],
    target: Annotated[
        str, typer.Option(help="jetson-nano, snapdragon-8gen1 or generic: whose page goes with it.")
    ] = "generic",
    out: Annotated[
        Path | None, typer.Option(help="The folder; by default bundles/CHECKPOINT-TARGET.")
    ] = None,
    codebook: Annotated[
        Path | None, typer.Option(help="A file of notebook 05, beside its tuned network.")
    ] = None,
    codes: Annotated[
        int, typer.Option(min=0, help="Or cluster so many static networks here; 0 for none.")
    ] = 4,
    clips: Annotated[int, typer.Option(min=1, help="Sample clips that go with it.")] = 8,
    dataset: Annotated[
        str, typer.Option(help="digits (built in), ucf101, hmdb51, kinetics, folder or csv.")
    ] = "digits",
    data_root: Annotated[
        Path | None, typer.Option(help="The folder of its videos; none for the built-in set.")
    ] = None,
    fold: Annotated[
        int | None, typer.Option(help="Whose clips go with it, of a set that has folds.")
    ] = None,
    cache: Annotated[Path, typer.Option(help="Folder of decoded clips.")] = Path("data"),
    planar: Annotated[
        bool, typer.Option("--planar", help="Factorised 3-D kernels as 2-D ones.")
    ] = False,
) -> None:
    """Write the networks, clips and runner that a device without PyTorch needs."""
    from dance_lib.deploy.command import Asked, write_bundle

    asked = Asked(
        checkpoint=checkpoint,
        target=target,
        out=out or Path("bundles") / f"{checkpoint.stem}-{target}",
        codebook=codebook,
        codes=codes,
        clips=clips,
        dataset=dataset,
        data_root=data_root,
        fold=fold,
        cache=cache,
        planar=planar,
    )
    write_bundle(asked, say=context.obj)
