"""``config/study.yaml``: arms, visits and windows, sites, variables, raw files, randomisation and recruitment."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Literal

from pydantic import Field

from pipanalysis.study.base import Label, Model, Name, RelativePath, Sourced


class About(Sourced):
    """What the study is."""

    id: Name
    """short name of the study"""
    title: Label
    """full title, printed on displays"""
    registration: str | None = None
    """registry and number"""
    data: Literal["synthetic", "example", "twin", "real"]
    """synthetic data are made by `simulate`, example data are made up and stand in data/raw, a twin's are made by
    `twin` in the shape of confidential ones; every display says so"""
    published: Name | None = None
    """real data only: the entry of the register of published data (docs/displays.md) whose files, byte for byte, the
    raw files are; none for confidential data"""
    unit: Label = "participant"
    """what one randomised unit is called (dyad, patient)"""
    analysis: bool = True
    """false: a study without arms and without analysis; only its progress is followed"""
    blinding: Literal["masked", "open"] = "masked"
    """masked: a seeded dummy allocation stands in for the real one, and every display says so"""
    without_lock: Annotated[str, Field(min_length=10)] | None = None
    """why the real allocation of real data is read although the plan was never locked; printed on every display"""
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)]
    """seed of every random step that has no seed of its own"""
    units_expected: Annotated[int, Field(ge=1)] | None = None
    """units that the trial set out to randomise"""


class Arm(Sourced):
    """A randomised arm."""

    name: Name
    label: Label
    reference: bool = False
    """the arm that others are compared with; exactly one arm is"""
    codes: list[str] = []
    """what stands for this arm in the allocation file (its name always does)"""


class Window(Model):
    """The days around a visit's target date in which an assessment counts as in time."""

    before: Annotated[int, Field(ge=0)]
    """days before the target date"""
    after: Annotated[int, Field(ge=0)]
    """days after the target date"""


class Visit(Sourced):
    """A planned assessment."""

    name: Name
    label: Label
    months: Annotated[float, Field(ge=0)]
    """months since randomisation (0 for the baseline)"""
    window: Window | None = None
    baseline: bool = False
    """the pre-randomisation assessment; at most one visit is"""


class Site(Sourced):
    """A recruiting site."""

    name: Name
    label: Label
    codes: list[str] = []
    """what stands for this site in raw files (its name always does)"""


class Range(Model):
    """Smallest and largest value allowed, both included."""

    min: float
    max: float


class Variable(Sourced):
    """A variable that is not an item of an instrument."""

    name: Name
    label: Label
    type: Literal["number", "integer", "category", "date", "date_of_birth", "text"]
    """date_of_birth is read to compute an age and goes no further than intake"""
    level: Literal["participant", "visit"] = "participant"
    """participant: one value a unit; visit: one value a visit"""
    range: Range | None = None
    """allowed values of a number or integer"""
    dates: tuple[dt.date, dt.date] | None = None
    """earliest and latest allowed date"""
    levels: dict[str, Label] = {}
    """category: code in the raw file (as text) → label; the order is the order of display"""
    unit: str | None = None
    age_name: Name | None = None
    """date_of_birth only: name of the age in months that intake computes at each visit and at randomisation"""
    age_label: Label | None = None
    """date_of_birth only: what displays call the age (default: its name)"""
    required: bool = False
    """a missing value raises a data query"""
    role: Literal["site", "randomisation_date", "withdrawal_date", "withdrawal_reason", "visit_date"] | None = None
    """what the workflow uses the variable for, where it has a part of its own"""
    measured: Literal["before_randomisation", "after_randomisation"] = "before_randomisation"
    """a covariate of the plan must be measured before randomisation"""
    closed: bool = False
    """reveals or may reveal the arm: never read on the way to blinded displays"""


class InstrumentColumns(Model):
    """Where the items of an instrument stand in a file."""

    instrument: Name
    columns: str
    """column name with {item} for the item's number or name, for example cesd_{item} or bsi{item:02d}"""
    visit: Name | None = None
    """the visit these columns hold, where one row holds several visits (wide files)"""
    missing_codes: list[str] | None = None
    """instead of the file's, where one of those is an allowed value here"""


class VariableColumn(Model):
    """Where a variable stands in a file."""

    variable: Name
    column: str | None = None
    """column name in the file (default: the variable's name)"""
    visit: Name | None = None
    """the visit this column holds, where one row holds several visits (wide files)"""
    missing_codes: list[str] | None = None
    """instead of the file's, where one of those is an allowed value here"""


class EventTable(Model):
    """A file with any number of rows a unit: sessions, adverse events, a screening log, double-coded tapes."""

    name: Name
    """name of the table, and of its checked file"""
    unique: list[str] = []
    """variables that together identify a row; repeated rows raise a query"""
    key_required: bool = True
    """false where rows need not belong to a randomised unit (a screening log)"""
    variables: list[Variable] = []
    """variables of the table's own (those of study.yaml may be used too)"""


class RawFile(Sourced):
    """A file under data/raw and how it is read."""

    name: Name
    path: RelativePath
    """below data/raw"""
    format: Literal["csv", "xlsx", "sav", "dta", "sas7bdat", "parquet"] | None = None
    """default: by the file's ending"""
    key: str
    """column with the unit's identifier"""
    visit: Name | None = None
    """the visit that every row belongs to"""
    visit_column: str | None = None
    """column that says which visit a row belongs to (long files, REDCap's redcap_event_name)"""
    visit_codes: dict[str, Name] = {}
    """what stands in visit_column → visit (a visit's own name always stands for itself)"""
    columns: list[VariableColumn] = []
    instruments: list[InstrumentColumns] = []
    events: EventTable | None = None
    """set where the file has any number of rows a unit"""
    ignore: list[str] = []
    """columns that are there and not read; any other undeclared column raises a query"""
    missing_codes: list[str] = ["", "NA", "N/A", "n/a", "."]
    """text that stands for a missing value, in every column of the file that has no missing_codes of its own"""
    date_format: str | None = None
    """how dates are written, as in %d/%m/%Y (default: YYYY-MM-DD)"""
    encoding: str | None = None
    """default: UTF-8 with or without a byte-order mark"""
    delimiter: str | None = None
    """csv: default a comma"""
    decimal: Literal[".", ","] = "."
    """the decimal mark that the file should use; the other one raises a query and is read all the same"""
    sheet: str | None = None
    """xlsx: default the first sheet"""
    redcap_dictionary: RelativePath | None = None
    """REDCap data dictionary (csv) below data/raw, checked against the configuration"""
    required: bool = True
    """false: the study goes on without the file"""
    closed: bool = False
    """reveals or may reveal the arm (sessions attended, therapist): read only when the allocation is"""

    def codes_of(self, columns: InstrumentColumns | VariableColumn) -> list[str]:
        """Return what stands for a missing value in some of the file's columns."""
        return self.missing_codes if columns.missing_codes is None else columns.missing_codes


class Allocation(Model):
    """Where the randomised arm of each unit stands: a file of its own, read by `allocate` alone."""

    path: RelativePath
    """below data/raw"""
    key: str
    arm: str
    """column with the arm"""
    delimiter: str | None = None
    encoding: str | None = None


class Randomisation(Sourced):
    """How units were randomised."""

    strata: list[Name] = []
    """variables within whose levels the sequence was balanced"""
    ratio: dict[Name, Annotated[int, Field(ge=1)]] = {}
    """arm → parts (default: equal)"""
    block_size: Annotated[int, Field(ge=2)] | None = None


class RecruitmentTarget(Sourced):
    """Recruitment against plan, for the progress page."""

    units: Annotated[int, Field(ge=1)]
    start: dt.date
    end: dt.date
    per_site: dict[Name, Annotated[int, Field(ge=0)]] = {}


class Sessions(Model):
    """Which event table holds treatment sessions, for adherence and the per-protocol set."""

    table: Name
    attended: Name
    """category or integer variable of the table: 1 where the session was attended"""
    arm: Name
    """the arm that is offered sessions"""
    therapist: Name | None = None
    """variable of the table: who gave the session"""
    date: Name | None = None
    """date variable of the table: sessions after a visit's target date do not count as received by that visit"""


class StudyConfig(Model):
    """The whole of ``config/study.yaml``."""

    study: About
    arms: list[Arm] = []
    """two at least, in a study with an analysis"""
    visits: list[Visit] = []
    """one at least, in a study with an analysis"""
    sites: list[Site] = []
    randomisation: Randomisation = Randomisation()
    recruitment: RecruitmentTarget | None = None
    variables: list[Variable] = []
    files: Annotated[list[RawFile], Field(min_length=1)]
    allocation: Allocation | None = None
    """needed in a study with an analysis"""
    sessions: Sessions | None = None
