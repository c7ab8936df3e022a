"""Input that tries to run code, read elsewhere, or eat the machine: each attempt is refused, and nothing happens."""

import ast
import io
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from pipanalysis.errors import ConfigError, DataError
from pipanalysis.files import without_apostrophe, write_csv
from pipanalysis.intake.read_csv import read_csv
from pipanalysis.intake.read_xlsx import read_xlsx
from pipanalysis.mmrm.formula import MAX_TERMS, parse_formula
from pipanalysis.mmrm.problems import FormulaError
from pipanalysis.study.load import load_study
from pipanalysis.study.study import RawFile
from pipanalysis.study.yaml_file import YamlFile

# ---- formulas

CODE = (
    "__import__('os').system('touch {mark}')",
    "I(__import__('os').system('touch {mark}'))",
    "{{__import__('os').system('touch {mark}')}}",
    "log(open('{mark}', 'w'))",
    "I(eval('open(chr(47))'))",
    "I((lambda: open('{mark}', 'w'))())",
    "I([x for x in open('{mark}', 'w')])",
    "I(age.__class__.__mro__)",
    "I(age[0])",
    "I(f'{{age}}')",
    "C(arm, eval('1'))",
    "Q('age')",
    "{{age}}{{arm}}",
    "I(age.mean())",
    "log(log(age, out=age))",
    "center(age, _state={{}})",
    "center(age, **{{}})",
    "C(arm, Treatment(__import__('os')))",
    "I(age if age else age)",
    "I(age := 1)",
    "I((age, age))",
    "I(age @ age)",
    "np.log(age)",
    "hashed(age)",
    "I(``)",
    "poly(age, 2.5)",
)


@pytest.fixture
def fitted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[[str], tuple[object, str]]:
    """Return a function that fits a formula on the command line; it returns exit status and messages."""
    from pipanalysis.cli import main

    data = tmp_path / "trial.csv"
    rows = (f"{i // 2},{i % 2},{i % 4 // 2},{i},{i * i % 7}\n" for i in range(40))
    data.write_text("id,visit,arm,age,y\n" + "".join(rows))
    options = ["--subject", "id", "--visit", "visit", "--json", str(tmp_path / "fit.json")]

    def fit(formula: str) -> tuple[object, str]:
        monkeypatch.setattr(sys, "argv", ["pipanalysis", "mmrm", str(data), "--formula", formula, *options])
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code, capsys.readouterr().err

    return fit


Fitted = Callable[[str], tuple[object, str]]


def test_a_harmless_formula_on_the_command_line_is_fitted(fitted: Fitted, tmp_path: Path) -> None:
    assert fitted("y ~ age + log(age + 1)") == (0, "")
    assert (tmp_path / "fit.json").exists()


@pytest.mark.parametrize("code", CODE)
def test_a_formula_on_the_command_line_runs_no_code(fitted: Fitted, tmp_path: Path, code: str) -> None:
    mark = tmp_path / "mark"
    told = code.format(mark=mark)
    with pytest.raises(FormulaError):
        parse_formula(f"{told} ~ age")
    status, said = fitted(f"y ~ age + {told}")
    assert status == 13, said
    assert "y ~ age + " in said
    assert not mark.exists()
    assert not (tmp_path / "fit.json").exists()


@pytest.mark.parametrize(
    "text",
    [
        "y ~ (a + b + c)**1000000",
        f"y ~ ({' + '.join('abcdefghijklmnopqrst')})**20",
        f"y ~ {'*'.join(f'a{i}' for i in range(40))}",
        f"y ~ {' + '.join(f'a{i}' for i in range(20_000))}",
        f"y ~ I({'9' * 400} * a)",
        "y ~ poly(a, 1000000000)",
        "y ~ poly(a, degree=100000)",
        f"y ~ I({'-' * 3900}a)",
        f"y ~ I({'(' * 1900}a{')' * 1900})",
    ],
    ids=["power", "power of many", "crossed", "long", "large number", "degree", "named degree", "signs", "brackets"],
)
def test_a_formula_cannot_eat_the_machine(text: str) -> None:
    with pytest.raises(FormulaError):
        parse_formula(text)


def test_formulas_of_the_usual_size_are_read() -> None:
    assert len(parse_formula("y ~ (a + b + c + d)**3").terms) == 1 + 4 + 6 + 4
    assert len(parse_formula(f"y ~ {'*'.join('abcdefgh')}").terms) == 2**8
    assert len(parse_formula("y ~ a/b + a:b:c - 1").terms) == 3
    assert MAX_TERMS > 2**8


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("analysis_set: all_randomised", "analysis_set: all_randomised\n    covariates: [\"__import__('os')\"]"),
        ("score: bdi.total", 'score: "bdi.total; import os"'),
        ("name: primary", 'name: "../../primary"'),
    ],
)
def test_the_plan_holds_names_and_no_code(study_folder: Callable[..., Path], root: Path, old: str, new: str) -> None:
    folder = study_folder(root / "examples" / "beat-the-blues")
    plan = folder / "config" / "analysis.yaml"
    text = plan.read_text()
    assert old in text
    plan.write_text(text.replace(old, new, 1))
    with pytest.raises(ConfigError):
        load_study(folder)


def test_no_module_runs_text_or_reads_pickles() -> None:
    package = Path(load_study.__code__.co_filename).parents[1]
    refused = {"eval", "exec", "compile", "__import__", "read_pickle", "to_pickle", "unsafe_load", "full_load"}
    for path in package.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                named = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                ours = isinstance(node.func, ast.Attribute) and getattr(node.func.value, "id", "") in ("re", "typst")
                assert named not in refused or ours, (path, node.lineno, named)
                assert not any(k.arg == "shell" for k in node.keywords), (path, node.lineno)
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = {alias.name for alias in node.names} | {getattr(node, "module", None)}
                assert not names & {"pickle", "shelve", "marshal", "dill"}, (path, node.lineno)


# ---- YAML


def test_yaml_of_a_billion_laughs_is_refused_before_it_is_expanded(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    lines = ["a0: &a0 [ha, ha, ha, ha, ha, ha, ha, ha, ha, ha]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 12)]
    path.write_text("\n".join(lines))
    with pytest.raises(ConfigError, match="anchor, alias or tag"):
        YamlFile(path)


@pytest.mark.parametrize("tag", ["python/object/apply:os.system ['touch {mark}']", "python/name:os.system ''"])
def test_yaml_makes_no_objects(tmp_path: Path, tag: str) -> None:
    path, mark = tmp_path / "x.yaml", tmp_path / "mark"
    path.write_text(f"a: !!{tag.format(mark=mark)}\n")
    with pytest.raises(ConfigError, match="anchor, alias or tag"):
        YamlFile(path)
    assert not mark.exists()


# ---- paths


@pytest.mark.parametrize("where", ["files", "allocation"])
@pytest.mark.parametrize(
    "path",
    ["../secret.csv", "/etc/passwd", "a/../../secret.csv", "~/secret.csv", r"..\secret.csv", "C:/secret.csv", "a//b"],
)
def test_a_path_out_of_its_folder_is_refused(
    study_folder: Callable[..., Path], root: Path, where: str, path: str
) -> None:
    folder = study_folder(root / "examples" / "beat-the-blues")
    file = folder / "config" / "study.yaml"
    text = file.read_text()
    old = "path: bdi.csv" if where == "files" else "path: allocation.csv"
    assert text.count(old) == 1
    file.write_text(text.replace(old, f"path: '{path}'"))
    with pytest.raises(ConfigError, match=r"below the folder it belongs to"):
        load_study(folder)


@pytest.mark.parametrize("name", ["../../escaped", "a/b", ".hidden", "effects.html", "Effects"])
def test_a_display_cannot_be_written_elsewhere(study_folder: Callable[..., Path], root: Path, name: str) -> None:
    folder = study_folder(root / "examples" / "beat-the-blues")
    displays = folder / "config" / "displays.yaml"
    displays.write_text(displays.read_text().replace("name: effects", f"name: '{name}'"))
    with pytest.raises(ConfigError, match="lower-case letters, digits and underscores"):
        load_study(folder)


# ---- workbooks


def workbook(sheet: str) -> bytes:
    """Return an xlsx archive with this text as its sheet."""
    import openpyxl

    book = openpyxl.Workbook()
    book.active.append(["id", "x"])
    book.active.append(["1", 2])
    held = io.BytesIO()
    book.save(held)
    out = io.BytesIO()
    with zipfile.ZipFile(held) as source, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as target:
        for entry in source.infolist():
            swap = entry.filename == "xl/worksheets/sheet1.xml"
            target.writestr(entry.filename, sheet if swap else source.read(entry))
    return out.getvalue()


NAMESPACE = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
CELL = '<sheetData><row r="1"><c r="A1" t="inlineStr"><is><t>{text}</t></is></c></row></sheetData>'


def laughs() -> str:
    entities = ['<!ENTITY l0 "ha">', *(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">' for i in range(1, 12))]
    body = CELL.format(text="&l11;")
    return f"<?xml version='1.0'?><!DOCTYPE w [{''.join(entities)}]><worksheet {NAMESPACE}>{body}</worksheet>"


def elsewhere() -> str:
    body = CELL.format(text="&file;")
    doctype = '<!DOCTYPE w [<!ENTITY file SYSTEM "file:///etc/hostname">]>'
    return f"<?xml version='1.0'?>{doctype}<worksheet {NAMESPACE}>{body}</worksheet>"


@pytest.mark.parametrize("sheet", [laughs(), elsewhere()], ids=["billion laughs", "file of the machine"])
def test_xml_of_a_workbook_expands_nothing(tmp_path: Path, sheet: str) -> None:
    path = tmp_path / "x.xlsx"
    path.write_bytes(workbook(sheet))
    file = RawFile.model_validate({"name": "x", "path": "x.xlsx", "format": "xlsx", "key": "id"})
    with pytest.raises(DataError):
        read_xlsx(file, path, "data/raw/x.xlsx")


def sheet_of(rows: str, after: str = "") -> str:
    header = CELL.format(text="id").removeprefix("<sheetData>").removesuffix("</sheetData>")
    row = '<row r="2"><c r="A2"><v>1</v></c></row>'
    return f"<worksheet {NAMESPACE}><sheetData>{header}{row}{rows}</sheetData>{after}</worksheet>"


FAR = '<row r="1048576"><c r="{cell}"><v>7</v></c></row>'
MERGED = "<mergeCells><mergeCell ref='A1:XFD1048576'/></mergeCells>"


@pytest.mark.parametrize(
    ("sheet", "said"),
    [
        (sheet_of(FAR.format(cell="XFD1048576")), "row 1048576\n  found:   a cell beyond the last named column"),
        (sheet_of("", MERGED), "merged cells A1:XFD1048576"),
    ],
    ids=["last cell", "all merged"],
)
def test_a_few_bytes_do_not_make_a_sheet_of_millions_of_cells(tmp_path: Path, sheet: str, said: str) -> None:
    path = tmp_path / "x.xlsx"
    path.write_bytes(workbook(sheet))
    file = RawFile.model_validate({"name": "x", "path": "x.xlsx", "format": "xlsx", "key": "id"})
    with pytest.raises(DataError) as refused:
        read_xlsx(file, path, "data/raw/x.xlsx")
    assert said in str(refused.value)


def test_a_value_in_the_last_row_of_a_sheet_is_read_with_its_row_number(tmp_path: Path) -> None:
    path = tmp_path / "x.xlsx"
    path.write_bytes(workbook(sheet_of(FAR.format(cell="A1048576"))))
    file = RawFile.model_validate({"name": "x", "path": "x.xlsx", "format": "xlsx", "key": "id"})
    table = read_xlsx(file, path, "data/raw/x.xlsx")
    assert table.columns["id"].to_pylist() == ["1", "7"]
    assert table.rows.tolist() == [2, 1_048_576]


@pytest.mark.parametrize(
    ("inner", "size"), [("xl/worksheets/sheet1.xml", 50_000_000), ("[Content_Types].xml", 30_000_000)]
)
def test_an_archive_that_swells_is_refused_unopened(tmp_path: Path, inner: str, size: int) -> None:
    path = tmp_path / "x.xlsx"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(inner, bytes(size))
    assert path.stat().st_size < 100_000
    file = RawFile.model_validate({"name": "x", "path": "x.xlsx", "format": "xlsx", "key": "id"})
    with pytest.raises(DataError, match=rf"unpacks to {size} bytes"):
        read_xlsx(file, path, "data/raw/x.xlsx")


# ---- text files


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("id,x\n1," + "a" * 20_000_000 + "\n", "line 2\n  found:   a cell of more than 131072 characters"),
        ('id,x\n1,"' + "a\n" * 5_000_000, "line 2\n  found:   a cell of more than 131072 characters"),
        ("\n" * 5_000_000 + "id,x\n1,2\n", "5000000 blank lines before the header"),
        ("id,x\n" + "," * 5_000_000 + "\n", "line 2\n  found:   5000001 cells"),
        ("id,x\n1,a\0b\n", "line 2: a NUL character"),
    ],
    ids=["cell", "open quotation", "blank lines", "commas", "NUL"],
)
def test_a_text_file_cannot_eat_the_machine(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "x.csv"
    path.write_text(content)
    file = RawFile.model_validate({"name": "x", "path": "x.csv", "key": "id"})
    with pytest.raises(DataError) as refused:
        read_csv(file, path, "data/raw/x.csv")
    assert said in str(refused.value)


def test_a_line_ends_at_a_line_end_alone(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("id,x\n1,a\u2028b\x0bc\n\n2,d\n", encoding="utf-8")
    table = read_csv(RawFile.model_validate({"name": "x", "path": "x.csv", "key": "id"}), path, "data/raw/x.csv")
    assert table.columns["x"].to_pylist() == ["a\u2028b\x0bc", "d"]
    assert table.rows.tolist() == [2, 4]


# ---- spreadsheets that open our files

DANGEROUS = ["=1+1", "=cmd|'/c calc'!A0", "+SUM(A1)", "-A1", "@SUM(1)", "\t=1", "\r=1", '=HYPERLINK("http://x","y")']


def test_no_text_of_a_csv_file_is_run_by_a_spreadsheet(tmp_path: Path) -> None:
    harmless = ["-1.5", "+3", "-2e-05", "1=1", "a-b", "", "'quoted"]
    write_csv(tmp_path / "x.csv", pd.DataFrame({"=found": DANGEROUS + harmless, "stat": -1.0}))
    read = pd.read_csv(tmp_path / "x.csv", dtype=str, keep_default_na=False)
    assert list(read.columns) == ["'=found", "stat"]
    found = read["'=found"].tolist()
    assert found[len(DANGEROUS) :] == harmless
    assert all(value.startswith("'") for value in found[: len(DANGEROUS)])
    assert [without_apostrophe(value) for value in found] == DANGEROUS + harmless
    assert set(read["stat"]) == {"-1.0"}


# ---- pages


def test_every_text_of_the_configuration_is_escaped_in_every_page(
    study_folder: Callable[..., Path], root: Path, tmp_path: Path
) -> None:
    import shutil

    from pipanalysis.derive.allocation import allocate
    from pipanalysis.derive.step import derive
    from pipanalysis.display.step import tables
    from pipanalysis.estimate.step import collect, estimate
    from pipanalysis.intake.step import intake

    source = root / "examples" / "beat-the-blues"
    folder = study_folder(source)
    shutil.copytree(source / "data" / "raw", folder / "data" / "raw")
    attack = "<script>alert(1)</script>"
    swaps = {
        "study.yaml": ["Beat the Blues", "Before treatment", "the trial was published", "Antidepressant drugs"],
        "analysis.yaml": [
            "BDI-II",
            "All randomised patients",
            "Effect of being offered",
            "Mixed model for",
            "Depression",
        ],
        "displays.yaml": ["Treatment effects on", "Baseline characteristics by arm"],
        "instruments/bdi.yaml": ["Beck Depression"],
    }
    for name, texts in swaps.items():
        path = folder / "config" / name
        content = path.read_text()
        for text in texts:
            assert text in content, (name, text)
            content = content.replace(text, f"{attack}{text}")
        path.write_text(content)
    study = load_study(folder)
    intake(study)
    derive(study)
    allocate(study)
    for family in study.families():
        estimate(study, family)
    collect(study)
    tables(study)
    pages = list((folder / "results").rglob("*.html"))
    assert len(pages) == len(study.displays.tables) > 2
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert "<script" not in text.lower()
        assert "&lt;script&gt;" in text
