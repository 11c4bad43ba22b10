"""The study as a whole: `dance reproduce`, `dance keep` and `dance site`."""

from pathlib import Path
from typing import Annotated

import typer

from dance_lib.cli import complete


def reproduce(
    context: typer.Context,
    profile: Annotated[
        str, typer.Option(help="smoke, default or full.", autocompletion=complete.profiles)
    ] = "default",
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
        typer.Option(
            metavar="NOTEBOOK",
            help="Only this notebook, and what it lacks.",
            autocompletion=complete.notebooks,
        ),
    ] = None,
    name: Annotated[str | None, typer.Option(help="The run folder's name in results/.")] = None,
    cores: Annotated[int | None, typer.Option(min=1, help="Threads for all jobs together.")] = None,
    workflow_profile: Annotated[
        Path | None,
        typer.Option(help="Run elsewhere, as this profile of Snakemake's says: env/slurm.yaml."),
    ] = None,
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
        workflow_profile=workflow_profile,
        dry_run=dry_run,
        force=force,
    )
    if not run(request, say=context.obj):
        raise typer.Exit(1)


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


def site(
    context: typer.Context,
    run_folder: Annotated[
        Path | None,
        typer.Argument(
            help="By default results/default once its report is drawn, else results/reference/full."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="The folder of the pages; by default results/site.")
    ] = None,
    root: Annotated[
        Path | None, typer.Option(help="The study; by default found from the working directory.")
    ] = None,
) -> None:
    """Make pages of a run folder's executed notebooks, to be opened without a network."""
    from dance_lib.site.build import build_site
    from dance_lib.site.executed import newest_run
    from dance_lib.study.paths import RESULTS, find_root

    root = find_root(root)
    run_folder = run_folder.resolve() if run_folder else newest_run(root)
    out = out.resolve() if out else root / RESULTS / "site"
    context.obj(f"pages of {run_folder}, in half a minute")
    for warning in build_site(run_folder, out, root):
        typer.echo(warning, err=True)
    context.obj(f"open {out / 'index.html'}")
