"""`python -m idp.cli` is `idp`."""

from idp.cli import main

main(prog_name="idp")
