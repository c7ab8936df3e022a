"""Where compiled code is kept from run to run, and that it rounds the same way every time."""

from __future__ import annotations

import os
import sys
import zlib
from pathlib import Path


def kernels_version() -> int:
    """Return a number that changes with the source of what numba compiles.

    Numba looks at the file of a function alone: one compiled with what another file held before would be used again.
    """
    files = [path for name in ("kernels*.py", "densit*.py") for path in Path(__file__).parent.glob(name)]
    return zlib.crc32(b"".join(path.read_bytes() for path in sorted(files)))


def set_up_compiler() -> None:
    """Set PyTensor and numba up; to be called before either is imported.

    Compiled code is kept below the Python environment, so that it goes when that does; nothing changes there where the
    environment cannot be written to, or the user has said where (PYTENSOR_FLAGS, NUMBA_CACHE_DIR). Fast-math is off:
    with it, code from the cache rounds otherwise than code just compiled, and a second run would give other draws.
    """
    wanted = {"numba__fastmath": "False"}
    if os.access(sys.prefix, os.W_OK):
        folder = Path(sys.prefix) / "compiled"
        wanted["base_compiledir"] = str(folder)
        os.environ.setdefault("NUMBA_CACHE_DIR", str(folder / f"kernels-{kernels_version():08x}"))
    given = os.environ.get("PYTENSOR_FLAGS", "")
    added = [f"{name}={value}" for name, value in wanted.items() if name not in given]
    os.environ["PYTENSOR_FLAGS"] = ",".join([*([given] if given else []), *added])
