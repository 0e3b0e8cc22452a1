"""A seeded world of users, items and habits that clicks: for demonstrations, load and tests.

The world (`World`) is pure: it knows no Kafka and no clock. The shell that sends its events lives in
`streamproc.simulator.producer` and is imported only where it is needed.
"""

from streamproc.simulator.config import DriftKind, WorldConfig
from streamproc.simulator.events import Announcement, Event
from streamproc.simulator.world import World

__all__ = ["Announcement", "DriftKind", "Event", "World", "WorldConfig"]
