"""What every configuration model shares: no unknown keys, no change after reading, names that are safe everywhere."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

Name = Annotated[
    str,
    Field(
        pattern=r"^[a-z][a-z0-9_]*$",
        max_length=40,
        description="a short name: lower-case letters, digits and underscores, starting with a letter",
    ),
]
ScoreName = Annotated[
    str,
    Field(
        pattern=r"^[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*$",
        description="a score of an instrument, written instrument.score",
    ),
]


def _below(path: str) -> str:
    parts = path.split("/")
    if path.startswith(("/", "~")) or ".." in parts or "" in parts or any(c in "\\:" or ord(c) < 32 for c in path):
        raise ValueError("a path below the folder it belongs to, with forward slashes and no '..'")
    return path


RelativePath = Annotated[
    str,
    AfterValidator(_below),
    Field(description="a path below the folder it belongs to, with forward slashes and no '..'"),
]


def _one_line(text: str) -> str:
    if not text.strip():
        raise ValueError("text that readers see, not empty")
    return re.sub(r"[ \t\r\n]+", " ", text).strip()


Label = Annotated[str, AfterValidator(_one_line), Field(json_schema_extra={"pattern": r"\S"})]
"""text that readers see; a line break in it is a space"""
Status = Literal["verified", "assumed"]


class Model(BaseModel):
    """A part of the configuration: unknown keys are refused and the values do not change after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True)


class Sourced(Model):
    """A part that states facts, with where each comes from."""

    source: str | None = None
    """where the fact can be read (a publication or page)"""
    status: Status | None = None
    """verified: read in a source for this trial; assumed: a choice that the source does not settle"""
