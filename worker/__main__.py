"""`python -m worker` is the `leadgauge` command."""

from worker.cli import main

main()
