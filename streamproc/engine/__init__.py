"""The engine: whole polls of co-partitioned topics in, state and outputs out, exactly once.

Faust brings the application, its topics and agents, the consumer group and the life cycle; the engine brings what
makes a partition's state, outputs and offsets one transaction (Kafka Streams' model, KIP-98 and KIP-129).
"""

from streamproc.engine.broadcast import Broadcast
from streamproc.engine.engine import Engine
from streamproc.engine.errors import EngineError
from streamproc.engine.records import (
    BatchStats,
    CommitStats,
    InputRecord,
    Output,
    Processor,
    RecoveryStats,
    StateView,
    Writes,
)

__all__ = [
    "BatchStats",
    "Broadcast",
    "CommitStats",
    "Engine",
    "EngineError",
    "InputRecord",
    "Output",
    "Processor",
    "RecoveryStats",
    "StateView",
    "Writes",
]
