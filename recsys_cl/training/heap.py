"""Memory that a step frees is there for the next one, instead of going back to the system and being cleared anew.

Every step makes and drops temporaries of the table's size. glibc hands such blocks back at once, and the next step faults them
in page by page: a fifth of an XSimGCL step on Gowalla.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4  # malloc.h of glibc
_NEVER, _DEFAULT_TRIM, _DEFAULT_MMAPS = 2**31 - 1, 128 * 1024, 65_536


@contextmanager
def kept() -> Iterator[None]:
    """Within, freed memory stays with the process; afterwards what is unused goes back. Does nothing but on glibc."""
    library = ctypes.CDLL(None)
    if not hasattr(library, "mallopt") or not hasattr(library, "malloc_trim"):
        yield
        return
    library.mallopt(_MMAP_MAX, 0)
    library.mallopt(_TRIM_THRESHOLD, _NEVER)
    try:
        yield
    finally:
        library.mallopt(_MMAP_MAX, _DEFAULT_MMAPS)
        library.mallopt(_TRIM_THRESHOLD, _DEFAULT_TRIM)
        library.malloc_trim(0)
