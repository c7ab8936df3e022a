"""Reads a YAML file strictly: no duplicate keys, no tags, no anchors; remembers the line of every key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from yaml.constructor import SafeConstructor

from pipanalysis.errors import ConfigError, Problem

MAX_BYTES = 2_000_000
MAX_DEPTH = 100
"""lists and mappings within each other: libyaml goes down by recursion, and would end the process"""
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's where it is there: every step of the workflow reads the whole configuration"""
OPENING = (
    yaml.BlockMappingStartToken,
    yaml.BlockSequenceStartToken,
    yaml.FlowMappingStartToken,
    yaml.FlowSequenceStartToken,
)
CLOSING = (yaml.BlockEndToken, yaml.FlowMappingEndToken, yaml.FlowSequenceEndToken)

Location = tuple[str | int, ...]


class YamlFile:
    """The content of one YAML file and the line on which each key stands.

    Attributes:
        path: the file.
        content: plain dicts, lists and scalars.
        lines: line (from 1) by location, for example ``("visits", 0, "name")``.
    """

    def __init__(self, path: Path, name: str | None = None) -> None:
        """Read ``path``.

        Args:
            path: the file to read.
            name: how messages call it (default: its path).

        Raises:
            ConfigError: the file is missing, too large, not UTF-8, not YAML, holds a duplicate key, an anchor or a tag.
        """
        self.path = path
        self.name = name or str(path)
        self.lines: dict[Location, int] = {}
        self._problems: list[Problem] = []
        self.content = self._construct(self._compose(), ())
        if self._problems:
            raise ConfigError(self._problems)

    def where(self, location: Location) -> str:
        """Return ``file, line n, key path`` for a location, using the nearest enclosing key that is in the file."""
        for depth in range(len(location), -1, -1):
            if (line := self.lines.get(location[:depth])) is not None:
                return f"{self.name}, line {line}, {key_path(location)}"
        return f"{self.name}, {key_path(location)}"

    def _compose(self) -> yaml.Node | None:
        if not self.path.is_file():
            raise ConfigError(Problem(self.name, "no such file", "a YAML file"))
        if self.path.stat().st_size > MAX_BYTES:
            raise ConfigError(Problem(self.name, f"{self.path.stat().st_size} bytes", f"at most {MAX_BYTES} bytes"))
        try:
            text = self.path.read_text(encoding="utf-8-sig")
            depth = 0
            for token in yaml.scan(text, Loader=LOADER):
                depth += isinstance(token, OPENING) - isinstance(token, CLOSING)
                if depth > MAX_DEPTH:
                    where = f"{self.name}, line {token.start_mark.line + 1}"
                    raise ConfigError(Problem(where, "nested too deeply", f"at most {MAX_DEPTH} levels"))
                if isinstance(token, yaml.AnchorToken | yaml.AliasToken | yaml.TagToken):
                    where = f"{self.name}, line {token.start_mark.line + 1}"
                    raise ConfigError(
                        Problem(where, f"a YAML anchor, alias or tag ({token.value})", "plain values only")
                    )
            return yaml.compose(text, Loader=LOADER)
        except UnicodeDecodeError as error:
            raise ConfigError(Problem(self.name, f"byte {error.start} is not UTF-8", "a UTF-8 text file")) from None
        except (yaml.YAMLError, RecursionError) as error:
            mark = getattr(error, "problem_mark", None)
            where = f"{self.name}, line {mark.line + 1}" if mark else self.name
            found = getattr(error, "problem", None) or "nested too deeply"
            raise ConfigError(Problem(where, f"not valid YAML: {found}", "YAML")) from None

    def _construct(self, node: yaml.Node | None, location: Location) -> Any:
        if node is None:
            return None
        self.lines.setdefault(location, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            content: dict[Any, Any] = {}
            for key_node, value_node in node.value:
                key = self._scalar(key_node, location)
                here = (*location, key)
                if key in content:
                    first, again = self.lines[here], key_node.start_mark.line + 1
                    self._problems.append(
                        Problem(
                            f"{self.name}, line {again}, {key_path(here)}",
                            f"a second {key!r} (first on line {first})",
                            "each key once",
                        )
                    )
                    continue
                self.lines[here] = key_node.start_mark.line + 1
                content[key] = self._construct(value_node, here)
            return content
        if isinstance(node, yaml.SequenceNode):
            return [self._construct(item, (*location, i)) for i, item in enumerate(node.value)]
        return self._scalar(node, location)

    def _scalar(self, node: yaml.Node, location: Location) -> Any:
        if not isinstance(node, yaml.ScalarNode):
            where = f"{self.name}, line {node.start_mark.line + 1}, {key_path(location)}"
            self._problems.append(Problem(where, "a key that is a list or mapping", "a plain name"))
            return str(node.start_mark.index)
        try:
            return SafeConstructor().construct_object(node)
        except (yaml.YAMLError, ValueError) as error:
            where = f"{self.name}, line {node.start_mark.line + 1}, {key_path(location)}"
            self._problems.append(Problem(where, f"{node.value!r}: {error}", "a plain value"))
            return None


def key_path(location: Location) -> str:
    """Return a location as a reader would write it: ``visits[0].window.before``."""
    path = ""
    for part in location:
        path += f"[{part}]" if isinstance(part, int) else f"{'.' if path else ''}{part}"
    return path or "(top level)"
