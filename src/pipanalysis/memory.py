"""How much memory the system lets this process have, looked at before libraries are loaded that need more.

Compiled code that is refused memory ends the process with a word of its own or none at all, and nothing can be told
afterwards.
"""

from __future__ import annotations

import re
from pathlib import Path

MEGABYTE = 2**20
LEAST_ADDRESSES = 1000 * MEGABYTE  # measured: the report of a small trial needs 800
LEAST_MEMORY = 300 * MEGABYTE  # measured: 290
SAMPLER_ADDRESSES = 2000 * MEGABYTE  # measured: 1250, with two chains at once
_MEMORY_INFO = Path("/proc/meminfo")
_CONTAINER_LIMIT = Path("/sys/fs/cgroup/memory.max")


class ScarceMemoryError(MemoryError):
    """The system allows less memory than the program needs at the least."""


def refuse_scarce_memory(addresses: int = LEAST_ADDRESSES, memory: int = LEAST_MEMORY) -> None:
    """Stop where a step could only fail.

    Args:
        addresses: bytes of addresses that are needed (`ulimit -v`).
        memory: bytes of memory that are needed, of what the machine has free and of what the container may have.

    Raises:
        ScarceMemoryError: there are fewer; the message says how many.
    """
    limits = (
        ("addresses, a limit set for this process (ulimit -v)", _address_limit(), addresses),
        ("memory that is free on this machine", _free_memory(), memory),
        ("memory, the limit of this container", _container_limit(), memory),
    )
    for kind, found, needed in limits:
        if found is not None and found < needed:
            raise ScarceMemoryError(
                f"{found // MEGABYTE} MB of {kind}, where at least {needed // MEGABYTE} MB are needed"
            )


def _address_limit() -> int | None:
    try:
        import resource
    except ImportError:  # Windows has no such limits
        return None
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    return None if soft == resource.RLIM_INFINITY else soft


def _free_memory() -> int | None:
    try:
        text = _MEMORY_INFO.read_text(encoding="ascii")
    except OSError:  # no Linux
        return None
    found = dict(re.findall(r"^(\w+): +(\d+) kB$", text, flags=re.MULTILINE))
    return 1024 * (int(found["MemAvailable"]) + int(found.get("SwapFree", 0))) if "MemAvailable" in found else None


def _container_limit() -> int | None:
    try:
        text = _CONTAINER_LIMIT.read_text(encoding="ascii").strip()
    except OSError:
        return None
    return int(text) if text.isdecimal() else None
