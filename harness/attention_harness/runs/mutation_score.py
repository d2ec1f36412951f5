"""The mutation score of a run: the planted faults that its properties reject, by the last full audit (`mutation_score.json`).

`python -m attention_harness.runs.mutation_score RUN` takes this over from the folder of an audit.
"""

from __future__ import annotations

import json
from argparse import ArgumentParser
from collections.abc import Collection
from pathlib import Path

from attention_harness.errors import UsageError
from attention_specs.property import PROPERTIES

TABLE = Path(__file__).with_name("mutation_score.json")
"""The audit, its date and seed, and for each spec: fault -> the ids of the properties that reject it."""


def caught(ids: Collection[str]) -> dict[str, object]:
    """The number of faults in the specs of these properties, the number of those that one of the properties rejects, and the audit."""
    audit = json.loads(TABLE.read_text(encoding="utf-8"))
    killers = audit.pop("killers")
    specs = {property_.spec for property_ in PROPERTIES.values() if property_.id in ids}
    rejections = [set(by.split()) for spec in specs for by in killers.get(spec, {}).values()]
    return {"faults": len(rejections), "rejected": sum(not by.isdisjoint(ids) for by in rejections), **audit}


def numerical() -> list[str]:
    """Faults of attention whose output is beyond its bound (P4, P5), and is so whenever the call is repeated (not P10)."""
    rejected_by = json.loads(TABLE.read_text(encoding="utf-8"))["killers"]["attention"]
    return [name for name, ids in rejected_by.items() if {"P4", "P5"} & set(ids.split()) and "P10" not in ids.split()]


def take_over(folder: Path) -> None:
    """Writes the table from the folder of a full audit. Raises UsageError for another folder."""
    import pandas as pd

    run = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    if run.get("audit", {}).get("quick", True):
        raise UsageError(f"run={folder}, but should be the folder of an audit without --quick")
    if file := run["arguments"].get("file"):
        raise UsageError(f"run={folder}, but should be an audit of the catalogue, not of {file}")
    faults, kills = (pd.read_parquet(folder / f"{name}.parquet") for name in ("faults", "kills"))
    ids = kills.drop_duplicates(["fault", "clause"]).groupby("fault")["clause"].agg(" ".join)
    killers = {spec: {name: ids.get(name, "") for name in sorted(names)} for spec, names in faults.groupby("spec")["fault"]}
    audit = {"audited": run["started"][:10], "seed": run["seed"], "examples": run["arguments"]["examples"]}
    TABLE.write_text(json.dumps({**audit, "killers": killers}, indent=0) + "\n", encoding="utf-8")


if __name__ == "__main__":
    parser = ArgumentParser(description="Takes over the result of a full audit.")
    parser.add_argument("run", type=Path, help="its folder")
    try:
        take_over(parser.parse_args().run)
    except (UsageError, OSError) as error:
        parser.error(str(error))
