"""The plan lock: what the plan said before the allocation was read, and what each analysis is since."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pydantic import ValidationError

from pipanalysis.errors import ConfigError, Problem
from pipanalysis.study.base import Model
from pipanalysis.study.estimands import ALTERING
from pipanalysis.study.event_tables import OF_SESSIONS
from pipanalysis.study.instrument import Instrument
from pipanalysis.study.plan import Plan
from pipanalysis.study.study import StudyConfig

if TYPE_CHECKING:
    from pathlib import Path

    from pipanalysis.study.load import Study

Status = Literal["prespecified", "changed", "post_hoc", "dropped"]
PARTS = ("study.yaml", "analysis.yaml", "instruments")
BY_NAME = ("subgroup", "moderator", "cluster", "baseline_score")
"""options of an analysis that name a variable or score"""
LONGEST = 60  # characters of a value that are shown


@dataclass(frozen=True)
class PlanLock:
    """A lock as it stands in ``config/lock.json``.

    Attributes:
        version: of the plan, as its authors count.
        date: ISO date on which it was locked.
        sha256: checksum of the file, which can be deposited elsewhere.
        content: the whole file.
    """

    version: str
    date: str
    sha256: str
    content: dict[str, Any]


@dataclass(frozen=True)
class AnalysisStatus:
    """What an analysis is by the lock (without one: by the plan's own word), and what differs from the lock."""

    status: Status
    differences: tuple[str, ...] = ()


def read_lock(path: Path) -> PlanLock | None:
    """Return the lock, None where there is none.

    Raises:
        ConfigError: it is damaged.
    """
    if not path.is_file():
        return None
    raw = path.read_bytes()
    try:
        content = json.loads(raw)
        config = content["config"]
        analyses = [analysis["name"] for analysis in config["analysis.yaml"]["analyses"]]
        whole = all(part in config for part in PARTS) and all(isinstance(name, str) for name in analyses)
        version, date = str(content["version"]), str(content["date"])
    except (ValueError, KeyError, TypeError):
        whole, version, date = False, "", ""
    if not whole:
        found = "not a plan lock, or a damaged one"
        raise ConfigError(Problem("config/lock.json", found, "the file that `pipanalysis lock` wrote, unchanged"))
    return PlanLock(version, date, hashlib.sha256(raw).hexdigest(), content)


def lockable(study: Study) -> dict[str, Any]:
    """Return the content of the configuration that a lock keeps."""
    return {
        "study.yaml": study.config.model_dump(mode="json"),
        "analysis.yaml": study.plan.model_dump(mode="json"),
        "instruments": {name: study.instruments[name].model_dump(mode="json") for name in sorted(study.instruments)},
    }


def analysis_statuses(study: Study) -> dict[str, AnalysisStatus]:
    """Return what each analysis of the plan is, in the plan's order, and then those of the lock that it has no more."""
    lock, analyses = study.lock, study.plan.analyses
    if lock is None:
        return {a.name: AnalysisStatus("prespecified" if a.prespecified else "post_hoc") for a in analyses}
    before, now = _with_new_defaults(lock.content["config"]), lockable(study)
    locked = {analysis["name"] for analysis in before["analysis.yaml"]["analyses"]}
    found = {}
    for analysis in analyses:
        if analysis.name not in locked:
            found[analysis.name] = AnalysisStatus("post_hoc")
            continue
        old, new = _basis(before, analysis.name), _basis(now, analysis.name)
        changes = tuple(differences(old, new))
        kept: Status = "prespecified" if analysis.prespecified else "post_hoc"
        found[analysis.name] = AnalysisStatus("changed", changes) if changes else AnalysisStatus(kept)
    for name in sorted(locked - set(found)):
        found[name] = AnalysisStatus("dropped")
    return found


def _with_new_defaults(config: dict[str, Any]) -> dict[str, Any]:
    """Return locked content as this version of the program reads it: an option that is new has its default."""

    def again(model: type[Model], content: Any) -> Any:
        try:
            return model.model_validate(content).model_dump(mode="json")
        except ValidationError:  # an option that is no more: compared as it was written
            return content

    return {
        "study.yaml": again(StudyConfig, config["study.yaml"]),
        "analysis.yaml": again(Plan, config["analysis.yaml"]),
        "instruments": {name: again(Instrument, content) for name, content in config["instruments"].items()},
    }


def _basis(config: dict[str, Any], name: str) -> dict[str, Any]:
    """Return everything of the configuration that an analysis's results rest on, but for labels and sources."""
    study, plan = config["study.yaml"], config["analysis.yaml"]
    analysis = next(chosen for chosen in plan["analyses"] if chosen["name"] == name)
    outcomes = _chosen(plan["outcomes"], analysis["outcomes"])
    scores = [str(outcome["score"]) for outcome in outcomes]
    described = plan["baseline_characteristics"] if analysis["method"] == "baseline" else []
    named = [*study["randomisation"]["strata"], *analysis["covariates"], *described]
    named += [name for name in (analysis[key] for key in BY_NAME) if name]
    instruments = {score.partition(".")[0] for score in [*scores, *named] if "." in score}
    variables = [v for v in study["variables"] if v["name"] in named or v["age_name"] in named]
    estimands = _chosen(plan["estimands"], [analysis["estimand"]])
    handled = [handled for estimand in estimands for handled in estimand["intercurrent_events"]]
    events = _chosen(plan["intercurrent_events"], [one["event"] for one in handled if one["strategy"] in ALTERING])
    sets = _chosen(plan["analysis_sets"], [analysis["analysis_set"]])
    attended = analysis["method"] in (*OF_SESSIONS, "flow") or any(one["min_sessions"] is not None for one in sets)
    sessions = study["sessions"] if attended else None
    tables = [part["table"] for part in (sessions, analysis["events"], analysis["screening"]) if part]
    tables += [event["when"]["table"] for event in events if event["when"]]
    held = [file["events"] for file in study["files"] if file["events"]]
    return {
        "analysis": _bare(analysis),
        "conf_level": plan["conf_level"],
        "outcomes": _bare(outcomes),
        "analysis_set": _bare(sets),
        "estimand": _bare(estimands),
        "intercurrent_events": _bare(events),
        "sessions": _bare(sessions),
        "event_tables": _bare(_chosen(held, tables)),
        "families": _bare([f for f in plan["families"] if name in {member["analysis"] for member in f["members"]}]),
        "characteristics": described,
        "arms": _bare(study["arms"]),
        "visits": _bare(study["visits"]),
        "randomisation": _bare(study["randomisation"]),
        "variables": _bare(variables),
        "instruments": _bare([config["instruments"][i] for i in sorted(instruments) if i in config["instruments"]]),
    }


def _chosen(parts: list[dict[str, Any]], names: Any) -> list[dict[str, Any]]:
    return [part for part in parts if names == "all" or part["name"] in names]


def _bare(content: Any) -> Any:
    """Return content without what is only printed."""
    if isinstance(content, dict):
        printed = ("label", "source", "status", "age_label")
        return {key: _bare(value) for key, value in content.items() if key not in printed}
    if isinstance(content, list):
        return [_bare(value) for value in content]
    return content


def differences(before: Any, after: Any, path: str = "") -> Iterator[str]:
    """Yield ``key: before → after`` for each place where two plain contents differ; named parts match by name."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in dict.fromkeys((*before, *after)):
            yield from differences(before.get(key), after.get(key), f"{path}.{key}" if path else str(key))
    elif _named(before) and _named(after) and (before or after):
        old, new = ({part["name"]: part for part in parts} for parts in (before, after))
        for name in dict.fromkeys((*old, *new)):
            if name not in new:
                yield f"{path}: {name} left out"
            elif name not in old:
                yield f"{path}: {name} added"
            else:
                yield from differences(old[name], new[name], f"{path}.{name}")
        if [name for name in old if name in new] != [name for name in new if name in old]:
            yield f"{path}: in another order"
    elif before != after:
        yield f"{path}: {_short(before)} → {_short(after)}"


def _named(parts: Any) -> bool:
    return isinstance(parts, list) and all(isinstance(part, dict) and "name" in part for part in parts)


def _short(value: Any) -> str:
    if value is None:
        return "none"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def listed(changes: Iterable[str]) -> str:
    """Return differences as one line."""
    return "; ".join(changes)
