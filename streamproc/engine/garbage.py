"""Python's garbage collector, patient enough for batches."""

import gc

# A batch is some thousands of objects, all of which live until it is sent: to look at them after every 700, as Python
# does by default, took a quarter of the CPU of reading, counting and answering events.
_YOUNG_OBJECTS = 20_000


def collect_patiently() -> None:
    """Look for garbage less often from now on, and never in what is loaded by now; for the whole process.

    A full collection of what a worker has loaded takes a tenth of a second, in which all threads stand still.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS, *gc.get_threshold()[1:])
