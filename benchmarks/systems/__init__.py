"""The systems that are compared, each a program of its own: `python -m benchmarks.systems.NAME JOB`."""
