from pathlib import Path

import pytest

from pipanalysis.errors import ConfigError
from pipanalysis.study.yaml_file import MAX_BYTES, YamlFile, key_path


def written(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "study.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_content_and_lines(tmp_path: Path) -> None:
    file = YamlFile(written(tmp_path, "a: 1\nb:\n  - x: 2.5\n    y: [p, q]\n"))
    assert file.content == {"a": 1, "b": [{"x": 2.5, "y": ["p", "q"]}]}
    assert file.lines["b", 0, "y"] == 4
    assert file.where(("b", 0, "missing")).endswith("line 3, b[0].missing")


def test_duplicate_keys_are_all_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        YamlFile(written(tmp_path, "a: 1\na: 2\nb: {c: 1, c: 2}\n"))
    messages = [str(problem) for problem in caught.value.problems]
    assert len(messages) == 2
    assert "line 2, a" in messages[0]
    assert "first on line 1" in messages[0]
    assert "line 3, b.c" in messages[1]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: &x [1]\nb: *x\n", "anchor"),
        ("a: !!python/object/apply:os.system ['true']\n", "tag"),
        ("a: [1\n", "not valid YAML"),
        ("a: 1\n\tb: 2\n", "not valid YAML"),
        ("? [1, 2]\n: 3\n", "a key that is a list"),
        (b"a: \xff\xfe\n", "not UTF-8"),
        ("a: 2005-13-45\n", "2005-13-45"),
        ("[" * 5000, "not valid YAML"),
        ("[" * 150 + "]" * 150, "nested too deeply"),
        ("".join(" " * i + "a:\n" for i in range(150)), "nested too deeply"),
        ("a: " + "x" * MAX_BYTES, "bytes"),
    ],
)
def test_refused(tmp_path: Path, text: str | bytes, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        YamlFile(written(tmp_path, text))


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        YamlFile(tmp_path / "absent.yaml")


def test_key_path() -> None:
    assert key_path(("visits", 0, "window", "before")) == "visits[0].window.before"
    assert key_path(()) == "(top level)"
