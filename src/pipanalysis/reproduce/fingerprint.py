"""Checksums that tell the workflow what a step depends on.

Snakemake does not see edits to an imported package, and takes a whole configuration file for changed when one line of
it is. So each rule carries two parameters: a checksum of the package's source that its verb can import, and one of the
parts of the configuration that it reads.
"""

from __future__ import annotations

import ast
import contextlib
import hashlib
import json
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from pipanalysis.files import write_text

PACKAGE = Path(__file__).resolve().parents[1]
Meaning = tuple[list[str], str]
"""the names that a module may import from the package; checksum of its text without comments, docstrings and layout"""


@cache
def source_fingerprint(*modules: str) -> str:
    """Return a checksum of the package's modules that the given ones import, directly or not, and of themselves.

    Imports inside functions count. The text is compared without comments, docstrings or layout, so that only a change
    of meaning changes it.

    Args:
        modules: dotted names below the package, as ``intake.step``.
    """
    digest = hashlib.sha256()
    for path in sorted(_closure(modules)):
        digest.update(f"{path.relative_to(PACKAGE).as_posix()}\n{_meanings()[path][1]}\n".encode())
    return digest.hexdigest()[:16]


def part_fingerprint(*parts: Any) -> str:
    """Return a checksum of parts of the configuration: models, or lists and dicts of them."""
    return content_checksum([_plain(part) for part in parts])[:16]


def content_checksum(content: Any) -> str:
    """Return the SHA-256 checksum of plain content: dicts (in any order), lists and scalars."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def package_checksum() -> str:
    """Return a checksum of the text of every module of the package."""
    digest = hashlib.sha256()
    for path in sorted(PACKAGE.rglob("*.py")):
        digest.update(f"{path.relative_to(PACKAGE).as_posix()}\n".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def _plain(part: Any) -> Any:
    if isinstance(part, BaseModel):
        return part.model_dump(mode="json")
    if isinstance(part, dict):
        return {str(key): _plain(value) for key, value in part.items()}
    if isinstance(part, list | tuple):
        return [_plain(value) for value in part]
    return part


def _closure(modules: Iterable[str]) -> set[Path]:
    waiting = [path for module in modules for path in _files(module)]
    if missing := [module for module in modules if not _files(module)]:
        raise ModuleNotFoundError(f"no module {missing[0]!r} in the package")
    seen: set[Path] = set()
    while waiting:
        path = waiting.pop()
        if path not in seen:
            seen.add(path)
            waiting.extend(found for name in _meanings()[path][0] for found in _files(name.partition(".")[2]))
    return seen


@cache
def _meanings() -> dict[Path, Meaning]:
    """Return what each module of the package imports and means.

    To parse them all takes a second of every start of the workflow, so what was found is kept beside Python's own
    compiled modules, by the checksum of the module's text.
    """
    kept_at = PACKAGE / "__pycache__" / f"meanings.{sys.implementation.cache_tag}.json"
    kept: dict[str, Any] = {}
    with contextlib.suppress(OSError, ValueError, TypeError):
        kept = dict(json.loads(kept_at.read_text(encoding="utf-8")))
    own = Path(__file__).read_bytes()
    texts = {path: path.read_bytes() for path in PACKAGE.rglob("*.py")}
    sums = {path: hashlib.sha256(own + text).hexdigest() for path, text in texts.items()}
    found = {key: kept.get(key) or _meaning(texts[path]) for path, key in sums.items()}
    if found.keys() != kept.keys():
        with contextlib.suppress(OSError):  # a package folder that cannot be written is parsed each time
            write_text(kept_at, json.dumps(found, sort_keys=True))
    return {path: (found[key][0], found[key][1]) for path, key in sums.items()}


def _meaning(text: bytes) -> Meaning:
    tree = ast.parse(text)
    names: list[str] = []
    for node in ast.walk(tree):
        names += _names(node)
        _without_docstring(node)
    return list(dict.fromkeys(names)), hashlib.sha256(ast.dump(tree).encode()).hexdigest()


def _names(node: ast.AST) -> Iterator[str]:
    """Yield the absolute names of this package's modules that an import statement may load."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names if alias.name.split(".")[0] == PACKAGE.name)
    elif isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == PACKAGE.name:
        yield node.module
        yield from (f"{node.module}.{alias.name}" for alias in node.names)


@cache  # a name is imported by many modules, and each start of the workflow asks for seven closures
def _files(name: str) -> list[Path]:
    """Return the file of a module and the ``__init__`` of every package above it; nothing where there is none."""
    parts = name.split(".") if name else []
    base = PACKAGE.joinpath(*parts)
    own = next((path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file()), None)
    if own is None:
        return []
    above = [PACKAGE.joinpath(*parts[:depth]) / "__init__.py" for depth in range(len(parts))]
    return [path for path in above if path.is_file()] + [own]


def _without_docstring(node: ast.AST) -> None:
    body = getattr(node, "body", None)
    if isinstance(body, list) and body and isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
        del body[0]
