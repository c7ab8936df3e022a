"""The register of published participant-level data, of whose participants single ones may be shown.

A study names an entry (`study.published` of study.yaml). The name opens nothing by itself: its raw files have to be
those of the entry, byte for byte.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class PublishedData:
    """Participant-level data that anyone can read already.

    Attributes:
        title: what they are of.
        citation: the publication of the trial.
        source: where the data are published, as displays name it.
        licence: under which the data are distributed (SPDX identifier).
        files: SHA-256 checksum of the bytes of each raw file, in hexadecimal, by its path in data/raw.
    """

    title: str
    citation: str
    source: str
    licence: str
    files: Mapping[str, str]


PUBLISHED: dict[str, PublishedData] = {
    "beat_the_blues": PublishedData(
        title="Beat the Blues, 100 patients",
        citation="Proudfoot et al. 2003, Psychological Medicine 33:217-227",
        source="BtheB in the R package HSAUR3",
        licence="GPL-2.0-only",
        files={
            "bdi.csv": "5a7b6554a1aaae6d676418384c0f5fd46f842d5de78d40fb3b5f74b0e2322d61",
            "allocation.csv": "8d1cc5a26cfb37034667d1d6f86146c1f82cd86deba457cc9449f17e7566c1c8",
        },
    ),
}
"""by the name that study.yaml gives"""
