"""``python -m recsys_cl``: the command line."""

from recsys_cl.cli import main

main()
