"""What a training costs the machine, sampled beside it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

import psutil

from recsys_cl.core.protocols import Tracker

_MEGABYTE = 2**20


@contextmanager
def watched(tracker: Tracker, every: float = 10.0) -> Iterator[None]:
    """Log ``system/…`` at once, every so many seconds, and once more when the block ends, as steps 0, 1, 2, …"""
    done = Event()
    watcher = Thread(target=_watch, args=(tracker, every, done), name="system-metrics", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()


def _watch(tracker: Tracker, every: float, done: Event) -> None:
    process = psutil.Process()
    process.cpu_percent()  # the first reading only sets the start
    step = 0
    while True:
        finished = done.wait(every if step else 0.1)
        tracker.log(sample(process), step)
        step += 1
        if finished:
            return


def sample(process: psutil.Process) -> dict[str, float]:
    """One reading: processor of this process and of the machine, memory, and the accelerator's memory where one is in use."""
    memory = psutil.virtual_memory()
    reading = {
        "system/process_cpu_percent": process.cpu_percent(),
        "system/process_memory_megabytes": process.memory_info().rss / _MEGABYTE,
        "system/cpu_utilization_percentage": psutil.cpu_percent(),
        "system/system_memory_usage_megabytes": memory.used / _MEGABYTE,
        "system/system_memory_usage_percentage": memory.percent,
    }
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        free, total = torch.cuda.mem_get_info()
        reading["system/gpu_memory_usage_megabytes"] = (total - free) / _MEGABYTE
        reading["system/gpu_memory_peak_megabytes"] = torch.cuda.max_memory_allocated() / _MEGABYTE
    return reading
