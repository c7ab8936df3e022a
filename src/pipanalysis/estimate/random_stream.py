"""Random numbers of one analysis, the same whatever else is analysed."""

from __future__ import annotations

from zlib import crc32

import numpy as np


def random_stream(seed: int, *names: str) -> np.random.Generator:
    """Return the generator that belongs to a seed of the study and the names of what is drawn."""
    return np.random.default_rng([seed, crc32("/".join(names).encode())])
