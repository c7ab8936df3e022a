"""What of the machine and its software the numbers may depend on; never a user's name nor a place on the disk."""

from __future__ import annotations

import platform
import sys
import sysconfig
from importlib import metadata
from pathlib import Path
from typing import Any


def environment() -> dict[str, Any]:
    """Return the versions of Python and of every package, the kind of processor, and the linear algebra library."""
    return {
        "python": platform.python_version(),
        "implementation": sys.implementation.name,
        "system": platform.system(),
        "machine": platform.machine(),
        "processor": processor(),
        "blas": linear_algebra(),
        "packages": packages(),
    }


def processor(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """Return the processor's model as it names itself."""
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()


def linear_algebra() -> list[dict[str, str]]:
    """Return the linear algebra libraries that numpy and scipy have loaded: name, version, and kernels chosen."""
    import numpy as np  # noqa: F401  (loading them loads the libraries)
    import scipy.linalg  # noqa: F401
    from threadpoolctl import threadpool_info

    kept = ("internal_api", "version", "architecture", "threading_layer")
    found = [
        {name: str(info[name]) for name in kept if info.get(name)}
        for info in threadpool_info()
        if info.get("user_api") == "blas"
    ]
    return [dict(entry) for entry in sorted({tuple(sorted(entry.items())) for entry in found})]


def packages() -> dict[str, str]:
    """Return the version of every package of the environment, by its normalised name.

    Not of all that can be imported: setuptools, once loaded, adds packages of its own to Python's path.
    """
    places = sorted({sysconfig.get_path(name) for name in ("purelib", "platlib")})
    installed = metadata.distributions(path=places)
    found = {dist.metadata["Name"].lower().replace("_", "-"): dist.version for dist in installed}
    return dict(sorted(found.items()))
