"""The demonstration: a simulated world, a worker and a trainer on a broker, watched and measured."""

from streamproc.demo.run import DemoOptions, run_demo

__all__ = ["DemoOptions", "run_demo"]
