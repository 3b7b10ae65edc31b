"""Memory that a step frees is there for the next one, instead of going back to the system and being cleared anew.

Every step makes and drops temporaries of the table's size. glibc hands such blocks back at once, and the next step faults them
in page by page: a fifth of an XSimGCL step on Gowalla.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # malloc.h of glibc
_NEVER, _TRIM = 2**31 - 1, 128 * 1024
# An aligned block needs a little more room than the one that was freed before it, so some free blocks of each size stay unused:
# what that may cost is bounded by the largest that is kept. Older versions of glibc take no more than the second.
_LARGEST, _LARGEST_OF_OLD, _MMAPPED = 64 * 2**20, 32 * 2**20, 128 * 1024


@contextmanager
def kept() -> Iterator[None]:
    """Within, freed blocks of up to 64 MiB stay with the process; afterwards they go back. Does nothing but on glibc."""
    library = ctypes.CDLL(None)
    if not hasattr(library, "mallopt") or not hasattr(library, "malloc_trim"):
        yield
        return
    library.mallopt(_MMAP_THRESHOLD, _LARGEST) or library.mallopt(_MMAP_THRESHOLD, _LARGEST_OF_OLD)
    library.mallopt(_TRIM_THRESHOLD, _NEVER)
    try:
        yield
    finally:
        library.mallopt(_MMAP_THRESHOLD, _MMAPPED)
        library.mallopt(_TRIM_THRESHOLD, _TRIM)
        library.malloc_trim(0)
