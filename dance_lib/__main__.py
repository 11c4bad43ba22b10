"""`python -m dance_lib` is `dance`."""

from dance_lib.cli import main

main()
