"""What displays were rendered to, kept from one run to the next: only what changed is rendered again.

Snakemake removes the outputs of a step before it runs it, so that what is kept stands elsewhere, under a checksum of
all that a file is made from: its display's content, the code of this package's displays, and the versions of the
libraries that render. What a step did not use is removed at its end.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipanalysis.files import write_bytes

if TYPE_CHECKING:
    from pipanalysis.study.displays import Table
    from pipanalysis.study.figures import Figure
    from pipanalysis.study.layout import Layout

LIBRARIES = ("great-tables", "python-docx", "matplotlib", "polars", "fonttools", "pillow")
"""that render tables and figures"""


class RenderCache:
    """Rendered files by what they are made from.

    Attributes:
        rendered: displays that were rendered, whole or in part.
        kept: displays that were as they had been.
    """

    def __init__(self, layout: Layout) -> None:
        self.rendered: set[str] = set()
        self.kept: set[str] = set()
        self._folder = layout.rendered
        self._used: set[Path] = set()

    def files(
        self, display: str, content: Any, formats: list[str], render: Callable[[list[str]], dict[str, bytes]]
    ) -> dict[str, bytes]:
        """Return a display's files by format, rendered where one of them is not there yet.

        Args:
            display: its kind and name, as `table-effects`.
            content: all that it is made from, as plain values.
            formats: what is asked for.
            render: renders it in formats.
        """
        key = _checksum([content, rendering_code()])
        paths = {name: self._folder / f"{display}-{key}.{name}" for name in formats}
        self._used.update(paths.values())
        if all(path.exists() for path in paths.values()):
            self.kept.add(display)
            return {name: path.read_bytes() for name, path in paths.items()}
        self.rendered.add(display)
        made = render(formats)
        for name, path in paths.items():
            write_bytes(path, made[name])
        return made

    def forget(self, kind: str, displays: Sequence[Table | Figure]) -> None:
        """Remove what was rendered of this run's displays before, and of displays that the study has no more.

        Args:
            kind: table or figure.
            displays: all that the study has of the kind: those that this run did not render are another run's to keep.
        """
        of_others = {f"{kind}-{display.name}" for display in displays} - self.rendered - self.kept
        for path in self._folder.glob(f"{kind}-*"):
            if path not in self._used and path.name.rpartition("-")[0] not in of_others:
                path.unlink(missing_ok=True)

    def summary(self) -> str:
        """Return in words how much was rendered; nothing where all was."""
        kept = len(self.kept - self.rendered)
        return f"; {kept} as they were" if kept else ""


@cache
def rendering_code() -> str:
    """Return a checksum of the code that turns displays into files, and of the versions of the libraries it uses."""
    digest = hashlib.sha256("".join(f"{name} {version(name)}\n" for name in LIBRARIES).encode())
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _checksum(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=repr).encode()).hexdigest()[:32]
