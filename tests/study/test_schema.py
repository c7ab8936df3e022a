import json
from pathlib import Path

import jsonschema
import yaml

from pipanalysis.study.schema import schemas, write_schemas


def test_committed_schemas_are_those_of_the_models(root: Path, tmp_path: Path) -> None:
    write_schemas(tmp_path)
    for made in tmp_path.iterdir():
        committed = root / "config" / "schema" / made.name
        assert committed.read_text() == made.read_text(), (
            f"run `pipanalysis schema` and commit config/schema/{made.name}"
        )


def test_configuration_files_validate_against_the_schema_they_name(root: Path) -> None:
    known = schemas()
    folders = [root / "config", *(root / "examples").glob("*/config")]
    checked = 0
    for path in (path for folder in folders for path in folder.rglob("*.yaml")):
        first = path.read_text(encoding="utf-8").partition("\n")[0]
        named = first.rpartition("/")[2].removesuffix(".schema.json")
        assert (path.parent / first.partition("$schema=")[2]).is_file(), f"{path}: first line must name its schema"
        content = json.loads(json.dumps(yaml.safe_load(path.read_text(encoding="utf-8")), default=str))
        jsonschema.validate(content, known[named])
        checked += 1
    assert checked >= 8
