"""The one decorator of all numba kernels."""

from hashlib import blake2b
from pathlib import Path
from tempfile import gettempdir

import numba
from numba import njit


def _cache_directory() -> str:
    """A folder named after the kernels' sources.

    Numba notices a change of the file that holds a kernel but not of the kernels that it calls in other files, and
    site-packages may be read-only: so the cache of one release must never be found by another.
    """
    digest = blake2b(digest_size=8)
    for source in sorted(Path(__file__).parent.rglob("*.py")):
        if b"@kernel" in (text := source.read_bytes()):
            digest.update(text)
    home = Path.home() / ".cache"
    root = home if home.is_dir() else Path(gettempdir())
    return str(root / "streamproc" / f"kernels-{digest.hexdigest()}")


if not numba.config.CACHE_DIR:
    numba.config.CACHE_DIR = _cache_directory()

kernel = njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract", "reassoc", "nsz", "arcp"})
"""Compile on first use and keep on disk. NaN and infinity keep their meaning; sums may be reordered."""
