"""Recorded failures, one JSON file each in the folder `found`; README.md beside it describes the fields of a file."""

from __future__ import annotations

import json
from pathlib import Path

from attention_harness.generation.vectors import Vector
from attention_specs.case import Case
from attention_specs.plain_data import require

FOLDER = Path(__file__).parent / "found"
SCHEMA = 1
TEXTS = ("name", "comment", "source", "property", "rejects")
FIELDS = {"schema", "flags", "case", *TEXTS}

AGREES = "output_agrees_with_the_oracle"
"""Judged on every vector beside its own property."""


def vectors(folder: Path = FOLDER) -> list[Vector]:
    """All recorded failures, by name. ValueError that names the file for one that is malformed."""
    return [read(path) for path in sorted(folder.rglob("*.json"), key=lambda path: path.name)]


def read(path: Path) -> Vector:
    """One recorded failure. ValueError that names the file."""
    try:
        return _vector(path.stem, json.loads(path.read_text()))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"vector={path}, but should be one as generation/vectors/README.md says: {error}") from error


def _vector(stem: str, data: dict[str, object]) -> Vector:
    if set(data) != FIELDS:
        raise ValueError(f"fields {', '.join(sorted(set(data) ^ FIELDS))} are missing or unknown")
    texts = {field: text for field in TEXTS if isinstance(text := data[field], str) and text}
    empty = [field for field in TEXTS if field not in texts]
    if empty or not data["flags"]:
        raise ValueError(f"{', '.join(empty or ['flags'])} says nothing")
    if (data["schema"], data["name"]) != (SCHEMA, stem):
        raise ValueError(f"schema={data['schema']} name={data['name']}, but should be {SCHEMA} and the name of the file")
    properties = tuple(dict.fromkeys((texts["property"], AGREES)))
    case, flags = Case.from_json(data["case"]), require("flags", data["flags"], list)
    return Vector(stem, case, properties, texts["comment"], tuple(flags), texts["source"], texts["rejects"])


def to_json(vector: Vector) -> dict[str, object]:
    """The content of its file."""
    texts = {"name": vector.name, "comment": vector.comment, "flags": list(vector.flags), "source": vector.source}
    judged = {"property": vector.properties[0], "rejects": vector.rejects}
    return {"schema": SCHEMA, **texts, **judged, "case": vector.case.to_json()}
