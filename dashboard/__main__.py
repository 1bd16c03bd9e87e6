"""``python -m dashboard up``: the command line without a script on PATH."""

from dashboard.command import main

main()
