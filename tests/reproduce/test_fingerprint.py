from pathlib import Path

import pytest

from pipanalysis.reproduce import fingerprint
from pipanalysis.reproduce.fingerprint import part_fingerprint, source_fingerprint
from pipanalysis.study.study import Range


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "demo"
    (folder / "sub").mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    (folder / "sub" / "__init__.py").write_text("")
    (folder / "sub" / "step.py").write_text("def run():\n    from demo.deep import f\n    return f()\n")
    (folder / "deep.py").write_text('"""Doc."""\ndef f():\n    """Doc."""\n    return 1\n')
    (folder / "apart.py").write_text("x = 1\n")
    monkeypatch.setattr(fingerprint, "PACKAGE", folder)
    forget()
    yield folder
    forget()


def forget() -> None:
    fingerprint._files.cache_clear()
    fingerprint._meanings.cache_clear()
    fingerprint.source_fingerprint.cache_clear()


@pytest.mark.parametrize(
    ("file", "text", "changes"),
    [
        ("deep.py", "def f():\n    return 2\n", True),
        ("sub/__init__.py", "y = 1\n", True),
        ("deep.py", '"""Other."""\n# a comment\ndef f():\n    return   1\n', False),
        ("apart.py", "x = 2\n", False),
    ],
)
def test_changes_with_the_meaning_of_what_is_imported(package: Path, file: str, text: str, changes: bool) -> None:
    before = source_fingerprint("sub.step")
    (package / file).write_text(text)
    forget()
    assert (source_fingerprint("sub.step") != before) is changes


@pytest.mark.parametrize("damage", ["", "[", "[1]", '{"x": 1}'])
def test_what_is_kept_of_an_earlier_run_changes_nothing(package: Path, damage: str) -> None:
    fresh = source_fingerprint("sub.step")
    (kept,) = (package / "__pycache__").glob("meanings.*.json")
    forget()
    assert source_fingerprint("sub.step") == fresh
    kept.write_text(damage)
    forget()
    assert source_fingerprint("sub.step") == fresh
    (package / "deep.py").write_text("def f():\n    return 2\n")
    forget()
    assert source_fingerprint("sub.step") != fresh


def test_what_is_kept_is_read_instead_of_the_text(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fresh = source_fingerprint("sub.step")
    forget()
    monkeypatch.setattr(fingerprint, "_meaning", lambda text: pytest.fail("parsed again"))
    assert source_fingerprint("sub.step") == fresh


def test_unknown_module(package: Path) -> None:
    with pytest.raises(ModuleNotFoundError, match=r"sub\.stp"):
        source_fingerprint("sub.stp")


def test_parts_of_the_configuration() -> None:
    one, other = Range(min=0, max=1), Range(min=0, max=2)
    assert part_fingerprint([one], "x") == part_fingerprint((one,), "x")
    assert part_fingerprint({"a": one}) != part_fingerprint({"a": other})
