"""What a machine takes: `dance bench` and `dance energy`."""

from pathlib import Path
from typing import Annotated

import typer


def bench(
    context: typer.Context,
    device: Annotated[str, typer.Option(help="cpu or cuda: where the networks run.")] = "cpu",
    model: Annotated[
        list[str] | None,
        typer.Option(
            help="A backbone of `list_models()`; again for more. By default the checkpoint's, or "
            "r2plus1d_18 and r3d_18, on a GPU also c3d and slow_r50."
        ),
    ] = None,
    clip_shape: Annotated[
        str | None,
        typer.Option(
            metavar="TxHxW", help="Of the clips; by default the checkpoint's, or 16x112x112."
        ),
    ] = None,
    precision: Annotated[
        list[str] | None,
        typer.Option(
            help="float32 or bfloat16, by default both; on a GPU also float16, the default there."
        ),
    ] = None,
    threads: Annotated[
        list[str] | None,
        typer.Option(help="one (pinned core) or all, by default both; on a GPU cuda."),
    ] = None,
    batch: Annotated[
        list[int] | None,
        typer.Option(min=1, help="Clips at once; by default 1 and 8, on a GPU also 32."),
    ] = None,
    engines: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="A dense rival: eager, compile, onnxruntime or openvino, on a GPU eager, "
            "channels_last, graph or compile; by default all.",
        ),
    ] = None,
    rounds: Annotated[
        int | None,
        typer.Option(min=1, help="By default 15, on a GPU 100; with --energy 3 of half a minute."),
    ] = None,
    seed: Annotated[
        int, typer.Option(min=0, max=2**32 - 1, help="Of weights, clips, plans and order.")
    ] = 0,
    checkpoint: Annotated[
        list[Path] | None,
        typer.Option(
            help="A network whose trained controller is measured too; again for the same model "
            "pruned to other budgets."
        ),
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
            help="Meter joules a clip in loops of 30 s; by default float32, one core, batch 1. On "
            "a GPU by its own counter, at every batch.",
        ),
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Measure finished settings again.")
    ] = False,
) -> None:
    """Time pruning against dense engines, and statically smaller networks, on this machine."""
    from dance_lib.bench.run import run_bench
    from dance_lib.bench.setting import LOOPS, choose_settings

    few = energy and device == "cpu"  # half a minute a loop: what decides, nothing else
    settings = choose_settings(
        device=device,
        models=model,
        clip_shape=clip_shape,
        precisions=precision or (["float32"] if few else None),
        threads=threads or (["one"] if few else None),
        batches=batch or ([1] if few else None),
        engines=engines,
        rounds=rounds or (LOOPS if energy else None),
        seed=seed,
        checkpoints=checkpoint or [],
        quick=quick,
        static=static,
    )
    if device == "cuda":  # before a process for each setting says so
        from dance_lib.bench import gpu

        gpu.check()
    failed = run_bench(
        settings,
        out,
        task="energy" if energy else "latency",
        force=force,
        say=context.obj,
    )
    if failed:
        raise typer.Exit(1)
    made = "energy.csv" if energy else "latency.csv, timings.csv, targets.csv"
    context.obj(f"tables in {out}: {made}")


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
