"""Figures show what the collected results say; their text fits, whatever the outcomes are called."""

from __future__ import annotations

import re
from dataclasses import replace
from statistics import NormalDist
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb
from scipy.stats import chi2, norm

from display import results as made
from display.figures import ANALYSES, ROWS, check_texts, figure_axes, model_of, shown, texts
from display.models import HARD
from pipanalysis.display.figure_files import figure_frame, rendered
from pipanalysis.display.figure_model import EMPTY_FIGURE, FigureModel
from pipanalysis.display.posteriors_figure import stacked
from pipanalysis.display.prior_posterior_figure import density
from pipanalysis.display.step import DRAWINGS
from pipanalysis.estimate.bayes_quantiles import PROBABILITIES
from pipanalysis.study.load import Study
from pipanalysis.study.published import PUBLISHED

LONG = "Parenting stress: a subscale of dysfunctional interaction with a very long name, α to ω"
NAMES = {
    "2": ["Depression", "Stress"],
    "long": [f"{LONG} {i}" for i in range(9)],
    "hard": [HARD, "Größe β"],
    "30 hard": [f"{LONG}: Čapek & Ólafur, Ärger über Größe δ, {i} ≤ β²" for i in range(30)],
}
NAMING = [
    (kind, key)
    for kind in ("trajectories", "forest", "missingness", "posteriors", "prior_posterior", "tipping_points")
    for key in NAMES
]


UNEVEN = {"Before treatment": 0.0, "2 months": 2.0, "3 months": 3.0, "5 months": 5.0, "8 months": 8.0}


@pytest.mark.parametrize("kind", ["trajectories", "forest"])
@pytest.mark.parametrize("n", [1, 2, 4])
def test_labels_of_visits_close_together_are_apart(kind: str, n: int) -> None:
    visits = {f"v{i}": months for i, months in enumerate(UNEVEN.values())}
    study = made.study([f"Outcome {i}" for i in range(n)], [made.figure(kind, *ANALYSES[kind])], visits)
    labels = dict(zip(visits, UNEVEN, strict=True))
    config = study.config.model_copy(
        update={"visits": [v.model_copy(update={"label": labels[v.name]}) for v in study.config.visits]}
    )
    study = replace(study, config=config)
    model = DRAWINGS[kind](study, study.displays.figures[0], made.index(ROWS[kind](study)), made.OPEN)
    check_texts(model)


@pytest.mark.parametrize("scale", [1e-7, 1e6])
def test_values_far_from_one_are_written_in_full_clear_of_titles(scale: float) -> None:
    study = made.study(["Cost", "Rate"], [made.figure("trajectories", *ANALYSES["trajectories"])])
    rows = [row | {"stat": row["stat"] * scale} for row in ROWS["trajectories"](study)]
    model = DRAWINGS["trajectories"](study, study.displays.figures[0], made.index(rows), made.OPEN)
    check_texts(model)
    written = [float(text) for text, _ in texts(model) if re.fullmatch(r"[\d.]+", text)]
    assert written
    assert all(9 * scale < value < 31 * scale for value in written)  # as all quartiles


@pytest.mark.parametrize(("kind", "names"), [*NAMING, ("consort", "hard"), ("consort", "2"), ("recruitment", "2")])
def test_nothing_is_cut_off_and_no_text_lies_on_another(kind: str, names: str) -> None:
    check_texts(model_of(kind, NAMES[names]))


@pytest.mark.parametrize("kind", list(ROWS))
def test_long_labels_of_arms_have_room(kind: str) -> None:
    study = made.study(["Depression", "Stress"], [made.figure(kind, *ANALYSES[kind])])
    arms = [arm.model_copy(update={"label": f"{arm.label}: {LONG}"}) for arm in study.config.arms]
    study = replace(study, config=study.config.model_copy(update={"arms": arms}))
    check_texts(DRAWINGS[kind](study, study.displays.figures[0], made.index(ROWS[kind](study)), made.OPEN))


@pytest.mark.parametrize("kind", list(ROWS))
def test_every_number_of_a_figure_is_a_row_of_the_results(kind: str) -> None:
    labels = ["Depression", "Stress"]
    study = made.study(labels, [])
    known = {float(row["stat"]) for row in ROWS[kind](study)} | {
        float(row["stat"]) for row in made.effects(study) if row["stat_name"] == "n"
    }
    frame = figure_frame(model_of(kind, labels))
    numbers = frame.select_dtypes("number").drop(columns="probability", errors="ignore").to_numpy().ravel()
    assert len(numbers) > 5
    assert set(numbers[~pd.isna(numbers)]) <= known


def with_courses(n: dict[str, int], labels: list[str], **options: Any) -> FigureModel:
    study = made.study(labels, [made.figure("trajectories", "descriptives", **options)])
    results = made.index(made.means(study), made.courses(study, n))
    return DRAWINGS["trajectories"](study, study.displays.figures[0], results, made.OPEN)


def test_courses_lie_thin_behind_the_means_in_the_arms_own_colour_and_line() -> None:
    model = with_courses({"control": 26, "treated": 24}, ["Depression"])
    (axes,) = figure_axes(model)
    for arm, first in (("Control", 11.5), ("Treated", 12.5)):
        (mean,) = [line for line in axes.lines if line.get_label() == arm]
        thin = [
            line
            for line in axes.lines
            if line is not mean and len(line.get_xdata()) == 3 and line.get_color() == mean.get_color()
        ]
        assert [list(line.get_ydata()) for line in thin] == [[first + k - v for v in range(3)] for k in (0, 1)]
        for line in thin:
            assert list(line.get_xdata()) == list(mean.get_xdata())
            assert line.get_linestyle() == mean.get_linestyle()
            assert line.get_linewidth() < mean.get_linewidth() / 1.5
            assert line.get_zorder() < mean.get_zorder()
            assert (line.get_alpha() or 1) < 1
    assert not axes.collections  # no band, whose edges would look like courses
    written = shown(rendered(model, ["svg"])["svg"].decode())
    assert written[-3:] == ["Control", "Treated", "Groups of similar participants"]


def test_the_note_says_of_how_many_the_thin_lines_are() -> None:
    model = with_courses({"control": 26, "treated": 24}, ["Depression"])
    assert model.notes[0] == "Observed means with 95% confidence intervals. All: Observed."
    assert "groups of 12 to 14 similar participants" in model.notes[1]
    assert "(Control 26 of 38; Treated 24 of 38)" in model.notes[1]
    assert "Too few" not in model.notes[1]
    assert "mean courses of groups of similar participants" in model.alternative
    frame = figure_frame(model)
    lines = frame[frame["course"].notna()]
    assert lines.groupby(["arm", "course"])["n_in_course"].first().tolist() == [12, 14, 12, 12]
    assert lines["visit"].tolist() == ["baseline", "month6", "month12"] * 4
    counts = frame[frame["n_all_visits"].notna()]
    assert counts[["arm", "n_all_visits", "n_set"]].to_numpy().tolist() == [["control", 26, 38], ["treated", 24, 38]]


def test_an_arm_with_too_few_complete_units_keeps_its_band_and_the_note_names_it() -> None:
    model = with_courses({"control": 24, "treated": 9}, ["Depression", "Stress"])
    assert "from the first to the third quartile" in model.notes[0]
    assert model.notes[1].endswith("Too few for a line: Treated, Depression, Stress.")
    assert all(len(axes.collections) == 1 for axes in figure_axes(model))
    none = with_courses({"control": 9, "treated": 8}, ["Depression"])
    said = "Too few participants with a value at every visit for lines of groups: Control 9 of 38; Treated 8 of 38."
    assert none.notes[1] == said
    assert "courses" not in none.alternative
    assert shown(rendered(none, ["svg"])["svg"].decode())[-2:] == ["Control", "Treated"]


def of_data(study: Study, **about: str) -> Study:
    """The study with other data: synthetic, or published."""
    config = study.config.model_copy(update={"study": study.config.study.model_copy(update=about)})
    return replace(study, config=config)


def test_lines_of_single_made_up_units_are_all_drawn_and_the_note_says_that_nobody_is_behind_them() -> None:
    study = of_data(made.study(["Depression"], [made.figure("trajectories", "descriptives")]), data="synthetic")
    rows = made.single_courses(study, "control", 31), made.courses(study, {"treated": 24})
    model = DRAWINGS["trajectories"](study, study.displays.figures[0], made.index(made.means(study), *rows), made.OPEN)
    (axes,) = figure_axes(model)
    (mean,) = [line for line in axes.lines if line.get_label() == "Control"]
    (thin,) = axes.collections  # no band
    courses = [segment.T.tolist() for segment in thin.get_segments()]
    assert [values for _, values in courses] == [
        [10.25 + number - v for v in range(3) if (number, v) != (1, 1)] for number in range(1, 32)
    ]
    ends = list(mean.get_xdata())
    assert courses[0][0] == [ends[0], ends[2]]  # over the visit without a value
    assert courses[1][0] == ends
    assert tuple(thin.get_color()[0][:3]) == to_rgb(mean.get_color())
    assert thin.get_linewidth()[0] < mean.get_linewidth() / 3
    assert thin.get_zorder() < mean.get_zorder()
    low, high = axes.get_ylim()
    assert low < 8.25 < 41.25 < high
    single, groups = model.notes[1].split(". ", 1)
    assert single == (
        "Thin lines: single participants, all made up, with a value at two visits or more (Control 31 of 38)"
    )
    assert groups.startswith("Thin lines: rounded mean courses of groups of 12 similar participants")
    assert groups.endswith("(Treated 24 of 38). Single participants differ more.")
    assert (
        "behind them, the courses of single participants and mean courses of groups of similar participants, of"
        in model.alternative
    )
    frame = figure_frame(model)
    assert "Single participants and groups of similar participants" in [text for text, _ in texts(model)]
    assert frame["course_value"].notna().sum() == 31 * 3 - 1
    assert frame.loc[frame["n_two_visits"].notna(), "n_two_visits"].tolist() == [31]


@pytest.mark.parametrize("name", sorted(PUBLISHED))
def test_lines_of_single_participants_say_where_their_data_are_published(name: str) -> None:
    study = of_data(made.study(["Depression"], [made.figure("trajectories", "descriptives")]), published=name)
    results = made.index(made.means(study), made.single_courses(study, "control", 31))
    model = DRAWINGS["trajectories"](study, study.displays.figures[0], results, made.OPEN)
    assert model.notes[1] == (
        f"Thin lines: single participants, whose data are published ({PUBLISHED[name].source}), with a value at two "
        "visits or more (Control 31 of 38)."
    )
    assert "behind them, the courses of single participants, of 1 outcome" in model.alternative
    assert shown(rendered(model, ["svg"])["svg"].decode())[-1] == "Single participants"
    assert "made up" not in " ".join([*model.notes, model.alternative])


def test_courses_of_the_figures_visits_and_in_every_panel() -> None:
    model = with_courses({"control": 26, "treated": 24}, NAMES["30 hard"], visits=["baseline", "month12"])
    assert {record["visit"] for record in model.records} == {"", "baseline", "month12"}
    panels = figure_axes(model)
    assert len(panels) == 30
    assert all(sum(line.get_alpha() is not None for line in axes.lines) == 4 for axes in panels)
    check_texts(model)


def test_forest_shows_the_effects_rounded_and_the_file_whole() -> None:
    model = model_of("forest", ["Depression", "Stress"])
    svg = rendered(model, ["svg"])["svg"].decode()
    assert shown(svg).count("−0.80 (−1.20 to −0.40)") == 1
    assert {"Depression", "Stress", "Health", "month6", "month12"} <= set(shown(svg))
    frame = figure_frame(model)
    assert frame.loc[frame["outcome"] == "o1", "estimate"].tolist() == [-0.75, -0.739]
    assert "Shaded: the side of zero on which Treated does better" in model.notes[0]
    assert shown(svg).count("Favours Treated") == 1


def test_analyses_stand_side_by_side_in_a_forest() -> None:
    study = made.study(["Depression"], [made.figure("forest", "primary", "ancova")])
    results = made.index(made.effects(study), made.effects(study, "ancova"))
    model = DRAWINGS["forest"](study, study.displays.figures[0], results, made.OPEN)
    svg = rendered(model, ["svg"])["svg"].decode()
    assert {"Mixed model", "Analysis of covariance", "Favours Treated"} <= set(shown(svg))
    assert [r["analysis"] for r in model.records] == ["primary"] * 2 + ["ancova"] * 2


def test_bayesian_effects_stand_in_a_forest_as_differences() -> None:
    """The results give them positive where it is benefit, and lower is better in both outcomes."""
    study = made.study(["Depression", "Stress"], [made.figure("forest", "primary", "bayes")])
    results = made.index(made.effects(study), made.posteriors(study))
    model = DRAWINGS["forest"](study, study.displays.figures[0], results, made.OPEN)
    own = {r["outcome"]: r for r in model.records if r["analysis"] == "bayes" and r["visit"] == "month6"}
    assert [record["estimate"] for record in own.values()] == pytest.approx([0.4, 0.38])
    assert {study.scores[outcome.score].better for outcome in study.plan.outcomes} == {"lower"}
    texts = shown(rendered(model, ["svg"])["svg"].decode())
    assert {"−0.40 (−0.90 to 0.10)", "−0.38 (−0.88 to 0.12)"} <= set(texts)
    assert "95% credible interval; prior: weakly informative" in " ".join(model.notes)


def test_dots_of_a_posterior_are_stacked_and_told_apart_by_the_mcid() -> None:
    assert stacked((0.0, 0.5, 1.0, 2.5), 1.0) == [(0.5, 0), (0.5, 1), (0.5, 2), (2.5, 0)]
    model = model_of("posteriors", ["Depression"])
    drawn = [r for r in model.records if r["statistic"] == "posterior_quantile" and r["visit"] == "month6"]
    assert [r["probability"] for r in drawn] == pytest.approx([0.025 + 0.05 * i for i in range(20)])
    # normal(-4, 2) lies below the MCID of 5 with probability 0.31: 6 of 20 dots
    assert sum(r["value"] < -5 for r in drawn) == 6
    assert "any benefit 0.98, beyond the MCID 0.31, practical equivalence 0.06" in model.alternative


def test_the_density_of_quantiles_is_that_of_their_distribution() -> None:
    normal = NormalDist(3, 2)
    quantiles = [normal.inv_cdf(p) for p in PROBABILITIES]
    x, y = density(tuple(quantiles))
    # What is not drawn: of the outer kernels, of 5% each, the 0.6% that lies beyond 2.5 of their SDs.
    area = np.trapezoid(y, x)
    assert area == pytest.approx(1, abs=0.001)
    assert np.abs(y - [normal.pdf(at) for at in x]).max() < 0.03 * normal.pdf(3)
    mean = np.trapezoid(x * y, x) / area
    assert mean == pytest.approx(3, abs=1e-6)
    assert np.trapezoid((x - mean) ** 2 * y, x) / area == pytest.approx(np.var(quantiles), rel=0.02)


def test_the_density_of_quantiles_of_draws_has_one_top() -> None:
    """As a normal distribution has; 500 draws, in 100 samples."""
    for seed in range(100):
        draws = np.random.default_rng(seed).standard_normal(500)
        y = density(tuple(np.quantile(draws, PROBABILITIES)))[1]
        rises = np.diff(y) > 0
        assert (np.diff(rises.astype(int)) != 0).sum() == 1


def test_a_distribution_of_one_value_has_no_density() -> None:
    x, y = density((2.0,) * len(PROBABILITIES))
    assert not y.any()
    assert set(x) == {2.0}


def test_a_tipping_point_map_says_which_shifts_turn_the_answer() -> None:
    """By hand: -2.75 + d1 / 10 - d0 / 4 with limits 3 either way; only a shift of +5 in control, or of -5 in treated
    with none in control, takes the upper limit below zero. Lower is better in half of the outcomes: in this one not."""
    model = model_of("tipping_points", ["Depression"])
    first = [r for r in model.records if r["visit"] == "month6"]
    beyond = {(r["reference_shift"], r["arm_shift"]) for r in first if r["conf_high"] < 0}
    assert beyond == {("5", "-5"), ("5", "0"), ("5", "5"), ("0", "-5")}
    assert {r["favours"] for r in first if r["conf_high"] < 0} == {"arm"}
    assert "(10 missing, 30 observed)" in " ".join(shown(rendered(model, ["svg"])["svg"].decode()))


def test_counts_of_the_flow_diagram_add_up() -> None:
    study = made.study(["Depression"], [made.figure("consort", "flow", "primary")])
    results = made.index(made.flow(study), made.effects(study))
    model = DRAWINGS["consort"](study, study.displays.figures[0], results, made.OPEN)
    frame = figure_frame(model)

    def n(stage: str, **where: str) -> float:
        chosen = frame[frame["stage"] == stage]
        for column, value in where.items():
            chosen = chosen[chosen[column] == value]
        return float(chosen["n"].sum())

    assert n("screened") == n("excluded") + n("randomised") == 100
    assert n("excluded") == n("not_eligible") + n("not_consented")
    assert n("randomised") == n("allocated") == 40
    for arm in study.arms:
        for visit in ("month6", "month12"):
            where = {"arm": arm, "visit": visit}
            assert n("allocated", arm=arm) == n("assessed", **where) + n("not_assessed", **where)
    svg = rendered(model, ["svg"])["svg"].decode()
    assert "Randomised (n\u00a0=\u00a040)" in shown(svg)
    assert "In the model of Depression, month6 (n\u00a0=\u00a030)" in " ".join(shown(svg)).replace("  ", " ")
    assert "Assessed at month12 (n\u00a0=\u00a014)" in shown(svg)
    assert "Other α (n\u00a0=\u00a035)" in shown(svg)


@pytest.mark.parametrize("kind", ["forest", "trajectories", "posteriors", "prior_posterior", "tipping_points"])
def test_a_figure_names_its_analyses_and_their_analysis_set(kind: str) -> None:
    study = made.study(["Depression"], [made.figure(kind, *ANALYSES[kind])])
    model = DRAWINGS[kind](study, study.displays.figures[0], made.index(ROWS[kind](study)), made.OPEN)
    named = next(a.label for a in study.plan.analyses if a.name == ANALYSES[kind][0])
    assert f"{study.plan.analysis_sets[0].label}: {named}." in " ".join(model.notes)


@pytest.mark.parametrize("kind", ["posteriors", "prior_posterior", "forest", "trajectories"])
def test_a_figure_says_on_its_face_what_its_numbers_are(kind: str) -> None:
    said = {
        "posteriors": "Difference, Treated minus Control",
        "prior_posterior": "Difference, Treated minus Control",
        "forest": "Standardised difference",
        "trajectories": "Mean",
    }
    assert said[kind] in [text for text, _ in texts(model_of(kind, ["Depression"]))]


def test_the_last_step_of_recruitment_is_seen_and_counted_in_the_note() -> None:
    model = model_of("recruitment", ["Depression"])
    (axes,) = figure_axes(model)
    (steps,) = [line for line in axes.lines if line.get_label() == "Randomised"]
    last = [record["n_cumulative"] for record in model.records][-1]
    flat = [x for x, y in zip(steps.get_xdata(), steps.get_ydata(), strict=True) if y == last]
    assert flat[-1] - flat[0] >= 0.5
    assert flat[-1] <= axes.get_xlim()[1]
    assert f"of the {last:.0f} with a known date" in model.notes[0]


def test_the_flow_diagram_in_words_goes_arm_by_arm() -> None:
    study = made.study(["Depression"], [made.figure("consort", "flow", "primary")])
    results = made.index(made.flow(study), made.effects(study))
    said = DRAWINGS["consort"](study, study.displays.figures[0], results, made.OPEN).alternative.replace("\u00a0", " ")
    begin, control, treated = re.split(r" Control: | Treated: ", said)
    assert begin.startswith("Flow diagram. Assessed for eligibility (n = 100); Excluded (n = 60)")
    assert begin.endswith("Randomised (n = 40).")
    for own, assessed in ((control, (17, 14)), (treated, (15, 10))):
        places = [
            own.index(f"Assessed at {visit} (n = {n})")
            for visit, n in zip(("month6", "month12"), assessed, strict=True)
        ]
        assert places == sorted(places)
        assert own.startswith("Allocated to ")
        assert "In the analysis set: all (n = 20) Not in it (n = 0)" in own


def test_a_trial_without_a_screening_log_starts_with_randomisation() -> None:
    study = made.study(["Depression"], [made.figure("consort", "flow")])
    rows = [row for row in made.flow(study) if row["arm"] or "randomised" in row["context"]]
    model = DRAWINGS["consort"](study, study.displays.figures[0], made.index(rows), made.OPEN)
    svg = rendered(model, ["svg"])["svg"].decode()
    assert not any("eligib" in text for text in shown(svg))
    assert "Randomised (n\u00a0=\u00a040)" in shown(svg)


@pytest.mark.parametrize("kind", [*ROWS, "residuals", "scale_location"])
def test_a_figure_without_results_says_so_in_one_line(kind: str) -> None:
    study = made.study(["Depression"], [made.figure(kind, *ANALYSES.get(kind, ("primary",)))])
    model = DRAWINGS[kind](study, study.displays.figures[0], made.index([]), made.OPEN)
    assert model.empty
    assert shown(rendered(model, ["svg"])["svg"].decode()) == [EMPTY_FIGURE]


def test_residuals_are_drawn_where_their_quantiles_are_results() -> None:
    study = made.study(["Depression"], [made.figure("residuals", "primary")])
    of = made.scope(study, "primary", "o0")
    rows = [
        of.row("mean", value, context=f"check=residuals p={p:.2f}") | {"stat_name": "residual_quantile"}
        for p, value in ((0.05, -1.7), (0.5, 0.01), (0.95, 1.6))
    ]
    model = DRAWINGS["residuals"](study, study.displays.figures[0], made.index(rows), made.OPEN)
    assert [(r["probability"], r["residual_quantile"]) for r in model.records] == [
        (0.05, -1.7),
        (0.5, 0.01),
        (0.95, 1.6),
    ]
    assert "Normal quantile" in shown(rendered(model, ["svg"])["svg"].decode())


def test_residuals_of_two_analyses_lie_in_panels_of_their_own() -> None:
    study = made.study(["Depression"], [made.figure("residuals", "primary", "ancova")])
    rows = [
        made.scope(study, name, "o0").row("residual_quantile", value, context=f"check=residuals p={p:.2f}")
        for name, shift in (("primary", 0.0), ("ancova", 0.5))
        for p, value in ((0.05, -1.7 + shift), (0.95, 1.6 + shift))
    ]
    model = DRAWINGS["residuals"](study, study.displays.figures[0], made.index(rows), made.OPEN)
    axes = {own.get_title(loc="left"): list(own.lines[-1].get_ydata()) for own in figure_axes(model)}
    assert axes == {"Depression, Mixed model": [-1.7, 1.6], "Depression, Analysis of covariance": [-1.2, 2.1]}


def test_the_size_of_residuals_is_drawn_by_bin_of_the_fitted_means() -> None:
    study = made.study(["Depression", "Stress"], [made.figure("scale_location", "primary")])
    of = made.scope(study, "primary", "o0")
    names = ("fitted_mean", "root_residual", "root_residual_q1", "root_residual_q3", "n_in_bin")
    values = {1: (11.5, 0.7, 0.5, 1.0, 14), 2: (17.0, 0.9, 0.6, 1.2, 13)}
    bins = {i: dict(zip(names, own, strict=True)) for i, own in values.items()}
    rows = [of.row(k, v, context=f"check=scale bin={i:02d}") for i, own in bins.items() for k, v in own.items()]
    far = dict(zip(names, (3.0, 1.5, 1.0, 2.5, 10), strict=True))
    rows += [made.scope(study, "primary", "o1").row(k, v, context="check=scale bin=01") for k, v in far.items()]
    model = DRAWINGS["scale_location"](study, study.displays.figures[0], made.index(rows), made.OPEN)
    where = {"analysis": "primary", "outcome": "o0"}
    assert model.records[:2] == [where | {"bin": i} | own for i, own in bins.items()]
    assert "bins of 10 participants or more" in model.notes[0]
    assert "2 outcomes: Depression; Stress" in model.alternative
    axes, _ = figure_axes(model)
    assert axes.get_ylim()[0] == 0
    assert axes.get_ylim()[1] > 2.5  # the panels have one scale, on which every bar is whole
    points = next(line for line in axes.lines if line.get_marker() == "o")
    assert points.get_xydata().tolist() == [[11.5, 0.7], [17.0, 0.9]]
    normal = next(line for line in axes.lines if line.get_color() == "#999999")
    assert normal.get_ydata()[0] == pytest.approx(norm.expect(lambda z: abs(z) ** 0.5), rel=1e-6)
    band = axes.patches[0].get_extents().transformed(axes.transData.inverted())
    assert (band.y0, band.y1) == pytest.approx(tuple(chi2.ppf((0.25, 0.75), 1) ** 0.25))
