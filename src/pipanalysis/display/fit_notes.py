"""What fits say of themselves (warnings and errors of the results) in the words of the study.

The estimators know a unit, a variable or an arm by its name in the configuration; a reader knows it by its label.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pipanalysis.display.rounding import MINUS
from pipanalysis.display.wording import characteristic_label, counted, mid_sentence
from pipanalysis.study.rules import WARNED

if TYPE_CHECKING:
    from pipanalysis.study.load import Study

COUNTED = re.compile(r"\b(\d+) ([a-z]+)\(s\)")
ONE_OF = re.compile(r"\b1 divergent trajectories\b")
UNITS = re.compile(r"\bunits\b")
NEGATIVE = re.compile(r"(?<![\w.)-])-(?=\d)")
RULE = re.compile(rf"(?:^|(?<=; ))(?:{'|'.join(sorted(WARNED))}): ")
"""the id of a rule before what it says"""
COVARIATE = re.compile(r"(?<=left out for want of )[^:;]+(?=:)")
VARIABLE = re.compile(r"(?<=left out for want of the )[\w.]+(?=:)|\b\w+(?= is not known in )")


def in_words(study: Study, said: str) -> str:
    """Return a warning or error with its counts in the plural where it is due, and labels in the place of names."""
    unit = study.config.study.unit
    said = RULE.sub(lambda m: m[0].replace("-", " "), said)
    said = COUNTED.sub(lambda m: counted(int(m[1]), unit if m[2] == "unit" else m[2]), said)
    said = NEGATIVE.sub(MINUS, UNITS.sub(f"{unit}s", ONE_OF.sub("1 divergent trajectory", said)))
    said = VARIABLE.sub(lambda m: _label(study, m[0]), said)
    said = COVARIATE.sub(lambda m: mid_sentence(m[0]), said)
    arms = "|".join(re.escape(name) for name in sorted(study.arms, key=len, reverse=True))
    return re.sub(rf"\b(of|in) ({arms})\b", lambda m: f"{m[1]} {study.arms[m[2]].label}", said) if arms else said


def _label(study: Study, name: str) -> str:
    for file in study.config.files:
        for variable in file.events.variables if file.events else ():
            if variable.name == name:
                return mid_sentence(variable.label)
    label = characteristic_label(study, name)
    return label if label == name else mid_sentence(label)
