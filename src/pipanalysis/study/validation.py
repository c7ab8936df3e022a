"""What pydantic finds wrong with a file of the configuration, in words for the statistician."""

from __future__ import annotations

import difflib
import types
import typing
from dataclasses import replace
from typing import Any, cast

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from pipanalysis.errors import Problem
from pipanalysis.study.yaml_file import Location, YamlFile

ALLOWED = {
    "greater_than": "a number above {gt:g}",
    "greater_than_equal": "{ge:g} or more",
    "less_than": "a number below {lt:g}",
    "less_than_equal": "{le:g} or less",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "string_type": "text",
    "list_type": "a list",
    "dict_type": "keys with values",
    "model_type": "keys with values",
    "too_short": "{min_length} or more of them",
    "date_type": "a date, as 2007-06-18",
    "date_parsing": "a date, as 2007-06-18",
    "date_from_datetime_parsing": "a date, as 2007-06-18",
}
"""what is allowed, by the type of pydantic's error; of others, pydantic's own words"""
NAMED_LAST = ("extra_forbidden", "missing")
"""types of errors that are about the last key of their location itself, which need not be in the file"""


def validation_problems(error: ValidationError, model: type[BaseModel], file: YamlFile) -> list[Problem]:
    """Turn pydantic's errors into problems that name the file, line, key, what was found and what is allowed."""
    problems: dict[tuple[str, str], Problem] = {}
    for detail in error.errors():
        named = detail["loc"][-1:] if detail["type"] in NAMED_LAST else ()
        keys = detail["loc"][: len(detail["loc"]) - len(named)]
        location = (*(part for part in keys if _in_file(part, file)), *named)
        problem = _problem(detail, location, model, file)
        before = problems.get((problem.where, problem.found))
        if before and problem.allowed not in before.allowed.split(" or "):  # what a union allows, each of its kinds
            problem = replace(
                before, allowed=f"{before.allowed} or {problem.allowed}", hint=before.hint or problem.hint
            )
        problems[problem.where, problem.found] = problem
    return list(problems.values())


def _in_file(part: str | int, file: YamlFile) -> bool:
    """Tell a key of the file from the tags that pydantic adds for the branches of a union."""
    return isinstance(part, int) or ("[" not in part and any(part in known for known in file.lines))


def _problem(detail: ErrorDetails, location: Location, model: type[BaseModel], file: YamlFile) -> Problem:
    kind, context = detail["type"], detail.get("ctx", {})
    if kind == "extra_forbidden":
        fields = _fields_at(model, location[:-1])
        hint = nearest(str(location[-1]), fields)
        return Problem(file.where(location), f"unknown key {location[-1]!r}", ", ".join(fields), hint)
    if kind == "missing":
        return Problem(file.where(location[:-1]), f"{location[-1]!r} is missing", "this key must be given")
    found = repr(detail["input"])
    found = found if len(found) <= 120 else found[:117] + "..."
    if kind in ("literal_error", "enum"):
        allowed = str(context.get("expected", ""))
        options = [option.strip(" '") for option in allowed.replace(" or ", ",").split(",")]
        return Problem(file.where(location), found, allowed, nearest(str(detail["input"]), options))
    if kind == "string_pattern_mismatch":
        described = _description_at(model, location)
        return Problem(file.where(location), found, described or f"text that matches {context.get('pattern')}")
    allowed = ALLOWED.get(kind, "").format(**context) or detail["msg"].removeprefix("Value error, ")
    return Problem(file.where(location), found, allowed)


def nearest(name: str, allowed: typing.Iterable[str]) -> str:
    """Return ``did you mean ...?`` for the valid name nearest to a wrong one, or nothing."""
    close = difflib.get_close_matches(name, list(allowed), n=1, cutoff=0.6)
    return f"did you mean {close[0]!r}?" if close else ""


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if typing.get_origin(annotation) is not None or isinstance(annotation, types.UnionType):
        return [model for part in typing.get_args(annotation) for model in _models_in(part)]
    return []


def _fields_at(model: type[BaseModel], location: Location) -> list[str]:
    """Return the keys allowed at a location of a model."""
    here = [model]
    for part in location:
        if isinstance(part, str) and any(part in m.model_fields for m in here):
            here = [sub for m in here if part in m.model_fields for sub in _models_in(m.model_fields[part].annotation)]
    return [name for m in here for name in m.model_fields]


def _description_at(model: type[BaseModel], location: Location) -> str | None:
    """Return what is said of the values at a location (the description of its constrained string type)."""
    schema: Any = model.model_json_schema()
    definitions = schema.get("$defs", {})

    def descend(node: Any, rest: Location) -> str | None:
        if "$ref" in node:
            node = definitions[node["$ref"].rpartition("/")[2]]
        for option in node.get("anyOf", []):
            if (text := descend(option, rest)) is not None:
                return text
        if not rest:
            return cast("str | None", node.get("description")) if "pattern" in node else None
        if isinstance(rest[0], int) and isinstance(node.get("items"), dict):
            return descend(node["items"], rest[1:])
        properties = node.get("properties", {})
        if rest[0] in properties:
            return descend(properties[cast("str", rest[0])], rest[1:])
        if isinstance(node.get("additionalProperties"), dict):
            return descend(node["additionalProperties"], rest[1:])
        return None

    return descend(schema, location)
