"""The command line: `dance`. Commands import what they need when they run, so `--help` is quick."""

import sys
from importlib import metadata
from pathlib import Path
from typing import Annotated

import typer

from dance_lib.cli_device import device

app = typer.Typer(
    help="DANCE: dynamic 3D CNN pruning, an open reconstruction.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"dance {metadata.version('dance-lib')}")
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Say nothing but errors.")] = False,
    verbose: Annotated[
        bool, typer.Option("-v", "--verbose", help="Show where an error came from.")
    ] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="And end.")
    ] = False,
) -> None:
    """DANCE: dynamic 3D CNN pruning of frames, channels and features, an open reconstruction."""
    context.obj = typer.echo if not quiet else lambda line: None


@app.command()
def reproduce(
    context: typer.Context,
    profile: Annotated[str, typer.Option(help="smoke, default or full.")] = "default",
    parameter: Annotated[
        list[str] | None,
        typer.Option(
            "-p",
            "--parameter",
            metavar="NAME=VALUE",
            help="A notebook's parameter in place of the profile's; NAME=A,B,C fans out.",
        ),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="NOTEBOOK", help="Only this notebook, and what it lacks."),
    ] = None,
    name: Annotated[str | None, typer.Option(help="The run folder's name in results/.")] = None,
    cores: Annotated[int | None, typer.Option(min=1, help="Threads for all jobs together.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", "-n", help="Only say what would run.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Run even what is up to date.")] = False,
    root: Annotated[
        Path | None, typer.Option(help="The study; by default found from the working directory.")
    ] = None,
) -> None:
    """Run the study's notebooks as far as they are not up to date, and name the report."""
    from dance_lib.study.paths import find_root
    from dance_lib.study.reproduce import Request
    from dance_lib.study.reproduce import reproduce as run

    request = Request(
        root=find_root(root),
        profile=profile,
        overrides=parameter or [],
        only=only or [],
        name=name,
        **({"cores": cores} if cores else {}),
        dry_run=dry_run,
        force=force,
    )
    if not run(request, say=context.obj):
        raise typer.Exit(1)


@app.command()
def keep(
    context: typer.Context,
    run_folder: Annotated[Path, typer.Argument(help="A run folder, results/full.")],
    target: Annotated[Path, typer.Argument(help="Where to keep it, results/reference/full.")],
) -> None:
    """Copy a run's tables, provenance and drawn notebooks, small enough to commit."""
    from dance_lib.study.keep import keep as copy
    from dance_lib.study.paths import find_root

    changed = copy(run_folder.resolve(), target.resolve(), find_root())
    context.obj(f"{target}: {changed} files new or changed")


@app.command()
def bench(
    context: typer.Context,
    model: Annotated[
        list[str] | None,
        typer.Option(
            help="A backbone of `list_models()`; again for more. By default the checkpoint's, or "
            "r2plus1d_18 and r3d_18."
        ),
    ] = None,
    clip_shape: Annotated[
        str | None,
        typer.Option(
            metavar="TxHxW", help="Of the clips; by default the checkpoint's, or 16x112x112."
        ),
    ] = None,
    precision: Annotated[
        list[str] | None, typer.Option(help="float32 or bfloat16; by default both.")
    ] = None,
    threads: Annotated[
        list[str] | None, typer.Option(help="one (pinned core) or all; by default both.")
    ] = None,
    batch: Annotated[
        list[int] | None, typer.Option(min=1, help="Clips at once; by default 1 and 8.")
    ] = None,
    engines: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="A dense rival: eager, compile, onnxruntime or openvino; by default all.",
        ),
    ] = None,
    rounds: Annotated[int | None, typer.Option(min=1, help="Timed rounds; by default 15.")] = None,
    seed: Annotated[int, typer.Option(help="Of weights, clips, plans and order.")] = 0,
    checkpoint: Annotated[
        Path | None, typer.Option(help="A network whose trained controller is measured too.")
    ] = None,
    out: Annotated[Path, typer.Option(help="The folder of the tables.")] = Path("results/bench"),
    quick: Annotated[bool, typer.Option("--quick", help="Keep rate 0.5 only, 3 rounds.")] = False,
    static: Annotated[
        bool, typer.Option(help="Also make statically pruned and narrower networks as rivals.")
    ] = True,
    energy: Annotated[
        bool,
        typer.Option(
            "--energy",
            help="Meter joules a clip in loops of 30 s; by default float32, one core, batch 1.",
        ),
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Measure finished settings again.")
    ] = False,
) -> None:
    """Time pruning against dense engines, and statically smaller networks, on this machine."""
    from dance_lib.bench.run import run_bench
    from dance_lib.bench.setting import choose_settings

    settings = choose_settings(
        models=model,
        clip_shape=clip_shape,
        precisions=precision or (["float32"] if energy else None),
        threads=threads or (["one"] if energy else None),
        batches=batch or ([1] if energy else None),
        engines=engines,
        rounds=rounds,
        seed=seed,
        checkpoint=checkpoint,
        quick=quick,
        static=static,
    )
    parent = context.parent
    quiet = bool(parent and parent.params["quiet"])
    failed = run_bench(
        settings,
        out,
        task="energy" if energy else "latency",
        force=force,
        quiet=quiet,
        say=context.obj,
    )
    if failed:
        raise typer.Exit(1)
    made = "energy.csv" if energy else "latency.csv, timings.csv, targets.csv"
    context.obj(f"tables in {out}: {made}")


@app.command()
def energy(
    context: typer.Context,
    logs: Annotated[list[Path], typer.Argument(metavar="LOG...", help="Logs of power or latency.")],
    format: Annotated[
        str | None,
        typer.Option(help="Of the logs; by default recognised. A wrong one lists those there are."),
    ] = None,
    interval: Annotated[
        float | None, typer.Option(help="Nominal seconds between samples without times.")
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ROLE=NAME:UNIT",
            help="Of a table: its column of time, power, current or voltage; again for more.",
        ),
    ] = None,
    events: Annotated[Path | None, typer.Option(help="A table of windows: name,start,end.")] = None,
    start: Annotated[
        float | None, typer.Option("--from", help="Seconds after the first sample.")
    ] = None,
    end: Annotated[
        float | None, typer.Option("--to", help="Seconds after the first sample.")
    ] = None,
    max_gap: Annotated[
        float | None,
        typer.Option(help="Longest step in seconds to integrate across; by default 5 usual ones."),
    ] = None,
    csv: Annotated[Path | None, typer.Option(help="Also write the rows into this file.")] = None,
) -> None:
    """Mean and maximum power, energy and latency that logs of a device support, and how."""
    from dance_lib.devices.command import Asked, tell

    asked = Asked(
        logs=logs,
        format=format,
        interval=interval,
        columns=column or [],
        events=events,
        start=start,
        end=end,
        max_gap=max_gap,
        csv=csv,
    )
    if not tell(asked, say=context.obj, complain=lambda line: typer.echo(line, err=True)):
        raise typer.Exit(1)


@app.command()
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
        cache=cache,
        planar=planar,
    )
    write_bundle(asked, say=context.obj)


app.add_typer(device, name="device")


def main() -> None:
    """Run the command line; a mistake of the person at the keyboard is one line and status 2."""
    try:
        app()
    except Exception as error:
        ours = type(error).__module__.startswith("dance_lib")
        if not ours or "-v" in sys.argv or "--verbose" in sys.argv:
            raise
        typer.echo(f"error: {error}", err=True)
        sys.exit(2)
