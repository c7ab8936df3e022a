"""Where everything of a study stands: the one list of folders and file names that verbs and workflow share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Layout:
    """Paths of a study folder.

    Attributes:
        root: the study folder.
    """

    root: Path

    @property
    def config(self) -> Path:
        """Configuration."""
        return self.root / "config"

    @property
    def plan_lock(self) -> Path:
        """Lock: what the plan was before the allocation was read."""
        return self.config / "lock.json"

    @property
    def raw(self) -> Path:
        """Files as received; never written to, except by `simulate`."""
        return self.root / "data" / "raw"

    @property
    def derived(self) -> Path:
        """Participant-level data made by the workflow; never published."""
        return self.root / "data" / "derived"

    @property
    def rendered(self) -> Path:
        """Tables, figures, report: displays as they were last rendered, by a checksum of what they are made from."""
        return self.derived / "rendered"

    @property
    def results(self) -> Path:
        """What may be shown: no confidential participant-level data, but in `progress`, which is for the trial team."""
        return self.root / "results"

    @property
    def truth(self) -> Path:
        """The parameters that a synthetic trial was drawn from."""
        return self.raw / "truth.json"

    @property
    def faults(self) -> Path:
        """Key of the faults planted in a synthetic trial's raw files."""
        return self.raw / "faults.csv"

    @property
    def checked_participants(self) -> Path:
        """Intake: a row per unit, participant-level variables."""
        return self.derived / "checked" / "participants.parquet"

    @property
    def checked_visits(self) -> Path:
        """Intake: a row per unit and visit, visit-level variables and items."""
        return self.derived / "checked" / "visits.parquet"

    def checked_events(self, table: str) -> Path:
        """Intake: an event table."""
        return self.derived / "checked" / f"events_{table}.parquet"

    @property
    def queries(self) -> Path:
        """Intake: data queries, open files."""
        return self.derived / "checked" / "queries.csv"

    @property
    def intake_record(self) -> Path:
        """Intake: checksums of the raw files and counts of rows read, kept and set aside."""
        return self.derived / "checked" / "intake.json"

    def closed_events(self, table: str) -> Path:
        """Closed intake: an event table that may reveal the arm."""
        return self.derived / "closed" / f"events_{table}.parquet"

    @property
    def closed_queries(self) -> Path:
        """Closed intake: data queries of files that may reveal the arm."""
        return self.derived / "closed" / "queries.csv"

    @property
    def closed_record(self) -> Path:
        """Closed intake: checksums and counts."""
        return self.derived / "closed" / "intake.json"

    @property
    def participants(self) -> Path:
        """Derive: a row per unit."""
        return self.derived / "participants.parquet"

    @property
    def scores(self) -> Path:
        """Derive: long, a row per unit, visit and score."""
        return self.derived / "scores.parquet"

    @property
    def assessments(self) -> Path:
        """Derive: a row per unit and planned visit: date, window, age, state."""
        return self.derived / "assessments.parquet"

    @property
    def derive_counts(self) -> Path:
        """Derive: counts of units in and out of each analysis set, with reasons."""
        return self.derived / "counts.csv"

    @property
    def analysis_participants(self) -> Path:
        """Allocate: `participants` with the arm and the final analysis sets; the scores join to it by unit."""
        return self.derived / "analysis" / "participants.parquet"

    @property
    def allocation_record(self) -> Path:
        """Allocate: which allocation was used (real or masked), its checksum and counts by arm."""
        return self.derived / "analysis" / "allocation.json"

    def family(self, family: str) -> Path:
        """Analysis results of one method family."""
        return self.results / "estimates" / f"{family}.parquet"

    def draws(self, analysis: str) -> Path:
        """Posterior draws of a Bayesian analysis, netCDF."""
        return self.results / "bayes" / f"{analysis}.nc"

    @property
    def estimates(self) -> Path:
        """Collect: every number that any display shows."""
        return self.results / "estimates.parquet"

    @property
    def estimates_csv(self) -> Path:
        """Collect: the same at full precision as text."""
        return self.results / "estimates.csv"

    @property
    def manifest(self) -> Path:
        """Manifest: what made the results."""
        return self.results / "manifest.json"

    @property
    def durations(self) -> Path:
        """Manifest: seconds that each step took; differs from run to run."""
        return self.results / "durations.csv"

    def figure(self, name: str, ending: str) -> Path:
        """Return the path of a rendered figure."""
        return self.results / "figures" / f"{name}.{ending}"

    def report(self, ending: str) -> Path:
        """Return the path of the report."""
        return self.results / f"report.{ending}"

    def table(self, name: str, ending: str) -> Path:
        """Return the path of a rendered table."""
        return self.results / "tables" / f"{name}.{ending}"

    @property
    def progress_folder(self) -> Path:
        """Progress: for the trial team, who chase units by their ids; no part of what is published."""
        return self.results / "progress"

    @property
    def progress_page(self) -> Path:
        """Progress: the trial manager's page."""
        return self.progress_folder / "index.html"

    def progress_list(self, name: str) -> Path:
        """Progress: a list behind the page."""
        return self.progress_folder / f"{name}.csv"

    @property
    def progress_workbook(self) -> Path:
        """Progress: every list, all sites."""
        return self.progress_folder / "all.xlsx"

    def progress_site(self, site: str) -> Path:
        """Progress: what a site is sent about its own units."""
        return self.progress_folder / "sites" / f"{site}.xlsx"

    @property
    def progress_history(self) -> Path:
        """Progress: what earlier pages showed, a file for each as-of date; kept from run to run."""
        return self.root / "data" / "progress"
