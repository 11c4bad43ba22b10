"""`dance` and `python -m dance_lib`. The library alone, without extras, has no command line."""

import sys


def main() -> None:
    """Run the command line, or say what it lacks."""
    try:
        from dance_lib.cli import main as run
    except ModuleNotFoundError as error:
        if error.name != "typer":
            raise
        sys.exit("error: the command line needs an extra: pip install 'dance-lib[study]'")
    run()


if __name__ == "__main__":
    main()
