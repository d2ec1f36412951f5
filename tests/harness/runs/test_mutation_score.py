"""The mutation score follows the last audit, and its table has known faults and properties only."""

import json

import pytest

from attention_harness.audit.faults import load_all
from attention_harness.conformance.check import load_properties
from attention_harness.errors import UsageError
from attention_harness.runs.mutation_score import TABLE, caught, take_over
from attention_specs.property import PROPERTIES

load_properties()
IDS = {property_.id for property_ in PROPERTIES.values()}


KILLERS = json.loads(TABLE.read_text(encoding="utf-8"))["killers"]


def test_the_table_has_known_faults_and_ids_only():
    """Faults that are newer than the last full audit are not in it yet."""
    specs = {name: spec for spec, killers in KILLERS.items() for name in killers}
    assert specs.items() <= {f.name: f.spec for f in load_all().values()}.items()
    assert {id for killers in KILLERS.values() for ids in killers.values() for id in ids.split()} <= IDS


def test_fewer_properties_catch_fewer_faults():
    everything, oracle, shape = caught(IDS), caught({"P4"}), caught({"P2"})
    assert everything["faults"] == sum(map(len, KILLERS.values()))
    assert everything["rejected"] > oracle["rejected"] > shape["rejected"] > 0
    assert oracle["faults"] == shape["faults"] < everything["faults"], "those of the layer are not in question"
    assert caught(set())["faults"] == 0


def test_a_quick_audit_says_too_little(tmp_path):
    (tmp_path / "run.json").write_text(json.dumps({"audit": {"quick": True}}), encoding="utf-8")
    with pytest.raises(UsageError, match="without --quick"):
        take_over(tmp_path)
