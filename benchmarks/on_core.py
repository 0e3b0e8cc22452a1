"""Run a `streamproc` command on one core: `python -m benchmarks.on_core CORE COMMAND...`."""

import sys

from benchmarks.job import use_core
from streamproc.cli import main

if __name__ == "__main__":
    use_core(int(sys.argv[1]))
    main(sys.argv[2:])
