"""Progress bars of steps that may take more than a few seconds."""

from __future__ import annotations

from collections.abc import Collection, Iterator


def steps[T](items: Collection[T], doing: str, *, show: bool) -> Iterator[T]:
    """Yield the items, with a progress bar on standard error where ``show`` is set."""
    if not show:
        yield from items
        return
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    yield from track(items, description=doing, console=console, transient=True, disable=not console.is_terminal)
