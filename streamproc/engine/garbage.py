"""Python's garbage collector, patient enough for batches."""

import contextlib
import gc
from collections.abc import Iterator

# A batch is some thousands of objects, all of which live until it is sent: to look at them after every 700, as Python
# does by default, took a quarter of the CPU of reading, counting and answering events.
_YOUNG_OBJECTS = 20_000


@contextlib.contextmanager
def patient_collections() -> Iterator[None]:
    """Look for garbage less often meanwhile, and never in what is there now.

    That takes a full collection of what is loaded by now a tenth of a second, in which all threads stand still.
    """
    generations = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS, *generations[1:])
    try:
        yield
    finally:
        gc.set_threshold(*generations)
        gc.unfreeze()
