"""Writes ``docs/schema/*.schema.json`` from the models that read the files: python tests/write_schemas.py

A schema is for editors and other programs; hwsearch itself checks more (texts parse, counts fit their networks).
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from hwsearch import family, latency_table, preset, run_directory, space_file
from hwsearch.evolution import state
from hwsearch.profiling import measurement

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "schema"
DIALECT = "https://json-schema.org/draft/2020-12/schema"

MODELS: dict[str, tuple[type[BaseModel], str]] = {
    "space": (space_file._SpaceModel, "A search space (YAML)"),
    "latency-table": (latency_table._TableModel, "A latency table"),
    "preset": (preset._PresetModel, "A preset"),
    "family": (family._FamilyModel, "A family of scaled networks"),
    "summary": (run_directory._SummaryModel, "summary.json and search.json of a run"),
    "measurement": (measurement._MeasurementModel, "measured.json of a run"),
    "search-state": (state._StateModel, "search.checkpoint of a run"),
}


class Schemas(GenerateJsonSchema):
    """Without a title for every field; with what the validators of search spaces take and ask for."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def function_before_schema(self, schema: core_schema.BeforeValidatorFunctionSchema) -> JsonSchemaValue:
        found = super().function_before_schema(schema)
        if schema["function"]["function"] is space_file._as_list:  # a choice may be one value
            return {"anyOf": [found["items"], found]}
        return found

    def function_after_schema(self, schema: core_schema.AfterValidatorFunctionSchema) -> JsonSchemaValue:
        found = super().function_after_schema(schema)
        lists = [each for each in found.get("anyOf", [found]) if each.get("type") == "array"]
        if schema["function"]["function"] is space_file._ascending:
            for each in lists:
                each["uniqueItems"] = True
        if schema["function"]["function"] is space_file._odd:
            for item in [*found.get("anyOf", []), *(each["items"] for each in lists)]:
                if item.get("type") == "integer":
                    item["not"] = {"multipleOf": 2}
        return found


def schema_of(name: str) -> dict[str, Any]:
    """The JSON Schema of a format."""
    model, title = MODELS[name]
    found = model.model_json_schema(schema_generator=Schemas)
    found.pop("description", None)
    return {"$schema": DIALECT, **found, "title": f"hwsearch: {title}"}


def text_of(name: str) -> str:
    """The file of a schema; ``_StageModel`` is called ``Stage`` in it."""
    text = json.dumps(schema_of(name), indent=1, ensure_ascii=False, sort_keys=True)
    return re.sub(r'(["/])_?(\w+)Model"', r'\1\2"', text) + "\n"


def path_of(name: str) -> Path:
    """Where the file of a schema lies."""
    return FOLDER / f"{name}.schema.json"


def main() -> None:
    """Write every schema, and say which of them changed."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in MODELS:
        path, text = path_of(name), text_of(name)
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            sys.stdout.write(f"wrote {path.relative_to(FOLDER.parents[1])}\n")


if __name__ == "__main__":
    main()
