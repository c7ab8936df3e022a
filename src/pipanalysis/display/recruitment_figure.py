"""Recruitment: units randomised by the end of each month, against the target."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipanalysis.display import rounding
from pipanalysis.display.figure_files import COLOURS
from pipanalysis.display.figure_model import FigureModel
from pipanalysis.display.wording import marks
from pipanalysis.estimate.flow import EVERYONE

if TYPE_CHECKING:
    from matplotlib.figure import SubFigure

    from pipanalysis.display.results_index import ResultsIndex
    from pipanalysis.study.figures import Figure
    from pipanalysis.study.load import Study


def recruitment_figure(study: Study, figure: Figure, results: ResultsIndex, allocation: dict[str, Any]) -> FigureModel:
    """Draw the number randomised by month as steps, the target as a broken line."""
    model = FigureModel(figure.name, figure.number, figure.title, marks(study, allocation))
    name = figure.analyses[0]
    months = sorted(context for context in results.contexts(name, EVERYONE) if context.startswith("month="))
    for context in months:
        numbers = results.stats(name, EVERYONE, ("n_cumulative", "n_target"), context=context)
        model.records.append({"analysis": name, "month": context.removeprefix("month=")} | numbers)
    known = [record for record in model.records if record["n_cumulative"] == record["n_cumulative"]]
    if not known:
        return model
    unit = study.config.study.unit
    model.notes = [
        f"{unit.capitalize()}s randomised by the end of each month, of the {rounding.count(known[-1]['n_cumulative'])} "
        "with a known date of randomisation.",
        *figure.footnotes,
    ]
    begun, ended = (f"{known[i]['month']} ({rounding.count(known[i]['n_cumulative'])})" for i in (0, -1))
    model.alternative = f"Line chart of {unit}s randomised by the end of each month, from {begun} to {ended}."
    planned = [record for record in model.records if record["n_target"] == record["n_target"]]
    if planned:
        last = planned[-1]
        model.alternative += f" The target was {rounding.count(last['n_target'])} by {last['month']}."
    model.size = (6.5, 3.2)

    def draw(body: SubFigure) -> None:
        axes = body.subplots()
        places = {record["month"]: i for i, record in enumerate(model.records)}
        if planned:
            target = [record["n_target"] for record in planned]
            axes.plot([places[r["month"]] for r in planned], target, "--", color=COLOURS[2], label="Target")
        shown = [record["n_cumulative"] for record in known]
        at = [places[r["month"]] for r in known]
        # Half a month more, so that the last step is seen.
        axes.step([*at, at[-1] + 0.5], [*shown, shown[-1]], where="post", color=COLOURS[1], label="Randomised")
        every = max(1, len(places) // 8)
        axes.set_xticks(list(places.values())[::every], list(places)[::every])
        axes.set_ylim(0)
        axes.set_xlim(0, max(len(places) - 0.5, 1))
        axes.set_ylabel(f"{unit.capitalize()}s randomised")
        axes.set_xlabel("Month")
        axes.grid(axis="y", color="#dddddd", linewidth=0.6)
        axes.legend(loc="upper left")

    model.draw = draw
    return model
