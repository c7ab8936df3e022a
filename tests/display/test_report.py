"""The report says what the results say, in words that can be checked against them."""

from __future__ import annotations

import re
from dataclasses import replace
from decimal import ROUND_HALF_UP, Decimal
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from display import results as made
from display.documents import pdf_pages
from display.models import HARD
from pipanalysis.display.consort_checklist import ITEMS, PARTS
from pipanalysis.display.figure_model import FigureModel
from pipanalysis.display.method_sentences import method_sentence
from pipanalysis.display.report_bayes import CAUTION
from pipanalysis.display.report_html import as_html, report_html
from pipanalysis.display.report_methods import methods
from pipanalysis.display.report_model import Block, Items, Paragraph, Rendered, Report, Section
from pipanalysis.display.report_pdf import as_typst, typst_string
from pipanalysis.display.report_results import results_in_words
from pipanalysis.display.results_index import ResultsIndex
from pipanalysis.display.step import DRAWINGS, LAYOUTS, report
from pipanalysis.estimate.analysis_results import Row, as_results
from pipanalysis.files import sha256, write_json, write_parquet
from pipanalysis.study.load import Study, load_study
from pipanalysis.study.plan import HypothesisFamily

FIGURES = [
    made.figure("consort", "flow", "primary"),
    made.figure("trajectories", "descriptives"),
    made.figure("forest", "primary"),
    made.figure("residuals", "primary"),
]
NUMBER = re.compile(r"\d+\.\d+")
STEPS = ("0.01", "0.001")
"""the last decimals that sentences give"""


class Document(HTMLParser):
    """Ids, links, pictures and text of a page."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.fetched: list[str] = []
        self.pictures: list[dict[str, str | None]] = []
        self.text: list[str] = []
        self.in_style = False
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.in_style = tag == "style"
        if "id" in found:
            self.ids.append(str(found["id"]))
        if tag == "a":
            self.links.append(str(found["href"]))
        if tag == "img":
            self.pictures.append(found)
        self.fetched += [str(found[name]) for name in ("src", "srcset") if name in found]

    def handle_data(self, data: str) -> None:
        if not self.in_style:
            self.text.append(data)

    def handle_endtag(self, tag: str) -> None:
        self.in_style = False


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return synthetic(tmp_path)


def synthetic(folder: Path) -> Study:
    """A synthetic study with hard names."""
    chosen = made.study(["Depression", HARD], FIGURES, folder=folder)
    about = chosen.config.study.model_copy(update={"data": "synthetic", "title": f"A trial of {HARD}"})
    return replace(chosen, config=chosen.config.model_copy(update={"study": about}))


def rows(study: Study) -> list[Row]:
    parts = (made.effects, made.means, made.flow, adjusted_means, made.posteriors)
    return [row for part in parts for row in part(study)]


def adjusted_means(study: Study) -> list[Row]:
    return [
        made.scope(study, "primary", outcome.name).row("estimate", 20.25 + i, visit=visit, arm=arm)
        for outcome in study.plan.outcomes
        for visit in ("month6", "month12")
        for i, arm in enumerate(study.arms)
    ]


@pytest.fixture
def written(study: Study) -> Study:
    return reported(study)


def reported(study: Study) -> Study:
    """The study with its results and its report."""
    write_parquet(study.layout.estimates, as_results(rows(study)))
    write_json(study.layout.allocation_record, {"allocation": "masked"})
    report(study)
    return study


def words(study: Study, changed: list[Row]) -> list[str]:
    """What is said of the outcomes, after the caution about probabilities where it stands."""
    found = results_in_words(study, ResultsIndex(as_results(changed)))
    said = [f"{block.lead} {block.text}".strip() for block in found if isinstance(block, Paragraph)]
    return said[said[0] == CAUTION :]


def test_the_sentence_of_an_analysis_without_means_by_arm_has_the_numbers_of_units_alone(study: Study) -> None:
    without = [row for row in rows(study) if not (row["stat_name"] == "estimate" and row["arm"])]
    for text in words(study, without):
        said = text.replace("\u00a0", " ")
        assert re.search(r"At month6 with n = 3\d in Control and n = 3\d in Treated: difference −?\d", said)
        assert "–" not in text
        assert "adjusted mean" not in text


def test_every_number_in_a_sentence_is_a_rounded_row_of_the_results(study: Study) -> None:
    said = words(study, rows(study))
    assert len(said) == len(study.plan.outcomes)
    for outcome, text in zip(study.plan.outcomes, said, strict=True):
        own = [abs(float(row["stat"])) for row in rows(study) if row["outcome"] == outcome.name]
        known = {str(Decimal(repr(value)).quantize(Decimal(step), ROUND_HALF_UP)) for value in own for step in STEPS}
        numbers = NUMBER.findall(text)
        assert len(numbers) > 30
        assert set(numbers) <= known


def test_a_bayesian_sentence_tells_the_posterior_and_what_it_rests_on(study: Study) -> None:
    """By hand, for a posterior normal(-4, 2) at the first visit: lower is better."""
    said = words(study, rows(study))[0].partition("Bayesian mixed model, ")[2]
    assert said.startswith(
        "weakly informative prior: at month6 difference −4.00 (posterior mean; 95% equal-tailed credible interval "
        "−7.92 to −0.08), probability of any benefit 0.98, of benefit beyond the MCID (5.00) 0.31, of practical "
        "equivalence (less than 1.00 either way) 0.06; at month12 difference −3.00 "
    )
    assert "sceptical" not in said


def test_what_bayesian_probabilities_are_is_said_once_where_there_are_any(study: Study) -> None:
    def blocks(chosen: list[Row]) -> list[Block]:
        return results_in_words(study, ResultsIndex(as_results(chosen)))

    every = blocks(rows(study))
    assert every[0] == Paragraph(CAUTION)
    assert every.count(Paragraph(CAUTION)) == 1
    failed = [row | {"stat": float("nan"), "error": "no"} if row["analysis"] == "bayes" else row for row in rows(study)]
    without = [row for row in rows(study) if row["analysis"] != "bayes"]
    assert Paragraph(CAUTION) not in [*blocks(failed), *blocks(without)]


def test_a_posterior_that_failed_its_gates_has_no_number(study: Study) -> None:
    failed = [
        row | {"stat": float("nan"), "error": "1 divergent trajectory"} if row["analysis"] == "bayes" else row
        for row in rows(study)
    ]
    said = words(study, failed)[0].partition("Bayesian mixed model, ")[2]
    assert said.startswith("weakly informative prior: at month6 nothing was estimated (1 divergent trajectory); at")
    assert not NUMBER.findall(said)


def test_an_outcome_without_bayesian_results_has_no_bayesian_sentence(study: Study) -> None:
    said = words(study, [row for row in rows(study) if row["analysis"] != "bayes"])
    assert not [text for text in said if "Bayesian" in text]


def with_limits(study: Study, low: float, high: float) -> list[Row]:
    limits = {"conf_low": low, "conf_high": high}
    return [
        row | {"stat": limits[row["stat_name"]]} if row["stat_name"] in limits and row["contrast"] else row
        for row in rows(study)
    ]


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (-3.0, -1.0, "includes only differences in favour of Treated, of 1.00 to 3.00: taken by itself it speaks for"),
        (1.0, 3.0, "includes only differences in favour of Control, of 1.00 to 3.00: taken by itself it speaks for"),
        (-2.0, 1.0, "from 2.00 in favour of Treated to 1.00 in favour of Control: it shows neither a difference nor"),
    ],
)
def test_what_an_interval_shows_is_read_off_its_limits(study: Study, low: float, high: float, said: str) -> None:
    """Lower scores are better."""
    assert said in words(study, with_limits(study, low, high))[0]


@pytest.mark.parametrize(("p", "verdict"), [(0.05, "rejects"), (0.051, "does not reject")])
def test_an_adjusted_p_value_decides_whether_a_difference_is_shown(study: Study, p: float, verdict: str) -> None:
    family = {"name": "f", "label": "F", "method": "holm", "members": [{"analysis": "primary"}], "status": "assumed"}
    plan = study.plan.model_copy(update={"families": [HypothesisFamily.model_validate(family)]})
    study = replace(study, plan=plan)
    where = {"visit": "month6", "contrast": made.CONTRAST, "context": "family=f"}
    row = made.scope(study, "primary", "o0").row("p_value_adjusted", p, **where)
    said = words(study, [*with_limits(study, -3.0, -1.0), row])[0]
    assert f"Adjusted for multiplicity P\u00a0=\u00a0{p:.3f}: the plan's procedure {verdict} the hypothesis" in said
    first = said.partition("At month12")[0]
    assert ("it shows a difference" in first) == (verdict == "rejects")


def test_a_failed_fit_is_told_without_numbers(study: Study) -> None:
    failed = [row | {"stat": float("nan"), "error": "no variation"} if row["contrast"] else row for row in rows(study)]
    said = words(study, failed)[0]
    assert "At month6 no difference was estimated: no variation." in said
    assert not NUMBER.findall(said)


def test_outcomes_without_a_comparison_are_named(study: Study) -> None:
    assert words(study, made.means(study)) == [
        f"Described in the tables, without a comparison of arms here: Depression, {HARD}."
    ]


def test_one_file_holds_everything_and_every_link_leads_somewhere(written: Study) -> None:
    source = written.layout.report("html").read_text(encoding="utf-8")
    page = Document(source)
    assert len(page.ids) == len(set(page.ids))
    assert len(page.links) > 10
    assert all(link.removeprefix("#") in page.ids for link in page.links)
    assert all(fetched.startswith("data:") for fetched in page.fetched)
    assert "@import" not in source
    assert not re.search(r"url\((?!data:)", source)
    assert len(page.pictures) == 3  # the residuals have no results and say so
    assert all(len(picture["alt"] or "") > 40 for picture in page.pictures)
    text = "".join(page.text)
    assert "SYNTHETIC DATA" in text
    assert "MASKED ALLOCATION" in text
    assert f"A trial of {HARD}" in text
    assert "No results: none of the planned analyses has a result for this figure." in text


def test_the_methods_tell_the_design_as_consort_item_9_asks(root: Path) -> None:
    design = next(block.text for block in methods(load_study(root)) if isinstance(block, Paragraph))
    assert design.startswith("A randomised trial of Parent-Infant Psychotherapy versus Routine care in parallel arms;")
    assert "the ratio 1:1" in design
    assert design.endswith("tested for superiority; CES-D depressive symptoms for equivalence too.")


def test_each_analysis_of_the_plan_is_an_item_of_the_methods_that_its_label_leads(root: Path) -> None:
    study = load_study(root)
    lists = [block for block in methods(study) if isinstance(block, Items)]
    leads = [item.lead.rstrip(":,;") for block in lists for item in block.items]
    assert sorted(leads) == sorted(analysis.label for analysis in study.plan.analyses)
    said = {f"{item.lead} {item.text}" for block in lists for item in block.items}
    assert said == {method_sentence(study, analysis.name) for analysis in study.plan.analyses}
    assert "<li><strong>Random-intercept mixed model:</strong> random intercept per dyad" in as_html(
        lists[2], Rendered()
    )
    assert '[#strong[#"Random-intercept mixed model:"] #"random intercept per dyad' in as_typst(lists[2])


def test_no_result_is_called_significant(written: Study) -> None:
    text = "".join(Document(written.layout.report("html").read_text(encoding="utf-8")).text)
    assert "significant" not in text.lower()


def test_the_checklist_has_every_item_of_consort_2025_in_order(written: Study) -> None:
    """Hopewell et al. 2025, table 1: 30 items, of which 12 have parts."""
    numbers = [number for number, _, _ in ITEMS]
    parts = {"1": "ab", "5": "ab", "12": "ab", "16": "ab", "17": "ab", "20": "ab", "21": "abcd", "22": "ab"}
    parts |= {"23": "ab", "24": "ab"}
    assert numbers == [f"{i}{part}" for i in range(1, 31) for part in parts.get(str(i), [""])]
    source = written.layout.report("html").read_text(encoding="utf-8")
    checklist = source[source.index('id="consort"') :]
    assert checklist.count("<tr>") == 1 + len(ITEMS)
    flow = next(row for row in checklist.split("<tr>") if row.startswith("<td>22a</td>"))
    assert 'href="#figure-of-consort"' in flow


def test_the_pdf_has_the_marks_on_every_page_and_the_same_words(written: Study) -> None:
    found = pdf_pages(written.layout.report("pdf"))
    assert len(found) > 4
    assert all("SYNTHETIC DATA" in page and "MASKED ALLOCATION" in page for page in found)
    text = " ".join(" ".join(found).split())
    for said in ("At month6 the adjusted mean was 20.25 in Control (n = 30)", "CONSORT 2025 checklist", "Ólafur's"):
        assert said in text


def test_the_same_results_give_the_same_bytes(written: Study) -> None:
    before = {ending: sha256(written.layout.report(ending)) for ending in ("html", "pdf")}
    report(written)
    assert {ending: sha256(written.layout.report(ending)) for ending in ("html", "pdf")} == before


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"])))
def test_any_text_is_a_string_of_typst(text: str) -> None:
    said = typst_string(text)
    assert said[0] == said[-1] == '"'
    assert re.sub(r"\\(.)", r"\1", said[1:-1]) == text
    assert not re.search(r'(?<!\\)(\\\\)*"', said[1:-1])


def changed(study: Study, name: str, value: Any) -> list[Row]:
    return [row | {"stat": value} if row["stat_name"] == name and row["contrast"] else row for row in rows(study)]


def test_a_changed_number_changes_the_report(written: Study) -> None:
    before = written.layout.report("html").read_text(encoding="utf-8")
    write_parquet(written.layout.estimates, as_results(changed(written, "p_value", 0.0321)))
    report(written)
    after = written.layout.report("html").read_text(encoding="utf-8")
    assert "P\u00a0=\u00a00.032" in after
    assert "P\u00a0=\u00a00.032" not in before


def test_the_checklist_points_to_kinds_of_display_that_there_are() -> None:
    answers = {answer for _, _, said in ITEMS for answer in said.split()}
    assert answers <= {*LAYOUTS, *DRAWINGS, *PARTS, "registration"}


def test_pictures_stand_at_one_scale_so_that_letters_of_small_ones_are_not_larger() -> None:
    sizes = {"small": (2.7, 3.7), "middle": (6.5, 3.2)}
    figures = [FigureModel(name, "1", name, [], size=size, draw=lambda _: None) for name, size in sizes.items()]
    section = Section("s", "S", list(figures))
    page = report_html(Report("R", "", [], [section], Rendered(dict.fromkeys(sizes, b"<svg/>"))))
    widest = [float(inches) for inches in re.findall(r"max-width: min\(\d+rem, ([\d.]+)in\)", page)]
    assert widest[0] / 2.7 == pytest.approx(widest[1] / 6.5, rel=1e-2)
