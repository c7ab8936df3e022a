"""What would give a participant away is found in any file of the results, and the manifest is not written over it."""

import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py
import pandas as pd
import pytest

from pipanalysis.errors import ConfigError, DisclosureError
from pipanalysis.reproduce.disclosure import distinctive, refuse_disclosures, single_courses
from pipanalysis.reproduce.manifest import manifest
from pipanalysis.simulate.step import simulate
from pipanalysis.study.load import load_study

CATEGORIES = ("characteristics", "completeness", "flow", "protocol_deviations")
"""analyses that count units"""


def with_telling_ids(folder: Path) -> Path:
    """Give the units of a study ids that can be nothing else (D001 and so on)."""
    path = folder / "data" / "derived" / "participants.parquet"
    participants = pd.read_parquet(path)
    participants["unit"] = [f"D{int(unit):03d}" for unit in participants["unit"]]
    participants.to_parquet(path, index=False)
    return folder


@pytest.fixture
def whole(finished: Path) -> Path:
    """The finished study, with ids that can be nothing else."""
    return with_telling_ids(finished)


def with_estimates_alone(finished: Path, folder: Path) -> Path:
    """Copy a study with the estimates as its only results: a search of all the others takes a second each time."""
    for name in ("config", "data/raw"):
        shutil.copytree(finished / name, folder / name)
    for name in ("data/derived/participants.parquet", "results/estimates.parquet"):
        (folder / name).parent.mkdir(parents=True)
        shutil.copyfile(finished / name, folder / name)
    return with_telling_ids(folder)


@pytest.fixture
def study(finished_once: Path, tmp_path: Path) -> Path:
    """The same with the estimates as its only results."""
    return with_estimates_alone(finished_once, tmp_path / "study")


@pytest.fixture
def grouped(grouped_once: Path, tmp_path: Path) -> Path:
    """The same with courses of groups."""
    return with_estimates_alone(grouped_once, tmp_path / "study")


def plant_text(name: str, text: str) -> Callable[[Path], None]:
    def plant(results: Path) -> None:
        (results / name).write_text(text, encoding="utf-8")

    return plant


def plant_document(results: Path) -> None:
    with zipfile.ZipFile(results / "report.docx", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/document.xml", "<w:t>" + "padding " * 500 + "dyad D014 withdrew</w:t>")


def plant_parquet(results: Path) -> None:
    pd.DataFrame({"label": ["x", "D014"]}).to_parquet(results / "extra.parquet", compression="zstd")


def plant_column(results: Path) -> None:
    pd.DataFrame({"bdi_id": ["a"], "unit": ["b"]}).to_csv(results / "extra.csv", index=False)


def plant_png(results: Path) -> None:
    (results / "figure.png").write_bytes(b"\x89PNG\r\n\x1a\n\x00\x00\x00\x0ctEXtTitle\x00D014\x00\x00\x00\x00")


def test_the_files_of_a_finished_study_give_nobody_away(whole: Path) -> None:
    assert refuse_disclosures(load_study(whole)).endswith("none with an id of 100 patients")
    plant_document(whole / "results")
    with pytest.raises(DisclosureError) as refused:
        refuse_disclosures(load_study(whole))
    assert [problem.where for problem in refused.value.problems] == ["results/report.docx, word/document.xml"]


@pytest.mark.parametrize(
    ("plant", "where", "found"),
    [
        (plant_text("page.html", "<td>D014</td>"), "results/page.html", "1 id of units"),
        (plant_text("note.json", '{"units": ["D014", "D015"]}'), "results/note.json", "2 ids of units"),
        (plant_text("list.csv", "a,b\n1,D014\n"), "results/list.csv", "1 id of units"),
        (plant_text("plot.svg", "<text>D014:</text>"), "results/plot.svg", "1 id of units"),
        (plant_text("table.rtf", r"{\rtf1 D014\cell}"), "results/table.rtf", "1 id of units"),
        (plant_text("D014.txt.html", "id-D014-late"), "results/D014.txt.html", "1 id of units"),
        (plant_png, "results/figure.png", "1 id of units"),
        (plant_document, "results/report.docx, word/document.xml", "1 id of units"),
        (plant_parquet, "results/extra.parquet", "1 id of units"),
        (plant_column, "results/extra.csv, column 'unit'", "a column of ids of units"),
        (plant_text("x.csv", "a\nmum@example.org\n"), "results/x.csv, column 'a'", "an e-mail address"),
        (
            plant_text("y.csv", "mother_dob\n1\n"),
            "results/y.csv, column 'mother_dob'",
            "a column for a full date of birth",
        ),
        (plant_text("z.csv", "a\nSE5 8AF\n"), "results/z.csv, column 'a'", "a postcode"),
        (plant_text("path.html", str(Path.home()) + "/x"), "results/path.html", "a folder of this machine"),
    ],
)
def test_what_gives_a_unit_away_is_named(study: Path, plant: Callable[[Path], None], where: str, found: str) -> None:
    refuse_disclosures(load_study(study))
    plant(study / "results")
    with pytest.raises(DisclosureError) as refused:
        refuse_disclosures(load_study(study))
    assert (where, found) in [(problem.where, problem.found) for problem in refused.value.problems]
    assert "D014" not in "".join(problem.found for problem in refused.value.problems)  # not repeated in a message


def test_the_draws_of_a_model_are_searched_for_words(whole: Path) -> None:
    (draws,) = (whole / "results" / "bayes").glob("*.nc")
    with h5py.File(draws, "a") as file:
        file.attrs["units"] = "D014"
    with pytest.raises(DisclosureError, match="1 id of units"):
        refuse_disclosures(load_study(whole))


def test_the_trial_team_sees_ids_in_the_progress_folder_but_no_direct_identifier(study: Path) -> None:
    folder = study / "results" / "progress"
    folder.mkdir()
    (folder / "chase.csv").write_text("unit,visit\nD014,month6\n", encoding="utf-8")
    refuse_disclosures(load_study(study))
    (folder / "contacts.csv").write_text("unit,telephone\nD014,07700 900123\n", encoding="utf-8")
    with pytest.raises(DisclosureError, match="telephone"):
        refuse_disclosures(load_study(study))


def test_ids_that_are_plain_numbers_are_found_as_a_column(finished: Path) -> None:
    units = pd.read_parquet(finished / "data" / "derived" / "participants.parquet")["unit"].tolist()
    assert "7" in units
    study = load_study(finished)
    refuse_disclosures(study)  # counts are plain numbers too
    pd.DataFrame({"who": units[:60], "score": 1.5}).to_csv(finished / "results" / "rows.csv", index=False)
    with pytest.raises(DisclosureError, match="the ids of 60 units"):
        refuse_disclosures(study)


def test_an_id_within_a_longer_word_or_number_is_none(study: Path) -> None:
    (study / "results" / "page.html").write_text("AD0143 XD014 D0145 0D014a #D0140")
    refuse_disclosures(load_study(study))


@pytest.mark.parametrize(
    ("unit", "told"), [("D014", True), ("S-1", True), ("1402733", True), ("12", False), ("412", False), ("AB", False)]
)
def test_which_ids_can_be_nothing_else(unit: str, told: bool) -> None:
    assert distinctive(unit) is told


def test_small_cells_are_refused_where_the_study_says_so(study: Path) -> None:
    displays = study / "config" / "displays.yaml"
    results = pd.read_parquet(study / "results" / "estimates.parquet")
    own = results["analysis"] == "characteristics"
    smallest = results.loc[own & (results["stat_name"] == "n_level") & (results["arm"] != ""), "stat"].min()
    assert smallest > 1
    text = displays.read_text()

    def ask(least: float, *except_analyses: str) -> None:
        named = ", ".join(["completeness", "flow", "protocol_deviations", *except_analyses])
        displays.write_text(text + f"\ndisclosure: {{min_cell: {least:.0f}, except_analyses: [{named}]}}\n")
        refuse_disclosures(load_study(study))

    ask(smallest)
    with pytest.raises(DisclosureError, match=rf"counts from 1 to {smallest:.0f}") as refused:
        ask(smallest + 1)
    assert refused.value.problems[0].where == "analysis characteristics"
    ask(smallest + 1, "characteristics")
    displays.write_text(text + "\ndisclosure: {except_analyses: [characteristic]}\n")
    with pytest.raises(ConfigError, match="did you mean 'characteristics'"):
        load_study(study)


@pytest.mark.parametrize(("least", "n"), [(0, 4), (1, 1), (8, 7), (8, None)])
def test_lines_of_few_units_are_refused_whatever_the_study_says(grouped: Path, least: int, n: int | None) -> None:
    """By the study's smallest count, never below five; a course whose units nobody counted may be of one."""
    displays, path = grouped / "config" / "displays.yaml", grouped / "results" / "estimates.parquet"
    plan, every = load_study(grouped).plan, "descriptives, " + ", ".join(CATEGORIES)
    assert [analysis.courses for analysis in plan.analyses if analysis.courses] == [10]
    displays.write_text(displays.read_text() + f"\ndisclosure: {{min_cell: {least}, except_analyses: [{every}]}}\n")
    refuse_disclosures(load_study(grouped))
    results = pd.read_parquet(path)
    first = (results["stat_name"] == "n_in_course") & (results["context"] == "course=01") & (results["arm"] != "")
    assert first.sum() == 2
    if n is None:
        results = results[~first]
    else:
        results.loc[first, "stat"] = float(n)
    results.to_parquet(path, index=False)
    with pytest.raises(DisclosureError) as refused:
        refuse_disclosures(load_study(grouped))
    (problem,) = refused.value.problems
    assert problem.where == "analysis descriptives"
    assert problem.found.startswith(f"2 courses of fewer than {max(least, 5)} units, or of units not counted (bdi, ")
    assert problem.allowed == f"courses of {max(least, 5)} units and more"


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_values_of_single_units_are_those_of_files_as_they_were_published(study: Path) -> None:
    """With one value of one patient changed, the file is another, and is named."""
    loaded = load_study(study)
    results = pd.read_parquet(loaded.layout.estimates)
    n = (results["stat_name"] == "course_value").sum()
    assert n > 300
    assert single_courses(loaded) == []
    edit(loaded.layout.raw / "bdi.csv", "2,Yes,>6m,32,16,", "2,Yes,>6m,32,17,")
    (problem,) = single_courses(loaded)
    assert problem.where == "analysis descriptives"
    assert problem.found.startswith(f"{n} values of single units (bdi, ")
    files = "raw files that are not as published (BtheB in the R package HSAUR3): data/raw/bdi.csv"
    assert problem.found.endswith(f" more), and {files}")
    assert problem.allowed == "courses of 5 units and more"
    assert problem.hint == "courses: single (analysis.yaml) is for synthetic and published data alone"
    with pytest.raises(DisclosureError) as refused:
        refuse_disclosures(loaded)
    assert refused.value.problems == (problem,)
    (loaded.layout.raw / "allocation.csv").unlink()
    (problem,) = single_courses(loaded)
    assert problem.found.endswith("HSAUR3): data/raw/bdi.csv, data/raw/allocation.csv")


def test_values_of_single_units_are_refused_where_no_published_data_are_named(study: Path) -> None:
    """The files are the published ones, and the study does not say so: whatever wrote the values, they are refused."""
    edit(study / "config" / "study.yaml", "  published: beat_the_blues\n", "")
    edit(study / "config" / "analysis.yaml", ", courses: single", ", courses: 10")
    (problem,) = single_courses(load_study(study))
    assert problem.found.endswith("files that are not made up or published: data/raw/bdi.csv, data/raw/allocation.csv")


def test_values_of_single_units_of_a_synthetic_study_are_of_files_that_simulate_wrote(
    study: Path, study_folder: Callable[..., Path]
) -> None:
    """Whatever the study says of its data: only files that `simulate` wrote, and as it wrote them, are of nobody."""
    synthetic = load_study(study_folder(name="synthetic"))
    synthetic.layout.estimates.parent.mkdir(exist_ok=True)
    shutil.copyfile(study / "results" / "estimates.parquet", synthetic.layout.estimates)
    (problem,) = single_courses(synthetic)  # no raw files yet
    assert "raw files that are not as `simulate` wrote them: data/raw/participants.csv, " in problem.found
    simulate(synthetic)
    assert single_courses(synthetic) == []
    with (synthetic.layout.raw / "participants.csv").open("a") as file:
        file.write("\n")
    (problem,) = single_courses(synthetic)
    assert problem.found.endswith("not as `simulate` wrote them: data/raw/participants.csv")


def test_no_manifest_is_made_of_results_that_give_a_unit_away(whole: Path) -> None:
    before = (whole / "results" / "manifest.json").read_bytes()
    (whole / "results" / "page.html").write_text("D014")
    with pytest.raises(DisclosureError) as refused:
        manifest(load_study(whole))
    assert refused.value.exit_status == 14
    assert (whole / "results" / "manifest.json").read_bytes() == before
