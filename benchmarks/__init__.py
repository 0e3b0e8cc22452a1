"""Benchmarks that a person runs: `make bench BENCH_ARGS="--help"`."""
