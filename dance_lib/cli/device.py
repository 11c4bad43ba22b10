"""`dance device`: bundles on devices elsewhere."""

from pathlib import Path
from typing import Annotated

import typer

LOGS = Path("results/device_logs")
Out = Annotated[Path, typer.Option(help="Folder of device logs, whose runs.yml is added to.")]
Name = Annotated[
    str | None, typer.Option("--device", help="Its name; by default the bundle's target.")
]
Rail = Annotated[
    str | None, typer.Option(help="Of the log, if it is unknown what feeds the device.")
]

device = typer.Typer(
    help="Run a bundle on a device elsewhere, and bring its times and joules home.",
    no_args_is_help=True,
)


@device.command("run")
def device_run(
    context: typer.Context,
    bundle: Annotated[Path, typer.Argument(help="A folder that `dance bundle` made.")],
    host: Annotated[
        str | None, typer.Option(metavar="USER@HOST", help="A device by ssh, or its name there.")
    ] = None,
    adb: Annotated[bool, typer.Option("--adb", help="The device that adb sees.")] = False,
    serial: Annotated[str | None, typer.Option(help="Which one, of `adb devices`.")] = None,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="Of ssh.")] = None,
    identity: Annotated[Path | None, typer.Option(help="Private key for ssh.")] = None,
    known_hosts: Annotated[Path | None, typer.Option(help="Host keys that ssh trusts.")] = None,
    ssh_config: Annotated[Path | None, typer.Option(help="In place of the user's own.")] = None,
    form: Annotated[
        list[str] | None,
        typer.Option(help="Of the bundle, again for more; by default dense and the pruned one."),
    ] = None,
    seconds: Annotated[
        float | None, typer.Option(min=0.001, help="Of each loop; by default 30.")
    ] = None,
    repeats: Annotated[
        int | None, typer.Option(min=1, help="Loops of each form; by default 3.")
    ] = None,
    idle: Annotated[
        float | None, typer.Option(min=0, help="Seconds of rest before; by default 30.")
    ] = None,
    threads: Annotated[int | None, typer.Option(min=0, help="Of ONNX Runtime there.")] = None,
    provider: Annotated[
        str | None, typer.Option(help="Of ONNX Runtime there: CUDAExecutionProvider.")
    ] = None,
    logger: Annotated[
        str | None,
        typer.Option(help="ina, tegrastats, power_supply or none; by default what is there."),
    ] = None,
    interval: Annotated[
        float | None, typer.Option(min=0.01, max=60, help="Seconds between samples of power.")
    ] = None,
    tegrastats: Annotated[
        str | None, typer.Option(help="How it is called there: 'sudo -n tegrastats'.")
    ] = None,
    python: Annotated[str, typer.Option(help="Python 3.6 or later there.")] = "python3",
    remote_folder: Annotated[
        str | None, typer.Option(help="For the bundle; by default dance/NAME at home there.")
    ] = None,
    out: Out = LOGS,
    name: Name = None,
    rail: Rail = None,
) -> None:
    """Copy a bundle to a device, run it there, and add what it measured to runs.yml."""
    from dance_lib.deploy.device.reach import reach
    from dance_lib.deploy.device.run import RunRequest, run_on_device

    remote = reach(
        host=host,
        adb=adb,
        serial=serial,
        port=port,
        identity=identity,
        known_hosts=known_hosts,
        config=ssh_config,
    )
    told = {
        "seconds": seconds, "repeats": repeats, "idle": idle, "threads": threads,
        "provider": provider, "logger": logger, "interval": interval, "tegrastats": tegrastats,
    }  # fmt: skip
    request = RunRequest(
        bundle=bundle,
        out=out,
        forms=form or [],
        options=tuple(f"--{key}={value}" for key, value in told.items() if value is not None),
        python=python,
        remote_folder=remote_folder,
        device=name,
        rail=rail,
    )
    if not run_on_device(request, remote, context.obj, lambda line: typer.echo(line, err=True)):
        raise typer.Exit(1)


@device.command("read")
def device_read(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help="What run.py wrote on the device: its --out.")],
    out: Out = LOGS,
    name: Name = None,
    rail: Rail = None,
) -> None:
    """Add results that were carried home by hand to runs.yml."""
    from dance_lib.deploy.device.read import read_into

    if not read_into(
        folder,
        out,
        say=context.obj,
        complain=lambda line: typer.echo(line, err=True),
        device=name,
        rail=rail,
    ):
        raise typer.Exit(1)
