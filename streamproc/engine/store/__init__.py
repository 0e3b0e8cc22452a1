"""Local stores of a partition's state table: one contract, two places to keep it."""

from streamproc.engine.store.base import Store, StoreLockedError
from streamproc.engine.store.factory import open_store, stored_partitions
from streamproc.engine.store.memory import MemoryStore
from streamproc.engine.store.rocksdb import RocksStore

__all__ = ["MemoryStore", "RocksStore", "Store", "StoreLockedError", "open_store", "stored_partitions"]
