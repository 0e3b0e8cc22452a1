"""The worker: Faust agents hand micro-batches to a processor that learns and recommends."""

from streamproc.worker.run import run_worker

__all__ = ["run_worker"]
