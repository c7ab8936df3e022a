"""New identifiers of the form of the real ones, none of which occurs."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

import numpy as np

_SERIAL = re.compile(r"(.*?)(\d+)(\D*)", re.DOTALL)


def new_identifiers(real: Iterable[str], n: int, generator: np.random.Generator) -> list[str]:
    """Return n identifiers, increasing, of the commonest form of the real ones.

    A form is what stands around the last run of digits, and that run's width where it begins with a zero anywhere. The
    numbers are drawn from those not in use; where they would not do, the run grows by a digit.

    Args:
        real: identifiers that may not occur, whatever their spelling in capitals.
        n: how many.
        generator: draws the numbers.
    """
    used = {text.casefold() for text in real}
    forms = Counter((m[1], m[3]) for text in sorted(used) if (m := _SERIAL.fullmatch(text)))
    before, after = forms.most_common(1)[0][0] if forms else ("t", "")
    spelled = next((t for t in sorted(set(real)) if _has_form(t, before, after)), "T0")
    parts = _SERIAL.fullmatch(spelled)
    before, after = (parts[1], parts[3]) if parts else (before, after)
    runs = [
        m[2]
        for text in used
        if (m := _SERIAL.fullmatch(text)) and (m[1], m[3]) == (before.casefold(), after.casefold())
    ]
    padded = any(run.startswith("0") for run in runs)
    width = max((len(run) for run in runs), default=3)
    while True:
        start = 1 if padded else 10 ** (width - 1)
        numbers = (
            np.arange(start, 10**width) if 10**width <= 10_000_000 else np.arange(start, start + 20 * n + len(used))
        )
        free = [i for i in numbers.tolist() if f"{before}{i:0{width}d}{after}".casefold() not in used]
        if len(free) >= n:
            chosen = np.sort(generator.choice(np.array(free), size=n, replace=False))
            return [f"{before}{i:0{width}d}{after}" for i in chosen.tolist()]
        width += 1


def _has_form(text: str, before: str, after: str) -> bool:
    parts = _SERIAL.fullmatch(text.casefold())
    return parts is not None and (parts[1], parts[3]) == (before, after)
