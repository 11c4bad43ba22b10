"""The command line: `dance`. Commands import what they need when they run, so `--help` is quick."""

import sys
from importlib import metadata
from typing import Annotated

import typer

from dance_lib.cli import measuring, network, study, training
from dance_lib.cli.device import device
from dance_lib.cli.loudness import loudness
from dance_lib.cli.missing import remedy

app = typer.Typer(
    help="DANCE: dynamic 3D CNN pruning, an open reconstruction.",
    no_args_is_help=True,
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
        bool,
        typer.Option("-v", "--verbose", help="Tell what is done, and where errors come from."),
    ] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="And end.")
    ] = False,
) -> None:
    """DANCE: dynamic 3D CNN pruning of frames, channels and features, an open reconstruction."""
    context.obj = typer.echo if not quiet else lambda line: None
    context.with_resource(loudness(quiet, verbose))


for command in (
    study.reproduce,
    study.keep,
    study.site,
    training.train,
    network.predict,
    network.bundle,
    measuring.bench,
    measuring.energy,
):
    app.command()(command)
app.add_typer(device, name="device")


def main() -> None:
    """Run the command line; a mistake of the person at the keyboard is one line and status 2."""
    try:
        app()
    except Exception as error:
        line = _in_one_line(error)
        if line is None or "-v" in sys.argv or "--verbose" in sys.argv:
            raise
        typer.echo(f"error: {line}", err=True)
        sys.exit(2)


def _in_one_line(error: Exception) -> str | None:
    """What the person at the keyboard can mend; None for a fault of ours."""
    if isinstance(error, ModuleNotFoundError):
        return remedy(error)
    return str(error) if type(error).__module__.startswith("dance_lib") else None
