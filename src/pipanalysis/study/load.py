"""Reads a study folder's configuration: every problem of every file in one pass."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from pydantic import ValidationError

from pipanalysis.errors import ConfigError, Problem
from pipanalysis.study.base import Model
from pipanalysis.study.displays import Displays
from pipanalysis.study.instrument import Instrument, Score
from pipanalysis.study.layout import Layout
from pipanalysis.study.plan import EVENT_FAMILIES, FAMILIES, Analysis, Outcome, Plan
from pipanalysis.study.plan_lock import AnalysisStatus, PlanLock, analysis_statuses, read_lock
from pipanalysis.study.progress import Progress
from pipanalysis.study.published import PUBLISHED, PublishedData
from pipanalysis.study.simulation import Simulation
from pipanalysis.study.study import Allocation, Arm, StudyConfig, Variable, Visit
from pipanalysis.study.terms import Terms, mid_sentence
from pipanalysis.study.validation import validation_problems
from pipanalysis.study.yaml_file import YamlFile


@dataclass(frozen=True)
class Study:
    """A study folder's configuration, checked.

    Attributes:
        layout: where its files are.
        config: ``study.yaml``.
        instruments: by name.
        plan: ``analysis.yaml``; empty where the study has no analysis.
        displays: ``displays.yaml``; empty where the study has no analysis.
        simulation: ``simulation.yaml``; None for data that are not synthetic.
        progress: ``progress.yaml``; its defaults where there is no such file.
    """

    layout: Layout
    config: StudyConfig
    instruments: dict[str, Instrument]
    plan: Plan
    displays: Displays
    simulation: Simulation | None
    progress: Progress = field(default_factory=Progress)

    @property
    def analysed(self) -> bool:
        """Whether the study has arms and an analysis, or is only followed."""
        return self.config.study.analysis

    @property
    def allocation(self) -> Allocation:
        """Where the arm of each unit stands.

        Raises:
            ConfigError: the study has no arms.
        """
        self.require_analysis()
        assert self.config.allocation is not None
        return self.config.allocation

    def require_analysis(self) -> None:
        """Refuse a step of the analysis for a study that has none.

        Raises:
            ConfigError: the study has no arms and no analysis.
        """
        if not self.analysed:
            about = "study.analysis: false, a study without arms and without analysis"
            raise ConfigError(Problem("config/study.yaml", about, "only `intake` and `progress`"))

    @property
    def published(self) -> PublishedData | None:
        """The published data that the study says it is of; whether its raw files are those is another question."""
        return PUBLISHED.get(self.config.study.published or "")

    @property
    def masked(self) -> bool:
        """Whether a dummy allocation stands in for the real one."""
        return self.config.study.blinding == "masked"

    @cached_property
    def lock(self) -> PlanLock | None:
        """The plan as it was locked, None where it was not."""
        return read_lock(self.layout.plan_lock)

    @cached_property
    def statuses(self) -> dict[str, AnalysisStatus]:
        """What each analysis is by the lock: prespecified, changed, post hoc, or dropped."""
        return analysis_statuses(self)

    @cached_property
    def visits(self) -> dict[str, Visit]:
        """Visits by name, in time order."""
        return {visit.name: visit for visit in sorted(self.config.visits, key=lambda visit: visit.months)}

    @cached_property
    def baseline_visit(self) -> Visit | None:
        """The pre-randomisation visit."""
        return next((visit for visit in self.visits.values() if visit.baseline), None)

    @cached_property
    def arms(self) -> dict[str, Arm]:
        """Arms by name, the reference first."""
        return {arm.name: arm for arm in sorted(self.config.arms, key=lambda arm: not arm.reference)}

    @cached_property
    def reference_arm(self) -> Arm:
        """The arm that others are compared with."""
        return next(iter(self.arms.values()))

    @cached_property
    def terms(self) -> Terms:
        """What sentences call units, arms and visits."""
        return Terms(
            self.config.study.unit,
            {name: arm.label for name, arm in self.arms.items()},
            {name: mid_sentence(visit.label) for name, visit in self.visits.items()},
        )

    @cached_property
    def variables(self) -> dict[str, Variable]:
        """Variables of study.yaml by name (event tables' own are in their table)."""
        return {variable.name: variable for variable in self.config.variables}

    def variable_with_role(self, role: str) -> Variable | None:
        """Return the variable that has a part of its own in the workflow."""
        return next((variable for variable in self.config.variables if variable.role == role), None)

    @cached_property
    def scores(self) -> dict[str, Score]:
        """Scores by ``instrument.score``."""
        return {f"{i.name}.{name}": score for i in self.instruments.values() for name, score in i.scores.items()}

    @cached_property
    def outcomes(self) -> dict[str, Outcome]:
        """Outcomes by name, in the plan's order."""
        return {outcome.name: outcome for outcome in self.plan.outcomes}

    def instrument_visits(self, instrument: str) -> list[str]:
        """Return the names of the visits at which an instrument is given, in time order."""
        given = self.instruments[instrument].visits
        return [name for name in self.visits if given == "all" or name in given]

    def outcome_visits(self, outcome: str) -> list[str]:
        """Return the names of the visits at which an outcome is analysed, in time order."""
        chosen = self.outcomes[outcome]
        given = self.instrument_visits(chosen.score.partition(".")[0])
        return [name for name in given if chosen.visits == "all" or name in chosen.visits]

    def analysis_outcomes(self, analysis: Analysis) -> list[Outcome]:
        """Return the outcomes that an analysis applies to, in the plan's order."""
        return [o for o in self.plan.outcomes if analysis.outcomes == "all" or o.name in analysis.outcomes]

    def families(self) -> list[str]:
        """Return the method families that the plan's analyses need."""
        return [family for family in FAMILIES if self.family_analyses(family)]

    def family_analyses(self, family: str) -> list[Analysis]:
        """Return the analyses of a method family, in the plan's order."""
        return [analysis for analysis in self.plan.analyses if analysis.method in FAMILIES[family]]

    def family_parts(self, family: str) -> tuple[object, ...]:
        """Return the parts of the configuration that a family's results depend on."""
        config, plan = self.config, self.plan
        chosen = self.family_analyses(family)
        described = plan.baseline_characteristics if any(a.method == "baseline" for a in chosen) else []
        common = (config.arms, config.visits, config.variables, config.sites, config.randomisation, self.instruments)
        tables = [file for file in config.files if file.events] if family in EVENT_FAMILIES else []
        read: list[object] = [tables, config.sessions, self.masked] if tables else []
        read += [config.recruitment] if family == "flow" else []
        seed = config.study.seed  # of re-randomisation, bootstrap and multiple imputation
        repeated = [a for a in plan.analyses if any(a.name in ours.analyses for ours in chosen)]
        bayes = plan.bayes if family == "bayes" else None
        named = {a.estimand for a in (*chosen, *repeated)}
        handled = [(e.name, e.intercurrent_events) for e in plan.estimands if e.name in named]
        return (
            chosen,
            repeated,
            seed,
            bayes,
            handled,
            plan.intercurrent_events,
            plan.outcomes,
            plan.domains,
            plan.conf_level,
            described,
            plan.analysis_sets,
            read,
            *common,
        )


def load_study(folder: Path) -> Study:
    """Read and cross-check a study folder's configuration.

    Raises:
        ConfigError: every problem found, with file, line, key path, what was found, what is allowed, nearest name.
    """
    from pipanalysis.study.crosscheck import crosscheck

    layout = Layout(folder)
    problems: list[Problem] = []
    files: dict[str, YamlFile] = {}

    def read[M: Model](model: type[M], name: str) -> M | None:
        try:
            files[name] = YamlFile(layout.config / name, f"config/{name}")
            return model.model_validate(files[name].content)
        except ConfigError as error:
            problems.extend(error.problems)
        except ValidationError as error:
            problems.extend(validation_problems(error, model, files[name]))
        return None

    config = read(StudyConfig, "study.yaml")
    plan: Plan | None
    displays: Displays | None
    if config is not None and not config.study.analysis:
        plan, displays = _no_analysis(layout, problems)
    else:
        plan, displays = read(Plan, "analysis.yaml"), read(Displays, "displays.yaml")
    progress = read(Progress, "progress.yaml") if (layout.config / "progress.yaml").exists() else Progress()
    simulation = None
    if (layout.config / "simulation.yaml").exists():
        simulation = read(Simulation, "simulation.yaml")
    instruments: dict[str, Instrument] = {}
    for path in sorted((layout.config / "instruments").glob("*.yaml")):
        instrument = read(Instrument, f"instruments/{path.name}")
        if instrument is not None:
            instruments[instrument.name] = instrument
            if instrument.name != path.stem:
                where = files[f"instruments/{path.name}"].where(("name",))
                problems.append(Problem(where, repr(instrument.name), f"the file's own name, {path.stem!r}"))
    if problems or config is None or plan is None or displays is None or progress is None:
        raise ConfigError(problems)
    study = Study(layout, config, instruments, plan, displays, simulation, progress)
    _ = study.lock  # a damaged one is refused with the rest
    if found := crosscheck(study, files):
        raise ConfigError(found)
    return study


def _no_analysis(layout: Layout, problems: list[Problem]) -> tuple[Plan, Displays]:
    """Return an empty plan and no tables, for a study that says it has none; files that say otherwise are found."""
    there = [name for name in ("analysis.yaml", "displays.yaml") if (layout.config / name).exists()]
    found, allowed = "there, and study.analysis is false", "no such file, or study.analysis: true"
    problems.extend(Problem(f"config/{name}", found, allowed) for name in there)
    empty = Plan.model_construct(domains=[], outcomes=[], analysis_sets=[], analyses=[])
    return empty, Displays.model_construct(tables=[])
